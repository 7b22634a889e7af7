//! CDS Hooks calls and feedback: any bytes are read or refused, and a refusal names a path.
#![no_main]

use concord::wire::cds::{HookRequest, IdentifierNames, feedback};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let names = IdentifierNames::default();
    let _ = HookRequest::read(bytes, &names, 20_000).map_err(|error| assert!(!error.field.is_empty()));
    let _ = feedback(bytes).map_err(|error| assert!(!error.field.is_empty()));
});
