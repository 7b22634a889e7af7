//! A hospital's mapping table: any bytes load over the sample catalogue, or are refused at a named place.
#![no_main]

use std::sync::LazyLock;

use concord::domain::catalogue::Catalogue;
use concord::wire::region::{load_mapping, load_region, sample};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(load_mapping(bytes, &CATALOGUE)));

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| load_region(&sample()).unwrap().0);
