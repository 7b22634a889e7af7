//! How long a file and a function may be, and how a file begins.

use std::collections::BTreeSet;

use super::lines_found;
use super::source::{Finding, Source};
use super::tokens::{Token, closing, is_word};

/// Finds a file that does not open with `//!`, or is too long without its tests.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.text.starts_with("//!") {
        findings.push(source.finding(1, "open the file with `//!`: what lives here and what must not"));
    }
    let tests: BTreeSet<usize> = lines_of_tests(source);
    let mut shipped = (1..=source.text.lines().count()).filter(|line| !tests.contains(line));
    if let Some(line) = shipped.nth(FILE_LINES_MAX) {
        findings.push(source.finding(line, format!("split the file; it passes {FILE_LINES_MAX} lines without tests")));
    }
    findings
}

/// Finds functions that do not fit one screen, from the line of `fn` to the closing brace. Closures and blocks count
/// for the function around them. A test may be longer, where it is a table of cases.
pub fn check_functions(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let mut findings = Vec::new();
    for place in 0..tokens.len() {
        let named = tokens.get(place + 1).is_some_and(|name| is_word(name.text) || name.text == "$");
        if tokens[place].text != "fn" || tokens[place].in_test || !named {
            continue;
        }
        let Some(open) = body_start(&tokens, place) else { continue };
        let lines = tokens[closing(&tokens, open)].line - tokens[place].line + 1;
        if lines > FUNCTION_LINES_MAX {
            let advice = format!("`{}` has {lines} lines; {FUNCTION_LINES_MAX} fit", tokens[place + 1].text);
            findings.push(source.finding(tokens[place].line, advice));
        }
    }
    findings
}

fn body_start(tokens: &[Token<'_>], function: usize) -> Option<usize> {
    let mut place = function;
    while place < tokens.len() {
        match tokens[place].text {
            "(" | "[" => place = closing(tokens, place),
            "{" => return Some(place),
            ";" => return None,
            _ => {}
        }
        place += 1;
    }
    None
}

fn lines_of_tests(source: &Source) -> BTreeSet<usize> {
    let tokens = source.tokens();
    let runs = tokens.chunk_by(|a, b| a.in_test == b.in_test).filter(|run| run[0].in_test);
    runs.flat_map(|run| run[0].line..=run[run.len() - 1].line).collect()
}

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn a_long_file_and_a_silent_one_are_found() {
    let long = format!("//! Long.\n{}", "const A: u8 = 1;\n".repeat(500));
    assert_eq!(lines_found(check, "src/wire/a.rs", &long), [501]);
    let tested = format!("//! Tested.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(600));
    assert_eq!(lines_found(check, "src/wire/a.rs", &tested), [0; 0]);
    assert_eq!(lines_found(check, "src/wire/a.rs", "use std::fmt;\n"), [1]);
}

#[test]
fn a_long_function_is_found_whatever_its_strings_say() {
    let body = "let a = \"}\"; // }\n".repeat(69);
    let long = format!("\nasync fn f<'a>(a: [u8; 4]) -> u8 where u8: Copy {{\n{body}}}\n");
    assert_eq!(lines_found(check_functions, "src/wire/a.rs", &long), [2]);
    let table = format!("#[test]{long}");
    assert_eq!(lines_found(check_functions, "src/wire/a.rs", &table), [0; 0]);
    let fits = format!("fn f() {{\n{}}}\ntype F = fn(u8);\ntrait T {{ fn g(); }}\n", &body[..body.len() - 18]);
    assert_eq!(lines_found(check_functions, "src/wire/a.rs", &fits), [0; 0]);
}
