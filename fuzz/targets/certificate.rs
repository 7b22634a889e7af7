//! Certificates of callers: any bytes name one organisation and role of the region, or are refused.
#![no_main]

use concord::pki::identity::caller;

libfuzzer_sys::fuzz_target!(|der: &[u8]| {
    let region = "520000".parse().unwrap();
    let _ = caller(der, region).map(|caller| assert_eq!(caller.region, region));
});
