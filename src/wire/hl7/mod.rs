//! HL7 v2 as laboratories write it: frames, batches, character sets, escapes, result messages and their answers.
//!
//! Bytes go `split_stream` → `charset::decode` → `normalise` → `Message` → `classify` → `reports`; [`read`] walks the
//! whole path. Must not store, send, log or ask for the time.

pub mod ack;
pub mod batch;
pub mod charset;
pub mod classify;
pub mod coded;
pub mod error;
pub mod escape;
pub mod groups;
pub mod header;
pub mod message;
pub mod mllp;
pub mod normalise;
pub mod patient;
pub mod report;
pub mod separators;
pub mod status;
pub mod time;
pub mod value;

use charset::Charset;
use error::Hl7Error;
use header::Header;
use message::Message;
use report::{Report, read_reports};

/// Reads every message of a file or frame, each on its own; an acknowledgement gives no reports.
///
/// # Errors
/// Each message has its own [`Hl7Error`]; the others are not touched by it.
pub fn read(bytes: &[u8], settings: &SourceSettings) -> Vec<Result<Vec<Report>, Hl7Error>> {
    let read_one = |message: &[u8]| read_reports(&Message::read(message, settings)?, settings);
    batch::split_stream(bytes).messages.into_iter().map(read_one).collect()
}

/// One message read as far as it can be: the header always, for the answer.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The header; empty fields where there was none.
    pub header: Header,
    /// What the message holds.
    pub outcome: Outcome,
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Reports, at least one; answer AA once they are stored.
    Reports(Vec<Report>),
    /// An answer to something we sent; never answer it.
    Acknowledgement,
    /// A message that is not taken; keep the original and answer with the error.
    Refused(Hl7Error),
}

impl Outcome {
    /// Gives what keeps the message from being taken, if anything does.
    pub fn error(&self) -> Option<Hl7Error> {
        match self {
            Self::Refused(error) => Some(*error),
            Self::Reports(_) | Self::Acknowledgement => None,
        }
    }
}

impl Reading {
    /// Reads one message, as [`batch::split_stream`] gives it.
    pub fn of(bytes: &[u8], settings: &SourceSettings) -> Self {
        let message = Message::read(bytes, settings);
        let header = message.as_ref().map_or_else(|_| Header::of_bytes(bytes, settings), |read| read.header().clone());
        let outcome = match message.and_then(|message| read_reports(&message, settings)) {
            _ if classify::is_acknowledgement(&header) => Outcome::Acknowledgement,
            Ok(reports) => Outcome::Reports(reports),
            Err(error) => Outcome::Refused(error),
        };
        Self { header, outcome }
    }
}

/// How one source writes, where its messages do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceSettings {
    /// Character set to use whatever MSH-18 says.
    pub charset_forced: Option<Charset>,
    /// Character set to use where MSH-18 is empty or wrong and the text is not UTF-8.
    pub charset_usual: Option<Charset>,
    /// Offset of the source's clock where a time has none, in minutes east of UTC, -840 to 840.
    pub offset_minutes: i16,
    /// Whether a line that is no segment continues the one before it; otherwise the message is refused.
    pub joins_lines: bool,
}

impl Default for SourceSettings {
    /// Nothing configured: UTF-8 where nothing is declared, China Standard Time, lines joined.
    fn default() -> Self {
        Self { charset_forced: None, charset_usual: None, offset_minutes: 480, joins_lines: true }
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod hazards;
