//! From a message to its answer. Must not write to the connection.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Door, Intake, Received, Refusal};
use crate::domain::fault::Fault;
use crate::domain::limits::HL7_BATCH_MESSAGES_MAX;
use crate::doors::fault::{ack_code, ack_text};
use crate::wire::hl7::ack::{AckCode, Answer, acknowledgement};
use crate::wire::hl7::batch::split_stream;
use crate::wire::hl7::error::{Hl7Error, Place, Problem};
use crate::wire::hl7::header::Header;
use crate::wire::hl7::{Outcome, Reading, SourceSettings};

/// One thing in a frame that wants an answer.
pub(super) enum Work {
    /// A message.
    Message(Bytes),
    /// A batch whose trailer miscounts, or a frame without a message: its header's bytes and what is wrong.
    Envelope(Bytes, Hl7Error),
}

/// Splits a frame into what is to be answered, in order; an empty frame is answered too, as its sender waits.
pub(super) fn works(frame: &Bytes) -> Vec<Work> {
    let split = split_stream(frame);
    if split.messages.is_empty() && split.miscounted.is_none() {
        return vec![Work::Message(frame.clone())];
    }
    if split.messages.len() > HL7_BATCH_MESSAGES_MAX {
        let error = Hl7Error::new(Place::header(0), Problem::TooMany { parts_max: HL7_BATCH_MESSAGES_MAX });
        return vec![Work::Envelope(frame.clone(), error)];
    }
    let mut works: Vec<Work> = split.messages.iter().map(|message| Work::Message(frame.slice_ref(message))).collect();
    works.extend(split.miscounted.map(|(header, error)| Work::Envelope(frame.slice_ref(header), error)));
    works
}

/// Has one message taken and gives its answer, or nothing where it was itself an answer.
pub(super) async fn answer<I: Intake>(work: Work, peer: SocketAddr, door: &Door<I>) -> Option<Vec<u8>> {
    let (original, envelope_error) = match work {
        Work::Message(original) => (original, None),
        Work::Envelope(header, error) => (header, Some(error)),
    };
    if let Some(error) = envelope_error {
        let header = Header::of_bytes(&original, &door.settings.source);
        return Some(acknowledged(&header, Err(error.into()), door));
    }
    let reading = match read(original.clone(), door.settings.source).await {
        Ok(reading) => reading,
        Err(fault) => {
            let header = Header::of_bytes(&original, &door.settings.source);
            return Some(acknowledged(&header, Err(fault.into()), door));
        }
    };
    let (header, outcome) = (reading.header.clone(), reading.outcome.error());
    let is_silent = reading.outcome == Outcome::Acknowledgement;
    let taken = door.intake.take(Received { original, reading, peer }).await;
    if is_silent {
        return None;
    }
    if let Some(error) = outcome {
        tracing::warn!(%peer, place = %error.place, problem = %error.problem, "refuse message");
    }
    let verdict = taken.and(outcome.map_or(Ok(()), |error| Err(error.into())));
    Some(acknowledged(&header, verdict, door))
}

/// Answers a frame that broke framing, from what had arrived of it.
pub(super) fn refused_fragment<I: Intake>(fragment: &[u8], error: Hl7Error, door: &Door<I>) -> Vec<u8> {
    let first = fragment.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    acknowledged(&Header::of_bytes(first, &door.settings.source), Err(error.into()), door)
}

fn acknowledged<I: Intake>(header: &Header, verdict: Result<(), Refusal>, door: &Door<I>) -> Vec<u8> {
    let answer = match verdict {
        Ok(()) => Answer { code: AckCode::Accept, text: "", error: None },
        Err(Refusal { fault, error }) => Answer { code: ack_code(fault), text: ack_text(fault), error },
    };
    acknowledgement(header, &answer, door.clock.now(), &door.next_control_id())
}

/// Reads a message; a large one away from the threads that serve the other connections.
async fn read(original: Bytes, settings: SourceSettings) -> Result<Reading, Fault> {
    if original.len() <= READ_HERE_BYTES_MAX {
        return Ok(Reading::of(&original, &settings));
    }
    tokio::task::spawn_blocking(move || Reading::of(&original, &settings)).await.map_err(|_| Fault::Broken)
}

const READ_HERE_BYTES_MAX: usize = 128 << 10;
