//! Entries: what is read as an entry is the same entry when written and read again.
#![no_main]

use concord::wire::entry::{decode, encode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes).map(|entry| assert_eq!(decode(&encode(&entry)), Ok(entry)));
});
