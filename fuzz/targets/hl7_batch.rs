//! HL7 files: any bytes split into messages without loss of order or panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(concord::wire::hl7::batch::split_stream(bytes)));
