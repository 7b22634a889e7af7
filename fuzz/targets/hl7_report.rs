//! The whole way of HL7 bytes: messages, reports, findings and documents, or an error for each message.
#![no_main]

use std::hint::black_box;

use concord::wire::finding::{documents, finding};
use concord::wire::hl7::{SourceSettings, read};
use concord::wire::known_as::IdentifierTable;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let table = IdentifierTable::new(Vec::new());
    for report in read(bytes, &SourceSettings::default()).into_iter().flatten().flatten() {
        black_box((documents(&report), table.person_of_report(&report.patient)));
        report.observations.iter().for_each(|observation| drop(black_box(finding(observation, &report))));
    }
});
