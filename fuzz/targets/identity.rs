//! Identifiers of persons and organisations: any text is one or is refused.
#![no_main]

use concord::domain::adcode::Adcode;
use concord::domain::identifier::CitizenNumber;
use concord::domain::organisation::OrganisationCode;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = text.parse::<CitizenNumber>().map(|number| (number.birth_date(), number.sex()));
    let _ = text.parse::<OrganisationCode>().map(|code| assert!(code.as_str().eq_ignore_ascii_case(text)));
    let _ = text.parse::<Adcode>().map(|code| assert!(code.contains(code)));
});
