//! The page of limits says what the constants say, and names tests that are there.

use super::source::{Source, Tree};

/// Gives the table of the house's limits, as the page must have it.
pub fn table(limits: &Source) -> String {
    let mut table = String::from("| limit | value | of what |\n|---|---|---|\n");
    let mut said = String::new();
    for line in limits.text.lines() {
        if let Some(words) = line.strip_prefix("/// ") {
            said = [said.as_str(), words].join(if said.is_empty() { "" } else { " " });
        } else if let Some((name, value)) = line.strip_prefix("pub const ").and_then(|line| line.split_once(" = ")) {
            let name = name.split(':').next().unwrap_or_default();
            table += &format!("| `{name}` | {} | {said} |\n", value.trim_end_matches(';'));
            said.clear();
        } else {
            said.clear();
        }
    }
    table
}

/// Gives the part of the page that is drawn.
pub fn drawn(page: &Source) -> &str {
    let (_, after) = page.text.split_once(BEGIN).unwrap_or_default();
    after.split_once(END).unwrap_or_default().0
}

/// Lists what the page names between backquotes in the last column of its own table, and nothing in the tree bears.
pub fn missing(page: &Source, tree: &Tree) -> Vec<String> {
    let before = page.text.split_once(BEGIN).map_or(page.text.as_str(), |(before, _)| before);
    let cells = before.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit('|').nth(1));
    let named = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let is_there = |name: &str| tree.rust("").any(|source| source.text.contains(&format!("fn {name}(")));
    let is_test = |name: &&str| {
        name.contains('_') && name.chars().all(|it| it == '_' || it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    named.filter(is_test).filter(|name| !name.starts_with('_') && !is_there(name)).map(str::to_owned).collect()
}

const BEGIN: &str = "<!-- drawn from src/domain/limits.rs -->\n";
const END: &str = "<!-- end -->";

#[test]
fn a_limit_is_drawn_with_its_words() {
    let limits =
        Source::new("a.rs", "//! A.\n\n/// Most\n/// of it.\npub const A_MAX: usize = 1 << 4;\nconst B: u8 = 1;\n");
    assert_eq!(table(&limits).lines().last(), Some("| `A_MAX` | 1 << 4 | Most of it. |"));
}
