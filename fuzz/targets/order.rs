//! Checks and decisions as clients send them: any bytes are a request or an error that names the field.
#![no_main]

use concord::wire::orders::{Asked, Decided};
use concord::wire::pb;
use prost::Message;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let check = pb::CheckRequest::decode(bytes).ok().map(|sent| Asked::try_from(&sent).is_ok());
    let decision = pb::DecideRequest::decode(bytes).ok().map(|sent| Decided::try_from(&sent).is_ok());
    let _ = (check, decision);
});
