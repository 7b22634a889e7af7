//! DIMSE command sets: any bytes are a command or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(concord::wire::dicom::command::decode(bytes)));
