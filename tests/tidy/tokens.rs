//! Cuts Rust text into words and marks, without comments; a literal is one token that equals no word.

/// One word, mark or literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// The text as written; `::` is one token, every other mark is one character.
    pub text: &'a str,
    /// Number of the line it begins on, from 1.
    pub line: usize,
    /// Whether it belongs to an item under `#[cfg(test)]` or `#[test]`.
    pub in_test: bool,
}

/// Reads the tokens of a file and marks those of test items.
pub fn read(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let (piece, after) = rest.split_at(piece_length(rest, first));
        let is_comment = piece.starts_with("//") || piece.starts_with("/*");
        if !first.is_whitespace() && !is_comment {
            tokens.push(Token { text: piece, line, in_test: false });
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    mark_tests(&mut tokens);
    tokens
}

/// Says whether a token is a name or a keyword.
pub fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_') && text.chars().all(is_word_part)
}

/// Gives the place of the token that closes the bracket at `open`, or the last place.
pub fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Gives the first names after a `::`: one, or those of a group as `{a, b::c}`.
pub fn heads<'a, 't>(tokens: &'t [Token<'a>], after: usize) -> Vec<&'t Token<'a>> {
    match tokens.get(after) {
        Some(token) if token.text == "{" => {
            let inner = after + 1..closing(tokens, after);
            let is_head = |place: &usize| {
                let depth = depth_between(tokens, after + 1, *place);
                depth == 0 && matches!(tokens[place - 1].text, "{" | ",")
            };
            inner.filter(is_head).map(|place| &tokens[place]).collect()
        }
        Some(token) => vec![token],
        None => Vec::new(),
    }
}

fn depth_between(tokens: &[Token<'_>], from: usize, to: usize) -> i32 {
    tokens[from..to].iter().fold(0, |depth, token| match token.text {
        "{" => depth + 1,
        "}" => depth - 1,
        _ => depth,
    })
}

fn piece_length(rest: &str, first: char) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if let Some(length) = literal_length(rest) {
        return length;
    }
    let lead = if rest.starts_with("r#") { 2 } else { first.len_utf8() };
    if is_word_part(first) || first == '\'' {
        let end = rest[lead..].find(|part| !is_word_part(part));
        return end.map_or(rest.len(), |end| lead + end);
    }
    if rest.starts_with("::") { 2 } else { first.len_utf8() }
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut place) = (0, 0);
    while place < rest.len() {
        let tail = &rest.as_bytes()[place..];
        let step = if tail.starts_with(b"/*") {
            depth += 1;
            2
        } else if tail.starts_with(b"*/") {
            depth -= 1;
            2
        } else {
            1
        };
        place += step;
        if depth == 0 {
            return place;
        }
    }
    rest.len()
}

/// Gives the length of a string, byte string, raw string or character, or nothing if `rest` begins with none.
fn literal_length(rest: &str) -> Option<usize> {
    ["br", "cr", "r", "b", "c", ""].into_iter().find_map(|prefix| {
        let after = rest.strip_prefix(prefix)?;
        let length = if prefix.ends_with('r') { raw_length(after) } else { quoted_length(after) };
        length.map(|length| prefix.len() + length)
    })
}

fn raw_length(after: &str) -> Option<usize> {
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inner = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", &after[..hashes]);
    Some(inner.find(&end).map_or(after.len(), |place| hashes + 1 + place + end.len()))
}

fn quoted_length(after: &str) -> Option<usize> {
    let mut chars = after.char_indices();
    let (_, quote @ ('"' | '\'')) = chars.next()? else { return None };
    let mut ahead = after.chars().skip(1);
    if quote == '\'' && ahead.next()? != '\\' && ahead.next() != Some('\'') {
        return None; // a lifetime
    }
    let mut escaped = false;
    for (place, character) in chars {
        if character == quote && !escaped {
            return Some(place + 1);
        }
        escaped = character == '\\' && !escaped;
    }
    Some(after.len())
}

fn mark_tests(tokens: &mut [Token<'_>]) {
    let mut place = 0;
    while place < tokens.len() {
        let inner = tokens.get(place + 1).is_some_and(|token| token.text == "!");
        let open = place + 1 + usize::from(inner);
        if tokens[place].text != "#" || tokens.get(open).is_none_or(|token| token.text != "[") {
            place += 1;
            continue;
        }
        let end = closing(tokens, open);
        if is_test_attribute(&tokens[open + 1..end]) {
            let last = if inner { tokens.len() - 1 } else { item_end(tokens, end + 1) };
            tokens[place..=last].iter_mut().for_each(|token| token.in_test = true);
            place = last;
        }
        place += 1;
    }
}

fn is_test_attribute(inside: &[Token<'_>]) -> bool {
    let words: Vec<&str> = inside.iter().map(|token| token.text).filter(|text| is_word(text)).collect();
    match words.as_slice() {
        ["test"] | ["tokio", "test", ..] => true,
        ["cfg", conditions @ ..] => {
            conditions.contains(&"test") && !conditions.contains(&"any") && !conditions.contains(&"not")
        }
        _ => false,
    }
}

/// Gives the place where the item that begins at `start` ends: its `;`, or the brace that closes its body.
fn item_end(tokens: &[Token<'_>], start: usize) -> usize {
    let mut place = start;
    while place < tokens.len() {
        match tokens[place].text {
            "(" | "[" => place = closing(tokens, place),
            "{" => return closing(tokens, place),
            ";" => return place,
            _ => {}
        }
        place += 1;
    }
    tokens.len() - 1
}

fn is_word_part(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[test]
fn literals_and_comments_hide_their_content() {
    let text = r##"let a = "fn {"; let b = '{'; let c = b'"'; /* } /* " */ */ let d = r#""}"#; // {
        let e: &'static str = "\"}"; let f = '\''; let g = b"\\"; let h = '\u{7d}';"##;
    let tokens = read(text);
    let braces = tokens.iter().filter(|token| matches!(token.text, "{" | "}"));
    assert_eq!(braces.count(), 0, "{tokens:?}");
    assert_eq!(tokens.iter().filter(|token| token.text == "let").count(), 8);
    assert_eq!(tokens.last().map(|token| (token.text, token.line)), Some((";", 2)));
}

#[test]
fn test_items_are_marked_and_others_are_not() {
    let text = "fn a() {}\n#[cfg(test)]\nmod t {\n fn b() {}\n}\nfn c() {}\n#[cfg(any(test, fuzzing))]\nfn d() {}
        #[tokio::test(flavor = \"multi_thread\")]\nasync fn e() {}\n#[cfg(not(test))]\nfn f() {}";
    let marked = |name: &str| read(text).iter().any(|token| token.text == name && token.in_test);
    assert_eq!(["a", "b", "c", "d", "e", "f"].map(marked), [false, true, false, false, true, false]);
    assert!(read("#![cfg(test)]\nfn a() {}").iter().all(|token| token.in_test));
}

#[test]
fn groups_give_their_first_names() {
    let tokens = read("use crate::{a, b::{c, d}, e::f};");
    let found: Vec<&str> = heads(&tokens, 3).iter().map(|token| token.text).collect();
    assert_eq!(found, ["a", "b", "e"]);
}
