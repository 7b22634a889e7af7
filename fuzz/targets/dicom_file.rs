//! DICOM files: any bytes are one instance, whose data set stands in them untouched, or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = concord::wire::dicom::read_file(bytes).map(|instance| assert!(bytes.ends_with(instance.data_set)));
});
