//! Text as senders write it to text the parser can be trusted with: one CR between segments, exactly four encoding
//! characters, a separator after every segment name. Must not drop a line: what is no segment is kept or refused.

use super::error::{Hl7Error, Place, Problem};
use super::separators::Separators;

/// A message in canonical form.
pub struct Normalised {
    /// Segments joined by CR, without a final one.
    pub text: String,
    /// Lines with a segment name of another length than three (`ZPID1|..`), kept for the record.
    pub foreign: Vec<String>,
    /// Number of lines that were joined to the segment before them.
    pub continuations: usize,
    /// The separators of the message.
    pub separators: Separators,
}

/// Brings a decoded message into canonical form. CR, LF and CRLF end a segment; blank lines, leading blanks, NUL, VT and FS
/// around a line are dropped; a line that is no segment continues the segment before it as `\.br\`, unless `joins_lines`
/// is off.
///
/// # Errors
/// [`Problem::HeaderMissing`], [`Problem::SeparatorsUnusable`] or [`Problem::LineUnexpected`]; answer AE.
pub fn normalise(text: &str, joins_lines: bool) -> Result<Normalised, Hl7Error> {
    let mut lines = text
        .split(['\r', '\n'])
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_matches(is_padding).trim_start_matches([' ', '\t'])))
        .filter(|(_, line)| !line.is_empty());
    let (_, header) = lines.next().ok_or(HEADER_MISSING)?;
    let (separators, rest) = Separators::of_header(header)?;
    let mut segments = vec![format!("MSH{}{rest}", separators.declaration())];
    let mut foreign = Vec::new();
    let mut continuations = 0;
    for (number, line) in lines {
        match kind(line, separators.field) {
            Kind::Segment => segments.push(line.to_owned()),
            Kind::BareName => segments.push(format!("{line}{}", separators.field)),
            Kind::Foreign => foreign.push(line.to_owned()),
            Kind::Text => match segments.last_mut() {
                Some(segment) if joins_lines && !segment.starts_with("MSH") => {
                    segment.push_str(&format!("{0}.br{0}{line}", separators.escape));
                    continuations += 1;
                }
                _ => return Err(Hl7Error::new(Place::header(0), Problem::LineUnexpected { line: number })),
            },
        }
    }
    Ok(Normalised { text: segments.join("\r"), foreign, continuations, separators })
}

enum Kind {
    Segment,
    BareName,
    Foreign,
    Text,
}

fn kind(line: &str, separator: char) -> Kind {
    let (name, has_fields) = line.split_once(separator).map_or((line, false), |(name, _)| (name, true));
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    match (is_name, name.len(), has_fields) {
        (true, 3, true) => Kind::Segment,
        (true, 3, false) if name.starts_with('Z') || BARE.contains(&name) => Kind::BareName,
        (true, 2..=8, true) => Kind::Foreign,
        _ => Kind::Text,
    }
}

fn is_padding(character: char) -> bool {
    matches!(character, '\u{feff}' | '\0' | '\u{b}' | '\u{1c}')
}

/// Segments that are sent without fields; any other three capitals on a line of their own are text (`ALT`).
const BARE: [&str; 16] =
    ["SFT", "PID", "PD1", "NTE", "NK1", "PV1", "PV2", "ORC", "OBR", "OBX", "SPM", "SAC", "TQ1", "FT1", "CTI", "DSC"];

const HEADER_MISSING: Hl7Error = Hl7Error::new(Place::header(0), Problem::HeaderMissing);

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(raw: &str) -> String {
        normalise(raw, true).unwrap().text
    }

    #[test]
    fn any_line_end_and_blank_lines_are_one_carriage_return() {
        let expected = "MSH|^~\\&|A\rPID|1\rOBX|1";
        for raw in [
            "MSH|^~\\&|A\rPID|1\rOBX|1\r",
            "MSH|^~\\&|A\nPID|1\nOBX|1",
            "\u{feff}MSH|^~\\&|A\r\n\r\n PID|1\r\n\tOBX|1\r\n\0",
        ] {
            assert_eq!(text_of(raw), expected);
        }
    }

    #[test]
    fn continuation_lines_join_their_segment_and_never_the_header() {
        assert_eq!(text_of("MSH|^~\\&|A\rNTE|1||first\nsecond"), "MSH|^~\\&|A\rNTE|1||first\\.br\\second");
        assert_eq!(text_of("MSH|^~\\&|A\rNTE|1||first\nALT"), "MSH|^~\\&|A\rNTE|1||first\\.br\\ALT");
        assert!(normalise("MSH|^~\\&|A\nsecond", true).is_err());
        let refused = normalise("MSH|^~\\&|A\rNTE|1||first\nsecond", false).err().unwrap();
        assert_eq!(refused.problem, Problem::LineUnexpected { line: 3 });
    }

    #[test]
    fn odd_segments_are_kept() {
        let normalised = normalise("MSH|^~\\&|A\rPID\rZPID1|x\rZ01|y", true).unwrap();
        assert_eq!(normalised.text, "MSH|^~\\&|A\rPID|\rZ01|y");
        assert_eq!(normalised.foreign, ["ZPID1|x"]);
    }
}
