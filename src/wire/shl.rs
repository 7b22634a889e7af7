//! SMART Health Links: the link's payload, and its files as encrypted JSON (JWE, `dir`, `A256GCM`, `DEF`). Keys and nonces
//! are given; nothing is drawn here.
//!
//! Source: SMART Health Links 1.0.0; RFC 7516 (compact serialisation), RFC 7518 (A256GCM), RFC 1951 (DEF).

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value, json};

use crate::domain::limits::LINK_LABEL_CHARACTERS_MAX;

/// What a link says to whoever scans it.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// Where the manifest, or the file, is asked for.
    pub url: String,
    /// Opens the files.
    pub key: [u8; 32],
    /// When it ends, in seconds since 1970.
    pub expires_unix_s: Option<i64>,
    /// How it is used.
    pub flags: Flags,
    /// What it is, for people, at most 80 characters; never who.
    pub label: String,
}

/// How a link is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// It may be asked again for later content (L).
    pub long_term: bool,
    /// A passcode is asked for (P).
    pub passcode: bool,
    /// The address leads straight to the one file (U); not with a passcode.
    pub direct: bool,
}

/// A link or file is not one of this kind, or its key is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShlError {
    /// It is not written as its kind demands.
    #[error("is not a SMART Health Link of version 1")]
    Form,
    /// Encryption or compression are not those of SMART Health Links, or the key does not open it.
    #[error("the file cannot be opened with this key")]
    Sealed,
    /// It would be larger than may be opened.
    #[error("the file is too large once opened")]
    TooLarge,
}

impl Payload {
    /// Writes the link: `shlink:/` and base64url of its JSON.
    pub fn encode(&self) -> String {
        let mut payload = json!({ "url": self.url, "key": URL_SAFE_NO_PAD.encode(self.key) });
        let flags = self.flags.to_string();
        if let Some(object) = payload.as_object_mut() {
            if let Some(expires) = self.expires_unix_s {
                object.insert("exp".to_owned(), expires.into());
            }
            if !flags.is_empty() {
                object.insert("flag".to_owned(), flags.into());
            }
            if !self.label.is_empty() {
                let label: String = self.label.chars().take(LINK_LABEL_CHARACTERS_MAX).collect();
                object.insert("label".to_owned(), label.into());
            }
        }
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    /// Reads a link; what stands before `shlink:/`, as the address of a viewer, is passed over.
    ///
    /// # Errors
    /// [`ShlError::Form`].
    pub fn decode(link: &str) -> Result<Self, ShlError> {
        let (_, encoded) = link.split_once(PREFIX).ok_or(ShlError::Form)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| ShlError::Form)?;
        let payload: Value = serde_json::from_slice(&bytes).map_err(|_| ShlError::Form)?;
        let text = |name: &str| payload.get(name).and_then(Value::as_str);
        if payload.get("v").is_some_and(|version| version.as_u64() != Some(1)) {
            return Err(ShlError::Form);
        }
        let key = URL_SAFE_NO_PAD.decode(text("key").ok_or(ShlError::Form)?).map_err(|_| ShlError::Form)?;
        let flag = text("flag").unwrap_or_default();
        let flags = Flags { long_term: flag.contains('L'), passcode: flag.contains('P'), direct: flag.contains('U') };
        if flags.direct && flags.passcode {
            return Err(ShlError::Form);
        }
        Ok(Self {
            url: text("url").ok_or(ShlError::Form)?.to_owned(),
            key: key.try_into().map_err(|_| ShlError::Form)?,
            expires_unix_s: payload.get("exp").and_then(Value::as_i64),
            flags,
            label: text("label").unwrap_or_default().to_owned(),
        })
    }
}

impl std::fmt::Display for Flags {
    /// Writes the letters in the order of the alphabet.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letters = [(self.long_term, "L"), (self.passcode, "P"), (self.direct, "U")];
        letters.iter().filter(|(set, _)| *set).try_for_each(|(_, letter)| formatter.write_str(letter))
    }
}

/// Seals a file. A nonce may be used once with a key: draw it anew for each file.
pub fn seal(key: &[u8; 32], nonce: [u8; NONCE_BYTES], content_type: &str, content: &[u8]) -> String {
    let header = json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF", "cty": content_type }).to_string();
    let header = URL_SAFE_NO_PAD.encode(header);
    let mut sealed = deflated(content);
    let tag = cipher(key).seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(header.as_bytes()),
        &mut sealed,
    );
    let Ok(tag) = tag else { unreachable!("a file is far below what the cipher takes") };
    let [nonce, sealed, tag] = [&nonce[..], &sealed, tag.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}..{nonce}.{sealed}.{tag}")
}

/// Opens a file of at most `bytes_max` bytes, and gives its media type and content.
///
/// # Errors
/// [`ShlError`]; nothing of it may be believed.
pub fn open(key: &[u8; 32], file: &str, bytes_max: usize) -> Result<(String, Vec<u8>), ShlError> {
    let parts: Vec<&str> = file.split('.').collect();
    let [header, "", nonce, sealed, tag] = parts.as_slice() else { return Err(ShlError::Form) };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| ShlError::Form);
    let described: Value = serde_json::from_slice(&decode(header)?).map_err(|_| ShlError::Form)?;
    let says = |name: &str| described.get(name).and_then(Value::as_str);
    if says("alg") != Some("dir") || says("enc") != Some("A256GCM") {
        return Err(ShlError::Sealed);
    }
    let nonce: [u8; NONCE_BYTES] = decode(nonce)?.try_into().map_err(|_| ShlError::Form)?;
    let mut bytes = decode(sealed)?;
    bytes.extend(decode(tag)?);
    let opened =
        cipher(key).open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(header.as_bytes()), &mut bytes);
    let opened = opened.map_err(|_| ShlError::Sealed)?;
    let content = match says("zip") {
        None if opened.len() <= bytes_max => opened.to_vec(),
        Some("DEF") => inflated(opened, bytes_max)?,
        None => return Err(ShlError::TooLarge),
        Some(_) => return Err(ShlError::Sealed),
    };
    Ok((says("cty").unwrap_or_default().to_owned(), content))
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    match UnboundKey::new(&AES_256_GCM, key) {
        Ok(key) => LessSafeKey::new(key),
        Err(_) => unreachable!("the key has the cipher's length"),
    }
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    match encoder.write_all(content).and_then(|()| encoder.finish()) {
        Ok(deflated) => deflated,
        Err(_) => unreachable!("memory takes every write"),
    }
}

fn inflated(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, ShlError> {
    let mut content = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    DeflateDecoder::new(bytes).take(most).read_to_end(&mut content).map_err(|_| ShlError::Sealed)?;
    if content.len() > bytes_max { Err(ShlError::TooLarge) } else { Ok(content) }
}

/// Length of a nonce, in bytes.
pub const NONCE_BYTES: usize = NONCE_LEN;
const PREFIX: &str = "shlink:/";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn payload() -> Payload {
        Payload {
            url: "https://hub.example.cn/shl/abc".into(),
            key: KEY,
            expires_unix_s: Some(1_795_000_000),
            flags: Flags { long_term: true, passcode: true, direct: false },
            label: "Test results".into(),
        }
    }

    /// What is printed as a code must be readable by programs of others: a change here is a change of the wire.
    #[test]
    fn the_link_is_written_as_it_always_was() {
        let link = payload().encode();
        let json = URL_SAFE_NO_PAD.decode(link.strip_prefix("shlink:/").unwrap()).unwrap();
        let key = URL_SAFE_NO_PAD.encode(KEY);
        let expected = json!({ "url": "https://hub.example.cn/shl/abc", "key": key, "exp": 1_795_000_000,
            "flag": "LP", "label": "Test results" });
        assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), expected);
        assert_eq!(key.len(), 43);
        assert!(Payload::decode(&link) == Ok(payload()));
        assert!(Payload::decode(&format!("https://viewer.example/#{link}")) == Ok(payload()));
    }

    /// The example of the specification, SMART Health Links 1.0.0, "Example SHLink Generation".
    #[test]
    fn the_example_of_the_specification_is_read() {
        let link = "shlink:/eyJ1cmwiOiJodHRwczovL2Voci5leGFtcGxlLm9yZy9xci9ZOXhjd1VkdG1OOXd3YjBZIiwiZmxhZyI6IkxQIiwia2V5Ijoicnh0Z1lsT2FLSlBGdGNFZDBxY2NlTjh3RVU0cDk0U3FBd0lXUWU2dVg3USIsImxhYmVsIjoiQmFjay10by1zY2hvb2wgaW1tdW5pemF0aW9ucyBmb3IgT2xpdmVyIEJyb3duIn0";
        let read = Payload::decode(link).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.url, "https://ehr.example.org/qr/Y9xcwUdtmN9wwb0Y");
        assert_eq!(URL_SAFE_NO_PAD.encode(read.key), "rxtgYlOaKJPFtcEd0qcceN8wEU4p94SqAwIWQe6uX7Q");
        assert_eq!(read.flags, Flags { long_term: true, passcode: true, direct: false });
    }

    #[test]
    fn links_that_contradict_themselves_are_refused() {
        let link = |json: Value| format!("shlink:/{}", URL_SAFE_NO_PAD.encode(json.to_string()));
        let key = URL_SAFE_NO_PAD.encode(KEY);
        for json in [
            json!({ "key": key }),
            json!({ "url": "u" }),
            json!({ "url": "u", "key": "c2hvcnQ" }),
            json!({ "url": "u", "key": key, "flag": "PU" }),
            json!({ "url": "u", "key": key, "v": 2 }),
        ] {
            assert!(Payload::decode(&link(json.clone())) == Err(ShlError::Form), "{json}");
        }
        assert!(Payload::decode("https://example.cn") == Err(ShlError::Form));
    }

    /// Deflated bytes may differ from one version of the library to the next; the header and the form may not.
    #[test]
    fn a_file_has_the_header_of_the_specification_and_five_parts() {
        let file = seal(&KEY, [1; NONCE_BYTES], "application/fhir+json", b"{}");
        let parts: Vec<_> = file.split('.').collect();
        assert_eq!((parts.len(), parts[1]), (5, ""));
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
        let expected = json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF", "cty": "application/fhir+json" });
        assert_eq!(header, expected);
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap(), [1; NONCE_BYTES]);
        assert_eq!(open(&KEY, &file, 2), Ok(("application/fhir+json".to_owned(), b"{}".to_vec())));
        assert_eq!(open(&[8; 32], &file, 2), Err(ShlError::Sealed));
        assert_eq!(open(&KEY, &file, 1), Err(ShlError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_nothing_that_was_changed(
            content in proptest::collection::vec(any::<u8>(), 0..300), nonce: [u8; NONCE_BYTES],
            at in any::<prop::sample::Index>(), other in 0..64_u8,
        ) {
            let file = seal(&KEY, nonce, "t", &content);
            prop_assert_eq!(open(&KEY, &file, 300), Ok(("t".to_owned(), content)));
            let mut changed = file.clone().into_bytes();
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let at = at.index(changed.len());
            changed[at] = alphabet[usize::from(other)];
            let changed = String::from_utf8(changed).unwrap();
            prop_assert!(changed == file || open(&KEY, &changed, 300).is_err());
            let cut = &file[..at];
            prop_assert!(open(&KEY, cut, 300).is_err());
        }
    }
}
