//! The files of the tree, and what was found in them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::tokens::{self, Token};

/// One file of the tree.
pub struct Source {
    /// Path from the root of the package, with `/`.
    pub path: String,
    /// Its whole text.
    pub text: String,
    /// Whether another file declares it under `#[cfg(test)]`.
    pub is_test: bool,
}

/// A rule that one line breaks.
pub struct Finding {
    path: String,
    /// Number of the line, from 1.
    pub line: usize,
    advice: String,
}

/// Every text file of the package, without what is built or downloaded.
pub struct Tree(Vec<Source>);

impl Tree {
    /// Reads the tree under the package's root.
    pub fn read() -> Self {
        let mut sources = Vec::new();
        collect(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut sources);
        assert!(sources.len() > 20, "the tree was not found");
        let tests: BTreeSet<String> = sources.iter().flat_map(tests_declared_by).collect();
        for source in &mut sources {
            source.is_test = tests.iter().any(|test| is_module_file(&source.path, test));
        }
        Self(sources)
    }

    /// Gives every file.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// Gives the Rust files whose path begins with `start`.
    pub fn rust(&self, start: &str) -> impl Iterator<Item = &Source> {
        self.0.iter().filter(move |source| source.path.starts_with(start) && source.path.ends_with(".rs"))
    }
}

impl Source {
    /// Makes a source of a snippet.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), is_test: false }
    }

    /// Gives the tokens; those of test code are marked.
    pub fn tokens(&self) -> Vec<Token<'_>> {
        let mut tokens = tokens::read(&self.text);
        tokens.iter_mut().for_each(|token| token.in_test |= self.is_test);
        tokens
    }

    /// Gives the path of the file's module from the crate's root, as `["wire", "hl7"]`; empty for the root itself.
    pub fn module(&self) -> Vec<&str> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let mut parts: Vec<&str> = inner.trim_end_matches(".rs").split('/').collect();
        if matches!(parts.last(), Some(&"mod" | &"lib" | &"main")) {
            parts.pop();
        }
        parts
    }

    /// Makes a finding in this file.
    pub fn finding(&self, line: usize, advice: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.advice)
    }
}

fn collect(root: &Path, folder: &str, sources: &mut Vec<Source>) {
    let mut entries: Vec<_> = std::fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{folder}{}", entry.file_name().to_str().unwrap());
        if NOT_OURS.contains(&path.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(root, &format!("{path}/"), sources);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            sources.push(Source { path, text, is_test: false });
        }
    }
}

/// Gives the module paths, as `src/wire/hl7/tests`, that a file declares for its tests alone.
fn tests_declared_by(source: &Source) -> Vec<String> {
    let folder = source.module().join("/");
    let tokens = if source.path.ends_with(".rs") { source.tokens() } else { Vec::new() };
    let declared = tokens.windows(3).filter(|w| w[0].in_test && w[0].text == "mod" && w[2].text == ";");
    declared.map(|w| format!("src/{folder}/{}", w[1].text)).collect()
}

fn is_module_file(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// What git or cargo made.
const NOT_OURS: [&str; 6] = [".git", "target", "Cargo.lock", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"];
