//! Tokens and key sets, one behind the other with a zero byte between: any bytes parse or fail, and are verified or not.
#![no_main]

use concord::pki::token::{Expected, KeySet, Token};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (keys, token) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let keys = KeySet::parse(keys).unwrap_or_default();
    let text = String::from_utf8_lossy(token.get(1..).unwrap_or_default());
    let Ok(token) = Token::parse(&text) else { return };
    let expected = Expected { issuer: "i", audience: "a", now_unix_ms: 0, lifetime_s_max: Some(300) };
    let _ = token.verify(&keys, &expected);
});
