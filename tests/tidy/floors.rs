//! A file names its own module and those of lower floors, by whatever path.

use super::lines_found;
use super::source::{Finding, Source};
use super::tokens::{Token, heads};

/// Finds every path that leads to the same floor's neighbour, a higher floor, or a module that has no floor.
pub fn check(source: &Source) -> Vec<Finding> {
    let module = source.module();
    let Some(own) = module.first() else { return Vec::new() };
    let Some(own_floor) = floor(own) else {
        return vec![
            source.finding(1, format!("`{own}` has no floor; give it one in lib.rs and tests/tidy/floors.rs")),
        ];
    };
    let tokens = source.tokens();
    let named = names_from_root(&tokens, module.len());
    let wrong = named.filter(|token| token.text != *own && floor(token.text).is_none_or(|floor| floor >= own_floor));
    wrong.map(|token| source.finding(token.line, advice(own, token.text))).collect()
}

/// Gives each name that stands directly under the crate's root, or the word that hides one.
fn names_from_root<'a, 't>(tokens: &'t [Token<'a>], file_depth: usize) -> impl Iterator<Item = &'t Token<'a>> {
    let mut named = Vec::new();
    let (mut braces, mut inline) = (0, Vec::new());
    let text = |place: usize| tokens.get(place).map_or("", |token| token.text);
    for (place, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => braces += 1,
            "}" => {
                inline.pop_if(|opened: &mut i32| *opened == braces);
                braces -= 1;
            }
            "mod" if text(place + 2) == "{" => inline.push(braces + 1),
            "crate" if text(place + 1) == "::" => named.extend(heads(tokens, place + 2)),
            "crate" if text(place + 1) == "as" => named.push(token),
            "concord" if text(place + 1) == "::" && (place == 0 || text(place - 1) != "::") => named.push(token),
            "super" if place < 2 || text(place - 2) != "super" => {
                let steps = (place..).step_by(2).take_while(|place| text(*place) == "super").count();
                if steps >= file_depth + inline.len() {
                    named.extend(heads(tokens, place + 2 * steps));
                }
            }
            _ => {}
        }
    }
    named.into_iter()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn advice(own: &str, named: &str) -> String {
    match floor(named) {
        Some(_) => format!("`{own}` names `{named}`, which is not below it; pass it in, or move the common need down"),
        None => format!("`{own}` reaches the crate's root as `{named}`; name a module of a lower floor"),
    }
}

/// From the ground up; whoever shares a floor does not know the other.
const FLOORS: [&[&str]; 6] =
    [&["domain"], &["ports", "merkle", "wire"], &["store", "pki", "peer", "sys"], &["service"], &["doors"], &["app"]];

#[test]
fn upward_and_sideways_paths_are_found() {
    let text = "use crate::service::check;\nuse crate::{domain::id, pki, wire::{hl7, pb}};\nuse crate::sys;\n\
                fn f() { crate::doors::g() }\nuse crate as root;\nuse concord::app;\nuse crate::{self as root};\n\
                use crate::store::journal;\n// crate::app\nconst A: &str = \"crate::app\";";
    assert_eq!(lines_found(check, "src/store/journal.rs", text), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn climbing_past_the_own_module_is_found() {
    let text = "use super::super::app;\nuse super::journal;\nmod tests {\n use super::super::journal;\n\
                use super::super::super::doors;\n}\nuse super::super::domain;\nuse super::super::*;";
    assert_eq!(lines_found(check, "src/store/journal.rs", text), [1, 5, 8]);
}

#[test]
fn a_module_without_a_floor_is_found() {
    assert_eq!(lines_found(check, "src/helpers/mod.rs", "//! Helpers."), [1]);
    assert_eq!(lines_found(check, "src/main.rs", "use concord::app;"), [0; 0]);
}
