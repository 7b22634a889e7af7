//! Tiles: what decodes as a bundle of entries encodes to the same bytes.
#![no_main]

use concord::merkle::tile::{decode_entries, decode_hashes, encode_entries};

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    let (width, bytes) = input;
    let _ = decode_hashes(bytes, width);
    let _ = decode_entries(bytes, width).map(|entries| assert_eq!(encode_entries(&entries).as_deref(), Ok(bytes)));
});
