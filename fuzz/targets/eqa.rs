//! Tables of QC centres, CSV or XLSX: any bytes are a table or a list of wrong cells.
#![no_main]

use concord::wire::eqa::{TableKind, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for kind in [TableKind::Rounds, TableKind::Credentials] {
        let _ = read(bytes, kind, 480).map_err(|error| error.to_string());
    }
});
