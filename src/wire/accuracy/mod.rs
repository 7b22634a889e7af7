//! Labelled cases of the accuracy benchmark, one JSON object a line, as values that the rule judges. The format stands
//! in `docs/accuracy.md`; nothing here decides anything.

mod quality;
mod results;
mod sent;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use self::sent::{SentAnswers, SentCase, SentImage, SentOrder, SentVisit};
use crate::domain::adcode::Adcode;
use crate::domain::catalogue::Catalogue;
use crate::domain::entry::Entry;
use crate::domain::eqa::{Credential, EqaRound, Sanction};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Pseudonym;
use crate::domain::imaging::{Contrast, Coverage, Laterality};
use crate::domain::item::ItemCode;
use crate::domain::order::{ImagingOrder, OrderContext, OrderLine, Setting, Wanted};
use crate::domain::policy::Policy;
use crate::domain::rule::LineCoverage;
use crate::domain::time::Moment;
use crate::wire::day;
use crate::wire::field::{FieldError, Problem, parsed};

/// One case with its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub category: String,
    /// When the order is written.
    pub at: Moment,
    /// What is ordered.
    pub line: OrderLine,
    /// In which visit.
    pub context: OrderContext,
    /// Every version of every result that was found.
    pub results: Vec<FoundResult>,
    /// What QC centres said.
    pub quality: Quality,
    /// What the answer must be.
    pub label: Label,
}

/// One version of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundResult {
    /// The case's name of the result.
    pub name: String,
    /// The version.
    pub entry: Entry,
    /// Whether its signature held and its key was valid.
    pub key_valid: bool,
    /// Whether its link to the patient was disputed.
    pub link_disputed: bool,
}

/// What QC centres said of the laboratories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quality {
    /// EQA rounds.
    pub rounds: Vec<EqaRound>,
    /// Direct credentials.
    pub credentials: Vec<Credential>,
    /// Suspensions and restorations.
    pub sanctions: Vec<Sanction>,
}

/// A result, by its name in the case, for an item of the order.
pub type Answer = (String, ItemCode);

/// What the answer must be, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// How much of the order is answered.
    pub coverage: LineCoverage,
    /// What must be prompted.
    pub prompts: BTreeSet<Answer>,
    /// What may be prompted: more than that where several results compete.
    pub legal: BTreeSet<Answer>,
    /// What is left to be ordered.
    pub remaining: BTreeSet<ItemCode>,
    /// Why, in a sentence.
    pub because: String,
}

/// A line is no case; correct what wrote it.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It is not the JSON object that it must be.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// A member cannot be taken.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl Faulty for CaseError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

/// Reads one case. Units are brought to the catalogue's as a node brings them.
///
/// # Errors
/// [`CaseError`] with the member at fault.
pub fn read(line: &str, catalogue: &Catalogue, policy: &Policy) -> Result<Case, CaseError> {
    let sent: SentCase = serde_json::from_str(line)?;
    let context = context(&sent.visit)?;
    let quality = quality::read(&sent, policy)?;
    let mut found = Vec::new();
    for (place, candidate) in sent.candidates.iter().enumerate() {
        let versions = results::read(place, candidate, &context, catalogue);
        found.extend(versions.map_err(|error| error.under(&format!("candidates[{place}]")))?);
    }
    let label = Label {
        coverage: word("label.coverage", &sent.label.coverage, COVERAGES)?,
        prompts: answers("label.prompts", &sent.label.prompts)?,
        legal: answers("label.legal", &sent.label.legal)?,
        remaining: sent.label.remaining.iter().map(|item| code("label.remaining", item)).collect::<Result<_, _>>()?,
        because: sent.label.because,
    };
    Ok(Case {
        at: moment("at", &sent.at)?,
        line: OrderLine { line_id: sent.id.clone(), wanted: wanted(&sent.order)? },
        id: sent.id,
        category: sent.category,
        context,
        results: found,
        quality,
        label,
    })
}

fn context(visit: &SentVisit) -> Result<OrderContext, FieldError> {
    let organisation = parsed("visit.hospital", &visit.hospital, "unified social credit code")?;
    let region: Adcode = parsed("visit.region", &visit.region, "division code")?;
    let methods = visit.methods.iter().map(|(item, method)| Ok((code("visit.methods", item)?, method.clone())));
    Ok(OrderContext {
        setting: word("visit.setting", &visit.setting, SETTINGS)?,
        preoperative: visit.preoperative,
        transfusion: visit.transfusion,
        forensic: visit.forensic,
        serial: visit.serial,
        neonate: visit.neonate,
        pregnant: visit.pregnant,
        treated_at: visit.treated_at.as_deref().map(|text| moment("visit.treated_at", text)).transpose()?,
        methods: methods.collect::<Result<BTreeMap<_, _>, FieldError>>()?,
        ..OrderContext::outpatient(PATIENT, organisation, region)
    })
}

fn wanted(order: &SentOrder) -> Result<Vec<Wanted>, FieldError> {
    let panels = order.panel.iter().map(|panel| Ok(Wanted::Panel(parsed("order.panel", panel, "panel code")?)));
    let items = order.items.iter().map(|item| Ok(Wanted::Item(code("order.items", item)?)));
    let images = order.imaging.iter().map(|image| Ok(Wanted::Imaging(image_wanted(image)?)));
    panels.chain(items).chain(images).collect()
}

fn image_wanted(image: &SentImage) -> Result<ImagingOrder, FieldError> {
    let item = image.item.as_deref().map(|item| code("order.imaging.item", item)).transpose()?;
    Ok(ImagingOrder { item, coverage: coverage("order.imaging", image)?, slice_thickness_mm_max: None })
}

fn coverage(field: &str, image: &SentImage) -> Result<Coverage, FieldError> {
    Ok(Coverage {
        modality: image.modality.clone(),
        body_part: image.body_part.clone(),
        laterality: word(&format!("{field}.side"), &image.side, SIDES)?,
        views: image.views.iter().cloned().collect(),
        contrast: word(&format!("{field}.contrast"), &image.contrast, CONTRASTS)?,
    })
}

fn answers(field: &str, sent: &[SentAnswers]) -> Result<BTreeSet<Answer>, FieldError> {
    let pairs = sent.iter().flat_map(|one| one.items.iter().map(move |item| (one.candidate.clone(), item)));
    pairs.map(|(name, item)| Ok((name, code(field, item)?))).collect()
}

fn code(field: &str, text: &str) -> Result<ItemCode, FieldError> {
    parsed(field, text, "item code")
}

/// Reads an instant of RFC 3339, or a day with its offset, as `2026-05-04+08:00`.
fn moment(field: &str, text: &str) -> Result<Moment, FieldError> {
    let bad = || FieldError::new(field, Problem::Form("time of RFC 3339, or a day with its offset"));
    let whole = match text.split_at_checked(DAY_CHARACTERS) {
        Some((date, offset)) if !text.contains('T') => format!("{date}T00:00:00{offset}"),
        _ => text.to_owned(),
    };
    let at = OffsetDateTime::parse(&whole, &Rfc3339).map_err(|_| bad())?;
    let unix_ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| bad())?;
    let moment = Moment::new(unix_ms, at.offset().whole_minutes()).map_err(|_| bad())?;
    if whole == text {
        return Ok(moment);
    }
    day::start(field, text.get(..DAY_CHARACTERS).unwrap_or_default(), moment.offset_minutes())
}

fn word<T: Copy>(field: &str, text: &str, words: &[(&str, T)]) -> Result<T, FieldError> {
    let known = words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
    known.ok_or_else(|| FieldError::new(field, Problem::Form("word of docs/accuracy.md")))
}

/// The patient of every case; another patient's results carry another pseudonym.
const PATIENT: Pseudonym = Pseudonym::new([1; Pseudonym::BYTES]);
const DAY_CHARACTERS: usize = 10;
const COVERAGES: &[(&str, LineCoverage)] =
    &[("none", LineCoverage::None), ("partial", LineCoverage::Partial), ("full", LineCoverage::Full)];
const SETTINGS: &[(&str, Setting)] =
    &[("outpatient", Setting::Outpatient), ("inpatient", Setting::Inpatient), ("emergency", Setting::Emergency)];
const SIDES: &[(&str, Laterality)] = &[
    ("unpaired", Laterality::Unpaired),
    ("unknown", Laterality::Unknown),
    ("left", Laterality::Left),
    ("right", Laterality::Right),
    ("both", Laterality::Both),
];
const CONTRASTS: &[(&str, Contrast)] = &[
    ("plain", Contrast::Plain),
    ("enhanced", Contrast::Enhanced),
    ("plain-and-enhanced", Contrast::PlainAndEnhanced),
    ("not-applicable", Contrast::NotApplicable),
    ("any", Contrast::NotApplicable),
    ("unknown", Contrast::Unknown),
];
