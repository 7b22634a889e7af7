//! The region's table of organisations: any bytes are a table or an error that names a line.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(concord::wire::organisations::read(bytes)));
