//! The wire contract explains itself: each file, each service and each call, in a comment above it.

use super::lines_found;
use super::source::{Finding, Source};

/// Finds services and calls without a comment, and files that say nothing before their first message or service.
pub fn check(source: &Source) -> Vec<Finding> {
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let mut findings = Vec::new();
    let first = lines.iter().position(|line| line.starts_with("message ") || line.starts_with("service "));
    let spoken = lines.iter().take(first.unwrap_or(lines.len())).any(|line| line.starts_with("//"));
    if !spoken {
        findings.push(source.finding(1, "say at the top what the file is for"));
    }
    for (place, line) in lines.iter().enumerate() {
        let declares = line.starts_with("service ") || line.starts_with("rpc ");
        if declares && place.checked_sub(1).is_none_or(|above| !lines[above].starts_with("//")) {
            findings.push(source.finding(place + 1, "say in a comment above what it does and for whom"));
        }
    }
    findings
}

#[test]
fn silent_services_and_calls_are_found() {
    let text = "syntax = \"proto3\";\nservice A {\n  rpc B(C) returns (D);\n  // Gives D.\n  rpc E(C) returns (D);\n}";
    assert_eq!(lines_found(check, "proto/a.proto", text), [1, 2, 3]);
    assert_eq!(lines_found(check, "proto/a.proto", "// Says.\nservice A {}"), [0; 0]);
}
