//! The region's files: any bytes in place of one of them load, or are refused by name.
#![no_main]

use concord::wire::region::{RegionFile, RegionFiles, load_region, sample};

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let file = RegionFile::ALL[usize::from(input.0) % RegionFile::ALL.len()];
    let _ = load_region(&in_place_of(file, input.1)).map_err(|error| error.to_string());
});

fn in_place_of(file: RegionFile, bytes: &[u8]) -> RegionFiles<'_> {
    let mut files = sample();
    match file {
        RegionFile::Catalogue => files.catalogue = bytes,
        RegionFile::Units => files.units = bytes,
        RegionFile::Conversions => files.conversions = bytes,
        RegionFile::Panels => files.panels = bytes,
        RegionFile::BodyParts => files.body_parts = bytes,
        RegionFile::Reasons => files.reasons = bytes,
        RegionFile::Policy | RegionFile::Mapping => files.policy = bytes,
    }
    files
}
