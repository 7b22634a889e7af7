//! The header of a message, or of a batch: what an answer needs, found even where the rest cannot be read.

use super::SourceSettings;
use super::charset::{self, Charset};
use super::separators::Separators;

/// MSH as it was written: the fields are not unescaped, so that an answer echoes them exactly.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    separators: Separators,
    charset: Charset,
    fields: Vec<String>,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Header").field("charset", &self.charset.name()).finish_non_exhaustive()
    }
}

impl Header {
    /// Reads the header of a message whose bytes may be damaged anywhere. Where they do not decode, they are carried as
    /// Latin-1, which gives every byte back in the answer; where there is no header at all, every field is empty.
    pub fn of_bytes(bytes: &[u8], settings: &SourceSettings) -> Self {
        match charset::decode(bytes, settings.charset_forced, settings.charset_usual) {
            Ok((text, charset)) => Self::of_text(&text, charset),
            Err(_) => Self::of_text(&Charset::LATIN_1.decode(bytes).unwrap_or_default(), Charset::LATIN_1),
        }
    }

    /// Reads the header of a decoded message.
    pub fn of_text(text: &str, charset: Charset) -> Self {
        let mut lines =
            text.split(['\r', '\n']).map(|line| line.trim_start_matches(|c: char| !c.is_ascii_alphabetic()));
        let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let batch = ["BHS", "FHS"].iter().find_map(|name| line.strip_prefix(name)).map(|rest| format!("MSH{rest}"));
        match Separators::of_header(batch.as_deref().unwrap_or(line)) {
            Ok((separators, _)) => {
                let written: Vec<String> = line.split(separators.field).skip(2).map(str::to_owned).collect();
                let fields = if batch.is_some() { as_message_fields(&written) } else { written };
                Self { separators, charset, fields }
            }
            Err(_) => Self { separators: Separators::default(), charset: Charset::UTF_8, fields: Vec::new() },
        }
    }

    /// Gives a field as it was written, from 3 on; empty where it is absent.
    pub fn field(&self, number: usize) -> &str {
        number.checked_sub(3).and_then(|index| self.fields.get(index)).map_or("", |field| field.trim())
    }

    /// Gives a component of the first repetition of a field as it was written, both counted from 1.
    pub fn component(&self, field: usize, component: usize) -> &str {
        let first = self.field(field).split(self.separators.repetition).next().unwrap_or_default();
        let index = component.saturating_sub(1);
        first.split(self.separators.component).nth(index).unwrap_or_default().trim()
    }

    /// Gives the message control id, MSH-10; never sure to be unique, some analysers begin at 1 every day.
    pub fn control_id(&self) -> &str {
        self.field(10)
    }

    /// Gives the version as major and minor, such as (2, 5); one that cannot be read counts as 2.5.
    pub fn version(&self) -> (u8, u8) {
        let mut parts = self.component(12, 1).split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
            _ => (2, 5),
        }
    }

    /// Gives the separators of the message.
    pub fn separators(&self) -> &Separators {
        &self.separators
    }

    /// Gives the character set the message came in.
    pub fn charset(&self) -> Charset {
        self.charset
    }
}

/// Puts the fields of a batch or file header where a message header has them: the parties and the time stand alike, the
/// control id is field 11 instead of 10.
fn as_message_fields(written: &[String]) -> Vec<String> {
    let field = |number: usize| written.get(number - 3).cloned().unwrap_or_default();
    vec![field(3), field(4), field(5), field(6), field(7), String::new(), String::new(), field(11)]
}
