//! SMART Health Links and their files: any text is one, or is refused; none grows beyond its bound.
#![no_main]

use concord::wire::shl::{Payload, open};

const BYTES_MAX: usize = 1 << 16;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = Payload::decode(&text);
    if let Ok((_, content)) = open(&[7; 32], &text, BYTES_MAX) {
        assert!(content.len() <= BYTES_MAX);
    }
});
