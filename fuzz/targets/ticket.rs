//! Orders for prompt pages: any bytes are read or refused, and a refusal names a path.
#![no_main]

use concord::wire::ticket::Ticket;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Ticket::read(bytes, "spare").map_err(|error| assert!(!error.field.is_empty()));
});
