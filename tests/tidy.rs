//! The house rules that a machine can check. Each finding names the file, the line and what to do.
//!
//! The checks read tokens, so that strings and comments cannot fool them. They do not expand macros: what a macro
//! writes is judged where the macro is written.

#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/limits.rs"]
mod limits;
#[path = "tidy/proto.rs"]
mod proto;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tokens.rs"]
mod tokens;
#[path = "tidy/words.rs"]
mod words;

use std::sync::LazyLock;

use source::{Finding, Source, Tree};

#[test]
fn files_name_only_lower_floors() {
    report(tree().rust("src/").flat_map(floors::check));
}

#[test]
fn files_say_what_they_hold_and_stay_short() {
    report(tree().rust("src/").flat_map(shape::check));
}

#[test]
fn functions_fit_one_screen() {
    report(tree().rust("").flat_map(shape::check_functions));
}

#[test]
fn no_file_holds_a_forbidden_word() {
    report(tree().rust("src/").flat_map(words::check_shipped));
}

#[test]
fn every_path_of_the_https_doors_is_listed() {
    report(tree().rust("src/").flat_map(words::check_paths));
}

#[test]
fn the_page_of_limits_says_what_the_constants_say() {
    let file = |path: &str| tree().all().find(|source| source.path == path).unwrap();
    let (page, table) = (file("docs/limits.md"), limits::table(file("src/domain/limits.rs")));
    for named in [page, file("SECURITY.md")] {
        assert_eq!(
            limits::missing(named, tree()),
            Vec::<String>::new(),
            "{} names tests that are not there",
            named.path
        );
    }
    assert!(limits::drawn(page) == table, "docs/limits.md is stale; between its marks stands:\n{table}");
}

#[test]
fn names_are_plain_words() {
    report(tree().rust("").flat_map(words::check_names));
}

#[test]
fn nothing_is_silenced_without_a_reason() {
    report(tree().rust("").flat_map(words::check_attributes));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    report(tree().all().flat_map(words::check_places));
}

#[test]
fn every_service_and_call_is_explained() {
    report(tree().all().filter(|source| source.path.ends_with(".proto")).flat_map(proto::check));
}

/// The tree, read once for all checks.
fn tree() -> &'static Tree {
    static TREE: LazyLock<Tree> = LazyLock::new(Tree::read);
    &TREE
}

/// Fails with every finding, one a line.
fn report(findings: impl Iterator<Item = Finding>) {
    let lines: Vec<String> = findings.map(|finding| finding.to_string()).collect();
    assert!(lines.is_empty(), "{} to put right:\n{}\n", lines.len(), lines.join("\n"));
}

/// Runs one check over a snippet that stands at `path`, and gives the lines it found fault with.
fn lines_found(check: impl Fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    check(&Source::new(path, text)).into_iter().map(|finding| finding.line).collect()
}
