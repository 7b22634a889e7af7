//! MLLP: where the stream is cut does not change the frames.
#![no_main]

use bytes::{Bytes, BytesMut};
use concord::wire::hl7::mllp::Mllp;
use tokio_util::codec::Decoder;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (cut, stream) = input;
    assert_eq!(frames(stream, usize::from(cut) + 1), frames(stream, stream.len().max(1)));
});

fn frames(stream: &[u8], piece_bytes: usize) -> Vec<Bytes> {
    let (mut codec, mut buffer, mut frames) = (Mllp::new(stream.len()), BytesMut::new(), Vec::new());
    for piece in stream.chunks(piece_bytes) {
        buffer.extend_from_slice(piece);
        while let Ok(Some(frame)) = codec.decode(&mut buffer) {
            frames.push(frame);
        }
    }
    frames
}
