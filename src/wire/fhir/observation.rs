//! A laboratory result as an Observation.

use rust_decimal::Decimal;

use crate::wire::fhir::element::{
    CATALOGUE, LOINC, UCUM, coding, concept, extension, identifier, local_system, name_of, organisation, patient,
    system_of, words,
};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::told::Told;
use crate::wire::fhir::when::{date_time, instant};
use crate::wire::pb;
use pb::laboratory_result::Value;

/// Writes an Observation; nothing for a result that is no value of a laboratory.
pub fn observation(told: &Told<'_>) -> Json {
    let Some(pb::result_summary::Content::LaboratoryResult(found)) = &told.result.content else {
        return Json::Nothing;
    };
    let specimen = specimen(told, found);
    let specimen_reference = if specimen.is_empty() { Json::Nothing } else { "#specimen".into() };
    let (kind, value) = value(told, found);
    object([
        ("resourceType", "Observation".into()),
        ("id", told.id().into()),
        ("meta", told.meta()),
        ("contained", array([specimen])),
        ("identifier", array([result_identifier(told)])),
        ("status", status(told.result.status()).into()),
        ("category", array([concept(CATEGORY, "laboratory", "Laboratory")])),
        ("code", code(told, found)),
        ("subject", patient(told.patient)),
        ("effectiveDateTime", date_time(told.collected)),
        ("issued", told.reported.map_or(Json::Nothing, instant)),
        ("performer", performers(told)),
    ])
    .with(kind, value)
    .with("interpretation", array([interpretation(&found.flag)]))
    .with("note", array([object([("text", incomparable(found.comparability()).into())])]))
    .with("method", words(&found.method))
    .with("specimen", object([("reference", specimen_reference)]))
    .with("device", object([("display", found.instrument.as_str().into())]))
    .with("referenceRange", array([words(&found.reference_range)]))
}

/// Gives the status of an Observation. Source: the HL7 v2-to-FHIR guide, table 0085.
pub fn status(status: pb::ResultStatus) -> &'static str {
    match status {
        pb::ResultStatus::Preliminary => "preliminary",
        pb::ResultStatus::Final => "final",
        pb::ResultStatus::Corrected => "corrected",
        pb::ResultStatus::Withdrawn => "entered-in-error",
        pb::ResultStatus::Unspecified => "unknown",
    }
}

/// Writes the publisher's own name of a result.
pub fn result_identifier(told: &Told<'_>) -> Json {
    identifier(&format!("urn:concord:result:{}", told.publisher), &hex::encode(&told.result.result_id))
}

/// Writes the publisher and, for work sent out, the laboratory that did it.
pub fn performers(told: &Told<'_>) -> Json {
    let result = told.result;
    let laboratory = (!result.laboratory.is_empty() && result.laboratory != result.organisation)
        .then(|| organisation(&result.laboratory, ""));
    array(std::iter::once(organisation(&result.organisation, name_of(result))).chain(laboratory))
}

/// Writes the codings of the catalogue items that a result answers.
pub fn items(result: &pb::ResultSummary) -> Vec<Json> {
    let display = if result.items.len() == 1 { result.item_name_zh.as_str() } else { "" };
    result.items.iter().map(|item| coding(CATALOGUE, item, display)).collect()
}

fn code(told: &Told<'_>, found: &pb::LaboratoryResult) -> Json {
    let local = found.local.as_ref();
    let loinc = if found.loinc.is_empty() { Json::Nothing } else { coding(LOINC, &found.loinc, "") };
    let own = local
        .filter(|local| !local.code.is_empty())
        .map(|local| coding(&local_system(&told.result.organisation, &local.system), &local.code, &local.display));
    let name = local.map(|local| local.display.as_str()).filter(|name| !name.is_empty());
    let name = name.unwrap_or(&told.result.item_name_zh);
    let text = if name.is_empty() { local.map(|local| local.code.as_str()).unwrap_or_default() } else { name };
    let codings = std::iter::once(loinc).chain(items(told.result)).chain(own);
    object([("coding", array(codings)), ("text", text.into())])
}

fn value(told: &Told<'_>, found: &pb::LaboratoryResult) -> (&'static str, Json) {
    match &found.value {
        Some(Value::Quantity(quantity)) => ("valueQuantity", self::quantity(quantity, found.comparability())),
        Some(Value::Text(text)) => ("valueString", text.as_str().into()),
        Some(Value::Coded(coded)) => {
            let system = system_of(&told.result.organisation, &coded.system);
            let codings = array((!coded.code.is_empty()).then(|| coding(&system, &coded.code, &coded.display)));
            ("valueCodeableConcept", object([("coding", codings), ("text", coded.display.as_str().into())]))
        }
        None => ("dataAbsentReason", {
            let absent = coding("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown", "Unknown");
            object([("coding", array([absent])), ("text", "见原始报告 see the original report".into())])
        }),
    }
}

/// Writes a number with its unit; the code of the unit only where it is known to be UCUM's.
fn quantity(quantity: &pb::Quantity, comparability: pb::Comparability) -> Json {
    let number = |text: &str| text.parse::<Decimal>().map_or(Json::Nothing, Json::from);
    let sent = object([("value", number(&quantity.sent_number)), ("unit", quantity.sent_unit.as_str().into())]);
    let known = comparability == pb::Comparability::Comparable && !quantity.unit.is_empty();
    let comparator = match quantity.comparator() {
        pb::Comparator::Unspecified => "",
        pb::Comparator::Less => "<",
        pb::Comparator::LessOrEqual => "<=",
        pb::Comparator::Greater => ">",
        pb::Comparator::GreaterOrEqual => ">=",
    };
    object([
        ("extension", array([extension("urn:concord:fhir:as-sent", "valueQuantity", sent)])),
        ("value", number(&quantity.number)),
        ("comparator", comparator.into()),
        ("unit", quantity.unit.as_str().into()),
        ("system", known.then_some(UCUM).into()),
        ("code", known.then_some(quantity.unit.as_str()).into()),
    ])
}

/// Writes a flag of table 0078 with its v3 code; whatever is no such code stays text.
fn interpretation(flag: &str) -> Json {
    if !INTERPRETATIONS.contains(&flag) {
        return words(flag);
    }
    concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", flag, "").with("text", flag.into())
}

/// Writes the specimen, of HL7 table 0487 where it is one of its codes.
fn specimen(told: &Told<'_>, found: &pb::LaboratoryResult) -> Json {
    if found.specimen.is_empty() {
        return Json::Nothing;
    }
    let own = found.specimen.contains(['.', '/']);
    let system = if own { "urn:concord:specimen" } else { "http://terminology.hl7.org/CodeSystem/v2-0487" };
    let name = crate::domain::specimen::Specimen::from_hl7(&found.specimen, None).map(|specimen| specimen.name_zh());
    object([
        ("resourceType", "Specimen".into()),
        ("id", "specimen".into()),
        ("type", concept(system, &found.specimen, "").with("text", name.into())),
        ("subject", patient(told.patient)),
    ])
}

/// Says why a result may not stand for another of its item.
fn incomparable(comparability: pb::Comparability) -> &'static str {
    match comparability {
        pb::Comparability::Comparable => "",
        pb::Comparability::UnitMissing => "不可比：无单位 Not comparable: no unit",
        pb::Comparability::UnitUnknown => "不可比：单位无换算规则 Not comparable: no rule converts the unit",
        pb::Comparability::NumberUnreadable => "不可比：数值无法识别 Not comparable: the number cannot be read",
        pb::Comparability::ValueKind => "不可比：结果类型不符 Not comparable: another kind of value was expected",
        pb::Comparability::Unspecified => "不可比 Not comparable",
    }
}

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
/// Codes of the v3 code system that table 0078 shares.
const INTERPRETATIONS: [&str; 27] = [
    "A", "AA", "B", "D", "DET", "E", "EXP", "H", "HH", "HX", "I", "IND", "L", "LL", "LX", "N", "ND", "NEG", "NR",
    "POS", "R", "S", "TOX", "U", "W", "WR", "<",
];
