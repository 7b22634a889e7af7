//! Item and LOINC codes: what parses prints itself again.
#![no_main]

use concord::domain::item::{ItemCode, Loinc};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = text.parse::<ItemCode>().map(|code| assert_eq!(code.to_string(), text));
    let _ = text.parse::<Loinc>().map(|code| assert_eq!(code.to_string().parse(), Ok(code)));
});
