//! MLLP frames: VT, message, FS CR. Must not look inside a message.
//!
//! Source: HL7 Transport Specification, MLLP, Release 1; HL7 v2.5.1, appendix C.4.3.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// Takes frames off a byte stream and puts frames on it.
#[derive(Debug)]
pub struct Mllp {
    bytes_max: usize,
    scanned: usize,
}

/// The peer broke framing; close the connection, the stream cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A frame grew beyond the limit.
    #[error("frame is longer than {bytes_max} bytes")]
    Oversize {
        /// The limit.
        bytes_max: usize,
    },
    /// The connection closed inside a frame.
    #[error("connection closed {arrived} bytes into a frame")]
    Cut {
        /// Bytes of the frame that arrived.
        arrived: usize,
    },
    /// The connection failed.
    #[error("read or write of a frame failed")]
    Connection(#[from] std::io::Error),
}

impl Mllp {
    /// Makes a codec that takes messages of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, scanned: 0 }
    }

    /// Finds the end of the frame that starts the buffer: its FS, and how many bytes end the block. FS counts as the end
    /// before CR, and before the VT of the next frame for peers that forget the CR; elsewhere it is part of the text.
    fn end(&mut self, buffer: &[u8]) -> Option<(usize, usize)> {
        let mut from = self.scanned.max(1);
        loop {
            let Some(at) = buffer.get(from..).and_then(|tail| tail.iter().position(|byte| *byte == FS)) else {
                self.scanned = buffer.len();
                return None;
            };
            let end = from + at;
            match buffer.get(end + 1) {
                Some(&CR) => return Some((end, 2)),
                Some(&VT) => return Some((end, 1)),
                Some(_) => from = end + 1,
                None => {
                    self.scanned = end;
                    return None;
                }
            }
        }
    }
}

impl Decoder for Mllp {
    type Item = Bytes;
    type Error = FrameError;

    /// Takes the message of one whole frame off the front of `buffer`, or nothing if it has not all arrived. Bytes before
    /// the VT, such as keep-alive line ends, are dropped.
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let start = buffer.iter().position(|byte| *byte == VT).unwrap_or(buffer.len());
        if start > 0 {
            buffer.advance(start);
            self.scanned = 0;
        }
        let end = self.end(buffer);
        let length = end.map_or(buffer.len(), |(end, _)| end).saturating_sub(1);
        if length > self.bytes_max {
            return Err(FrameError::Oversize { bytes_max: self.bytes_max });
        }
        let Some((end, trailer)) = end else { return Ok(None) };
        self.scanned = 0;
        let mut frame = buffer.split_to(end + trailer);
        frame.truncate(end);
        frame.advance(1);
        Ok(Some(frame.freeze()))
    }

    /// Takes a last frame whose CR never came; anything else that is left is a cut frame.
    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        if let Some(frame) = self.decode(buffer)? {
            return Ok(Some(frame));
        }
        match buffer.len() {
            0 => Ok(None),
            _ if buffer.ends_with(&[FS]) => {
                buffer.put_u8(CR);
                self.decode(buffer)
            }
            arrived => {
                buffer.clear();
                self.scanned = 0;
                Err(FrameError::Cut { arrived })
            }
        }
    }
}

impl Encoder<&[u8]> for Mllp {
    type Error = FrameError;

    fn encode(&mut self, message: &[u8], buffer: &mut BytesMut) -> Result<(), FrameError> {
        buffer.reserve(message.len() + 3);
        buffer.put_u8(VT);
        buffer.put_slice(message);
        buffer.put_slice(&[FS, CR]);
        Ok(())
    }
}

const VT: u8 = 0x0b;
const FS: u8 = 0x1c;
const CR: u8 = 0x0d;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(stream: &[u8]) -> Vec<Bytes> {
        let (mut codec, mut buffer, mut frames) = (Mllp::new(64), BytesMut::from(stream), Vec::new());
        while let Some(frame) = codec.decode(&mut buffer).unwrap() {
            frames.push(frame);
        }
        frames
    }

    #[test]
    fn glued_frames_junk_and_a_stray_fs_are_told_apart() {
        assert_eq!(frames(b"\x0bone\x1c\r\x0btwo\x1c\r"), ["one", "two"]);
        assert_eq!(frames(b"\r\njunk\x0bone\x1c\x0btwo\x1c\r\n"), ["one", "two"]);
        assert_eq!(frames(b"\x0bo\x1cne\x1c\r"), ["o\x1cne"]);
        assert_eq!(frames(b"\x0b\x1c\r"), [""]);
    }

    #[test]
    fn a_frame_over_the_limit_is_an_error_whether_or_not_it_ended() {
        for stream in
            [[b"\x0b".as_slice(), &[b'x'; 65]].concat(), [b"\x0b".as_slice(), &[b'x'; 65], b"\x1c\r"].concat()]
        {
            let refused = Mllp::new(64).decode(&mut BytesMut::from(stream.as_slice()));
            assert!(matches!(refused, Err(FrameError::Oversize { bytes_max: 64 })));
        }
        assert_eq!(frames(&[b"\x0b".as_slice(), &[b'x'; 64], b"\x1c\r"].concat())[0].len(), 64);
    }

    #[test]
    fn a_closed_connection_ends_a_frame_at_its_fs_only() {
        assert_eq!(Mllp::new(64).decode_eof(&mut BytesMut::from(&b"\x0bone\x1c"[..])).unwrap().unwrap(), "one");
        let cut = Mllp::new(64).decode_eof(&mut BytesMut::from(&b"\x0bon"[..]));
        assert!(matches!(cut, Err(FrameError::Cut { arrived: 3 })));
    }

    proptest! {
        #[test]
        fn any_split_of_the_stream_gives_the_same_frames(
            messages in prop::collection::vec("[a-z|\\r]{0,20}", 1..5), cuts in prop::collection::vec(1usize..9, 1..40),
        ) {
            let mut stream = BytesMut::new();
            for message in &messages {
                Mllp::new(64).encode(message.as_bytes(), &mut stream).unwrap();
            }
            let (mut codec, mut buffer, mut seen) = (Mllp::new(64), BytesMut::new(), Vec::new());
            let mut cuts = cuts.into_iter().cycle();
            while !stream.is_empty() {
                let piece = stream.split_to(cuts.next().unwrap().min(stream.len()));
                buffer.extend_from_slice(&piece);
                while let Some(frame) = codec.decode(&mut buffer).unwrap() {
                    seen.push(String::from_utf8(frame.to_vec()).unwrap());
                }
            }
            prop_assert_eq!(seen, messages);
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error_or_incomplete(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut codec, mut buffer) = (Mllp::new(64), BytesMut::from(bytes.as_slice()));
            while let Ok(Some(_)) = codec.decode(&mut buffer) {}
            let _ = codec.decode_eof(&mut buffer);
        }
    }
}
