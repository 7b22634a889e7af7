//! Words that must not stand where they stand.

use super::lines_found;
use super::source::{Finding, Source};
use super::tokens::{Token, closing, heads};

/// Finds words that code under `src/` may not use, or not there.
pub fn check_shipped(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let places = (0..tokens.len()).filter_map(|place| {
        let ships = || !tokens[place].in_test;
        let advice = misplaced(source, &tokens, place)
            .or_else(|| careless(source, &tokens, place).filter(|_| ships()))
            .or_else(|| impure(source, &tokens, place).filter(|_| ships()))?;
        Some(source.finding(tokens[place].line, advice))
    });
    places.collect()
}

/// Finds attributes that silence a test, or the compiler without saying why.
pub fn check_attributes(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let text = |place: usize| tokens.get(place).map_or("", |token| token.text);
    let found = (1..tokens.len()).filter_map(|place| {
        let advice = match (text(place - 1), text(place)) {
            ("[" | ",", "allow") if text(place + 1) == "(" => {
                "write `#[expect(.., reason = \"..\")]` in place of `allow`"
            }
            ("[", "expect") if text(place + 1) == "(" && !gives_reason(&tokens[..closing(&tokens, place + 1)]) => {
                "give the reason: `#[expect(.., reason = \"..\")]`"
            }
            ("[", "ignore") => "a test runs or goes; none is ignored",
            (",", "ignore") if text(place + 1) == ")" => "a test runs or goes; none is ignored",
            _ => return None,
        };
        Some(source.finding(tokens[place].line, advice))
    });
    found.collect()
}

/// Finds paths put on a router elsewhere than where they are listed: nobody would ask them who may come.
pub fn check_paths(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let put = tokens.windows(3).filter(|w| w[0].text == "." && ROUTING.contains(&w[1].text) && w[2].text == "(");
    let shipped = put.filter(|w| !w[1].in_test && source.path != LISTED);
    shipped.map(|w| source.finding(w[1].line, "put paths on `doors::http::paths::Paths`, which lists them")).collect()
}

/// Finds names that say nothing: `get_`, a manager, a module for odds and ends.
pub fn check_names(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let unclear = tokens.windows(2).filter(|pair| match pair[0].text {
        "fn" => pair[1].text.starts_with("get_"),
        "struct" | "enum" | "trait" => pair[1].text.ends_with("Manager"),
        "mod" => matches!(pair[1].text, "util" | "utils" | "helper" | "helpers" | "misc"),
        _ => false,
    });
    unclear.map(|pair| source.finding(pair[1].line, format!("`{}`: use a plain noun or verb", pair[1].text))).collect()
}

/// Finds absolute paths that exist on one machine only; a path comes from an argument or from the environment.
pub fn check_places(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().enumerate();
    let found = lines.filter(|(_, line)| PLACES.iter().any(|place| line.contains(place)));
    found.map(|(place, _)| source.finding(place + 1, "a path of one machine; take it from outside")).collect()
}

/// Words that belong to one floor, tests included.
fn misplaced(source: &Source, tokens: &[Token<'_>], place: usize) -> Option<&'static str> {
    let own = source.module().first().copied().unwrap_or_default();
    let in_hl7 = source.path == "src/wire/hl7.rs" || source.path.starts_with("src/wire/hl7/");
    match tokens[place].text {
        "redb" | "sled" if own != "store" => Some("only `store` names an engine"),
        "hl7_parser" if !in_hl7 => Some("only `src/wire/hl7` calls the parser; it is safe behind that wall alone"),
        "reveal" if is_call(tokens, place) && !matches!(own, "domain" | "wire" | "store") => {
            Some("only `domain`, `wire` and `store` reveal what could name a patient")
        }
        "serde" | "prost" if own == "domain" => Some("`domain` knows no format; convert in `wire`"),
        _ => None,
    }
}

/// Calls that end the process or print, where an error should be returned.
fn careless(source: &Source, tokens: &[Token<'_>], place: usize) -> Option<&'static str> {
    let is_macro = tokens.get(place + 1).is_some_and(|next| next.text == "!");
    let may_print = source.path == "src/main.rs" || source.path.starts_with("src/app/");
    match tokens[place].text {
        "unwrap" | "expect" | "unwrap_err" | "expect_err" if is_call(tokens, place) => {
            Some("return an error; for a mistake of our own say `let .. else { unreachable!(..) }` or `assert!`")
        }
        "todo" | "unimplemented" | "dbg" if is_macro => Some("finish it"),
        "print" | "println" | "eprint" | "eprintln" if is_macro && !may_print => {
            Some("only `app` prints; log through `tracing`, and nothing of a patient")
        }
        _ => None,
    }
}

/// IO, clock, dice, locks and async in the floors that know none.
fn impure(source: &Source, tokens: &[Token<'_>], place: usize) -> Option<&'static str> {
    if !matches!(source.module().first(), Some(&"domain" | &"merkle" | &"wire")) {
        return None;
    }
    let from_std = || heads(tokens, place + 2).iter().any(|head| OUTSIDE.contains(&head.text));
    match tokens[place].text {
        "std" | "core" if tokens.get(place + 1).is_some_and(|next| next.text == "::") && from_std() => {
            Some("this floor is pure; take the value as an argument")
        }
        "tokio" | "rand" | "getrandom" | "async" | "await" | "Mutex" | "RwLock" => {
            Some("this floor knows no dice, lock or async")
        }
        _ => None,
    }
}

/// Says whether an attribute that was not closed yet ends with its reason.
fn gives_reason(tokens: &[Token<'_>]) -> bool {
    let mut last = tokens.rsplit(|token| token.text == ",").map(|part| part.first().map_or("", |token| token.text));
    last.find(|first| !first.is_empty()) == Some("reason")
}

fn is_call(tokens: &[Token<'_>], place: usize) -> bool {
    place.checked_sub(1).is_some_and(|before| matches!(tokens[before].text, "." | "::"))
}

/// What puts a path on a router.
const ROUTING: [&str; 5] = ["route", "nest", "route_service", "nest_service", "fallback_service"];
/// Where paths are listed.
const LISTED: &str = "src/doors/http/paths.rs";
/// Modules of the standard library that reach outside.
const OUTSIDE: [&str; 6] = ["env", "fs", "net", "process", "thread", "time"];

/// Cut in two, so that this file does not find itself.
const PLACES: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Use", "rs/"),
    concat!("/wo", "rk/"),
    concat!("/tmp/ba", "sh_jobs"),
];

#[test]
fn careless_calls_are_found_outside_tests() {
    let text = "fn f() { a.unwrap(); }\nfn g() { b.expect(\"b\"); }\nfn h() { todo!() }\nfn i() { println!(\"i\") }\n\
                fn j() { a.unwrap_or_default(); dbg!(1); }\nlet k = o.map(Option::unwrap);\n\
                #[cfg(test)]\nmod tests {\n fn l() { a.unwrap(); }\n}\n// a.unwrap()";
    assert_eq!(lines_found(check_shipped, "src/service/a.rs", text), [1, 2, 3, 4, 5, 6]);
    assert_eq!(lines_found(check_shipped, "src/app/a.rs", "fn f() { println!(\"f\") }"), [0; 0]);
}

#[test]
fn a_path_that_is_not_listed_is_found() {
    let text = "fn f() { Router::new()\n.route(\"/a\", get(a))\n.nest(\"/b\", b) }\n#[cfg(test)]\nmod tests {\n fn g() { r.route() }\n}";
    assert_eq!(lines_found(check_paths, "src/doors/http/a.rs", text), [2, 3]);
    assert_eq!(lines_found(check_paths, LISTED, text), [0; 0]);
}

#[test]
fn words_of_another_floor_are_found() {
    let text = "use redb::Database;\nuse hl7_parser::Message;\nlet a = name.reveal();\nmod sled_like {}\n";
    assert_eq!(lines_found(check_shipped, "src/service/a.rs", text), [1, 2, 3]);
    assert_eq!(lines_found(check_shipped, "src/store/a.rs", text), [2]);
    assert_eq!(lines_found(check_shipped, "src/wire/hl7/a.rs", text), [1]);
    assert_eq!(lines_found(check_shipped, "src/domain/a.rs", "#[derive(serde::Serialize)]\nstruct A;"), [1]);
}

#[test]
fn a_pure_floor_keeps_no_clock_and_no_files() {
    let text = "use std::time::Instant;\nuse std::{collections::BTreeMap, fs};\nasync fn f() {}\nuse std::fmt;\n\
                #[cfg(test)]\nmod tests { use std::fs; }";
    for floor in ["domain", "merkle", "wire"] {
        assert_eq!(lines_found(check_shipped, &format!("src/{floor}/a.rs"), text), [1, 2, 3], "{floor}");
    }
    assert_eq!(lines_found(check_shipped, "src/sys/a.rs", text), [0; 0]);
}

#[test]
fn silencing_attributes_are_found_in_tests_too() {
    let text = "#[allow(dead_code)]\nfn f() {}\n#[test]\n#[ignore]\nfn g() {}\n#[test]\n#[ignore = \"slow\"]\nfn h() {}
        #[expect(dead_code, reason = \"r\")]\nfn i() {}\n#![allow(unused)]\n#[cfg_attr(miri, ignore)]\nfn j() {}
        #[expect(unused)]\nlet k = [expect, ignored];";
    assert_eq!(lines_found(check_attributes, "tests/a.rs", text), [1, 4, 7, 11, 12, 14]);
}

#[test]
fn names_that_say_nothing_are_found() {
    let text = "fn get_entry() {}\nstruct BatchManager;\nmod util {}\nfn entry() { map.get_mut(); }\nmod utility {}";
    assert_eq!(lines_found(check_names, "src/store/a.rs", text), [1, 2, 3]);
}

#[test]
fn paths_of_one_machine_are_found() {
    let text = format!("a\ncd {}x\n", PLACES[3]);
    assert_eq!(lines_found(check_places, "README.md", &text), [2]);
}
