//! HL7 escapes: what is escaped comes back, and any text unescapes.
#![no_main]

use concord::wire::hl7::charset::Charset;
use concord::wire::hl7::escape::{escape, unescape};
use concord::wire::hl7::separators::Separators;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let separators = Separators::default();
    unescape(text, &separators, Charset::GB_18030);
    assert_eq!(unescape(&escape(text, &separators), &separators, Charset::UTF_8), text);
});
