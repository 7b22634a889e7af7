//! Intake: what is acknowledged is in the journal, and an image is among the originals before that.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::core::{Core, blocking};
use super::error::{IntakeError, NodeError};
use super::ledger::{NO_INTAKE, NodeRecord};
use super::sheet::Reason;
use super::{Node, names};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Digest;
use crate::domain::limits::{CHUNK_BYTES, KEY_BYTES_MAX};
use crate::domain::time::Moment;
use crate::ports::hub::HubLink;
use crate::store::node::InstanceUid;
use crate::wire;
use crate::wire::dicom::InstanceFacts;
use crate::wire::hl7::error::Hl7Error;
use crate::wire::hl7::header::Header;
use crate::wire::hl7::{Outcome, Reading};
use crate::wire::pb;

/// What became of something that is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is new, and durable.
    New,
    /// The same was taken before; it is kept once.
    Again,
    /// It is an answer to something else, and nothing to keep.
    Nothing,
}

/// The data set of an instance, where the door has put it.
#[derive(Debug)]
pub enum InstanceBytes {
    /// In memory.
    Whole(Bytes),
    /// In a file, which stays the door's.
    File(PathBuf),
}

impl<L: HubLink> Node<L> {
    /// Takes one HL7 message, which the door has read. It is durable when this returns.
    ///
    /// # Errors
    /// [`IntakeError::Message`] when it is not acceptable (answer AE or AR by its fault) and kept for somebody to look at;
    /// [`IntakeError::Node`] when it could not be kept.
    pub async fn take_message(
        &self,
        source: &str,
        original: Bytes,
        reading: &Reading,
        received_at: Moment,
    ) -> Result<Taken, IntakeError> {
        match &reading.outcome {
            Outcome::Reports(_) => {}
            Outcome::Acknowledgement => return Ok(Taken::Nothing),
            Outcome::Refused(error) => {
                return self.note_refused(source, original, &reading.header, *error, received_at).await;
            }
        }
        let digest = wire::batch::digest(&original);
        let key = key_of(&reading.header, &digest);
        let _one_at_a_time = self.core.turn(key.as_bytes()).await;
        if blocking(&self.core, move |core| has_message(core, key)).await? {
            self.core.figures.message_duplicates.add(1);
            return Ok(Taken::Again);
        }
        let size_bytes = u64::try_from(original.len()).unwrap_or(u64::MAX);
        let is_large = original.len() > INLINE_BYTES_MAX;
        if is_large {
            let bytes = original.clone();
            blocking(&self.core, move |core| Ok(core.originals.put(&bytes)?)).await?;
        }
        let record = NodeRecord::Message(pb::MessageIntake {
            source: source.to_owned(),
            message: if is_large { Bytes::new() } else { original },
            received_at: Some(received_at.into()),
            digest: digest.as_bytes().to_vec().into(),
            size_bytes,
            key: key.as_bytes().to_vec().into(),
        });
        self.core.record(&record).await?;
        self.core.figures.messages_taken.add(1);
        Ok(Taken::New)
    }

    /// Keeps a message that is not acceptable, for somebody to look at; sent again, it is kept once. A sender whose message
    /// could be neither taken nor kept hears of the latter, and sends it again.
    async fn note_refused(
        &self,
        source: &str,
        original: Bytes,
        header: &Header,
        error: Hl7Error,
        received_at: Moment,
    ) -> Result<Taken, IntakeError> {
        self.core.figures.messages_refused.add(1);
        let digest = wire::batch::digest(&original);
        let key = key_of(header, &digest);
        let _one_at_a_time = self.core.turn(key.as_bytes()).await;
        let refused_key = names::refused_key(&key);
        if blocking(&self.core, move |core| has_message(core, refused_key)).await? {
            return Err(error.into());
        }
        let size_bytes = u64::try_from(original.len()).unwrap_or(u64::MAX);
        let control_id = header.control_id();
        let control_id = control_id.get(..control_id.floor_char_boundary(KEY_BYTES_MAX)).unwrap_or_default();
        let condition = error.condition();
        let record = NodeRecord::Refused(pb::RefusedIntake {
            source: source.to_owned(),
            message: if original.len() > INLINE_BYTES_MAX { Bytes::new() } else { original },
            received_at: Some(received_at.into()),
            digest: digest.as_bytes().to_vec().into(),
            size_bytes,
            key: key.as_bytes().to_vec().into(),
            control_id: control_id.to_owned(),
            answer: if error.fault() == Fault::Denied { "AR" } else { "AE" }.to_owned(),
            field: format!("{} {} {}", error.place, condition.code, condition.name),
        });
        self.core.record(&record).await?;
        Err(error.into())
    }

    /// Takes one DICOM instance: `header` is what makes a Part 10 file before the data set. It is durable when this
    /// returns.
    ///
    /// # Errors
    /// [`IntakeError::OtherInstance`] when other bytes are kept under its UID; [`IntakeError::Node`] when it could not
    /// be kept.
    pub async fn take_instance(
        &self,
        facts: &InstanceFacts,
        header: Vec<u8>,
        data_set: InstanceBytes,
        received_at: Moment,
    ) -> Result<Taken, IntakeError> {
        let uid = InstanceUid(facts.sop_instance.as_str().to_owned());
        let _one_at_a_time = self.core.turn(wire::batch::digest(uid.0.as_bytes()).as_bytes()).await;
        let kept = uid.clone();
        let kept = blocking(&self.core, move |core| keep(core, &kept, header, data_set)).await?;
        let (digest, size_bytes, instance) = match kept {
            Kept::New { digest, size_bytes, inline } => (digest, size_bytes, inline),
            Kept::Again => {
                self.core.figures.instance_duplicates.add(1);
                return Ok(Taken::Again);
            }
            Kept::Other => {
                self.core.figures.instances_refused.add(1);
                self.core.record(&conflict(uid.0)).await?;
                return Err(IntakeError::OtherInstance);
            }
        };
        // What belongs to no study or no series is kept all the same, and waits.
        let study_uid = facts.study.as_ref().filter(|_| facts.series.is_some());
        let study_uid = study_uid.map(|study| study.as_str().to_owned()).unwrap_or_default();
        let record = NodeRecord::Instance(pb::InstanceIntake {
            digest: digest.as_bytes().to_vec().into(),
            size_bytes,
            instance_uid: uid.0,
            study_uid,
            received_at: Some(received_at.into()),
            instance,
        });
        self.core.record(&record).await?;
        self.core.figures.instances_taken.add(1);
        Ok(Taken::New)
    }
}

enum Kept {
    New {
        digest: Digest,
        size_bytes: u64,
        /// The file, where it is to be kept in its record.
        inline: Bytes,
    },
    Again,
    Other,
}

fn key_of(header: &Header, digest: &Digest) -> Digest {
    Digest::new(names::message_key(header.field(3), header.field(4), header.control_id(), digest))
}

fn has_message(core: &Core, key: Digest) -> Result<bool, NodeError> {
    core.catch_up()?;
    Ok(core.state.message(key)?.is_some())
}

/// Keeps an instance unless its UID is taken: a small one is handed back to be kept in its record, another is a file.
fn keep(core: &Core, uid: &InstanceUid, header: Vec<u8>, data_set: InstanceBytes) -> Result<Kept, NodeError> {
    match data_set {
        InstanceBytes::Whole(bytes) if header.len() + bytes.len() <= INLINE_BYTES_MAX => {
            let mut inline = header;
            inline.extend_from_slice(bytes.as_ref());
            let inline = Bytes::from(inline);
            let (digest, size_bytes) = (wire::batch::digest(&inline), inline.len() as u64);
            Ok(known(core, uid, digest)?.unwrap_or(Kept::New { digest, size_bytes, inline }))
        }
        data_set => keep_file(core, uid, &header, data_set),
    }
}

/// Says what is kept under a UID already.
fn known(core: &Core, uid: &InstanceUid, digest: Digest) -> Result<Option<Kept>, NodeError> {
    core.catch_up()?;
    let known = core.state.instance(uid)?;
    Ok(known.map(|known| if known.digest == digest { Kept::Again } else { Kept::Other }))
}

/// Writes the file, and keeps it unless its UID is taken.
fn keep_file(core: &Core, uid: &InstanceUid, header: &[u8], data_set: InstanceBytes) -> Result<Kept, NodeError> {
    let io = |error: io::Error| NodeError::Originals(error.into());
    let (path, file) = core.originals.incoming()?;
    let written = match data_set {
        InstanceBytes::Whole(bytes) => write(&file, header, bytes.as_ref()),
        InstanceBytes::File(path) => File::open(path).and_then(|from| write(&file, header, from)),
    };
    let kept = written.map_err(io).and_then(|(digest, size_bytes)| match known(core, uid, digest)? {
        Some(known) => Ok(known),
        None => {
            core.originals.put_file(&path, &file, digest)?;
            Ok(Kept::New { digest, size_bytes, inline: Bytes::new() })
        }
    });
    if !matches!(kept, Ok(Kept::New { .. })) {
        // What is left of it goes at the next start.
        let _ = std::fs::remove_file(&path);
    }
    kept
}

fn write(mut file: &File, header: &[u8], mut data_set: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new_with_prefix(header);
    file.write_all(header)?;
    let mut size_bytes = header.len() as u64;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = data_set.read(&mut chunk)?;
        let Some(piece) = chunk.get(..count).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        file.write_all(piece)?;
        size_bytes += piece.len() as u64;
    }
    Ok((Digest::new(hasher.finalize().into()), size_bytes))
}

fn conflict(reference: String) -> NodeRecord {
    let reason = Reason::InstanceConflict.to_string();
    let held = vec![pb::HeldItem { reference, reason, field: "SOPInstanceUID".to_owned() }];
    NodeRecord::Outcome(pb::OutcomeRecord { intake: NO_INTAKE, held, ..Default::default() })
}

/// Longest original kept inside its journal record, in bytes.
const INLINE_BYTES_MAX: usize = 64 << 10;
