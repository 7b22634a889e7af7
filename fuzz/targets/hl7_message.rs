//! HL7 messages: any bytes are a message whose every part can be read, or an error.
#![no_main]

use std::hint::black_box;

use concord::wire::hl7::SourceSettings;
use concord::wire::hl7::classify::classify;
use concord::wire::hl7::message::Message;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::read(bytes, &SourceSettings::default()) else { return };
    let fields = message.segments().flat_map(|segment| (0..33).map(move |number| segment.field(number)));
    for part in fields.flat_map(|field| field.repetitions()) {
        black_box((part.text(), part.component(1).text(), part.component(4).subcomponent(2).value()));
    }
    let _ = black_box(classify(&message));
});
