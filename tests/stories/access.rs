//! Every kind of caller at every call and every path of a running hub and node, held against `tests/access/matrix.toml`.
//! Calls are those of the descriptors; paths are those that the processes say they serve.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::net::SocketAddr;

use concord::wire::pb;
use prost::Message;
use prost_types::FileDescriptorSet;
use reqwest::Method;
use serde::Deserialize;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::callers::{Caller, Callers, is_let_in};
use crate::layout::{A, OPERATOR};
use crate::patience::answered;
use crate::process;
use crate::region::Region;

/// The specification.
#[derive(Deserialize)]
struct Matrix {
    callers: BTreeMap<String, String>,
    rules: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    hub: Doors,
    node: Doors,
}

#[derive(Deserialize)]
struct Doors {
    grpc: BTreeMap<String, String>,
    https: BTreeMap<String, String>,
}

impl Matrix {
    fn read() -> Self {
        let matrix: Self = toml::from_str(include_str!("../access/matrix.toml")).unwrap();
        let everybody: BTreeSet<&str> = Caller::ALL.iter().map(|caller| caller.name).collect();
        assert_eq!(matrix.callers.keys().map(String::as_str).collect::<BTreeSet<_>>(), everybody);
        for (rule, found) in &matrix.rules {
            let named: Vec<&str> = found.values().flatten().map(String::as_str).collect();
            assert_eq!(named.len(), everybody.len(), "rule {rule} names somebody twice or not at all");
            assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), everybody, "rule {rule}");
        }
        matrix
    }

    /// Gives what a caller finds under a rule.
    fn expected(&self, rule: &str, caller: Caller) -> &str {
        let rule = self.rules.get(rule).unwrap_or_else(|| panic!("no rule {rule}"));
        let mut outcomes = rule.iter().filter(|(_, callers)| callers.iter().any(|name| name == caller.name));
        outcomes.next().unwrap().0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_finds_at_every_door_what_the_matrix_says() {
    let matrix = Matrix::read();
    let mut region = Region::unqualified().await;
    let callers = Callers::come(&mut region).await;
    let mut wrong = Vec::new();
    let mut hold = |door: &str, caller: Caller, row: &str, rule: &str, found: &str| {
        let expected = matrix.expected(rule, caller);
        if expected != found {
            wrong.push(format!("{door} {row}, {}: {found}, not {expected}", caller.name));
        }
    };

    let methods = methods();
    for (door, doors) in [("hub", &matrix.hub), ("node", &matrix.node)] {
        assert_eq!(doors.grpc.keys().cloned().collect::<BTreeSet<_>>(), methods, "calls of the {door} without a row");
        let folder = region.path(if door == "hub" { OPERATOR.folder } else { A.folder });
        let rows: BTreeSet<String> = doors.https.keys().map(|row| pattern(row)).collect();
        assert_eq!(
            rows,
            served(&String::from_utf8(process::log(&folder)).unwrap()),
            "paths of the {door} without a row"
        );
    }
    for caller in Caller::ALL {
        for (door, doors) in [("hub", &matrix.hub), ("node", &matrix.node)] {
            let channel = callers.channel(&region, door, caller);
            for (method, rule) in &doors.grpc {
                let found = answered(async || match &channel {
                    Some(channel) => called(channel.clone(), method).await,
                    None => without_certificate(&region, door).await,
                });
                hold(door, caller, method, rule, &found.await.unwrap_or_else(silence));
            }
            for (row, rule) in &doors.https {
                let (method, path) = filled(row);
                let found = answered(async || callers.asked(&region, door, caller, method.clone(), &path).await);
                let found = found.await.unwrap_or_else(silence);
                // What is found where a name of nothing was asked for is the business of the door; that somebody gets so
                // far, or does not, is ours.
                let inside = matrix.expected(rule, caller) == "in"
                    && !["tls", "401", "403"].contains(&found.as_str())
                    && found != silence();
                hold(door, caller, row, rule, if inside { "in" } else { &found });
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    region.end().await;
}

/// What a caller finds who is never answered.
fn silence() -> String {
    "no answer".to_owned()
}

/// Lists every call that the descriptors name.
fn methods() -> BTreeSet<String> {
    let sets = [
        pb::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let files = sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file);
    let named = files.flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().flat_map(move |service| {
            let path = format!("/{package}.{}", service.name());
            service.method.into_iter().map(move |method| format!("{path}/{}", method.name())).collect::<Vec<_>>()
        })
    });
    named.collect()
}

/// Reads in a log, written as text or as JSON, which paths a process serves.
fn served(log: &str) -> BTreeSet<String> {
    let value = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {line}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let lines = log.lines().filter(|line| line.contains("HTTPS path served"));
    let plain = lines.map(|line| COLOURS.iter().fold(line.to_owned(), |line, colour| line.replace(colour, "")));
    let plain = plain.map(|line| line.replace("\":\"", "=\""));
    let found: BTreeSet<String> =
        plain.map(|line| format!("{} {}", value(&line, "method"), value(&line, "path"))).collect();
    assert!(!found.is_empty(), "the log does not say what is served");
    found
}

/// Gives a row as the process names it: `GET /a/{b}` for `GET /a/{b=c}`.
fn pattern(row: &str) -> String {
    row.split('{')
        .map(|part| match part.split_once('=') {
            Some((name, rest)) => format!("{name}}}{}", rest.split_once('}').unwrap().1),
            None => part.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("{")
}

/// Gives method and path of a row, with something in the place of every name.
fn filled(row: &str) -> (Method, String) {
    let (method, path) = row.split_once(' ').unwrap();
    let parts = path.split('/').map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(named) => named.split_once('=').map_or(NOTHING, |(_, value)| value),
        None => part,
    });
    (method.parse().unwrap(), parts.collect::<Vec<_>>().join("/"))
}

/// Makes a call with an empty message, and says how far it came.
async fn called(channel: Channel, method: &str) -> String {
    let mut client = tonic::client::Grpc::new(channel);
    if client.ready().await.is_err() {
        return "tls".to_owned();
    }
    let sent = Request::new(tokio_stream::once(()));
    let found = client.streaming(sent, method.parse().unwrap(), ProstCodec::<(), ()>::default()).await;
    match found.map(drop) {
        // What the server says has no inner cause; a connection that it closed has.
        Err(status) if status.source().is_some() => "tls",
        Err(status) if status.code() == Code::Unauthenticated => "401",
        Err(status) if status.code() == Code::PermissionDenied => "403",
        _ => "in",
    }
    .to_owned()
}

/// Tries to connect to the gRPC door without a certificate; a token helps nobody there.
async fn without_certificate(region: &Region, door: &str) -> String {
    let address: SocketAddr = if door == "hub" { region.hub_address() } else { region.grpc(A) };
    if is_let_in(region, address, None).await { "401" } else { "tls" }.to_owned()
}

/// Draws the matrix for people.
fn page(matrix: &Matrix) -> String {
    let mut page = String::from(BEFORE);
    for caller in Caller::ALL {
        writeln!(page, "| {} | {} |", caller.letter, matrix.callers[caller.name]).unwrap();
    }
    let doors = [
        ("The hub's calls (gRPC)", &matrix.hub.grpc),
        ("A node's calls (gRPC)", &matrix.node.grpc),
        ("The hub's paths (HTTPS)", &matrix.hub.https),
        ("A node's paths (HTTPS)", &matrix.node.https),
    ];
    for (title, rows) in doors {
        let letters: Vec<&str> = Caller::ALL.iter().map(|caller| caller.letter).collect();
        write!(page, "\n## {title}\n| | {} |\n|---|{}\n", letters.join(" | "), "---|".repeat(letters.len())).unwrap();
        for (row, rule) in rows {
            let cells = Caller::ALL.map(|caller| match matrix.expected(rule, caller) {
                "in" => "**yes**",
                "tls" => "–",
                refused => refused,
            });
            writeln!(page, "| `{row}` | {} |", cells.join(" | ")).unwrap();
        }
    }
    page
}

#[test]
fn the_page_is_drawn_from_the_matrix() {
    let drawn = page(&Matrix::read());
    let fresh = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("access.md");
    std::fs::write(&fresh, &drawn).unwrap();
    let same = drawn == include_str!("../../docs/access.md");
    assert!(same, "docs/access.md is stale: cp {} docs/access.md", fresh.display());
}

#[test]
fn a_row_is_filled_and_named_as_the_process_names_it() {
    let row = "GET /a/{b=c}/{d}/e";
    assert_eq!(pattern(row), "GET /a/{b}/{d}/e");
    assert_eq!(filled(row), (Method::GET, format!("/a/c/{NOTHING}/e")));
}

const NOTHING: &str = "nothing";
/// What a log paints the names of its fields with.
const COLOURS: [&str; 3] = ["\u{1b}[0m", "\u{1b}[2m", "\u{1b}[3m"];
const BEFORE: &str = "# Who may do what
Drawn from [tests/access/matrix.toml](../tests/access/matrix.toml), which a test holds against a running hub and node:
every cell is called. A call or a path without a row fails the build.

**yes** is an answer to what was asked; – no connection (the handshake fails); 401 and 403 a refusal that tells nothing
(UNAUTHENTICATED and PERMISSION_DENIED in gRPC); 404 nothing at this address, for addresses that are secrets themselves.
Parts of a path in braces are names; what stands behind `=` is what the test asks for. Browsers of other origins may ask
`/cds-services` and `/shl` beforehand (OPTIONS), and are told no more than that.

A column is a kind of caller. Hospitals of columns E and F are alike at the hub; the node is that of E.

| | |
|---|---|
";
