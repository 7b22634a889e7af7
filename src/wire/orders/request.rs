//! Messages to requests.

use std::collections::{BTreeMap, HashMap};

use crate::domain::id::{ConsentId, PromptId, Pseudonym, ResultId};
use crate::domain::imaging::Coverage;
use crate::domain::item::ItemCode;
use crate::domain::limits::{KEY_BYTES_MAX, LINE_ITEMS_MAX, ORDER_LINES_MAX, TEXT_BYTES_MAX};
use crate::domain::order::Setting;
use crate::domain::person::Person;
use crate::domain::time::Moment;
use crate::wire::field::{FieldError, Problem, at_most, fixed, named, optional_moment, parsed, short};
use crate::wire::{pb, person};

/// Whose results are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person of the region, by pseudonym.
    Pseudonym(Pseudonym),
    /// A person as the hospital knows them; only its own node takes this.
    Person(Person),
}

/// Who acts, as the hospital asserts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// The person's number at the hospital.
    pub practitioner: String,
    /// Department.
    pub department: String,
}

/// The visit in which something is asked or decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visiting {
    /// Number of the visit.
    pub encounter: String,
    /// Setting.
    pub setting: Setting,
    /// Before a major measure.
    pub preoperative: bool,
    /// Before a transfusion.
    pub transfusion: bool,
    /// Forensic or disability assessment.
    pub forensic: bool,
    /// A planned series.
    pub serial: bool,
    /// A newborn.
    pub neonate: bool,
    /// Pregnant.
    pub pregnant: bool,
    /// Method group of the ordering hospital, by item.
    pub methods: BTreeMap<ItemCode, String>,
    /// Last treatment that changes results.
    pub treated_at: Option<Moment>,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The caller's key.
    pub key: String,
    /// Whose results.
    pub subject: Subject,
    /// Who asks.
    pub asking: Asking,
    /// In which visit.
    pub visit: Visiting,
    /// What is to be ordered.
    pub lines: Vec<AskedLine>,
    /// Language of texts.
    pub language: pb::Language,
}

/// One line of a check, before its codes are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedLine {
    /// Its name.
    pub line_id: String,
    /// Its codes.
    pub codes: Vec<CodeReference>,
    /// What an image must show.
    pub imaging: Vec<Coverage>,
}

/// A code with its system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodeReference {
    /// The system: `catalogue`, `panel`, `loinc` or a local one.
    pub system: String,
    /// The code.
    pub code: String,
    /// Its name, for people.
    pub display: String,
}

/// What a doctor decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The caller's key.
    pub key: String,
    /// Who decided.
    pub asking: Asking,
    /// On which prompts, and how.
    pub outcomes: Vec<(PromptId, Outcome)>,
    /// When, by the caller's clock.
    pub decided_at: Option<Moment>,
    /// Whether earlier decisions are replaced.
    pub replaces: bool,
    /// Language of texts.
    pub language: pb::Language,
}

/// How a doctor decided on one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The result is relied on.
    Accept,
    /// The test is done again.
    Decline {
        /// Code of the reason.
        reason: String,
        /// Text given with it.
        text: String,
        /// Choice given with it.
        choice: String,
    },
    /// The test is done again, and nobody said why.
    Unexplained,
}

/// A decision taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoking {
    /// The caller's key.
    pub key: String,
    /// Who takes it back.
    pub asking: Asking,
    /// On which prompt.
    pub prompt: PromptId,
    /// Why.
    pub text: String,
}

/// A prompt was shown, viewed or quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The caller's key.
    pub key: String,
    /// Who acted.
    pub asking: Asking,
    /// On which prompt.
    pub prompt: PromptId,
    /// What happened.
    pub event: pb::acknowledge_request::Event,
}

/// Recent results asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Whose results.
    pub subject: Subject,
    /// Who asks.
    pub asking: Asking,
    /// In which visit.
    pub visit: Visiting,
    /// How far to look back, in hours, 1 to 8,760.
    pub hours: u32,
    /// At most this many, 1 to 500.
    pub limit: usize,
    /// Language of texts.
    pub language: pb::Language,
}

/// Results opened without an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The caller's key.
    pub key: String,
    /// Whose results.
    pub subject: Subject,
    /// Who opens them.
    pub asking: Asking,
    /// In which visit.
    pub visit: Visiting,
    /// One result, by its name in the region; none for all that the basis opens.
    pub result: Option<ResultId>,
    /// By what right.
    pub basis: OpeningBasis,
    /// How far to look back, in hours, 1 to 87,600.
    pub hours: u32,
    /// At most this many, 1 to 500.
    pub limit: usize,
    /// Language of texts.
    pub language: pb::Language,
}

/// By what right results are opened without an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpeningBasis {
    /// The patient's consent: this one, or any.
    Consent(Option<ConsentId>),
    /// It cannot wait, for this reason.
    BreakGlass(String),
}

impl TryFrom<&pb::CheckRequest> for Asked {
    type Error = FieldError;

    fn try_from(sent: &pb::CheckRequest) -> Result<Self, FieldError> {
        at_most("lines", sent.lines.len(), ORDER_LINES_MAX)?;
        if sent.lines.is_empty() {
            return Err(FieldError::new("lines", Problem::Missing));
        }
        let mut lines: Vec<AskedLine> = Vec::with_capacity(sent.lines.len());
        for (place, line) in sent.lines.iter().enumerate() {
            let path = format!("lines[{place}]");
            let line = AskedLine::try_from(line).map_err(|error| error.under(&path))?;
            if lines.iter().any(|other| other.line_id == line.line_id) {
                return Err(FieldError::new(format!("{path}.line_id"), Problem::Twice));
            }
            lines.push(line);
        }
        Ok(Self {
            key: named("check_key", &sent.check_key, KEY_BYTES_MAX)?,
            subject: subject(sent.patient.as_ref())?,
            asking: asking(sent.actor.as_ref())?,
            visit: visit(sent.visit.as_ref())?,
            lines,
            language: sent.language(),
        })
    }
}

impl TryFrom<&pb::OrderLine> for AskedLine {
    type Error = FieldError;

    fn try_from(sent: &pb::OrderLine) -> Result<Self, FieldError> {
        at_most("codes", sent.codes.len(), CODES_MAX)?;
        at_most("imaging", sent.imaging.len(), CODES_MAX)?;
        if sent.codes.is_empty() && sent.imaging.is_empty() {
            return Err(FieldError::new("codes", Problem::Missing));
        }
        let codes = sent.codes.iter().enumerate().map(|(place, code)| {
            CodeReference::try_from(code).map_err(|error| error.under(&format!("codes[{place}]")))
        });
        let imaging = sent.imaging.iter().enumerate().map(|(place, coverage)| {
            Coverage::try_from(coverage).map_err(|error| error.under(&format!("imaging[{place}]")))
        });
        Ok(Self {
            line_id: named("line_id", &sent.line_id, KEY_BYTES_MAX)?,
            codes: codes.collect::<Result<_, _>>()?,
            imaging: imaging.collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<&pb::Code> for CodeReference {
    type Error = FieldError;

    fn try_from(sent: &pb::Code) -> Result<Self, FieldError> {
        Ok(Self {
            system: named("system", &sent.system, KEY_BYTES_MAX)?,
            code: named("code", &sent.code, KEY_BYTES_MAX)?,
            display: short("display", &sent.display, TEXT_BYTES_MAX)?,
        })
    }
}

impl TryFrom<&pb::DecideRequest> for Decided {
    type Error = FieldError;

    fn try_from(sent: &pb::DecideRequest) -> Result<Self, FieldError> {
        at_most("decisions", sent.decisions.len(), ORDER_LINES_MAX)?;
        if sent.decisions.is_empty() {
            return Err(FieldError::new("decisions", Problem::Missing));
        }
        let mut outcomes: Vec<(PromptId, Outcome)> = Vec::with_capacity(sent.decisions.len());
        for (place, decision) in sent.decisions.iter().enumerate() {
            let path = format!("decisions[{place}]");
            let (prompt, outcome) = decide(decision).map_err(|error| error.under(&path))?;
            if outcomes.iter().any(|(other, _)| *other == prompt) {
                return Err(FieldError::new(format!("{path}.prompt_id"), Problem::Twice));
            }
            outcomes.push((prompt, outcome));
        }
        Ok(Self {
            key: named("decision_key", &sent.decision_key, KEY_BYTES_MAX)?,
            asking: asking(sent.actor.as_ref())?,
            outcomes,
            decided_at: optional_moment("decided_at", sent.decided_at.as_ref())?,
            replaces: sent.replaces,
            language: sent.language(),
        })
    }
}

fn decide(sent: &pb::Decision) -> Result<(PromptId, Outcome), FieldError> {
    let outcome = match &sent.outcome {
        None => return Err(FieldError::new("outcome", Problem::Missing)),
        Some(pb::decision::Outcome::Accept(pb::Accept {})) => Outcome::Accept,
        Some(pb::decision::Outcome::Decline(decline)) => Outcome::Decline {
            reason: named("decline.reason", &decline.reason, KEY_BYTES_MAX)?,
            text: short("decline.text", &decline.text, TEXT_BYTES_MAX)?,
            choice: short("decline.choice", &decline.choice, KEY_BYTES_MAX)?,
        },
        Some(pb::decision::Outcome::Unexplained(unexplained)) => {
            short("unexplained.text", &unexplained.text, TEXT_BYTES_MAX)?;
            Outcome::Unexplained
        }
    };
    Ok((fixed("prompt_id", &sent.prompt_id)?, outcome))
}

impl TryFrom<&pb::RevokeRequest> for Revoking {
    type Error = FieldError;

    fn try_from(sent: &pb::RevokeRequest) -> Result<Self, FieldError> {
        Ok(Self {
            key: named("decision_key", &sent.decision_key, KEY_BYTES_MAX)?,
            asking: asking(sent.actor.as_ref())?,
            prompt: fixed("prompt_id", &sent.prompt_id)?,
            text: short("text", &sent.text, TEXT_BYTES_MAX)?,
        })
    }
}

impl TryFrom<&pb::AcknowledgeRequest> for Acknowledged {
    type Error = FieldError;

    fn try_from(sent: &pb::AcknowledgeRequest) -> Result<Self, FieldError> {
        if sent.event() == pb::acknowledge_request::Event::Unspecified {
            return Err(FieldError::new("event", Problem::Missing));
        }
        Ok(Self {
            key: named("event_key", &sent.event_key, KEY_BYTES_MAX)?,
            asking: asking(sent.actor.as_ref())?,
            prompt: fixed("prompt_id", &sent.prompt_id)?,
            event: sent.event(),
        })
    }
}

impl TryFrom<&pb::RecentResultsRequest> for Listing {
    type Error = FieldError;

    fn try_from(sent: &pb::RecentResultsRequest) -> Result<Self, FieldError> {
        Ok(Self {
            subject: subject(sent.patient.as_ref())?,
            asking: asking(sent.actor.as_ref())?,
            visit: visit(sent.visit.as_ref())?,
            hours: within("hours", sent.hours, 720, 8_760)?,
            limit: usize::try_from(within("limit", sent.limit, 100, 500)?).unwrap_or(100),
            language: sent.language(),
        })
    }
}

impl TryFrom<&pb::OpenRequest> for Opening {
    type Error = FieldError;

    fn try_from(sent: &pb::OpenRequest) -> Result<Self, FieldError> {
        let basis = match &sent.basis {
            None => return Err(FieldError::new("basis", Problem::Missing)),
            Some(pb::open_request::Basis::ConsentId(id)) if id.is_empty() => OpeningBasis::Consent(None),
            Some(pb::open_request::Basis::ConsentId(id)) => OpeningBasis::Consent(Some(fixed("consent_id", id)?)),
            Some(pb::open_request::Basis::BreakGlass(reason)) => {
                let reason = short("break_glass", reason.trim(), TEXT_BYTES_MAX)?;
                if reason.chars().count() < REASON_CHARACTERS_MIN {
                    return Err(FieldError::new("break_glass", Problem::Form("reason of four characters or more")));
                }
                OpeningBasis::BreakGlass(reason)
            }
        };
        Ok(Self {
            key: named("open_key", &sent.open_key, KEY_BYTES_MAX)?,
            subject: subject(sent.patient.as_ref())?,
            asking: asking(sent.actor.as_ref())?,
            visit: visit(sent.visit.as_ref())?,
            result: if sent.result.is_empty() { None } else { Some(fixed("result", &sent.result)?) },
            basis,
            hours: within("hours", sent.hours, 8_760, 87_600)?,
            limit: usize::try_from(within("limit", sent.limit, 100, 500)?).unwrap_or(100),
            language: sent.language(),
        })
    }
}

/// Reads a number that has a usual value and a greatest one.
fn within(field: &str, value: u32, unset: u32, most: u32) -> Result<u32, FieldError> {
    match value {
        0 => Ok(unset),
        value if value <= most => Ok(value),
        _ => Err(FieldError::new(field, Problem::Form("number inside its range"))),
    }
}

/// Reads whose results are asked for.
///
/// # Errors
/// [`FieldError`] naming the field; the caller must correct it.
pub fn subject(sent: Option<&pb::Patient>) -> Result<Subject, FieldError> {
    let sent = sent.ok_or_else(|| FieldError::new("patient", Problem::Missing))?;
    if !sent.pseudonym.is_empty() {
        return fixed("patient.pseudonym", &sent.pseudonym).map(Subject::Pseudonym);
    }
    if sent.identifiers.is_empty() {
        return Err(FieldError::new("patient", Problem::Missing));
    }
    let person = person::person(&sent.identifiers, sent.sex(), &sent.birth_date);
    person.map(Subject::Person).map_err(|error| error.under("patient"))
}

/// Reads who acts.
///
/// # Errors
/// [`FieldError`] naming the field; the caller must correct it.
pub fn asking(sent: Option<&pb::Actor>) -> Result<Asking, FieldError> {
    let sent = sent.ok_or_else(|| FieldError::new("actor", Problem::Missing))?;
    Ok(Asking {
        practitioner: named("actor.practitioner", &sent.practitioner, KEY_BYTES_MAX)?,
        department: short("actor.department", &sent.department, KEY_BYTES_MAX)?,
    })
}

fn visit(sent: Option<&pb::Visit>) -> Result<Visiting, FieldError> {
    let sent = sent.ok_or_else(|| FieldError::new("visit", Problem::Missing))?;
    Ok(Visiting {
        encounter: named("visit.encounter", &sent.encounter, KEY_BYTES_MAX)?,
        setting: match sent.setting() {
            pb::Setting::Unspecified => return Err(FieldError::new("visit.setting", Problem::Missing)),
            pb::Setting::Outpatient => Setting::Outpatient,
            pb::Setting::Inpatient => Setting::Inpatient,
            pb::Setting::Emergency => Setting::Emergency,
        },
        preoperative: sent.preoperative,
        transfusion: sent.transfusion,
        forensic: sent.forensic,
        serial: sent.serial,
        neonate: sent.neonate,
        pregnant: sent.pregnant,
        methods: methods(&sent.methods)?,
        treated_at: optional_moment("visit.treated_at", sent.treated_at.as_ref())?,
    })
}

fn methods(sent: &HashMap<String, String>) -> Result<BTreeMap<ItemCode, String>, FieldError> {
    at_most("visit.methods", sent.len(), LINE_ITEMS_MAX)?;
    let read = |(item, method): (&String, &String)| {
        Ok((parsed("visit.methods", item, "item code")?, named("visit.methods", method, KEY_BYTES_MAX)?))
    };
    sent.iter().map(read).collect()
}

impl From<&Asking> for pb::Actor {
    fn from(asking: &Asking) -> Self {
        Self { practitioner: asking.practitioner.clone(), department: asking.department.clone() }
    }
}

const CODES_MAX: usize = 32;
/// Fewest characters of a reason: a dot or a dash is none.
const REASON_CHARACTERS_MIN: usize = 4;
