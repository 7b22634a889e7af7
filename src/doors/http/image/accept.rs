//! Which media types a caller takes, in the order of its preference.
//!
//! Source: RFC 9110, 12.5.1; DICOM PS3.18, 8.3.3.1 (`accept` in the query) and 8.7.4.

use axum::http::{HeaderMap, header};

/// One media type that a caller takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The type, in small letters, as `image/png` or `*/*`; of a multipart, that of its parts.
    pub media: String,
    /// Whether it shall come in the parts of a `multipart/related`.
    pub is_multipart: bool,
    /// The transfer syntax that is asked for, or `*`.
    pub syntax: Option<String>,
}

/// Reads the header, or the query that stands above it; whoever names nothing takes everything.
pub(super) fn accepted(headers: &HeaderMap, query: Option<&str>) -> Vec<Accepted> {
    let named: Vec<String> = match query {
        Some(query) => vec![query.to_owned()],
        None => {
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok().map(Into::into)).collect()
        }
    };
    let mut found: Vec<(u32, Accepted)> = named.iter().flat_map(|line| parted(line, ',')).filter_map(read).collect();
    if named.is_empty() {
        found.push((1_000, Accepted { media: "*/*".to_owned(), is_multipart: false, syntax: None }));
    }
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    found.into_iter().filter(|(weight, _)| *weight > 0).map(|(_, accepted)| accepted).take(TYPES_MAX).collect()
}

fn read(written: &str) -> Option<(u32, Accepted)> {
    let mut parts = parted(written, ';').map(str::trim);
    let own = parts.next()?.to_ascii_lowercase();
    let (mut weight, mut inner, mut syntax) = (1_000, None, None);
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => weight = thousandths(value),
            "type" => inner = Some(value.to_ascii_lowercase()),
            "transfer-syntax" => syntax = Some(value.to_owned()),
            _ => {}
        }
    }
    let is_multipart = own == "multipart/related";
    let media = if is_multipart { inner.unwrap_or_else(|| "*/*".to_owned()) } else { own };
    media.contains('/').then_some((weight, Accepted { media, is_multipart, syntax }))
}

/// Parts a header at a sign, but not inside quotes.
fn parted(text: &str, sign: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        is_quoted ^= character == '"';
        character == sign && !is_quoted
    })
}

fn thousandths(weight: &str) -> u32 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    match whole {
        "1" => 1_000,
        "0" => format!("{fraction:0<3}").get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

const TYPES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Vec<(String, bool, Option<String>)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, line.parse().unwrap());
        let all = accepted(&headers, None);
        all.into_iter().map(|accepted| (accepted.media, accepted.is_multipart, accepted.syntax)).collect()
    }

    #[test]
    fn types_are_taken_in_the_order_of_their_weight() {
        assert_eq!(
            read_line("image/*;q=0.5, image/png, text/html;q=0").iter().map(|it| it.0.as_str()).collect::<Vec<_>>(),
            ["image/png", "image/*"]
        );
    }

    #[test]
    fn parts_and_transfer_syntaxes_are_read_inside_quotes() {
        let line = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*, Image/JPEG;q=0.25";
        assert_eq!(
            read_line(line),
            [
                ("application/octet-stream".to_owned(), true, Some("*".to_owned())),
                ("image/jpeg".to_owned(), false, None)
            ]
        );
        assert_eq!(read_line("multipart/related")[0], ("*/*".to_owned(), true, None));
        assert_eq!(read_line("nonsense"), []);
    }
}
