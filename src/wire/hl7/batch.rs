//! A file or frame to the messages in it, with or without batch segments around them. Must not decode: CR and LF are
//! never part of a character in the character sets taken, so lines can be told apart as bytes.
//!
//! Source: HL7 v2.5.1, 2.10.3 (batch protocol), 2.15.2 to 2.15.7 (BHS, BTS, FHS, FTS).

use super::error::{Hl7Error, Place, Problem};

/// The messages of one stream, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split<'b> {
    /// Every message from its MSH to its last line; whatever stands before the first MSH is a piece of its own.
    pub messages: Vec<&'b [u8]>,
    /// Header and fault of a batch or file whose trailer does not count what arrived; the messages are taken all the same.
    pub miscounted: Option<(&'b [u8], Hl7Error)>,
}

/// Splits a stream at each `MSH` that begins a line, and checks BTS-1 and FTS-1 where they are given.
pub fn split_stream(bytes: &[u8]) -> Split<'_> {
    let mut split = Split::default();
    let mut start: Option<usize> = None;
    let (mut batch, mut file) = (Count::default(), Count::default());
    for (at, line) in lines(bytes) {
        let name = envelope(line);
        if name.is_some() {
            split.messages.extend(start.take().and_then(|from| bytes.get(from..at)));
        }
        match name {
            Some(Envelope::Message) => {
                start = Some(at);
                batch.arrived += 1;
            }
            Some(Envelope::FileHeader) => file = Count { header: line, arrived: 0 },
            Some(Envelope::BatchHeader) => {
                batch = Count { header: line, arrived: 0 };
                file.arrived += 1;
            }
            Some(Envelope::BatchTrailer) => {
                let wrong = batch.check("BTS", line).err();
                split.miscounted = split.miscounted.or(wrong.map(|wrong| (batch.header, wrong)));
            }
            Some(Envelope::FileTrailer) => {
                let wrong = file.check("FTS", line).err();
                split.miscounted = split.miscounted.or(wrong.map(|wrong| (file.header, wrong)));
            }
            None if start.is_none() && !is_blank(line) => start = Some(at),
            None => {}
        }
    }
    split.messages.extend(start.and_then(|from| bytes.get(from..)));
    split
}

/// What has arrived since the header of a batch or file.
#[derive(Default)]
struct Count<'b> {
    header: &'b [u8],
    arrived: u64,
}

impl Count<'_> {
    fn check(&self, segment: &'static str, trailer: &[u8]) -> Result<(), Hl7Error> {
        let wrong = |problem| Err(Hl7Error::new(Place::field(segment, 1, 1), problem));
        let separator = trailer.get(3).copied().unwrap_or(b'|');
        let field = trailer.split(|byte| *byte == separator).nth(1).unwrap_or_default().trim_ascii();
        if field.is_empty() {
            return Ok(());
        }
        match std::str::from_utf8(field).ok().and_then(|digits| digits.parse::<u64>().ok()) {
            None => wrong(Problem::CountUnreadable),
            Some(counted) if counted != self.arrived => {
                wrong(Problem::CountMismatch { counted, arrived: self.arrived })
            }
            Some(_) => Ok(()),
        }
    }
}

enum Envelope {
    Message,
    FileHeader,
    FileTrailer,
    BatchHeader,
    BatchTrailer,
}

fn envelope(line: &[u8]) -> Option<Envelope> {
    let (name, rest) = padding_stripped(line).split_at_checked(3)?;
    let ends_name = rest.first().is_none_or(u8::is_ascii_punctuation);
    match name {
        _ if !ends_name => None,
        b"MSH" if !rest.is_empty() => Some(Envelope::Message),
        b"FHS" => Some(Envelope::FileHeader),
        b"FTS" => Some(Envelope::FileTrailer),
        b"BHS" => Some(Envelope::BatchHeader),
        b"BTS" => Some(Envelope::BatchTrailer),
        _ => None,
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    bytes.split(|byte| matches!(byte, b'\r' | b'\n')).map(move |line| {
        let start = at;
        at += line.len() + 1;
        (start, line)
    })
}

fn padding_stripped(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !PADDING.contains(byte)).unwrap_or(line.len());
    line.get(start..).unwrap_or_default()
}

fn is_blank(line: &[u8]) -> bool {
    padding_stripped(line).is_empty()
}

/// Blanks, NUL, VT, FS and the bytes of a UTF-8 byte order mark.
const PADDING: &[u8] = b" \t\0\x0b\x1c\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split_at_each_header_that_begins_a_line() {
        let split = split_stream(b"\xef\xbb\xbfMSH|^~\\&|1\rOBX|1|ST|x||MSH|\n\nMSH|^~\\&|2\nPID|1\n");
        assert_eq!(split.messages, [&b"\xef\xbb\xbfMSH|^~\\&|1\rOBX|1|ST|x||MSH|\n\n"[..], b"MSH|^~\\&|2\nPID|1\n"]);
        assert_eq!(split.miscounted, None);
    }

    #[test]
    fn text_before_the_first_header_is_not_lost() {
        assert_eq!(split_stream(b"\r\nPID|1\rMSH|^~\\&|1").messages, [&b"PID|1\r"[..], b"MSH|^~\\&|1"]);
        assert!(split_stream(b"\r\n").messages.is_empty());
    }

    #[test]
    fn trailers_are_counted() {
        let whole = b"FHS|^~\\&\rBHS|^~\\&|A\rMSH|^~\\&|1\rMSH|^~\\&|2\rBTS|2\rFTS|1\r";
        let split = split_stream(whole);
        assert_eq!((split.messages.len(), split.miscounted), (2, None));
        let (header, short) = split_stream(b"BHS|^~\\&|A\rMSH|^~\\&|1\rBTS|2\r").miscounted.unwrap();
        assert_eq!(header, b"BHS|^~\\&|A");
        assert_eq!(short.problem, Problem::CountMismatch { counted: 2, arrived: 1 });
        assert!(split_stream(b"BHS|^~\\&|A\rMSH|^~\\&|1\rBTS||two\r").miscounted.is_none());
        assert!(split_stream(b"BHS|^~\\&|A\rMSH|^~\\&|1\rBTS|two\r").miscounted.is_some());
    }
}
