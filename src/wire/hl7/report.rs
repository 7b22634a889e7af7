//! A result message read: one report for each order, its observations typed. Must not decide what a report is good for.
//!
//! Source: HL7 v2.5.1, 7.4.1 (OBR) and 7.4.2 (OBX).

use super::SourceSettings;
use super::classify::{Kind, classify};
use super::coded::{Coded, EntityId, Unit};
use super::error::{Hl7Error, Place, Problem};
use super::groups::{Noted, Order, orders};
use super::message::{Message, Segment};
use super::patient::Patient;
use super::status::{ObservationStatus, ReportStatus};
use super::time;
use super::value::{Value, values};
use crate::domain::phi::Phi;
use crate::domain::time::Moment;

/// The results of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whom it is about.
    pub patient: Patient,
    /// Class of the visit, PV1-2 (`I`, `O`, `E`, ..), as sent.
    pub visit_class: Option<String>,
    /// Number of the visit, PV1-19.
    pub visit_number: Option<Phi<String>>,
    /// The orderer's number, OBR-2 or ORC-2.
    pub placer: Option<EntityId>,
    /// The laboratory's number, OBR-3 or ORC-3.
    pub filler: Option<EntityId>,
    /// The laboratory's number of the order this one came from, OBR-29.2.
    pub parent: Option<String>,
    /// What was ordered, OBR-4.
    pub service: Coded,
    /// Section of the laboratory, OBR-24.
    pub section: Option<String>,
    /// When it was asked for, OBR-6.
    pub requested: Option<Moment>,
    /// When the specimen was taken or the examination made: OBR-7, SPM-17, or the earliest OBX-14.
    pub collected: Option<Moment>,
    /// When the specimen reached the laboratory: OBR-14 or SPM-18. Never stands in for `collected`, it is later.
    pub received: Option<Moment>,
    /// When the results were reported: OBR-22, the latest OBX-19, or MSH-7.
    pub reported: Option<Moment>,
    /// Status, OBR-25.
    pub status: ReportStatus,
    /// What the specimen is: SPM-4 or OBR-15.
    pub specimen: Option<Coded>,
    /// Number of the specimen, SPM-2.
    pub specimen_number: Option<String>,
    /// Study instance UIDs, from ZDS or an OBX that names one.
    pub study_uids: Vec<String>,
    /// Results, in order.
    pub observations: Vec<Observation>,
    /// Observations of the patient or the specimen sent with the order; never results of it.
    pub context: Vec<Observation>,
    /// Notes under the order.
    pub notes: Vec<Phi<String>>,
}

impl Report {
    /// Gives all text results in order, one line each: the narrative of an imaging or pathology report.
    pub fn narrative(&self) -> Phi<String> {
        let texts =
            self.observations.iter().flat_map(|observation| &observation.values).filter_map(|value| match value {
                Value::Text(text) => Some(text.reveal().as_str()),
                _ => None,
            });
        Phi::new(texts.collect::<Vec<_>>().join("\n"))
    }
}

/// One OBX, or several that carry one text line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// OBX-1 as sent; some analysers begin at 0.
    pub set_id: Option<String>,
    /// OBX-2 as sent (`NM`, `TX`, ..), empty where it was.
    pub value_type: String,
    /// What was observed, OBX-3.
    pub code: Coded,
    /// OBX-4.
    pub sub_id: Option<String>,
    /// OBX-5, one value for each repetition; empty where nothing was sent.
    pub values: Vec<Value>,
    /// OBX-6.
    pub unit: Option<Unit>,
    /// OBX-7 as sent.
    pub reference_range: Option<String>,
    /// OBX-8, every repetition's code.
    pub flags: Vec<String>,
    /// OBX-11.
    pub status: ObservationStatus,
    /// OBX-14, when the specimen was taken or the observation made.
    pub observed: Option<Moment>,
    /// OBX-15, who produced it.
    pub producer: Option<Coded>,
    /// OBX-23, the organisation that performed it.
    pub performer: Option<Performer>,
    /// OBX-17.
    pub method: Option<Coded>,
    /// OBX-18.
    pub instrument: Option<EntityId>,
    /// OBX-19, when it was analysed.
    pub analysed: Option<Moment>,
    /// Notes under it.
    pub notes: Vec<Phi<String>>,
}

/// An organisation, as an XON names it.
///
/// Source: HL7 v2.5.1, 2.A.88.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performer {
    /// XON-10, its identifier; XON-3, the number that it replaced in v2.5, where that is empty.
    pub identifier: String,
    /// XON-1.
    pub name: String,
}

/// Reads the reports of a message, one for each OBR, also of those without results.
///
/// # Errors
/// The first [`Hl7Error`]: a type that is not taken (answer AR); no patient identifier, no order, a clinical time that does
/// not exist, a document that does not decode (answer AE). An acknowledgement holds no reports.
pub fn read_reports(message: &Message, settings: &SourceSettings) -> Result<Vec<Report>, Hl7Error> {
    match classify(message)? {
        Kind::Acknowledgement => Ok(Vec::new()),
        kind => orders(message, kind)?.into_iter().map(|order| report(message, &order, settings)).collect(),
    }
}

fn report(message: &Message, order: &Order<'_>, settings: &SourceSettings) -> Result<Report, Hl7Error> {
    let nobody = Hl7Error::new(Place::field("PID", 1, 3), Problem::RequiredMissing);
    let patient = Patient::of(order.pid.ok_or(nobody)?, settings)?;
    let obr = order.obr;
    let status = ReportStatus::of(&obr.field(25).value().unwrap_or_default());
    let number = |field| EntityId::of(obr.field(field)).or_else(|| EntityId::of(order.orc?.field(field)));
    let of_specimen = |field: usize| order.specimens.iter().find(|specimen| !specimen.field(field).is_empty());
    let observations = observed(&order.results, status, settings)?;
    let collected = match clinical(obr, "OBR", 7, settings)? {
        Some(collected) => Some(collected),
        None => of_specimen(17).map_or(Ok(None), |specimen| clinical(*specimen, "SPM", 17, settings))?,
    };
    let earliest = || observations.iter().filter_map(|one| one.observed).min_by_key(|moment| moment.unix_ms());
    let latest = || observations.iter().filter_map(|one| one.analysed).max_by_key(|moment| moment.unix_ms());
    let sent = || time::moment(message.header().component(7, 1), settings.offset_minutes).ok();
    Ok(Report {
        patient,
        visit_class: order.pv1.and_then(|visit| visit.field(2).component(1).value()),
        visit_number: order.pv1.and_then(|visit| visit.field(19).component(1).value()).map(Phi::new),
        placer: number(2),
        filler: number(3),
        parent: obr.field(29).component(2).subcomponent(1).value(),
        service: Coded::of(obr.field(4)),
        section: obr.field(24).value(),
        requested: lenient(obr, 6, settings),
        collected: collected.or_else(earliest),
        received: lenient(obr, 14, settings).or_else(|| lenient(*of_specimen(18)?, 18, settings)),
        reported: lenient(obr, 22, settings).or_else(latest).or_else(sent),
        status,
        specimen: of_specimen(4).and_then(|one| Coded::of_filled(one.field(4))).or_else(|| old_specimen(obr)),
        specimen_number: of_specimen(2).and_then(|one| one.field(2).component(1).subcomponent(1).value()),
        study_uids: study_uids(order),
        context: observed(&order.context, ReportStatus::Unstated, settings)?,
        notes: notes(&order.notes),
        observations,
    })
}

/// Reads OBR-15 (SPS), whose first component holds the code with its name and system as subcomponents.
fn old_specimen(obr: Segment<'_>) -> Option<Coded> {
    let source = obr.field(15).component(1);
    let mut specimen = Coded::default();
    let [code, text, system] = [1, 2, 3].map(|number| source.subcomponent(number).value().unwrap_or_default());
    (specimen.first.code, specimen.first.text, specimen.first.system) = (code, text, system);
    (!source.is_empty()).then_some(specimen)
}

/// Reads observations, and joins text that was sent line by line: neighbours of the same code, sub id and status.
fn observed(
    noted: &[Noted<'_>],
    report: ReportStatus,
    settings: &SourceSettings,
) -> Result<Vec<Observation>, Hl7Error> {
    let mut observations: Vec<Observation> = Vec::with_capacity(noted.len());
    for one in noted {
        let next = observation(one, report, settings)?;
        match observations.last_mut() {
            Some(last) if continues(last, &next) => append(last, next),
            _ => observations.push(next),
        }
    }
    Ok(observations)
}

fn continues(last: &Observation, next: &Observation) -> bool {
    let is_text = |one: &Observation| matches!(one.value_type.as_str(), "TX" | "FT");
    let is_same = last.code == next.code && last.sub_id == next.sub_id && last.status == next.status;
    is_text(last) && is_text(next) && is_same && last.unit == next.unit && last.notes.is_empty()
}

fn append(last: &mut Observation, next: Observation) {
    let line = |values: &[Value]| match values.first() {
        Some(Value::Text(text)) => text.reveal().clone(),
        _ => String::new(),
    };
    let joined = format!("{}\n{}", line(&last.values), line(&next.values));
    last.values = vec![Value::Text(Phi::new(joined))];
    last.notes.extend(next.notes);
}

fn observation(noted: &Noted<'_>, report: ReportStatus, settings: &SourceSettings) -> Result<Observation, Hl7Error> {
    let obx = noted.segment;
    let value_type = obx.field(2).component(1).value().unwrap_or_default();
    let at_value = Place::field("OBX", obx.occurrence(), 5);
    let values = values(&value_type, obx.field(5), settings).map_err(|problem| Hl7Error::new(at_value, problem))?;
    Ok(Observation {
        set_id: obx.field(1).value(),
        code: Coded::of(obx.field(3)),
        sub_id: obx.field(4).value(),
        values,
        unit: Unit::of(obx.field(6)),
        reference_range: obx.field(7).value(),
        flags: obx.field(8).repetitions().filter_map(|flag| flag.component(1).value()).collect(),
        status: ObservationStatus::of(&obx.field(11).value().unwrap_or_default(), report),
        observed: clinical(obx, "OBX", 14, settings)?,
        producer: Coded::of_filled(obx.field(15)),
        performer: performer(obx),
        method: Coded::of_filled(obx.field(17)),
        instrument: EntityId::of(obx.field(18)),
        analysed: lenient(obx, 19, settings),
        notes: notes(&noted.notes),
        value_type,
    })
}

fn performer(obx: Segment<'_>) -> Option<Performer> {
    let component = |number| obx.field(23).component(number).value();
    let (identifier, name) = (component(10).or_else(|| component(3)), component(1));
    let is_named = identifier.is_some() || name.is_some();
    let performer = Performer { identifier: identifier.unwrap_or_default(), name: name.unwrap_or_default() };
    is_named.then_some(performer)
}

/// Reads a time that decides how old a result is; one that does not exist is refused rather than guessed. Text that does
/// not begin as a year does is what a sender with its fields shifted puts there, and counts as no time.
fn clinical(
    segment: Segment<'_>,
    name: &'static str,
    field: u16,
    settings: &SourceSettings,
) -> Result<Option<Moment>, Hl7Error> {
    let is_time_like = |text: &String| text.bytes().take_while(u8::is_ascii_digit).count() >= 4;
    let text = segment.field(usize::from(field)).component(1).value().filter(is_time_like);
    let Some(text) = text else { return Ok(None) };
    let refuse = |problem| Hl7Error::new(Place::field(name, segment.occurrence(), field), problem);
    time::moment(&text, settings.offset_minutes).map(Some).map_err(refuse)
}

/// Reads a time that only informs; one that does not exist counts as not given.
fn lenient(segment: Segment<'_>, field: usize, settings: &SourceSettings) -> Option<Moment> {
    let text = segment.field(field).component(1).value()?;
    time::moment(&text, settings.offset_minutes).ok()
}

fn study_uids(order: &Order<'_>) -> Vec<String> {
    let from_studies = order.studies.iter().filter_map(|study| study.field(1).component(1).value());
    let naming = order.results.iter().map(|noted| noted.segment).filter(|obx| {
        let code = Coded::of(obx.field(3));
        let is_called = |one: &str| one.eq_ignore_ascii_case("Study Instance UID");
        STUDY_CODES.iter().any(|study| code.names(study, "DCM"))
            || is_called(&code.first.text)
            || is_called(&code.first.code)
    });
    let from_results = naming.filter_map(|obx| obx.field(5).component(1).value());
    let mut uids: Vec<String> = from_studies.chain(from_results).filter(|text| is_uid(text)).collect();
    uids.sort();
    uids.dedup();
    uids
}

/// Says whether text is a DICOM UID. Source: DICOM PS3.5, 9.1.
fn is_uid(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 64 && text.contains('.') && text.split('.').all(is_number)
}

fn notes(segments: &[Segment<'_>]) -> Vec<Phi<String>> {
    let text = |note: &Segment<'_>| note.field(3).repetitions().map(|part| part.text()).collect::<Vec<_>>().join("\n");
    segments.iter().map(text).filter(|text| !text.trim().is_empty()).map(Phi::new).collect()
}

/// DICOM codes of an observation whose value is a study: DICOM Study, Study Instance UID.
const STUDY_CODES: [&str; 2] = ["113014", "110180"];
