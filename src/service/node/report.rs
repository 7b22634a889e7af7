//! A laboratory report to drafts, one for each observation that says something. Knows no store and no hub: what was said
//! before is compared when versions are given.

use super::names::{self, MESSAGE_MEDIA_TYPE};
use super::sheet::{Change, Draft, Held, Reason, Sheet, Truth, Unmapped};
use super::terms::Terms;
use crate::domain::catalogue::{LaboratoryItem, ValueKind};
use crate::domain::entry::{Content, LaboratoryResult, LocalCode, Original, ResultStatus, Times};
use crate::domain::id::{Digest, ReportId, ResultId};
use crate::domain::item::Loinc;
use crate::domain::limits::KEY_BYTES_MAX;
use crate::domain::mapping::Mapped;
use crate::domain::organisation::OrganisationCode;
use crate::domain::specimen::Specimen;
use crate::domain::time::Moment;
use crate::domain::value::{Comparability, Comparator, Incomparable, Quantity, Value};
use crate::wire;
use crate::wire::finding::{Document, Finding, documents, finding, is_narrative, number_in};
use crate::wire::hl7::coded::{Code, Coded};
use crate::wire::hl7::report::{Observation, Report};
use crate::wire::hl7::status::{ObservationStatus, ReportStatus};
use crate::wire::known_as::IdentifierTable;

/// What drafting needs to know beside the report.
pub struct ReportDesk<'d> {
    /// The hospital.
    pub publisher: OrganisationCode,
    /// Name of the source that sent the message.
    pub source: &'d str,
    /// MSH-10.
    pub control_id: &'d str,
    /// Catalogue and mapping.
    pub terms: &'d Terms,
    /// What the hospital calls the region's identifier types.
    pub identifiers: &'d IdentifierTable,
    /// Digest of the message.
    pub digest: Digest,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// When it arrived.
    pub received_at: Moment,
}

impl ReportDesk<'_> {
    /// Drafts what a report says.
    pub fn draft(&self, report: &Report) -> Sheet {
        let mut sheet = Sheet {
            person: self.identifiers.person_of_report(&report.patient),
            documents: documents(report),
            ..Sheet::new(self.control_id)
        };
        let Some(order) = Order::of(report) else {
            sheet.held.push(Held::new(Reason::NoOrderNumber, "OBR-3"));
            return sheet;
        };
        let names = order.parts();
        let report_id = names::report_id(&self.publisher, self.source, &names);
        let reported = report.reported.unwrap_or(self.received_at);
        if report.status == ReportStatus::Cancelled {
            sheet.changes.push(Change::WithdrawReport(report_id, reported));
            return sheet;
        }
        let originals = self.originals(&sheet.documents);
        let mut prose = false;
        for observation in &report.observations {
            let result = names::result_id(&self.publisher, self.source, &names, &test_of(observation));
            let context = Context { report, report_id, result, reported, originals: &originals };
            match self.observe(observation, &context, &mut sheet) {
                Observed::Taken | Observed::Silent => {}
                Observed::Prose => prose = true,
            }
        }
        self.settle_prose(report, reported, prose, &mut sheet);
        sheet
    }

    fn observe(&self, observation: &Observation, context: &Context<'_>, sheet: &mut Sheet) -> Observed {
        let found = finding(observation, context.report);
        let status = match (status_of(observation.status), &found) {
            (Standing::Withdrawn(truth), _) => {
                sheet.changes.push(Change::Withdraw(context.result, context.reported, truth));
                return Observed::Taken;
            }
            (Standing::FinalUnsent, None) => {
                sheet.changes.push(Change::Confirm(context.result, context.reported));
                return Observed::Taken;
            }
            (_, None) => return Observed::Silent,
            (Standing::FinalUnsent, Some(_)) => ResultStatus::Final,
            (Standing::Stated(status), Some(_)) => status,
        };
        let Some(found) = found else { return Observed::Silent };
        let (local, loincs) = codes_of(&observation.code);
        let specimen = context.report.specimen.as_ref().and_then(specimen_of);
        let mapped = self.terms.laboratory(&local, &loincs, specimen);
        let Some(mapped) = mapped.filter(|_| local.code.len().max(local.system.len()) <= KEY_BYTES_MAX) else {
            if is_narrative(observation) || found == Finding::InOriginal {
                return Observed::Prose;
            }
            let unit = observation.unit.as_ref().map(|unit| unit.code.clone()).unwrap_or_default();
            sheet.unmapped.push(Unmapped { code: local, unit });
            return Observed::Taken;
        };
        let Some(collected) = context.report.collected.or(observation.observed) else {
            sheet.held.push(Held::new(Reason::NoCollectionTime, "OBR-7"));
            return Observed::Taken;
        };
        let times = Times { ordered: context.report.requested, collected, reported: context.reported };
        let draft = self.result(observation, context, Found { found, status, mapped, local, loincs, times });
        sheet.changes.extend(draft.map(|draft| Change::Say(Box::new(draft))));
        Observed::Taken
    }

    fn result(&self, observation: &Observation, context: &Context<'_>, found: Found) -> Option<Draft> {
        let mapped = &found.mapped;
        let known = self.terms.catalogue.item(mapped.item)?;
        let item = known.laboratory()?;
        let unit = observation.unit.as_ref().map(|unit| unit.code.as_str()).unwrap_or_default();
        let (value, comparability) = self.judge(item, mapped, found.found, unit);
        let capped = |text: &str| Some(text.to_owned()).filter(|text| (1..=LABEL_BYTES_MAX).contains(&text.len()));
        let named =
            |coded: &Coded| capped(if coded.first.text.is_empty() { &coded.first.code } else { &coded.first.text });
        let flags = observation.flags.join("~");
        Some(Draft {
            result: context.result,
            report: context.report_id,
            status: found.status,
            laboratory: laboratory_of(observation).unwrap_or(self.publisher),
            items: vec![mapped.item],
            times: found.times,
            sensitivity: known.sensitivity,
            content: Content::Laboratory(LaboratoryResult {
                loinc: Some(found.loincs.into_iter().find(|loinc| item.accepts_loinc(*loinc)).unwrap_or(item.loinc)),
                local: found.local,
                specimen: mapped.specimen,
                value,
                reference_range: observation.reference_range.as_deref().and_then(capped),
                flag: Some(flags).filter(|flags| (1..=FLAG_BYTES_MAX).contains(&flags.len())),
                method: observation.method.as_ref().and_then(named),
                instrument: observation.instrument.as_ref().and_then(|instrument| capped(&instrument.value)),
                comparability,
            }),
            originals: context.originals.to_vec(),
        })
    }

    /// Says what was found in the words of the item, and whether it may stand for another result of it.
    fn judge(&self, item: &LaboratoryItem, mapped: &Mapped, found: Finding, unit: &str) -> (Value, Comparability) {
        let number = match &found {
            Finding::Number { comparator, number } => Some((*comparator, *number)),
            Finding::Text(text) if matches!(item.value, ValueKind::Quantity(_)) => number_in(text),
            _ => None,
        };
        if let Some((comparator, number)) = number {
            return self.quantity(mapped, comparator, number, unit);
        }
        let has_digits = matches!(&found, Finding::Text(text) if text.contains(|sign: char| sign.is_ascii_digit()));
        let comparability = match item.value {
            ValueKind::Finding => Comparability::Comparable,
            ValueKind::Quantity(_) if has_digits => Comparability::NotComparable(Incomparable::NumberUnreadable),
            ValueKind::Quantity(_) => Comparability::NotComparable(Incomparable::ValueKind),
        };
        match found {
            Finding::Text(text) => (Value::Text(text), comparability),
            Finding::Coded { code, display, system } => (Value::Coded { code, display, system }, comparability),
            Finding::InOriginal | Finding::Number { .. } => {
                (Value::InOriginal, Comparability::NotComparable(Incomparable::ValueKind))
            }
        }
    }

    fn quantity(
        &self,
        mapped: &Mapped,
        comparator: Comparator,
        number: rust_decimal::Decimal,
        unit: &str,
    ) -> (Value, Comparability) {
        match mapped.quantity(comparator, number, unit, &self.terms.catalogue) {
            Ok(quantity) => (Value::Quantity(quantity), Comparability::Comparable),
            Err(why) => {
                let unit = unit.trim().to_owned();
                let as_sent = Quantity { comparator, number, unit, as_sent: None };
                (Value::Quantity(as_sent), Comparability::NotComparable(why))
            }
        }
    }

    fn originals(&self, documents: &[Document]) -> Vec<Original> {
        let original = |digest, size_bytes, media_type: &str| {
            let media_type = media_type.to_owned();
            Original { digest, size_bytes, media_type, instance_uid: String::new() }
        };
        let documents = documents.iter().map(|document| {
            let size_bytes = u64::try_from(document.bytes.len()).unwrap_or(u64::MAX);
            original(wire::batch::digest(&document.bytes), size_bytes, &document.media_type)
        });
        let message = original(self.digest, self.size_bytes, MESSAGE_MEDIA_TYPE);
        std::iter::once(message).chain(documents).take(ORIGINALS_MAX).collect()
    }

    /// Finds a place for prose: with the study it is about; otherwise it waits, unless results stand beside it.
    fn settle_prose(&self, report: &Report, reported: Moment, prose: bool, sheet: &mut Sheet) {
        if !prose || !sheet.changes.is_empty() {
            return;
        }
        if report.study_uids.is_empty() {
            let reason = if sheet.documents.is_empty() { Reason::Narrative } else { Reason::DocumentOnly };
            sheet.held.push(Held::new(reason, "OBX-5"));
            return;
        }
        let originals = self.originals(&sheet.documents);
        for study in &report.study_uids {
            let result = names::study_result_id(&self.publisher, study);
            let attached = originals.iter().map(|original| Change::Attach(result, original.clone(), reported));
            sheet.changes.extend(attached);
        }
        sheet.studies.clone_from(&report.study_uids);
    }
}

struct Context<'d> {
    report: &'d Report,
    report_id: ReportId,
    result: ResultId,
    reported: Moment,
    originals: &'d [Original],
}

struct Found {
    found: Finding,
    status: ResultStatus,
    mapped: Mapped,
    local: LocalCode,
    loincs: Vec<Loinc>,
    times: Times,
}

/// What became of an observation.
enum Observed {
    Taken,
    Silent,
    Prose,
}

/// What OBX-11 says of a result.
enum Standing {
    Stated(ResultStatus),
    FinalUnsent,
    Withdrawn(Truth),
}

/// The number of an order: the laboratory's, else the orderer's, else the specimen's.
enum Order<'r> {
    Assigned(&'static str, &'r str, &'r str),
    Specimen(&'r str),
}

impl<'r> Order<'r> {
    fn of(report: &'r Report) -> Option<Self> {
        let filler = report.filler.as_ref().map(|id| Self::Assigned("filler", &id.value, &id.namespace));
        let placer = || report.placer.as_ref().map(|id| Self::Assigned("placer", &id.value, &id.namespace));
        filler.or_else(placer).or_else(|| report.specimen_number.as_deref().map(Self::Specimen))
    }

    fn parts(&self) -> [&'r str; 3] {
        match self {
            Self::Assigned(kind, value, namespace) => [kind, value, namespace],
            Self::Specimen(number) => ["specimen", number, ""],
        }
    }
}

/// Source: HL7 v2-to-FHIR guide, map of table 0085. What is not final and not stated so is at most preliminary.
fn status_of(status: ObservationStatus) -> Standing {
    match status {
        ObservationStatus::Final | ObservationStatus::Verified => Standing::Stated(ResultStatus::Final),
        ObservationStatus::Corrected | ObservationStatus::Amended => Standing::Stated(ResultStatus::Corrected),
        ObservationStatus::Deleted | ObservationStatus::Cancelled => Standing::Withdrawn(Truth::Was),
        ObservationStatus::Wrong => Standing::Withdrawn(Truth::NeverWas),
        ObservationStatus::FinalUnsent => Standing::FinalUnsent,
        ObservationStatus::Preliminary
        | ObservationStatus::NotAsked
        | ObservationStatus::Pending
        | ObservationStatus::Unstated => Standing::Stated(ResultStatus::Preliminary),
    }
}

fn test_of(observation: &Observation) -> [&str; 3] {
    let code = &observation.code.first;
    [&code.code, &code.system, observation.sub_id.as_deref().unwrap_or_default()]
}

/// Gives the sender's own code, and every valid LOINC code of either triplet.
fn codes_of(coded: &Coded) -> (LocalCode, Vec<Loinc>) {
    let triplets = || std::iter::once(&coded.first).chain(&coded.alternate);
    let loincs = triplets().filter(|code| is_loinc(code)).filter_map(|code| code.code.parse().ok()).collect();
    let own = triplets().find(|code| !is_loinc(code) && !code.code.is_empty()).unwrap_or(&coded.first);
    let mut name = own.text.clone();
    name.truncate(name.floor_char_boundary(LABEL_BYTES_MAX));
    (LocalCode { code: own.code.clone(), name, system: own.system.clone() }, loincs)
}

fn is_loinc(code: &Code) -> bool {
    matches!(code.system.as_str(), "LN" | "LOINC" | "http://loinc.org" | "2.16.840.1.113883.6.1")
}

fn specimen_of(coded: &Coded) -> Option<Specimen> {
    let triplets = std::iter::once(&coded.first).chain(&coded.alternate);
    let texts = triplets.flat_map(|code| [code.code.as_str(), code.text.as_str()]);
    texts.chain([coded.original.as_str()]).find_map(Specimen::parse)
}

/// Gives the laboratory that did the work, where OBX-23 or the older OBX-15 names it by its unified code.
fn laboratory_of(observation: &Observation) -> Option<OrganisationCode> {
    let performer = observation.performer.as_ref().and_then(|performer| performer.identifier.trim().parse().ok());
    performer.or_else(|| {
        let producer = observation.producer.as_ref()?;
        let triplets = std::iter::once(&producer.first).chain(&producer.alternate);
        triplets.flat_map(|code| [&code.code, &code.text]).find_map(|text| text.parse().ok())
    })
}

/// Longest name, range or method in an entry, in bytes.
const LABEL_BYTES_MAX: usize = 256;
/// Longest flag in an entry, in bytes.
const FLAG_BYTES_MAX: usize = 16;
/// Most originals of a laboratory entry; more documents stay inside the message.
const ORIGINALS_MAX: usize = 64;
