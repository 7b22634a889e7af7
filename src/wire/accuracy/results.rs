//! What was found in a case: versions of results, their numbers brought to the catalogue's units as a node brings them.

use rust_decimal::Decimal;

use super::sent::{SentCandidate, SentVersion};
use super::{FoundResult, code, coverage, moment, word};
use crate::domain::catalogue::{Catalogue, Item, LaboratoryItem, ValueKind};
use crate::domain::entry::{Content, Entry, LaboratoryResult, LocalCode, Original, ResultStatus, Sensitivity, Times};
use crate::domain::id::{Digest, Pseudonym, ReportId, ResultId};
use crate::domain::imaging::{ImagingStudy, Series};
use crate::domain::order::OrderContext;
use crate::domain::specimen::Specimen;
use crate::domain::value::{Comparability, Comparator, Incomparable, Quantity, Value};
use crate::wire::field::{FieldError, Problem, parsed};

/// Reads every version of the result at its place among the candidates.
pub(super) fn read(
    place: usize,
    sent: &SentCandidate,
    context: &OrderContext,
    catalogue: &Catalogue,
) -> Result<Vec<FoundResult>, FieldError> {
    let mut number = [0; ResultId::BYTES];
    number.iter_mut().zip(place.to_be_bytes()).for_each(|(byte, of_place)| *byte = of_place);
    let versions = sent.versions.iter().enumerate().map(|(nth, version)| {
        let entry = entry(number, sent, version, context, catalogue);
        Ok(FoundResult {
            name: sent.id.clone(),
            entry: entry.map_err(|error| error.under(&format!("versions[{nth}]")))?,
            key_valid: word("key", &sent.key, &[("valid", true), ("invalid", false)])?,
            link_disputed: word("link", &sent.link, &[("strong", false), ("disputed", true)])?,
        })
    });
    versions.collect()
}

fn entry(
    number: [u8; ResultId::BYTES],
    sent: &SentCandidate,
    version: &SentVersion,
    context: &OrderContext,
    catalogue: &Catalogue,
) -> Result<Entry, FieldError> {
    let mut items = version.items.iter().map(|item| code("items", item)).collect::<Result<Vec<_>, _>>()?;
    items.sort();
    let item = items.first().and_then(|item| catalogue.item(*item)).and_then(Item::laboratory);
    let content = match &version.coverage {
        Some(_) => Content::Imaging(study(version)?),
        None => Content::Laboratory(laboratory_result(version, item, catalogue)?),
    };
    let patients = [("same", context.patient), ("other", SOMEBODY_ELSE)];
    Ok(Entry {
        result: ResultId::new(number),
        version: version.version,
        status: word("status", &version.status, STATUSES)?,
        entered_in_error: false,
        publisher: parsed("publisher", &sent.publisher, "unified social credit code")?,
        laboratory: parsed("laboratory", &sent.laboratory, "unified social credit code")?,
        patient: word("patient", &sent.patient, &patients)?,
        report: ReportId::new(number),
        items,
        times: Times {
            ordered: None,
            collected: moment("collected", &version.collected)?,
            reported: moment("reported", &version.reported)?,
        },
        sensitivity: word("sensitivity", &version.sensitivity, SENSITIVITIES)?,
        claimed_mark: None,
        content,
        originals: vec![Original {
            digest: Digest::new([0; Digest::BYTES]),
            size_bytes: 1,
            media_type: "application/pdf".to_owned(),
            instance_uid: String::new(),
        }],
    })
}

fn laboratory_result(
    version: &SentVersion,
    item: Option<&LaboratoryItem>,
    catalogue: &Catalogue,
) -> Result<LaboratoryResult, FieldError> {
    let known =
        |text: &str| Specimen::parse(text).ok_or_else(|| FieldError::new("specimen", Problem::Form("specimen")));
    let specimen = Some(version.specimen.as_str()).filter(|text| !text.is_empty()).map(known).transpose()?;
    let (value, comparability) = match item {
        Some(item) => found(version, item, catalogue),
        None => (Value::Text(version.value.clone()), Comparability::NotComparable(Incomparable::ValueKind)),
    };
    Ok(LaboratoryResult {
        loinc: item.map(|item| item.loinc),
        local: LocalCode { code: "1".to_owned(), name: String::new(), system: String::new() },
        specimen,
        value,
        reference_range: None,
        flag: None,
        method: Some(version.method.clone()).filter(|method| !method.is_empty()),
        instrument: None,
        comparability,
    })
}

/// Brings a number to the item's unit, or keeps it as sent and says why not.
fn found(version: &SentVersion, item: &LaboratoryItem, catalogue: &Catalogue) -> (Value, Comparability) {
    let text = || Value::Text(version.value.clone());
    match (&item.value, version.value.parse::<Decimal>()) {
        (ValueKind::Finding, _) => (text(), Comparability::Comparable),
        (ValueKind::Quantity(_), Err(_)) => (text(), Comparability::NotComparable(Incomparable::ValueKind)),
        (ValueKind::Quantity(_), Ok(number)) => {
            match catalogue.units.convert(item, Comparator::Equal, number, &version.unit) {
                Ok(quantity) => (Value::Quantity(quantity), Comparability::Comparable),
                Err(fact) => {
                    let unit = version.unit.clone();
                    let quantity = Quantity { comparator: Comparator::Equal, number, unit, as_sent: None };
                    (Value::Quantity(quantity), Comparability::NotComparable(fact))
                }
            }
        }
    }
}

fn study(version: &SentVersion) -> Result<ImagingStudy, FieldError> {
    let parts = version.coverage.iter().flatten();
    let coverage: Vec<_> = parts.map(|part| coverage("coverage", part)).collect::<Result<_, _>>()?;
    let modality = coverage.first().map(|part| part.modality.clone()).unwrap_or_default();
    let series = version.slice_thickness_mm.iter().map(|millimetres| {
        Ok(Series {
            series_uid: "1.2".to_owned(),
            modality: modality.clone(),
            instances: 1,
            slice_thickness_mm: Some(parsed("slice_thickness_mm", millimetres, "decimal number")?),
            field_strength_tesla: None,
            description: String::new(),
            transfer_syntaxes: [].into(),
        })
    });
    Ok(ImagingStudy { study_uid: "1.1".to_owned(), series: series.collect::<Result<_, FieldError>>()?, coverage })
}

const SOMEBODY_ELSE: Pseudonym = Pseudonym::new([2; Pseudonym::BYTES]);
const STATUSES: &[(&str, ResultStatus)] = &[
    ("preliminary", ResultStatus::Preliminary),
    ("final", ResultStatus::Final),
    ("corrected", ResultStatus::Corrected),
    ("withdrawn", ResultStatus::Withdrawn),
];
/// What nobody classified counts as sensitive, as it does in the signed index.
const SENSITIVITIES: &[(&str, Sensitivity)] =
    &[("normal", Sensitivity::Normal), ("sensitive", Sensitivity::Sensitive), ("unclassified", Sensitivity::Sensitive)];
