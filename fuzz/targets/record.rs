//! Records of the hub's journal: what is read keeps its kind and its meaning.
#![no_main]

use concord::wire::record::Record;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let Ok(record) = Record::decode(input.0, input.1.to_vec().into()) else { return };
    assert_eq!(Record::decode(record.kind(), record.payload()), Ok(record));
});
