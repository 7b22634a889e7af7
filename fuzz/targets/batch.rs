//! Batches as a publisher sends them: any bytes are a batch or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(concord::wire::batch::Batch::decode(bytes.to_vec().into())));
