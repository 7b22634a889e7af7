//! A message with its structure: segments, fields, repetitions, components, subcomponents. Says nothing about meaning.
//!
//! The parser is `hl7-parser`, let loose on normalised text only, and believed only where it consumed all of it: left to
//! itself it stops at the first odd line and calls that success.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::SourceSettings;
use super::charset;
use super::error::{Hl7Error, Place, Problem};
use super::escape::unescape;
use super::header::Header;
use super::normalise::{Normalised, normalise};
use super::separators::Separators;
use crate::domain::limits::HL7_PARTS_MAX;
use crate::domain::phi::Phi;

/// A message that was decoded, normalised and parsed to its last byte.
pub struct Message {
    text: String,
    header: Header,
    segments: Vec<Span>,
    foreign: Vec<Phi<String>>,
}

struct Span {
    name: Range<usize>,
    occurrence: u16,
    fields: Vec<Range<usize>>,
}

impl Message {
    /// Decodes, normalises and parses one message.
    ///
    /// # Errors
    /// The first [`Hl7Error`] that keeps the message from being read whole; keep the original and answer AE.
    pub fn read(bytes: &[u8], settings: &SourceSettings) -> Result<Self, Hl7Error> {
        let (text, charset) = charset::decode(bytes, settings.charset_forced, settings.charset_usual)?;
        let Normalised { text, foreign, separators, .. } = normalise(&text, settings.joins_lines)?;
        if text.chars().filter(|character| separators.divides(*character)).count() > HL7_PARTS_MAX {
            return Err(Hl7Error::new(Place::header(0), Problem::TooMany { parts_max: HL7_PARTS_MAX }));
        }
        let header = Header::of_text(&text, charset);
        let segments = spans(&text)?;
        Ok(Self { text, header, segments, foreign: foreign.into_iter().map(Phi::new).collect() })
    }

    /// Gives the header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Gives the segments in order, MSH first.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.segments.iter().map(|span| Segment { message: self, span })
    }

    /// Gives the first segment of a name.
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// Gives the lines that looked like segments with a name of another length than three; nothing reads them.
    pub fn foreign(&self) -> &[Phi<String>] {
        &self.foreign
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn separators(&self) -> &Separators {
        self.header.separators()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Message").field("segments", &self.segments.len()).finish_non_exhaustive()
    }
}

/// One segment of a message.
#[derive(Clone, Copy)]
pub struct Segment<'m> {
    message: &'m Message,
    span: &'m Span,
}

impl<'m> Segment<'m> {
    /// Gives the name, three letters or digits.
    pub fn name(&self) -> &'m str {
        self.message.slice(&self.span.name)
    }

    /// Gives which segment of its name it is, from 1.
    pub fn occurrence(&self) -> u16 {
        self.span.occurrence
    }

    /// Gives a field by its number in the standard; an absent one is empty.
    pub fn field(&self, number: usize) -> Part<'m> {
        let range = number.checked_sub(1).and_then(|index| self.span.fields.get(index));
        Part { text: range.map_or("", |range| self.message.slice(range)), message: self.message }
    }
}

/// A field or a part of one, as it was written.
#[derive(Clone, Copy)]
pub struct Part<'m> {
    text: &'m str,
    message: &'m Message,
}

impl<'m> Part<'m> {
    /// Gives the repetitions that hold something, in order.
    pub fn repetitions(self) -> impl Iterator<Item = Part<'m>> {
        let parts = self.text.split(self.message.separators().repetition);
        parts.map(move |text| Part { text, ..self }).filter(|part| !part.is_empty())
    }

    /// Gives a component of the first repetition, from 1; an absent one is empty.
    pub fn component(self, number: usize) -> Part<'m> {
        let first = self.text.split(self.message.separators().repetition).next().unwrap_or_default();
        Part { text: nth(first, self.message.separators().component, number), ..self }
    }

    /// Gives a subcomponent of a component, from 1; an absent one is empty.
    pub fn subcomponent(self, number: usize) -> Part<'m> {
        Part { text: nth(self.text, self.message.separators().subcomponent, number), ..self }
    }

    /// Says whether nothing is there: blank, or `""`, which stands for "delete".
    pub fn is_empty(self) -> bool {
        matches!(self.text.trim(), "" | "\"\"")
    }

    /// Gives the text with its escape sequences replaced, blanks around it kept; empty for `""`.
    pub fn text(self) -> String {
        if self.is_empty() {
            return String::new();
        }
        unescape(self.text, self.message.separators(), self.message.header.charset())
    }

    /// Gives the text without blanks around it, or nothing if it is empty.
    pub fn value(self) -> Option<String> {
        let text = self.text();
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }
}

fn nth(text: &str, separator: char, number: usize) -> &str {
    number.checked_sub(1).and_then(|index| text.split(separator).nth(index)).unwrap_or_default()
}

/// Parses normalised text, and refuses what the parser did not read to the end.
fn spans(text: &str) -> Result<Vec<Span>, Hl7Error> {
    let unconsumed = |at| Hl7Error::new(Place::header(0), Problem::Unconsumed { at, length: text.len() });
    let parsed = hl7_parser::Message::parse(text).map_err(|_| unconsumed(0))?;
    let mut next = 0;
    let mut occurrences = BTreeMap::new();
    let mut spans = Vec::with_capacity(parsed.segments.len());
    for segment in &parsed.segments {
        if segment.range.start != next || segment.raw_value().len() != segment.range.len() {
            return Err(unconsumed(next));
        }
        next = segment.range.end + 1;
        let occurrence = occurrences.entry(segment.name).or_insert(0u16);
        *occurrence = occurrence.saturating_add(1);
        let start = segment.range.start;
        spans.push(Span {
            name: start..start + segment.name.len(),
            occurrence: *occurrence,
            fields: segment.fields.iter().map(|field| field.range.clone()).collect(),
        });
    }
    if next != text.len() + 1 {
        return Err(unconsumed(next.min(text.len())));
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> Message {
        Message::read(text.as_bytes(), &SourceSettings::default()).unwrap()
    }

    #[test]
    fn parts_are_found_by_their_numbers() {
        let message = message("MSH|^~\\&#|LIS|HÔP\rPID|1||7^^^A&1.2&ISO^MR~8||张^三\rZ01|x\rOBX|1\rOBX|2");
        let pid = message.segment("PID").unwrap();
        assert_eq!(message.segment("MSH").unwrap().field(4).text(), "HÔP");
        assert_eq!(pid.field(3).component(4).subcomponent(2).text(), "1.2");
        assert_eq!(pid.field(3).repetitions().map(|part| part.component(1).text()).collect::<Vec<_>>(), ["7", "8"]);
        assert_eq!(pid.field(5).component(2).text(), "三");
        assert!(pid.field(0).is_empty() && pid.field(99).is_empty() && pid.field(3).component(0).is_empty());
        assert_eq!(message.segments().last().unwrap().occurrence(), 2);
    }

    #[test]
    fn the_null_value_is_empty_and_custom_separators_hold() {
        let message = message("MSH#*!$%#LIS\rPID#1##7***A!8##\"\"#a^b|c$F$");
        let pid = message.segment("PID").unwrap();
        assert_eq!(pid.field(5).value(), None);
        assert_eq!(pid.field(6).text(), "a^b|c#");
        assert_eq!(pid.field(3).component(4).text(), "A");
    }

    #[test]
    fn a_message_of_nothing_but_separators_is_refused_before_it_is_parsed() {
        let text = format!("MSH|^~\\&|LIS\rOBX{}", "|~".repeat(HL7_PARTS_MAX));
        let refused = Message::read(text.as_bytes(), &SourceSettings::default()).unwrap_err();
        assert_eq!(refused.problem, Problem::TooMany { parts_max: HL7_PARTS_MAX });
    }

    proptest! {
        #[test]
        fn token_soup_never_panics_and_never_loses_a_line(
            tokens in prop::collection::vec(
                prop::sample::select(vec![
                    "PID|", "OBX|1|NM|", "\r", "\n", "\r\n", "|", "^", "~", "\\", "&", "#", "ZPID1|", "Z01|", "NTE", "血", "é",
                    " ", "\"\"", "\\.br\\", "\\S\\", "MSH|", "OBR", "x", "\u{b}", "\0",
                ]),
                0..60,
            )
        ) {
            let text = format!("MSH|^~\\&|LIS\r{}", tokens.concat());
            let padding = |c: char| matches!(c, '\u{feff}' | '\0' | '\u{b}' | '\u{1c}');
            let blank = |line: &&str| line.trim_matches(padding).trim_start_matches([' ', '\t']).is_empty();
            let lines = text.split(['\r', '\n']).filter(|line| !blank(line)).count();
            if let Ok(message) = Message::read(text.as_bytes(), &SourceSettings::default()) {
                let joined = normalise(&text, true).unwrap().continuations;
                prop_assert_eq!(message.segments().count() + message.foreign().len() + joined, lines);
                for segment in message.segments() {
                    for number in 0..8 {
                        segment.field(number).repetitions().for_each(|part| drop(part.component(2).value()));
                    }
                }
            }
        }
    }
}
