//! Cosignatures: what a witness says of a checkpoint under a note, with the time at which it said so. Whether it may say
//! so is for whoever has seen the log before.
//!
//! Source: C2SP tlog-cosignature, cosignature/v1 with Ed25519.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, VerifyingKey};

use super::{KeyId, KeyName, Note, NoteError, SignatureLine, VERIFIER_KEY_BYTES_MAX, key_id};

/// A witness's public key under its name; its text form is that of a verifier key, of type 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: KeyName,
    id: KeyId,
    key: VerifyingKey,
}

/// A cosignature, made or verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// When it was made, in seconds since 1970.
    pub at_unix_s: u64,
    line: SignatureLine,
}

impl WitnessKey {
    /// Puts an Ed25519 public key under a witness's name.
    pub fn new(name: KeyName, key: VerifyingKey) -> Self {
        let id = key_id(&name, &typed(&key));
        Self { name, id, key }
    }

    /// Names a witness after the log that it watches and whoever it is: `<log>/witness/<who>`.
    ///
    /// # Errors
    /// [`NoteError::Name`] when that is too long for a name.
    pub fn under(log: &KeyName, who: &str, key: VerifyingKey) -> Result<Self, NoteError> {
        Ok(Self::new(format!("{log}/witness/{who}").parse()?, key))
    }

    /// Gives the name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }
}

impl FromStr for WitnessKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let read = || {
            let (name, rest) = text.split_once('+')?;
            let (id, encoded) = rest.split_once('+')?;
            let name: KeyName = name.parse().ok()?;
            let typed = BASE64_STANDARD.decode(encoded).ok()?;
            let (&COSIGNATURE, key) = typed.split_first()? else { return None };
            let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
            (key_id(&name, &typed).to_string() == id).then(|| Self::new(name, key))
        };
        let short = (text.len() <= VERIFIER_KEY_BYTES_MAX).then(read).flatten();
        short.ok_or(NoteError::Key { length: text.len() })
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}+{}+{}", self.name, self.id, BASE64_STANDARD.encode(typed(&self.key)))
    }
}

impl Cosignature {
    /// Cosigns the text of a checkpoint with the private half of `key`, wherever that is kept.
    pub fn sign(
        text: &str,
        at_unix_s: u64,
        key: &WitnessKey,
        sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_LENGTH],
    ) -> Self {
        let signature = [at_unix_s.to_be_bytes().as_slice(), &sign(&message(text, at_unix_s))].concat();
        Self { at_unix_s, line: SignatureLine { name: key.name.clone(), id: key.id, signature } }
    }

    /// Reads a signature line, and verifies it as a cosignature of `key` over the text of a checkpoint.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when it is no such line, [`NoteError::Unknown`] when it is another key's,
    /// [`NoteError::Signature`] when it does not hold.
    pub fn verify(line: &str, text: &str, key: &WitnessKey) -> Result<Self, NoteError> {
        let line = SignatureLine::parse(line).ok_or(NoteError::Malformed { length: line.len() })?;
        if line.name != key.name || line.id != key.id {
            return Err(NoteError::Unknown { signatures: 1 });
        }
        let at_unix_s = held(&line, text, key).ok_or(NoteError::Signature { place: 0 })?;
        Ok(Self { at_unix_s, line })
    }

    /// Gives the name of the witness.
    pub fn name(&self) -> &KeyName {
        &self.line.name
    }
}

impl fmt::Display for Cosignature {
    /// Writes the signature line, without its newline.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.line, formatter)
    }
}

impl Note {
    /// Checks every cosignature by one of `keys`, and gives each witness with the time in seconds since 1970.
    ///
    /// # Errors
    /// [`NoteError::Signature`] when a known witness's cosignature does not hold; do not trust the note at all.
    pub fn cosignatures(&self, keys: &[WitnessKey]) -> Result<Vec<(KeyName, u64)>, NoteError> {
        let mut found = Vec::new();
        for (place, line) in self.lines.iter().enumerate() {
            let Some(known) = keys.iter().find(|key| key.name == line.name && key.id == line.id) else { continue };
            let at_unix_s = held(line, &self.text, known).ok_or(NoteError::Signature { place })?;
            found.push((known.name.clone(), at_unix_s));
        }
        Ok(found)
    }

    /// Adds cosignatures behind the lines that are there.
    pub fn with_cosignatures<'c>(mut self, cosignatures: impl IntoIterator<Item = &'c Cosignature>) -> Self {
        self.lines.extend(cosignatures.into_iter().map(|cosignature| cosignature.line.clone()));
        self
    }
}

/// Says whether a signature is by one of `keys`, unchecked.
pub(super) fn is_by(line: &SignatureLine, keys: &[WitnessKey]) -> bool {
    keys.iter().any(|key| key.name == line.name && key.id == line.id)
}

/// Gives the time of a cosignature that holds.
fn held(line: &SignatureLine, text: &str, key: &WitnessKey) -> Option<u64> {
    let (at, signature) = line.signature.split_first_chunk()?;
    let at_unix_s = u64::from_be_bytes(*at);
    let signature = Signature::from_slice(signature).ok()?;
    let holds = key.key.verify_strict(&message(text, at_unix_s), &signature).is_ok();
    (holds && i64::try_from(at_unix_s).is_ok()).then_some(at_unix_s)
}

fn message(text: &str, at_unix_s: u64) -> Vec<u8> {
    format!("{COSIGNED_AS}time {at_unix_s}\n{text}").into_bytes()
}

fn typed(key: &VerifyingKey) -> Vec<u8> {
    [&[COSIGNATURE], key.as_bytes().as_slice()].concat()
}

/// What every message that a witness signs begins with: no batch and no statement does.
pub const COSIGNED_AS: &str = "cosignature/v1\n";
/// Type byte of a timestamped Ed25519 cosignature.
const COSIGNATURE: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::checkpoint::Checkpoint;
    use crate::merkle::hash::Hash;
    use crate::merkle::note::VerifierKey;
    use crate::merkle::proof::TreeHead;
    use ed25519_dalek::{Signer, SigningKey};

    fn private(number: u8) -> SigningKey {
        SigningKey::from_bytes(&[number; 32])
    }

    fn witness(number: u8) -> WitnessKey {
        WitnessKey::new(format!("witness.example/{number}").parse().unwrap(), private(number).verifying_key())
    }

    fn text() -> String {
        let name = "hub.example.org/log".parse().unwrap();
        Checkpoint::new(&name, TreeHead { size: 7, root: Hash::from([5; 32]) }).to_string()
    }

    fn cosigned(number: u8, at: u64) -> Cosignature {
        Cosignature::sign(&text(), at, &witness(number), |message| private(number).sign(message).to_bytes())
    }

    fn note() -> Note {
        let key = VerifierKey::new("hub.example.org/log".parse().unwrap(), private(9).verifying_key());
        let note = Note::sign(text(), &key, |text| private(9).sign(text).to_bytes()).unwrap();
        note.with_cosignatures(&[cosigned(1, 1_679_315_147), cosigned(2, 1_679_315_148)])
    }

    /// Made by another implementation of the specification, with Python's `cryptography`, from the seed of 32 times 1.
    #[test]
    fn key_and_line_are_those_of_another_implementation() {
        assert_eq!(witness(1).to_string(), FOREIGN_KEY);
        assert_eq!(cosigned(1, 1_679_315_147).to_string(), FOREIGN_LINE);
        assert_eq!(FOREIGN_KEY.parse(), Ok(witness(1)));
        assert!(FOREIGN_KEY.parse::<VerifierKey>().is_err(), "a witness's key signs no checkpoint of a log");
    }

    #[test]
    fn each_witness_is_found_with_its_time_and_strangers_count_for_nothing() {
        let read = Note::parse(note().to_string().as_bytes()).unwrap();
        let found = read.cosignatures(&[witness(2), witness(1)]).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], (witness(1).name().clone(), 1_679_315_147));
        assert_eq!(read.cosignatures(&[witness(3)]).unwrap(), []);
        let renamed = WitnessKey::new(witness(1).name().clone(), private(3).verifying_key());
        assert_eq!(read.cosignatures(&[renamed]).unwrap(), []);
    }

    #[test]
    fn any_changed_dropped_or_added_byte_is_refused() {
        let key = VerifierKey::new("hub.example.org/log".parse().unwrap(), private(9).verifying_key());
        let sound = note().to_string().into_bytes();
        let keys = [witness(1), witness(2)];
        let verdict = |bytes: &[u8]| {
            let note = Note::parse(bytes).ok()?;
            note.verify(std::slice::from_ref(&key)).ok()?;
            (note.cosignatures(&keys).ok()?.len() == 2).then_some(())
        };
        assert_eq!(verdict(&sound), Some(()));
        for place in 0..sound.len() {
            for value in [sound[place] ^ 1, sound[place] ^ 0x20, sound[place] ^ 0x80, b'A', b'\n', 0] {
                let mut changed = sound.clone();
                changed[place] = value;
                assert!(value == sound[place] || verdict(&changed).is_none(), "byte {place} as {value}");
            }
            let shorter = [&sound[..place], &sound[place + 1..]].concat();
            assert!(verdict(&shorter).is_none(), "without byte {place}");
            assert!(verdict(&sound[..place]).is_none(), "cut at {place}");
        }
        assert!(verdict(&[sound.as_slice(), b"A"].concat()).is_none());
    }

    #[test]
    fn a_line_is_verified_against_its_text_its_key_and_its_time() {
        let line = cosigned(1, 1_679_315_147).to_string();
        let held = Cosignature::verify(&line, &text(), &witness(1)).unwrap();
        assert_eq!((held.at_unix_s, held.to_string()), (1_679_315_147, line.clone()));
        let other = text().replacen("\n7\n", "\n8\n", 1);
        assert_eq!(Cosignature::verify(&line, &other, &witness(1)), Err(NoteError::Signature { place: 0 }));
        assert_eq!(Cosignature::verify(&line, &text(), &witness(2)), Err(NoteError::Unknown { signatures: 1 }));
        let far = cosigned(1, u64::MAX).to_string();
        assert_eq!(Cosignature::verify(&far, &text(), &witness(1)), Err(NoteError::Signature { place: 0 }));
        assert!(Cosignature::verify("", &text(), &witness(1)).is_err());
    }

    const FOREIGN_KEY: &str = "witness.example/1+f4031348+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    const FOREIGN_LINE: &str = "— witness.example/1 9AMTSAAAAABkGFDL3Qp5BnwiD3qGNwPcEBUIN8uicWvBbRJuQ2X4VqFiDCELrfAux+HP05SDSzdXI1GZflCePOMo3If0Tta3T2+YAQ==";
}
