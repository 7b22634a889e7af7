//! Searches over FHIR, as lines of `name=value`: any are read, or refused by the parameter's name.
#![no_main]

use concord::domain::time::Moment;
use concord::wire::fhir::search::parameters::SEARCHABLE;
use concord::wire::fhir::search::{Manner, Search};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, text)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let sent: Vec<(String, String)> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let searchable = &SEARCHABLE[usize::from(*kind) % SEARCHABLE.len()];
    let now = Moment::new(1_780_000_000_000, 480).unwrap();
    let _ = Search::read(searchable, &sent, Manner { strict: kind % 2 == 0, base: "https://hub/fhir/r4", now });
});
