//! What the rule says of one result for one wanted item: a prompt with its evidence, or the facts against it.

use rust_decimal::Decimal;

use super::entry::ResultStatus;
use super::id::Digest;
use super::item::ItemCode;
use super::order::Setting;
use super::organisation::OrganisationCode;
use super::qualification::Unqualified;
use super::scope::Scope;
use super::specimen::Specimen;
use super::time::{Hours, Moment};
use super::value::Incomparable;

/// What the rule says of one result for one wanted item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Offer it.
    Prompt(Box<Evidence>),
    /// It is about the wanted thing, and may be listed with these facts against it.
    Quiet(Vec<Refusal>),
    /// Say nothing of it: it is about something else, another person, or closed to this visit.
    None,
}

/// Why a result may be offered; enough to decide it again from signed records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Policy version.
    pub policy_version: String,
    /// The wanted item whose window counted.
    pub item: ItemCode,
    /// The window.
    pub window: Hours,
    /// Age in milliseconds, 0 to the window.
    pub age_ms: i64,
    /// Whether the result answers all that was wanted of the item.
    pub answers: Answers,
    /// The mark, as `全国HR`.
    pub mark: String,
    /// The qualification behind it.
    pub qualification: Mark,
    /// What the doctor should mind.
    pub cautions: Vec<Caution>,
}

/// How much of a wanted item a result answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answers {
    /// All of it.
    Full,
    /// Some of it: one of two views, sides, phases or pieces.
    Partial,
}

/// A qualification with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Where it counts.
    pub scope: Scope,
    /// SHA-256 of the signed statement behind it; names the qualification.
    pub id: Digest,
    /// Who signed it.
    pub issuer: OrganisationCode,
    /// EQA programme, or the evaluation of a direct credential.
    pub programme: String,
    /// The rounds looked at, the latest last; empty for a direct credential.
    pub rounds: Vec<RoundSummary>,
    /// First instant at which it counted.
    pub valid_from: Moment,
    /// Last instant at which it counts.
    pub valid_to: Moment,
}

/// One round of the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoundSummary {
    /// Year.
    pub year: u32,
    /// Number in the year.
    pub round: u32,
    /// Score in percent; none if not graded or excused, zero if not reported.
    pub score_percent: Option<Decimal>,
    /// Whether it was satisfactory; none if it says nothing.
    pub satisfactory: Option<bool>,
}

/// What a doctor should mind about an offered result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caution {
    /// The value depends on fasting, and the record does not say.
    Fasting,
    /// The value depends on the day of the cycle, and the record does not say.
    CycleDay,
    /// The result was corrected since it was first reported.
    Corrected,
}

/// One fact against offering a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is another patient's.
    OtherPatient,
    /// The link between patient and result was disputed.
    LinkDisputed,
    /// It is about another item, body part or modality.
    NotCovered,
    /// The patient's grant is needed.
    Sensitive,
    /// There is a newer version.
    NotLatest {
        /// The newest version.
        latest: u32,
    },
    /// It is not final.
    Preliminary,
    /// It was taken out of use.
    Withdrawn,
    /// Its signing key was not valid.
    KeyNotValid,
    /// It is the ordering hospital's own.
    OwnResult,
    /// Its LOINC code is not the item's nor listed as equivalent.
    LoincDiffers,
    /// The sender named no specimen.
    SpecimenUnknown,
    /// The specimen is another.
    SpecimenDiffers {
        /// What was tested.
        found: Specimen,
    },
    /// It has no value that could be shown.
    ValueMissing,
    /// Unit or kind of value do not compare.
    NotComparable(Incomparable),
    /// The method of the result or of the ordering hospital is not known.
    MethodUnknown,
    /// The method is another.
    MethodDiffers,
    /// The order, or the study, does not say which side.
    SideUnknown,
    /// It shows the other side.
    SideDiffers,
    /// It lacks every wanted view.
    ViewMissing,
    /// It was made without the wanted contrast, or does not say.
    ContrastDiffers,
    /// Its slices are thicker than wanted.
    SlicesTooThick {
        /// Thinnest slice in millimetres.
        found_mm: Decimal,
        /// Thickest that serves, in millimetres.
        wanted_mm: Decimal,
    },
    /// No series says how thick its slices are.
    ThicknessUnknown,
    /// The laboratory was not qualified.
    NotQualified(Unqualified),
    /// No mark of the laboratory counts in the ordering region.
    OutOfScope {
        /// The widest mark that it has.
        widest: Scope,
    },
    /// The item never prompts in this setting.
    WindowZero {
        /// Setting of the visit.
        setting: Setting,
    },
    /// The item is on the negative list.
    NeverPrompts,
    /// It is too old.
    WindowExpired {
        /// The window.
        window: Hours,
        /// Its age in milliseconds.
        age_ms: i64,
    },
    /// It was collected after the order.
    InFuture,
    /// It was reported before it was collected.
    TimesContradict,
    /// The visit is an emergency.
    Emergency,
    /// An operation or another major measure follows.
    Preoperative,
    /// A transfusion follows.
    Transfusion,
    /// It was ordered in a panel for a major measure.
    GuardedPanel,
    /// The order is for a legal, disability or retirement opinion.
    Forensic,
    /// The order is part of a series.
    Serial,
    /// The patient is a newborn.
    Neonate,
    /// The patient is pregnant, and the item does not prompt then.
    Pregnant,
    /// A treatment began after it was collected.
    TreatedSince {
        /// When the treatment began.
        treated_at: Moment,
    },
    /// It was decided on in this visit.
    AlreadyDecided,
    /// The visit has had as many prompts for the item as the policy allows.
    AlertBudget,
}

impl Refusal {
    /// Says whether the doctor must not even learn that the result exists, or has no use for it.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::OtherPatient | Self::LinkDisputed | Self::NotCovered | Self::Sensitive)
    }
}

impl From<ResultStatus> for Option<Refusal> {
    fn from(status: ResultStatus) -> Self {
        match status {
            ResultStatus::Preliminary => Some(Refusal::Preliminary),
            ResultStatus::Withdrawn => Some(Refusal::Withdrawn),
            ResultStatus::Final | ResultStatus::Corrected => None,
        }
    }
}
