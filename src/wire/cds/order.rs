//! Draft orders: the ServiceRequests of a bundle as lines of a check. Medicines and other orders are nobody's business
//! here and are passed over.

use crate::domain::limits::{KEY_BYTES_MAX, ORDER_LINES_MAX, TEXT_BYTES_MAX};
use crate::wire::cds::part::Part;
use crate::wire::fhir::element::{BODY_PARTS, CATALOGUE, DICOM, LOINC, PANELS, SNOMED};
use crate::wire::field::{FieldError, Problem};
use crate::wire::pb;

/// A draft order that may repeat a result.
#[derive(Clone, PartialEq)]
pub struct DraftOrder {
    /// As a line of a check; its name is the resource's id, or its place in the bundle.
    pub line: pb::OrderLine,
    /// How suggestions refer to it, as `ServiceRequest/o1`; nothing where it has no id.
    pub reference: Option<String>,
    /// `intent`, which orders made in its place take over.
    pub intent: String,
    /// `subject.reference`.
    pub subject: String,
    /// `encounter.reference`, or empty.
    pub encounter: String,
    /// `requester.reference`, or empty.
    pub requester: String,
}

/// Reads the orders of `context.draftOrders`.
pub(super) fn drafts(context: &Part<'_>, patient_id: &str) -> Result<Vec<DraftOrder>, FieldError> {
    let bundle = context.object("draftOrders")?;
    if !bundle.is_resource("Bundle") {
        return Err(bundle.wrong_member("resourceType", Problem::Form("Bundle")));
    }
    let mut drafts: Vec<DraftOrder> = Vec::new();
    for (place, entry) in bundle.elements("entry", ENTRIES_MAX)?.iter().enumerate() {
        let Some(resource) = entry.member("resource").filter(|resource| resource.is_resource("ServiceRequest")) else {
            continue;
        };
        let Some(draft) = draft(&resource, place, patient_id)? else { continue };
        if drafts.iter().any(|other| other.line.line_id == draft.line.line_id) {
            return Err(resource.wrong_member("id", Problem::Twice));
        }
        drafts.push(draft);
        if drafts.len() > ORDER_LINES_MAX {
            let (found, most) = (drafts.len(), ORDER_LINES_MAX);
            return Err(bundle.wrong_member("entry", Problem::TooLong { found, most }));
        }
    }
    Ok(drafts)
}

/// Reads one order; nothing where it forbids instead of ordering, is over, or has no code.
fn draft(resource: &Part<'_>, place: usize, patient_id: &str) -> Result<Option<DraftOrder>, FieldError> {
    let over = matches!(resource.text("status", KEY_BYTES_MAX)?, Some("revoked" | "completed" | "entered-in-error"));
    if over || resource.truth("doNotPerform")? {
        return Ok(None);
    }
    let codes = match resource.member("code") {
        Some(code) => codings(&code)?.into_iter().map(code_of).collect(),
        None => Vec::new(),
    };
    let imaging: Vec<pb::Coverage> = coverage(resource)?.into_iter().collect();
    if codes.is_empty() && imaging.is_empty() {
        return Ok(None);
    }
    let id = resource.text("id", KEY_BYTES_MAX)?.filter(|id| !id.is_empty());
    let line_id = id.map_or_else(|| format!("entry[{place}]"), str::to_owned);
    let subject = referenced(resource, "subject")?;
    let other = subject.rsplit_once("Patient/").is_some_and(|(_, id)| id != patient_id);
    if other {
        return Err(resource.wrong_member("subject", Problem::Unwanted("it is of another patient than the context")));
    }
    Ok(Some(DraftOrder {
        line: pb::OrderLine { line_id, codes, imaging },
        reference: id.map(|id| format!("ServiceRequest/{id}")),
        intent: resource.text("intent", KEY_BYTES_MAX)?.unwrap_or("order").to_owned(),
        subject: if subject.is_empty() { format!("Patient/{patient_id}") } else { subject.to_owned() },
        encounter: referenced(resource, "encounter")?.to_owned(),
        requester: referenced(resource, "requester")?.to_owned(),
    }))
}

/// The codings of one concept name the same thing in several systems; whoever knows none of a line's codes says so.
fn codings<'a>(concept: &Part<'a>) -> Result<Vec<(&'a str, &'a str, &'a str)>, FieldError> {
    let mut codings = Vec::new();
    for coding in concept.elements("coding", CODINGS_MAX)? {
        let (system, code) = (coding.text("system", KEY_BYTES_MAX)?, coding.text("code", KEY_BYTES_MAX)?);
        let display = coding.text("display", TEXT_BYTES_MAX)?.unwrap_or_default();
        if let (Some(system), Some(code)) = (system, code)
            && !system.is_empty()
            && !code.is_empty()
        {
            codings.push((system, code, display));
        }
    }
    Ok(codings)
}

fn code_of((system, code, display): (&str, &str, &str)) -> pb::Code {
    let system = match system {
        CATALOGUE => "catalogue",
        PANELS => "panel",
        LOINC => "loinc",
        local => local,
    };
    pb::Code { system: system.to_owned(), code: code.to_owned(), display: display.to_owned() }
}

/// Reads what an image must show, where modality and body part are coded: the modality and the rest in `orderDetail`,
/// part and side in `bodySite`.
fn coverage(resource: &Part<'_>) -> Result<Option<pb::Coverage>, FieldError> {
    let mut coverage = pb::Coverage::default();
    for name in ["orderDetail", "bodySite"] {
        for concept in resource.elements(name, CODINGS_MAX)? {
            for (system, code, _) in codings(&concept)? {
                match system {
                    DICOM => code.clone_into(&mut coverage.modality),
                    BODY_PARTS => code.clone_into(&mut coverage.body_part),
                    VIEWS => coverage.views.push(code.to_owned()),
                    SNOMED => side(code, &mut coverage),
                    CONTRAST => contrast(code, &mut coverage),
                    _ => {}
                }
            }
        }
    }
    Ok(Some(coverage).filter(|coverage| !coverage.modality.is_empty() && !coverage.body_part.is_empty()))
}

/// Source: SNOMED CT, laterality (qualifier value).
fn side(code: &str, coverage: &mut pb::Coverage) {
    let side = match code {
        "7771000" => pb::Laterality::Left,
        "24028007" => pb::Laterality::Right,
        "51440002" => pb::Laterality::Both,
        "66459002" => pb::Laterality::Unpaired,
        _ => return,
    };
    coverage.set_laterality(side);
}

fn contrast(code: &str, coverage: &mut pb::Coverage) {
    let contrast = match code {
        "PLAIN" => pb::Contrast::Plain,
        "ENHANCED" => pb::Contrast::Enhanced,
        "PLAIN_AND_ENHANCED" => pb::Contrast::PlainAndEnhanced,
        "NOT_APPLICABLE" => pb::Contrast::NotApplicable,
        _ => return,
    };
    coverage.set_contrast(contrast);
}

fn referenced<'a>(resource: &Part<'a>, name: &str) -> Result<&'a str, FieldError> {
    let Some(member) = resource.member(name) else { return Ok("") };
    Ok(member.text("reference", REFERENCE_BYTES_MAX)?.unwrap_or_default())
}

const VIEWS: &str = "urn:concord:view";
const CONTRAST: &str = "urn:concord:contrast";
const ENTRIES_MAX: usize = 512;
const CODINGS_MAX: usize = 32;
const REFERENCE_BYTES_MAX: usize = 1_024;
