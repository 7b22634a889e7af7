//! Answers to messages. Must not decide which answer: that is the door's, from the fault.
//!
//! Source: HL7 v2.5.1, 2.9.2 (original mode), 2.15.5 (ERR), 2.15.8 (MSA); HL7 v2.3.1, 2.24.4 for the older ERR-1.

use super::charset::Charset;
use super::error::{Condition, Hl7Error};
use super::escape::escape;
use super::header::Header;
use super::time::written;
use crate::domain::time::Moment;

/// Acknowledgement codes of original mode. Source: HL7 table 0008.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckCode {
    /// AA: stored safely; the sender may forget the message.
    Accept,
    /// AE: not taken; the sender may correct it or send it again.
    Error,
    /// AR: refused; sending it again will not help.
    Reject,
}

impl AckCode {
    /// Gives the code for MSA-1.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "AA",
            Self::Error => "AE",
            Self::Reject => "AR",
        }
    }
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// MSA-1.
    pub code: AckCode,
    /// MSA-3 where no error says it better; a fixed text.
    pub text: &'static str,
    /// What was wrong, for MSA-3 and ERR.
    pub error: Option<Hl7Error>,
}

/// Builds the acknowledgement of the message with this header, in its separators, character set and version, with sender
/// and receiver swapped and MSA-2 echoing MSH-10. Every segment ends in CR.
///
/// `control_id` becomes MSH-10 of the answer and must be new every time.
pub fn acknowledgement(header: &Header, answer: &Answer, at: Moment, control_id: &str) -> Vec<u8> {
    let separators = header.separators();
    let (field, component) = (separators.field, separators.component);
    let safe = |text: &str| escape(text, separators);
    let text = safe(&answer.error.map_or_else(|| answer.text.to_owned(), |error| error.to_string()));
    // Only what these fields can hold is echoed: where a header has lost its end, a patient's fields stand in them.
    let kind = match (known(header.component(9, 2), is_trigger), header.version() >= (2, 5)) {
        ("", _) => "ACK".to_owned(),
        (trigger, false) => format!("ACK{component}{trigger}"),
        (trigger, true) => format!("ACK{component}{trigger}{component}ACK"),
    };
    let mut encoding = separators.declaration();
    encoding.extend(separators.truncation);
    let processing = or(known(header.component(11, 1), |text| PROCESSING.contains(&text)), "P");
    let version = or(known(header.component(12, 1), is_version), "2.5");
    let msh = [
        header.field(5),
        header.field(6),
        header.field(3),
        header.field(4),
        &written(at),
        "",
        &kind,
        &safe(control_id),
        processing,
        version,
        "",
        "",
        "",
        "",
        "",
        known(header.component(18, 1), |label| Charset::from_label(label).is_some()),
    ];
    let msa = ["MSA", answer.code.as_str(), header.control_id(), &text];
    let mut message = format!("MSH{encoding}{field}{}", joined(&msh, field));
    message.push('\r');
    message.push_str(&joined(&msa, field));
    message.push('\r');
    if answer.code != AckCode::Accept {
        message.push_str(&err(header, answer));
        message.push('\r');
    }
    header.charset().encode(&message)
}

/// Builds ERR: from v2.5 on ERR-2 (location), ERR-3 (condition), ERR-4 (severity), ERR-7 and ERR-8 (texts); before that
/// ERR-1 with location and condition in one. Without an error in the message the fault is ours and has no location.
fn err(header: &Header, answer: &Answer) -> String {
    let separators = header.separators();
    let (field, component, subcomponent) = (separators.field, separators.component, separators.subcomponent);
    let condition = answer.error.map_or(INTERNAL, |error| error.condition());
    let number = |number: u16| if number == 0 { String::new() } else { number.to_string() };
    let [segment, occurrence, at, part] =
        answer.error.map(|error| error.place).map_or_else(Default::default, |place| {
            [place.segment.to_owned(), number(place.occurrence), number(place.field), number(place.component)]
        });
    let condition = [condition.code, condition.name, "HL70357"];
    if header.version() < (2, 5) {
        let coded = condition.join(&subcomponent.to_string());
        return format!("ERR{field}{}", joined(&[&segment, &occurrence, &at, &coded], component));
    }
    let repetition = if part.is_empty() { "" } else { "1" };
    let location = joined(&[&segment, &occurrence, &at, repetition, &part], component);
    let text = answer.error.map_or_else(|| answer.text.to_owned(), |error| error.problem.to_string());
    let text = escape(&text, separators);
    joined(&["ERR", "", &location, &joined(&condition, component), "E", "", "", &text, &text], field)
}

fn joined(parts: &[&str], separator: char) -> String {
    parts.join(&separator.to_string()).trim_end_matches(separator).to_owned()
}

/// Gives a text if it is one of those that can stand there, and otherwise nothing.
fn known(text: &str, can_stand: impl Fn(&str) -> bool) -> &str {
    if can_stand(text) { text } else { "" }
}

/// Table 0003 and its like: a letter and two digits or letters.
fn is_trigger(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Table 0104: `2.3`, `2.5.1`.
fn is_version(text: &str) -> bool {
    text.len() <= 7 && text.contains('.') && text.split('.').all(|part| part.parse::<u8>().is_ok())
}

fn or<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    if text.is_empty() { otherwise } else { text }
}

/// Table 0103.
const PROCESSING: [&str; 3] = ["P", "T", "D"];
/// What ERR-3 says where nothing is wrong with the message.
const INTERNAL: Condition = Condition { code: "207", name: "Application internal error" };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hl7::SourceSettings;
    use crate::wire::hl7::error::{Place, Problem};

    const AT: i64 = 1_718_418_600_000;

    fn answered(message: &[u8], error: Option<Hl7Error>) -> Vec<u8> {
        let header = Header::of_bytes(message, &SourceSettings::default());
        let code = if error.is_some() { AckCode::Error } else { AckCode::Accept };
        acknowledgement(&header, &Answer { code, text: "", error }, Moment::new(AT, 480).unwrap(), "A1")
    }

    #[test]
    fn parties_are_swapped_and_the_control_id_echoed() {
        let ack = answered(
            "MSH|^~\\&|LIS|院|EMR|B|2024||ORU^R01^ORU_R01|M\\T\\1|P|2.5.1||||||UNICODE UTF-8\r".as_bytes(),
            None,
        );
        let expected = "MSH|^~\\&|EMR|B|LIS|院|20240615103000+0800||ACK^R01^ACK|A1|P|2.5.1||||||UNICODE UTF-8\r\
                        MSA|AA|M\\T\\1\r";
        assert_eq!(String::from_utf8(ack).unwrap(), expected);
    }

    #[test]
    fn where_a_header_has_lost_its_end_no_field_of_the_patient_is_echoed() {
        for shift in 0..12 {
            let lost = format!("MSH|^~\\&|LIS|H|E|B|2024|{}PID|1||7^^^H^MR||CANARY^A||19491231|F\r", "|".repeat(shift));
            let answer = String::from_utf8(answered(lost.as_bytes(), None)).unwrap();
            // MSH-10 is echoed whatever it holds: its sender asks for that.
            let beside: String = answer.split('\r').filter(|line| !line.starts_with("MSA")).collect();
            assert!(!beside.contains("CANARY") && !beside.contains("19491231"), "{answer}");
        }
    }

    #[test]
    fn errors_name_segment_field_and_code_in_the_form_of_the_version() {
        let error = Hl7Error::new(Place::field("OBX", 2, 14), Problem::TimeUnreadable);
        let new = String::from_utf8(answered(b"MSH#*!$%#L#F###2024##ORU*R01#9#P#2.5\r", Some(error))).unwrap();
        assert!(
            new.starts_with("MSH#*!$%###L#F#") && new.contains("\rMSA#AE#9#OBX[2]-14: date or time cannot be read\r")
        );
        assert!(new.ends_with(
            "\rERR##OBX*2*14#102*Data type error*HL70357#E###date or time cannot be read#date or time cannot be read\r"
        ));
        let old = String::from_utf8(answered(b"MSH|^~\\&|L|F|||2024||ORU^R01|9|P|2.3.1\r", Some(error))).unwrap();
        assert!(old.ends_with("\rERR|OBX^2^14^102&Data type error&HL70357\r"), "{old}");
    }

    #[test]
    fn the_answer_is_in_the_senders_character_set_even_where_it_does_not_decode() {
        let (facility, ..) = encoding_rs::GB18030.encode("東院");
        let message = |label: &str| {
            [b"MSH|^~\\&|LIS|", &*facility, format!("|||2024||ORU^R01|7|P|2.5||||||{label}\r").as_bytes()].concat()
        };
        let declared = answered(&message("GB 18030-2000"), None);
        assert!(declared.windows(facility.len()).any(|bytes| bytes == &*facility));
        let text = Hl7Error::new(Place::header(18), Problem::Undecodable { charset: "UTF-8" });
        assert!(answered(&message("UNICODE UTF-8"), Some(text)).ends_with(b"\r"));
        assert!(answered(b"\xff\xfe garbage", None).ends_with(b"MSA|AA\r"));
    }
}
