//! Checkpoints: a log's name, size and root as the text of a signed note. Whether two of them agree is for `proof`.
//!
//! Source: C2SP tlog-checkpoint.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::hash::{HASH_BYTES, Hash};
use super::note::{KeyName, Note, NoteError, VerifierKey};
use super::proof::TreeHead;
use crate::domain::fault::{Fault, Faulty};

/// A log's statement of its tree head; `Display` and `FromStr` are the text under its signatures.
///
/// Extension lines of foreign logs are read and kept, and never written by us: the specification advises against them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    head: TreeHead,
    extensions: Vec<String>,
}

/// Says why a checkpoint is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it is broken or not signed by a known key.
    #[error("open the note")]
    Note(#[from] NoteError),
    /// A line is not what the format calls for; do not trust the sender.
    #[error("line {line} of a checkpoint is malformed")]
    Line {
        /// Number of the line, from 1.
        line: usize,
    },
    /// The checkpoint is another log's; ask the right one.
    #[error("the checkpoint is another log's")]
    Origin,
}

impl Faulty for CheckpointError {
    fn fault(&self) -> Fault {
        match self {
            Self::Note(error) => error.fault(),
            Self::Line { .. } => Fault::BadInput,
            Self::Origin => Fault::Conflict,
        }
    }
}

impl Checkpoint {
    /// States the head of the log whose origin is the name of its key.
    pub fn new(origin: &KeyName, head: TreeHead) -> Self {
        Self { origin: origin.to_string(), head, extensions: Vec::new() }
    }

    /// Reads a signed checkpoint of the log `origin`, trusting `keys` alone.
    ///
    /// # Errors
    /// [`CheckpointError`]; keep the checkpoint known before.
    pub fn open(note: &[u8], origin: &KeyName, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let checkpoint: Self = Note::parse(note)?.verify(keys)?.parse()?;
        if checkpoint.origin == origin.as_str() { Ok(checkpoint) } else { Err(CheckpointError::Origin) }
    }

    /// Gives the name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Gives the size and root of the log's tree.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// Gives the lines after the root, which mean nothing to us.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = BASE64_STANDARD.encode(self.head.root.as_bytes());
        writeln!(formatter, "{}\n{}\n{root}", self.origin, self.head.size)?;
        self.extensions.iter().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let broken = |line| CheckpointError::Line { line };
        let body = text.strip_suffix('\n').ok_or_else(|| broken(text.split('\n').count()))?;
        let mut lines = body.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(broken(1))?;
        let size = lines.next().and_then(size_of).ok_or(broken(2))?;
        let root = lines.next().and_then(root_of).ok_or(broken(3))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        match extensions.iter().position(String::is_empty) {
            Some(place) => Err(broken(4 + place)),
            None => Ok(Self { origin: origin.to_owned(), head: TreeHead { size, root }, extensions }),
        }
    }
}

/// Reads a decimal number in its one spelling, without sign or leading zeros.
pub(super) fn size_of(line: &str) -> Option<u64> {
    let size: u64 = line.parse().ok()?;
    (size.to_string() == line).then_some(size)
}

pub(super) fn root_of(line: &str) -> Option<Hash> {
    let root: [u8; HASH_BYTES] = BASE64_STANDARD.decode(line).ok()?.try_into().ok()?;
    Some(Hash::from(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_text_is_that_of_the_specification() {
        let checkpoint: Checkpoint = TEXT.parse().unwrap();
        assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.head().size, 20_852_163);
        assert_eq!(checkpoint.to_string(), TEXT);
        let extended = format!("{TEXT}one more\n");
        let checkpoint: Checkpoint = extended.parse().unwrap();
        assert_eq!(checkpoint.extensions(), ["one more"]);
        assert_eq!(checkpoint.to_string(), extended);
    }

    #[test]
    fn malformed_lines_are_named() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for (text, line) in [
            (String::new(), 1),
            (format!("\n1\n{root}\n"), 1),
            (format!("log\n01\n{root}\n"), 2),
            (format!("log\n+1\n{root}\n"), 2),
            (format!("log\n-1\n{root}\n"), 2),
            (format!("log\n18446744073709551616\n{root}\n"), 2),
            (format!("log\n\n{root}\n"), 2),
            ("log\n1\n".to_owned(), 3),
            ("log\n1\nAAAA\n".to_owned(), 3),
            (format!("log\n1\n{}\n", root.replace("q2I=", "q2J=")), 3),
            (format!("log\n1\n{root}"), 3),
            (format!("log\n1\n{root}\none\n\ntwo\n"), 5),
        ] {
            assert_eq!(text.parse::<Checkpoint>(), Err(CheckpointError::Line { line }), "{text}");
        }
    }

    #[test]
    fn only_the_right_log_under_a_known_key_is_believed() {
        let private = SigningKey::from_bytes(&[9; 32]);
        let name: KeyName = "hub.example.org/log".parse().unwrap();
        let key = VerifierKey::new(name.clone(), private.verifying_key());
        let head = TreeHead { size: 7, root: Hash::from([5; 32]) };
        let checkpoint = Checkpoint::new(&name, head);
        let note = Note::sign(checkpoint.to_string(), &key, |text| private.sign(text).to_bytes()).unwrap().to_string();
        assert_eq!(Checkpoint::open(note.as_bytes(), &name, std::slice::from_ref(&key)), Ok(checkpoint));
        let other: KeyName = "hub.example.org/log2".parse().unwrap();
        assert_eq!(Checkpoint::open(note.as_bytes(), &other, &[key]), Err(CheckpointError::Origin));
        let stranger = VerifierKey::new(name.clone(), SigningKey::from_bytes(&[8; 32]).verifying_key());
        let unknown = CheckpointError::Note(NoteError::Unknown { signatures: 1 });
        assert_eq!(Checkpoint::open(note.as_bytes(), &name, &[stranger]), Err(unknown));
    }
}
