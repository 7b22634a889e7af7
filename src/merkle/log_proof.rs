//! Proofs to carry away: an entry's index, its path and the signed checkpoint that it leads to, as one text. What the entry
//! is, and whether the checkpoint is to be believed, is for whoever reads it.
//!
//! Source: C2SP tlog-proof.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::checkpoint::{root_of, size_of};
use super::hash::Hash;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::limits::PROOF_BYTES_MAX;

/// A proof that the log has an entry; `Display` and `FromStr` are its text, of which there is one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// What it takes to make the entry; empty for none. The format does not vouch for it.
    pub extra: Vec<u8>,
    /// Index of the entry, from 0.
    pub index: u64,
    /// The sibling hashes, leaf first.
    pub hashes: Vec<Hash>,
    /// The checkpoint: a signed note, with its signatures.
    pub checkpoint: String,
}

/// Says why a text is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// A line is not what the format calls for; get the proof anew.
    #[error("line {line} of a proof is malformed")]
    Line {
        /// Number of the line, from 1.
        line: usize,
    },
    /// It is too long; get it anew.
    #[error("{length} bytes are no proof")]
    Long {
        /// Length of the text, in bytes.
        length: usize,
    },
}

impl Faulty for LogProofError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{FIRST_LINE}")?;
        if !self.extra.is_empty() {
            writeln!(formatter, "{EXTRA}{}", BASE64_STANDARD.encode(&self.extra))?;
        }
        writeln!(formatter, "{INDEX}{}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(formatter, "{}", BASE64_STANDARD.encode(hash.as_bytes())))?;
        write!(formatter, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = LogProofError;

    fn from_str(text: &str) -> Result<Self, LogProofError> {
        let broken = |line| LogProofError::Line { line };
        if text.len() > PROOF_BYTES_MAX {
            return Err(LogProofError::Long { length: text.len() });
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| broken(text.split('\n').count()))?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        lines.next_if(|(_, line)| *line == FIRST_LINE).ok_or(broken(1))?;
        let extra = match lines.next_if(|(_, line)| line.starts_with(EXTRA)) {
            Some((number, line)) => extra_of(line).ok_or(broken(number))?,
            None => Vec::new(),
        };
        let (number, index) = lines.next().ok_or(broken(2))?;
        let index = index.strip_prefix(INDEX).and_then(size_of).ok_or(broken(number))?;
        let hashes = lines.map(|(number, line)| root_of(line).ok_or(broken(number)));
        Ok(Self { extra, index, hashes: hashes.collect::<Result<_, _>>()?, checkpoint: checkpoint.to_owned() })
    }
}

/// Reads extra data, which are left out rather than empty.
fn extra_of(line: &str) -> Option<Vec<u8>> {
    let extra = BASE64_STANDARD.decode(line.strip_prefix(EXTRA)?).ok()?;
    (!extra.is_empty()).then_some(extra)
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHECKPOINT: &str =
        "example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/log x08g\n";
    const HASH: &str = "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=";

    #[test]
    fn the_text_is_that_of_the_specification() {
        let text = format!("c2sp.org/tlog-proof@v1\nextra AAEC\nindex 5\n{HASH}\n{HASH}\n\n{CHECKPOINT}");
        let proof: LogProof = text.parse().unwrap();
        assert_eq!((proof.extra.as_slice(), proof.index, proof.hashes.len()), ([0, 1, 2].as_slice(), 5, 2));
        assert_eq!(proof.checkpoint, CHECKPOINT);
        assert_eq!(proof.to_string(), text);
        let bare = format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{CHECKPOINT}");
        let proof: LogProof = bare.parse().unwrap();
        assert_eq!((proof.extra.len(), proof.index, proof.hashes.len()), (0, 0, 0));
        assert_eq!(proof.to_string(), bare);
    }

    #[test]
    fn malformed_lines_are_named() {
        for (head, line) in [
            ("c2sp.org/tlog-proof@v2\nindex 5\n", 1),
            ("index 5\n", 1),
            ("c2sp.org/tlog-proof@v1\n", 2),
            ("c2sp.org/tlog-proof@v1\nextra \nindex 5\n", 2),
            ("c2sp.org/tlog-proof@v1\nextra AA=\nindex 5\n", 2),
            ("c2sp.org/tlog-proof@v1\nextra AB==\nindex 5\n", 2),
            ("c2sp.org/tlog-proof@v1\nindex 05\n", 2),
            ("c2sp.org/tlog-proof@v1\nindex +5\n", 2),
            ("c2sp.org/tlog-proof@v1\nextra AAEC\nextra AAEC\nindex 5\n", 3),
            ("c2sp.org/tlog-proof@v1\nindex 5\nAAEC\n", 3),
            ("c2sp.org/tlog-proof@v1\r\nindex 5\n", 1),
        ] {
            let text = format!("{head}\n{CHECKPOINT}");
            assert_eq!(text.parse::<LogProof>(), Err(LogProofError::Line { line }), "{text}");
        }
        let length = PROOF_BYTES_MAX + 1;
        assert_eq!(" ".repeat(length).parse::<LogProof>(), Err(LogProofError::Long { length }));
    }

    proptest! {
        #[test]
        fn every_proof_reads_back(extra: Vec<u8>, index: u64, hashes: Vec<[u8; 32]>) {
            let hashes = hashes.into_iter().map(Hash::from).collect();
            let proof = LogProof { extra, index, hashes, checkpoint: CHECKPOINT.to_owned() };
            prop_assert_eq!(proof.to_string().parse(), Ok(proof));
        }

        #[test]
        fn whatever_is_read_has_one_spelling(at: prop::sample::Index, byte in 0x20..0x7f_u8, text: String) {
            let mut bytes = format!("c2sp.org/tlog-proof@v1\nextra AAEC\nindex 5\n{HASH}\n\nlog\n").into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            for text in [String::from_utf8(bytes).unwrap(), format!("c2sp.org/tlog-proof@v1\n{text}")] {
                prop_assert!(text.parse::<LogProof>().is_ok_and(|proof| proof.to_string() == text) || text.parse::<LogProof>().is_err());
            }
        }
    }
}
