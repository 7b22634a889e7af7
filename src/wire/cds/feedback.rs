//! What became of cards: accepted, or overridden with a reason or without, as decisions of the exchange. Nothing is kept
//! for it here: a card's name is its prompt's.

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::domain::limits::{KEY_BYTES_MAX, TEXT_BYTES_MAX};
use crate::domain::time::Moment;
use crate::wire::cds::part::{Part, document};
use crate::wire::fhir::element::REASONS;
use crate::wire::field::{FieldError, Problem};
use crate::wire::pb;
use pb::decision::Outcome;

/// What became of one card.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The card's uuid, which is its prompt's name.
    pub card: [u8; 16],
    outcome: Outcome,
    at: Moment,
}

/// Reads a feedback request.
///
/// # Errors
/// [`FieldError`] naming the path of the member to correct; nothing of the request is taken then.
pub fn feedback(body: &[u8]) -> Result<Vec<Entry>, FieldError> {
    let value = document(body)?;
    let top = Part::top(&value)?;
    let sent = top.elements("feedback", ENTRIES_MAX)?;
    if sent.is_empty() {
        return Err(top.wrong_member("feedback", Problem::Missing));
    }
    sent.iter().map(entry).collect()
}

impl Entry {
    /// Gives the decision to record; the same entry always gives the same, by the same key.
    pub fn decision(&self, practitioner: &str) -> pb::DecideRequest {
        self.with(practitioner, self.outcome.clone())
    }

    /// Gives the decision to record where the reason lacks what the policy wants with it: the code is kept as words.
    pub fn unexplained(&self, practitioner: &str) -> Option<pb::DecideRequest> {
        let Outcome::Decline(decline) = &self.outcome else { return None };
        let mut text = format!("{} {} {}", decline.reason, decline.choice, decline.text);
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        Some(self.with(practitioner, Outcome::Unexplained(pb::Unexplained { text })))
    }

    fn with(&self, practitioner: &str, outcome: Outcome) -> pb::DecideRequest {
        let mut hash = Sha256::new_with_prefix(b"concord/cds/feedback/v1");
        hash.update(self.card);
        hash.update(self.at.unix_ms().to_be_bytes());
        hash.update(format!("{outcome:?}"));
        let name = hash.finalize().iter().take(16).fold(0_u128, |name, byte| name << 8 | u128::from(*byte));
        let prompt_id = bytes::Bytes::copy_from_slice(&self.card);
        pb::DecideRequest {
            decision_key: format!("cds-feedback {name:032x}"),
            actor: Some(pb::Actor { practitioner: practitioner.to_owned(), ..Default::default() }),
            decisions: vec![pb::Decision { prompt_id, outcome: Some(outcome), whole_line: true }],
            decided_at: Some(self.at.into()),
            replaces: true,
            ..Default::default()
        }
    }
}

fn entry(sent: &Part<'_>) -> Result<Entry, FieldError> {
    let card = Uuid::parse_str(sent.named("card", KEY_BYTES_MAX)?);
    let card = card.map_err(|_| sent.wrong_member("card", Problem::Form("UUID")))?;
    let outcome = match sent.named("outcome", KEY_BYTES_MAX)? {
        "accepted" => {
            sent.elements("acceptedSuggestions", ENTRIES_MAX)?;
            Outcome::Accept(pb::Accept {})
        }
        "overridden" => overridden(sent)?,
        _ => return Err(sent.wrong_member("outcome", Problem::Form("accepted or overridden"))),
    };
    let at = moment(sent.named("outcomeTimestamp", KEY_BYTES_MAX)?);
    let at = at.ok_or_else(|| sent.wrong_member("outcomeTimestamp", Problem::Form("time with its offset")))?;
    Ok(Entry { card: card.into_bytes(), outcome, at })
}

fn overridden(sent: &Part<'_>) -> Result<Outcome, FieldError> {
    let Some(given) = sent.member("overrideReason") else {
        return Ok(Outcome::Unexplained(pb::Unexplained::default()));
    };
    let text = given.text("userComment", TEXT_BYTES_MAX)?.unwrap_or_default().to_owned();
    let reason = match given.member("reason") {
        Some(reason) => {
            let ours = reason.text("system", TEXT_BYTES_MAX)?.is_none_or(|system| system == REASONS);
            reason.text("code", KEY_BYTES_MAX)?.filter(|code| ours && !code.is_empty())
        }
        None => None,
    };
    let Some(reason) = reason else { return Ok(Outcome::Unexplained(pb::Unexplained { text })) };
    let (reason, choice) = reason.split_once(CHOICE).unwrap_or((reason, ""));
    Ok(Outcome::Decline(pb::Decline { reason: reason.to_owned(), text, choice: choice.to_owned() }))
}

fn moment(text: &str) -> Option<Moment> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let unix_ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
    Moment::new(unix_ms, at.offset().whole_minutes()).ok()
}

/// Who gave feedback when nobody knows any more.
pub const NOBODY: &str = "cds-feedback";
/// Stands between a reason's code and the choice made with it: an override reason has no other place for one.
pub(super) const CHOICE: char = ':';
const ENTRIES_MAX: usize = 64;
