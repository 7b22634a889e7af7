//! What a line's form sends, read and checked; what cannot be taken is kept, to be shown again where it was written.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use bytes::Bytes;

use crate::domain::limits::TEXT_BYTES_MAX;
use crate::doors::http::pages::texts::Text;
use crate::doors::http::prompt::session::{Act, Session};
use crate::doors::http::prompt::texts;
use crate::wire::pb;

/// A form as it was sent, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Place of the line, from 0.
    pub line: usize,
    /// Prompts that were chosen.
    pub prompts: BTreeSet<Bytes>,
    /// Code of the reason; empty unless it was declined.
    pub reason: String,
    /// Text given with it.
    pub text: String,
    /// Choice given with it.
    pub choice: String,
    /// The field that is wrong.
    pub field: Option<Field>,
    /// What is wrong with the whole.
    pub error: Option<Text>,
    /// With which status the page is shown again.
    pub status: StatusCode,
}

/// A field of a reason that cannot be taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The text is missing.
    TextMissing,
    /// The text is too long.
    TextLong,
    /// The choice is missing, or none of the reason's.
    Choice,
}

/// A form that asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The form, to be shown again where it cannot be done.
    pub draft: Draft,
    /// What is wanted.
    pub act: Act,
}

/// The form is none of this page's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign;

impl Field {
    /// Says what to do about it.
    pub fn text(self) -> Text {
        match self {
            Self::TextMissing => texts::TEXT_NEEDED,
            Self::TextLong => texts::TEXT_LONG,
            Self::Choice => texts::CHOICE_NEEDED,
        }
    }
}

impl Draft {
    /// Gives what is wrong with the whole form, as opposed to one field.
    pub fn error_of_line(&self) -> Option<Text> {
        self.error
    }

    /// Gives the form back with what is wrong with the whole of it.
    pub fn refused(self, error: Text, status: StatusCode) -> Self {
        Self { error: Some(error), status, ..self }
    }
}

/// Reads a form of a session.
///
/// # Errors
/// [`Foreign`] where the form is none of this page's; else the draft with its mistake, to be shown again.
pub fn read(session: &Session, fields: &[(String, String)]) -> Result<Result<Sent, Box<Draft>>, Foreign> {
    let value = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let line = value("line").and_then(|place| place.parse::<usize>().ok()).ok_or(Foreign)?;
    let answer = session.answer.lines.get(line).ok_or(Foreign)?;
    let prompts = fields.iter().filter(|(name, _)| name == "prompt");
    let prompts = prompts.map(|(_, id)| hex::decode(id).map(Bytes::from));
    let prompts: BTreeSet<Bytes> = prompts.collect::<Result<_, _>>().map_err(|_| Foreign)?;
    let known = |id: &Bytes| answer.prompts.iter().find(|prompt| prompt.prompt_id == *id);
    if !prompts.iter().all(|id| known(id).is_some()) {
        return Err(Foreign);
    }
    let mut words = value("act").unwrap_or_default().split(' ');
    let (act, reason, number) = (words.next().unwrap_or_default(), words.next(), words.next());
    let draft = Draft {
        line,
        reason: reason.unwrap_or_default().to_owned(),
        text: reason.and_then(|code| value(&text_of(code))).unwrap_or_default().trim().to_owned(),
        choice: reason.and_then(|code| value(&chosen_of(code))).unwrap_or_default().to_owned(),
        prompts,
        field: None,
        error: None,
        status: StatusCode::UNPROCESSABLE_ENTITY,
    };
    let Some(first) = draft.prompts.first().and_then(known) else {
        return Ok(Err(Box::new(draft.refused(texts::CHOOSE, StatusCode::UNPROCESSABLE_ENTITY))));
    };
    match (act, reason) {
        ("accept", None) => Ok(Ok(Sent { draft, act: Act::Accept })),
        ("rest", None) => Ok(Ok(Sent { draft, act: Act::AcceptAndOrderRest })),
        ("decline", Some(code)) => {
            let reason = first.decline_reasons.iter().find(|reason| reason.code == code).ok_or(Foreign)?;
            Ok(declined(draft, reason, number))
        }
        _ => Err(Foreign),
    }
}

/// Gives the name of the text field of a reason.
pub fn text_of(reason: &str) -> String {
    format!("text-{reason}")
}

/// Gives the name of the choice field of a reason.
pub fn chosen_of(reason: &str) -> String {
    format!("choice-{reason}")
}

fn declined(mut draft: Draft, reason: &pb::DeclineReason, number: Option<&str>) -> Result<Sent, Box<Draft>> {
    let numbered = number.and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
    if let Some(choice) = numbered.and_then(|place| reason.choices.get(place)) {
        draft.choice.clone_from(choice);
    }
    draft.field = if !reason.choices.is_empty() && !reason.choices.contains(&draft.choice) {
        Some(Field::Choice)
    } else if reason.needs_text && draft.text.is_empty() {
        Some(Field::TextMissing)
    } else if draft.text.len() > TEXT_BYTES_MAX {
        Some(Field::TextLong)
    } else {
        None
    };
    if draft.field.is_some() {
        return Err(Box::new(draft));
    }
    let text = if reason.needs_text { draft.text.clone() } else { String::new() };
    let decline = pb::Decline { reason: reason.code.clone(), text, choice: draft.choice.clone() };
    Ok(Sent { draft, act: Act::Decline(decline) })
}
