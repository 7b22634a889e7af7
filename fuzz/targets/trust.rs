//! An authority's certificate and its revocation list, in PEM, one behind the other with a zero byte between: they are
//! believed together, or refused.
#![no_main]

use concord::pki::trust::Trust;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (authority, list) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let _ = Trust::parse(authority, list.get(1..).unwrap_or_default());
});
