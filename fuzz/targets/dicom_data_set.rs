//! DICOM data sets as C-STORE brings them, in each encoding: any bytes are an instance or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (pick, data_set) = input;
    let syntax = SYNTAXES[usize::from(pick) % SYNTAXES.len()];
    let _ = concord::wire::dicom::read_instance(data_set, syntax);
    let _ = concord::wire::dicom::rejection::read_rejection(data_set, syntax);
});

const SYNTAXES: [&str; 4] =
    ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"];
