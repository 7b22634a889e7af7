//! Statements of QC centres: any bytes are a statement or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(concord::wire::statement::Statement::decode(bytes)));
