//! Signed notes: a text under the Ed25519 signatures of named keys. What the text says is for others to read.
//!
//! Source: C2SP signed-note.

mod cosignature;

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, VerifyingKey};
use sha2::{Digest, Sha256};

pub use self::cosignature::{COSIGNED_AS, Cosignature, WitnessKey};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::limits::{KEY_BYTES_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};

/// Names a key, best as a URL without its scheme, such as `hub.example.org/log`; without spaces and plus signs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Tells keys of one name apart; too short to stand for the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

/// A public key under its name, by which signatures are recognised and checked; its text form is
/// `<name>+<id in hex>+<base64 of type and key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    key: VerifyingKey,
}

/// One signature line of a note, checked or not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SignatureLine {
    name: KeyName,
    id: KeyId,
    signature: Vec<u8>,
}

/// A text with its signatures, none of them checked yet: only [`Note::verify`] gives the text away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<SignatureLine>,
}

/// Says why a key or a note is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The name is empty, too long, or holds a space, a plus sign or a control character; choose another.
    #[error("a key name of {length} bytes is not allowed")]
    Name {
        /// Length of the name, in bytes.
        length: usize,
    },
    /// The text is no verifier key, or its parts contradict each other; copy it again.
    #[error("{length} bytes are no verifier key")]
    Key {
        /// Length of the text, in bytes.
        length: usize,
    },
    /// The text to sign is empty or lacks its final newline, or holds control characters.
    #[error("a text of {length} bytes cannot be signed")]
    Text {
        /// Length of the text, in bytes.
        length: usize,
    },
    /// The bytes are no signed note; do not trust their sender.
    #[error("{length} bytes are no signed note")]
    Malformed {
        /// Length of the note, in bytes.
        length: usize,
    },
    /// A signature that names a known key does not hold; do not trust the note at all.
    #[error("signature {place} does not hold")]
    Signature {
        /// Place among the signature lines, from 0.
        place: usize,
    },
    /// No known key signed the note; ignore it, or learn the key first.
    #[error("none of {signatures} signatures is by a known key")]
    Unknown {
        /// Signature lines in the note.
        signatures: usize,
    },
}

impl Faulty for NoteError {
    fn fault(&self) -> Fault {
        match self {
            Self::Name { .. } | Self::Key { .. } | Self::Text { .. } | Self::Malformed { .. } => Fault::BadInput,
            Self::Signature { .. } | Self::Unknown { .. } => Fault::Unproven,
        }
    }
}

impl KeyName {
    /// Gives the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(name: &str) -> Result<Self, NoteError> {
        let plain = |character: char| !character.is_whitespace() && !character.is_control() && character != '+';
        if (1..=KEY_BYTES_MAX).contains(&name.len()) && name.chars().all(plain) {
            Ok(Self(name.to_owned()))
        } else {
            Err(NoteError::Name { length: name.len() })
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl VerifierKey {
    /// Puts an Ed25519 public key under a name.
    pub fn new(name: KeyName, key: VerifyingKey) -> Self {
        let id = key_id(&name, &tagged(&key));
        Self { name, id, key }
    }

    /// Gives the name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Gives the id that signature lines carry.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let read = || {
            let (name, rest) = text.split_once('+')?;
            let (id, encoded) = rest.split_once('+')?;
            let name: KeyName = name.parse().ok()?;
            let typed = BASE64_STANDARD.decode(encoded).ok()?;
            let (&ED25519, key) = typed.split_first()? else { return None };
            let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
            (key_id(&name, &typed).to_string() == id).then(|| Self::new(name, key))
        };
        let short = (text.len() <= VERIFIER_KEY_BYTES_MAX).then(read).flatten();
        short.ok_or(NoteError::Key { length: text.len() })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}+{}+{}", self.name, self.id, BASE64_STANDARD.encode(tagged(&self.key)))
    }
}

impl Note {
    /// Signs `text`, which ends in a newline, with the private half of `key`, wherever that is kept.
    ///
    /// # Errors
    /// [`NoteError::Text`] when a note cannot carry the text; mend the caller.
    pub fn sign(
        text: String,
        key: &VerifierKey,
        sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_LENGTH],
    ) -> Result<Self, NoteError> {
        let length = text.len();
        let plain = |character: char| character == '\n' || character >= ' ';
        if !text.ends_with('\n') || length > NOTE_BYTES_MAX / 2 || !text.chars().all(plain) {
            return Err(NoteError::Text { length });
        }
        let signature = sign(text.as_bytes()).to_vec();
        Ok(Self { text, lines: vec![SignatureLine { name: key.name.clone(), id: key.id, signature }] })
    }

    /// Takes a note apart without checking its signatures.
    ///
    /// # Errors
    /// [`NoteError::Malformed`]; do not trust the sender.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let read = || {
            let note = std::str::from_utf8(bytes).ok()?;
            let plain = |character: char| character == '\n' || character >= ' ';
            let (text, signatures) = note.chars().all(plain).then(|| note.rsplit_once("\n\n"))??;
            let lines = signatures.strip_suffix('\n')?.split('\n');
            let lines = lines.map(SignatureLine::parse).take(NOTE_SIGNATURES_MAX + 1).collect::<Option<Vec<_>>>()?;
            (lines.len() <= NOTE_SIGNATURES_MAX).then(|| Self { text: format!("{text}\n"), lines })
        };
        let short = (bytes.len() <= NOTE_BYTES_MAX).then(read).flatten();
        short.ok_or(NoteError::Malformed { length: bytes.len() })
    }

    /// Leaves out every signature that is not by one of `keys`, unchecked.
    pub fn only(mut self, keys: &[VerifierKey]) -> Self {
        self.lines.retain(|line| keys.iter().any(|key| key.name == line.name && key.id == line.id));
        self
    }

    /// Gives the name over the first signature that is neither by one of `keys` nor a cosignature of `witnesses`, unchecked.
    pub fn stranger(&self, keys: &[VerifierKey], witnesses: &[WitnessKey]) -> Option<&KeyName> {
        let is_known = |line: &&SignatureLine| {
            keys.iter().any(|key| key.name == line.name && key.id == line.id) || cosignature::is_by(line, witnesses)
        };
        self.lines.iter().find(|line| !is_known(line)).map(|line| &line.name)
    }

    /// Checks every signature by one of `keys` and gives the text; signatures by other keys count for nothing.
    ///
    /// # Errors
    /// [`NoteError::Signature`] when a known key's signature does not hold, [`NoteError::Unknown`] when there is none.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<&str, NoteError> {
        let mut held = 0_usize;
        for (place, line) in self.lines.iter().enumerate() {
            let Some(known) = keys.iter().find(|key| key.name == line.name && key.id == line.id) else { continue };
            Signature::from_slice(&line.signature)
                .and_then(|signature| known.key.verify_strict(self.text.as_bytes(), &signature))
                .map_err(|_| NoteError::Signature { place })?;
            held += 1;
        }
        if held > 0 { Ok(&self.text) } else { Err(NoteError::Unknown { signatures: self.lines.len() }) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        self.lines.iter().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = BASE64_STANDARD.encode([self.id.0.as_slice(), &self.signature].concat());
        write!(formatter, "{LINE_START}{} {encoded}", self.name)
    }
}

impl SignatureLine {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(LINE_START)?.split_once(' ')?;
        let decoded = BASE64_STANDARD.decode(encoded).ok()?;
        let (id, signature) = decoded.split_first_chunk()?;
        let name = name.parse().ok()?;
        (!signature.is_empty()).then(|| Self { name, id: KeyId(*id), signature: signature.to_vec() })
    }
}

fn key_id(name: &KeyName, typed: &[u8]) -> KeyId {
    let [first, second, third, fourth, ..]: [u8; 32] =
        Sha256::new().chain_update(&name.0).chain_update(b"\n").chain_update(typed).finalize().into();
    KeyId([first, second, third, fourth])
}

/// Puts the signature type before the key, as key ids and verifier keys do.
fn tagged(key: &VerifyingKey) -> Vec<u8> {
    [&[ED25519], key.as_bytes().as_slice()].concat()
}

/// Type byte of a plain Ed25519 signature.
const ED25519: u8 = 1;
const LINE_START: &str = "\u{2014} ";
const VERIFIER_KEY_BYTES_MAX: usize = KEY_BYTES_MAX + 64;

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};
    use proptest::prelude::*;

    /// Keys, text and signatures of the reference implementation, golang.org/x/mod/sumdb/note.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETER_PRIVATE: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const PETER_LINE: &str =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const ENOCH_LINE: &str =
        "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

    fn key(text: &str) -> VerifierKey {
        text.parse().unwrap()
    }

    fn check(note: &str, keys: &[VerifierKey]) -> Result<String, NoteError> {
        Note::parse(note.as_bytes())?.verify(keys).map(str::to_owned)
    }

    #[test]
    fn signing_gives_the_reference_note() {
        let seed = BASE64_STANDARD.decode(PETER_PRIVATE).unwrap();
        let private = SigningKey::from_bytes(seed[1..].try_into().unwrap());
        let public = VerifierKey::new("PeterNeumann".parse().unwrap(), private.verifying_key());
        assert_eq!(public.to_string(), PETER);
        let note = Note::sign(TEXT.to_owned(), &public, |text| private.sign(text).to_bytes()).unwrap();
        assert_eq!(note.to_string(), format!("{TEXT}\n{PETER_LINE}"));
        assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note));
    }

    #[test]
    fn known_signatures_must_hold_and_others_are_ignored() {
        let (peter, enoch) = (key(PETER), key(ENOCH));
        let both = format!("{TEXT}\n{PETER_LINE}{ENOCH_LINE}");
        for keys in [vec![peter.clone()], vec![enoch.clone()], vec![enoch.clone(), peter.clone()]] {
            assert_eq!(check(&both, &keys).as_deref(), Ok(TEXT));
        }
        assert_eq!(check(&both, &[]), Err(NoteError::Unknown { signatures: 2 }));
        let foreign_id = both.replace("x08go", "x08gp");
        assert_eq!(check(&foreign_id, std::slice::from_ref(&peter)), Err(NoteError::Unknown { signatures: 2 }));
        let forged = both.replace("rwz+eBzm", "rwz+eBzn");
        assert_eq!(check(&forged, std::slice::from_ref(&peter)).as_deref(), Ok(TEXT));
        assert_eq!(check(&forged, &[peter, enoch]), Err(NoteError::Signature { place: 1 }));
    }

    #[test]
    fn every_piece_and_every_changed_byte_of_a_key_is_refused() {
        for begin in 0..PETER.len() {
            for end in begin..=PETER.len() {
                let piece = &PETER[begin..end];
                assert_eq!(piece.parse::<VerifierKey>().is_ok(), piece == PETER, "{piece}");
            }
        }
        for at in 0..PETER.len() {
            let mut bytes = PETER.as_bytes().to_vec();
            bytes[at] += 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(changed.parse::<VerifierKey>(), Err(NoteError::Key { length: PETER.len() }), "{changed}");
        }
        for other in [
            "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
            "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            assert!(other.parse::<VerifierKey>().is_err(), "{other}");
        }
    }

    #[test]
    fn no_changed_byte_verifies() {
        let note = format!("{TEXT}\n{PETER_LINE}");
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let verdict = Note::parse(&bytes).and_then(|note| note.verify(&[key(PETER)]).map(str::to_owned));
            assert!(verdict.is_err(), "byte {at}");
        }
        for end in (0..note.len()).filter(|end| note.is_char_boundary(*end)) {
            assert!(check(&note[..end], &[key(PETER)]).is_err(), "prefix of {end}");
        }
    }

    #[test]
    fn the_last_empty_line_ends_the_text() {
        let text = "one\n\n— two line\n";
        let private = SigningKey::from_bytes(&[3; 32]);
        let public = VerifierKey::new("example.org/log".parse().unwrap(), private.verifying_key());
        let note = Note::sign(text.to_owned(), &public, |text| private.sign(text).to_bytes()).unwrap();
        assert_eq!(check(&note.to_string(), std::slice::from_ref(&public)).as_deref(), Ok(text));
        for refused in ["", "no newline", "tab\there\n"] {
            let verdict = Note::sign(refused.to_owned(), &public, |_| [0; 64]);
            assert_eq!(verdict, Err(NoteError::Text { length: refused.len() }));
        }
    }

    #[test]
    fn sixteen_signatures_are_read_and_a_flood_is_not() {
        let many = |count| format!("{TEXT}\n{}", PETER_LINE.repeat(count));
        assert_eq!(check(&many(16), &[key(PETER)]).as_deref(), Ok(TEXT));
        let flood = many(NOTE_SIGNATURES_MAX + 1);
        assert_eq!(check(&flood, &[key(PETER)]), Err(NoteError::Malformed { length: flood.len() }));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text: String) {
            let _ = Note::parse(&bytes);
            let _ = Note::parse(format!("{text}\n\n— {text}\n").as_bytes());
            let _ = text.parse::<VerifierKey>();
        }
    }
}
