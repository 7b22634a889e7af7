//! A call of an order screen: which hook, who, whose, and what is about to be ordered.

use std::collections::BTreeSet;

use crate::domain::limits::KEY_BYTES_MAX;
use crate::wire::cds::order::{DraftOrder, drafts};
use crate::wire::cds::part::{Part, document};
use crate::wire::cds::patient::IdentifierNames;
use crate::wire::day;
use crate::wire::field::{FieldError, Problem};
use crate::wire::pb;

/// What fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// A record is opened.
    PatientView,
    /// Orders are being chosen.
    OrderSelect,
    /// Orders are about to be signed.
    OrderSign,
}

/// A call, read. It names a patient and has no `Debug`.
#[derive(Clone)]
pub struct HookRequest {
    /// What fired.
    pub hook: Hook,
    /// Name of this firing; a call that is sent again has it again.
    pub instance: String,
    /// Who works: a practitioner's number.
    pub practitioner: String,
    /// The patient's id at the order screen.
    pub patient_id: String,
    /// The visit's id there, or empty.
    pub encounter: String,
    /// The patient.
    pub patient: Prefetched,
    /// Where the patient is treated; the number of the visit is never empty.
    pub visit: pb::Visit,
    /// The orders that may repeat a result.
    pub orders: Vec<DraftOrder>,
    /// The orders just chosen; all of them where the hook does not say.
    pub selected: Option<BTreeSet<String>>,
    /// Whether results that were found and not offered are told, with the reasons.
    pub quiet: bool,
    /// Whether cards carry the proofs that their results are in the hub's log.
    pub proofs: bool,
}

/// The patient, as far as the order screen sent one.
#[derive(Clone, PartialEq)]
pub enum Prefetched {
    /// The patient.
    Patient(pb::Patient),
    /// There is none, but a server from which one could be had.
    Elsewhere,
    /// There is none, or it could not be read there.
    Nowhere,
}

impl Hook {
    /// Gives the hook's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PatientView => "patient-view",
            Self::OrderSelect => "order-select",
            Self::OrderSign => "order-sign",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::PatientView, Self::OrderSelect, Self::OrderSign].into_iter().find(|hook| hook.name() == name)
    }
}

impl HookRequest {
    /// Reads a call; `today` tells newborns, in days since 1970-01-01.
    ///
    /// # Errors
    /// [`FieldError`] naming the path of the member to correct.
    pub fn read(body: &[u8], names: &IdentifierNames, today: i64) -> Result<Self, FieldError> {
        let value = document(body)?;
        let top = Part::top(&value)?;
        let hook = Hook::named(top.named("hook", KEY_BYTES_MAX)?);
        let hook = hook.ok_or_else(|| top.wrong_member("hook", Problem::Form("hook of this service")))?;
        let instance = top.named("hookInstance", KEY_BYTES_MAX)?.to_owned();
        let context = top.object("context")?;
        let patient_id = context.named("patientId", KEY_BYTES_MAX)?.to_owned();
        let (orders, selected) = match hook {
            Hook::PatientView => (Vec::new(), None),
            Hook::OrderSign => (drafts(&context, &patient_id)?, None),
            Hook::OrderSelect => (drafts(&context, &patient_id)?, Some(selections(&context)?)),
        };
        let encounter = context.text("encounterId", KEY_BYTES_MAX)?.unwrap_or_default().to_owned();
        let patient = prefetched(&top, &patient_id, names)?;
        let mut visit = visit(&top)?;
        visit.neonate |= matches!(&patient, Prefetched::Patient(patient) if is_newborn(patient, today));
        // A firing without a visit is a visit of its own: nothing is known to have been decided in it.
        visit.encounter = if encounter.is_empty() { format!("hook {instance}") } else { encounter.clone() };
        visit.encounter.truncate(visit.encounter.floor_char_boundary(KEY_BYTES_MAX));
        let extension = top.member("extension");
        let asks = |what| extension.as_ref().map_or(Ok(false), |extension| extension.truth(what));
        Ok(Self {
            hook,
            instance,
            practitioner: practitioner(&context)?,
            patient_id,
            encounter,
            patient,
            visit,
            orders,
            selected,
            quiet: asks(QUIET)?,
            proofs: asks(PROOFS)?,
        })
    }
}

/// A practitioner by number; other users have no orders to sign.
fn practitioner(context: &Part<'_>) -> Result<String, FieldError> {
    let user = context.named("userId", KEY_BYTES_MAX)?;
    match user.split_once('/') {
        Some(("Practitioner", id)) if !id.is_empty() => Ok(id.to_owned()),
        Some(("PractitionerRole", id)) if !id.is_empty() => Ok(user.to_owned()),
        _ => Err(context.wrong_member("userId", Problem::Form("Practitioner/id or PractitionerRole/id"))),
    }
}

fn selections(context: &Part<'_>) -> Result<BTreeSet<String>, FieldError> {
    if !context.has("selections") {
        return Err(context.wrong_member("selections", Problem::Missing));
    }
    let read = |selected: &Part<'_>| {
        let text = selected.own_text().filter(|text| text.len() <= KEY_BYTES_MAX);
        text.map(str::to_owned).ok_or_else(|| selected.wrong(Problem::Form("reference")))
    };
    context.elements("selections", SELECTIONS_MAX)?.iter().map(read).collect()
}

fn prefetched(top: &Part<'_>, patient_id: &str, names: &IdentifierNames) -> Result<Prefetched, FieldError> {
    let prefetch = top.member("prefetch");
    let asked = prefetch.as_ref().is_some_and(|prefetch| prefetch.has(PATIENT));
    let Some(patient) = prefetch.and_then(|prefetch| prefetch.member(PATIENT)) else {
        let elsewhere = !asked && top.member("fhirServer").is_some();
        return Ok(if elsewhere { Prefetched::Elsewhere } else { Prefetched::Nowhere });
    };
    if patient.is_resource("OperationOutcome") {
        return Ok(Prefetched::Nowhere);
    }
    if !patient.is_resource("Patient") {
        return Err(patient.wrong_member("resourceType", Problem::Form("Patient")));
    }
    if patient.text("id", KEY_BYTES_MAX)?.is_some_and(|id| id != patient_id) {
        return Err(patient.wrong_member("id", Problem::Unwanted("it is another patient than the context's")));
    }
    names.patient(&patient).map(Prefetched::Patient)
}

/// Reads the visit from our own extension, or its class from a prefetched Encounter; an outpatient's otherwise.
fn visit(top: &Part<'_>) -> Result<pb::Visit, FieldError> {
    let extension = top.member("extension").and_then(|extension| extension.member(VISIT));
    let encounter = top.member("prefetch").and_then(|prefetch| prefetch.member("encounter"));
    let class = encounter.and_then(|encounter| encounter.member("class"));
    let class = class.map_or(Ok(None), |class| class.text("code", KEY_BYTES_MAX)).unwrap_or_default();
    let mut visit = pb::Visit::default();
    visit.set_setting(class.and_then(setting).unwrap_or(pb::Setting::Outpatient));
    let Some(extension) = extension else { return Ok(visit) };
    if let Some(class) = extension.text("class", KEY_BYTES_MAX)? {
        let known = setting(class);
        visit
            .set_setting(known.ok_or_else(|| extension.wrong_member("class", Problem::Form("class of an encounter")))?);
    }
    visit.preoperative = extension.truth("preoperative")?;
    visit.transfusion = extension.truth("transfusion")?;
    visit.forensic = extension.truth("forensic")?;
    visit.serial = extension.truth("serial")?;
    visit.neonate = extension.truth("neonate")?;
    visit.pregnant = extension.truth("pregnant")?;
    Ok(visit)
}

/// Source: HL7 v3 ActEncounterCode.
fn setting(class: &str) -> Option<pb::Setting> {
    match class {
        "AMB" | "HH" | "VR" => Some(pb::Setting::Outpatient),
        "IMP" | "ACUTE" | "NONAC" | "OBSENC" | "PRENC" | "SS" => Some(pb::Setting::Inpatient),
        "EMER" | "FLD" => Some(pb::Setting::Emergency),
        _ => None,
    }
}

fn is_newborn(patient: &pb::Patient, today: i64) -> bool {
    day::day("birthDate", &patient.birth_date).is_ok_and(|born| (0..=NEWBORN_DAYS).contains(&(today - born)))
}

/// The prefetch key that the discovery document asks for.
pub(super) const PATIENT: &str = "patient";
const QUIET: &str = "com.concord.quiet";
/// What asks for proofs in a call, and what holds them on a card.
pub(super) const PROOFS: &str = "com.concord.proofs";
const VISIT: &str = "com.concord.visit";
const SELECTIONS_MAX: usize = 512;
const NEWBORN_DAYS: i64 = 28;
