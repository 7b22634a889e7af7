//! HL7 v2 as laboratories write it: frames, batches, character sets, escapes, result messages and their answers.
//!
//! Bytes go `split_stream` → `charset::decode` → `normalise` → `Message` → `classify` → `reports`; [`read`] walks the
//! whole path. Must not store, send, log or ask for the time.

pub mod ack;
pub mod batch;
pub mod charset;
pub mod classify;
pub mod error;
pub mod escape;
pub mod header;
pub mod message;
pub mod mllp;
pub mod normalise;
pub mod separators;
pub mod time;

use charset::Charset;

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
