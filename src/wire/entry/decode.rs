//! Message to domain entry: every field checked and named when it is wrong.

use rust_decimal::Decimal;

use crate::domain::entry::{Content, Entry, LaboratoryResult, LocalCode, Original, ResultStatus, Sensitivity, Times};
use crate::domain::imaging::{Contrast, Coverage, ImagingStudy, Laterality, Series};
use crate::domain::limits::{KEY_BYTES_MAX, TEXT_BYTES_MAX};
use crate::domain::specimen::Specimen;
use crate::domain::value::{AsSent, Comparability, Comparator, Incomparable, Quantity, Value};
use crate::wire::field::{
    FieldError, Problem, at_most, fixed, moment, named, optional, optional_moment, parsed, short,
};
use crate::wire::pb;

impl TryFrom<&pb::Entry> for Entry {
    type Error = FieldError;

    fn try_from(sent: &pb::Entry) -> Result<Self, FieldError> {
        if sent.version == 0 {
            return Err(FieldError::new("version", Problem::Missing));
        }
        at_most("items", sent.items.len(), ITEMS_MAX)?;
        at_most("originals", sent.originals.len(), ORIGINALS_MAX)?;
        if sent.originals.is_empty() {
            return Err(FieldError::new("originals", Problem::Missing));
        }
        let mut items: Vec<_> = elements("items", &sent.items, |item| parsed("code", item, "item code"))?;
        items.sort_unstable();
        items.dedup();
        let publisher = parsed("publisher", &sent.publisher, "organisation code")?;
        Ok(Self {
            result: fixed("result_id", &sent.result_id)?,
            version: sent.version,
            status: status(sent.status())?,
            entered_in_error: match (sent.entered_in_error, sent.status()) {
                (true, pb::ResultStatus::Withdrawn) => true,
                (true, _) => return Err(FieldError::new("entered_in_error", Problem::Unwanted("only when withdrawn"))),
                (false, _) => false,
            },
            publisher,
            laboratory: match sent.laboratory.as_str() {
                "" => publisher,
                laboratory => parsed("laboratory", laboratory, "organisation code")?,
            },
            patient: fixed("patient", &sent.patient)?,
            report: fixed("report_id", &sent.report_id)?,
            items,
            times: Times {
                ordered: optional_moment("ordered_at", sent.ordered_at.as_ref())?,
                collected: moment("collected_at", sent.collected_at.as_ref())?,
                reported: moment("reported_at", sent.reported_at.as_ref())?,
            },
            sensitivity: match sent.sensitivity() {
                pb::Sensitivity::Normal => Sensitivity::Normal,
                // What nobody classified is kept back.
                pb::Sensitivity::Unspecified | pb::Sensitivity::Sensitive => Sensitivity::Sensitive,
            },
            claimed_mark: optional("claimed_mark", &sent.claimed_mark, MARK_BYTES_MAX)?,
            content: content(sent.content.as_ref())?,
            originals: elements("originals", &sent.originals, Original::try_from)?,
        })
    }
}

fn content(sent: Option<&pb::entry::Content>) -> Result<Content, FieldError> {
    match sent.ok_or_else(|| FieldError::new("content", Problem::Missing))? {
        pb::entry::Content::LaboratoryResult(result) => {
            result.try_into().map(Content::Laboratory).map_err(|error: FieldError| error.under("laboratory_result"))
        }
        pb::entry::Content::ImagingStudy(study) => {
            study.try_into().map(Content::Imaging).map_err(|error: FieldError| error.under("imaging_study"))
        }
    }
}

fn status(sent: pb::ResultStatus) -> Result<ResultStatus, FieldError> {
    match sent {
        pb::ResultStatus::Unspecified => Err(FieldError::new("status", Problem::Missing)),
        pb::ResultStatus::Preliminary => Ok(ResultStatus::Preliminary),
        pb::ResultStatus::Final => Ok(ResultStatus::Final),
        pb::ResultStatus::Corrected => Ok(ResultStatus::Corrected),
        pb::ResultStatus::Withdrawn => Ok(ResultStatus::Withdrawn),
    }
}

impl TryFrom<&pb::LaboratoryResult> for LaboratoryResult {
    type Error = FieldError;

    fn try_from(sent: &pb::LaboratoryResult) -> Result<Self, FieldError> {
        use pb::laboratory_result::Value as Sent;
        let local = sent.local.as_ref().ok_or_else(|| FieldError::new("local", Problem::Missing))?;
        Ok(Self {
            loinc: (!sent.loinc.is_empty()).then(|| parsed("loinc", &sent.loinc, "LOINC code")).transpose()?,
            local: LocalCode::try_from(local).map_err(|error| error.under("local"))?,
            specimen: match sent.specimen.as_str() {
                "" => None,
                code => Some(
                    Specimen::from_hl7(code, None)
                        .ok_or_else(|| FieldError::new("specimen", Problem::Form("specimen code")))?,
                ),
            },
            value: match &sent.value {
                Some(Sent::Quantity(quantity)) => {
                    Value::Quantity(quantity.try_into().map_err(|error: FieldError| error.under("quantity"))?)
                }
                Some(Sent::Text(text)) => Value::Text(named("text", text, TEXT_BYTES_MAX)?),
                Some(Sent::Coded(coded)) => Value::Coded {
                    code: short("coded.code", &coded.code, KEY_BYTES_MAX)?,
                    display: short("coded.display", &coded.display, TEXT_BYTES_MAX)?,
                    system: short("coded.system", &coded.system, KEY_BYTES_MAX)?,
                },
                None => Value::InOriginal,
            },
            reference_range: optional("reference_range", &sent.reference_range, LABEL_BYTES_MAX)?,
            flag: optional("flag", &sent.flag, FLAG_BYTES_MAX)?,
            method: optional("method", &sent.method, LABEL_BYTES_MAX)?,
            instrument: optional("instrument", &sent.instrument, LABEL_BYTES_MAX)?,
            comparability: match sent.comparability() {
                pb::Comparability::Unspecified => return Err(FieldError::new("comparability", Problem::Missing)),
                pb::Comparability::Comparable => Comparability::Comparable,
                pb::Comparability::UnitMissing => Comparability::NotComparable(Incomparable::UnitMissing),
                pb::Comparability::UnitUnknown => Comparability::NotComparable(Incomparable::UnitUnknown),
                pb::Comparability::NumberUnreadable => Comparability::NotComparable(Incomparable::NumberUnreadable),
                pb::Comparability::ValueKind => Comparability::NotComparable(Incomparable::ValueKind),
            },
        })
    }
}

impl TryFrom<&pb::Code> for LocalCode {
    type Error = FieldError;

    fn try_from(sent: &pb::Code) -> Result<Self, FieldError> {
        Ok(Self {
            code: short("code", &sent.code, KEY_BYTES_MAX)?,
            name: short("display", &sent.display, LABEL_BYTES_MAX)?,
            system: short("system", &sent.system, KEY_BYTES_MAX)?,
        })
    }
}

impl TryFrom<&pb::Quantity> for Quantity {
    type Error = FieldError;

    fn try_from(sent: &pb::Quantity) -> Result<Self, FieldError> {
        let as_sent = match sent.sent_number.as_str() {
            "" => None,
            number => Some(AsSent {
                number: decimal("sent_number", number)?,
                unit: short("sent_unit", &sent.sent_unit, KEY_BYTES_MAX)?,
            }),
        };
        Ok(Self {
            comparator: match sent.comparator() {
                pb::Comparator::Unspecified => Comparator::Equal,
                pb::Comparator::Less => Comparator::Less,
                pb::Comparator::LessOrEqual => Comparator::LessOrEqual,
                pb::Comparator::Greater => Comparator::Greater,
                pb::Comparator::GreaterOrEqual => Comparator::GreaterOrEqual,
            },
            number: decimal("number", &sent.number)?,
            unit: short("unit", &sent.unit, KEY_BYTES_MAX)?,
            as_sent,
        })
    }
}

impl TryFrom<&pb::ImagingStudy> for ImagingStudy {
    type Error = FieldError;

    fn try_from(sent: &pb::ImagingStudy) -> Result<Self, FieldError> {
        at_most("coverage", sent.coverage.len(), COVERAGE_MAX)?;
        at_most("series", sent.series.len(), SERIES_MAX)?;
        Ok(Self {
            study_uid: named("study_uid", &sent.study_uid, UID_BYTES_MAX)?,
            coverage: elements("coverage", &sent.coverage, Coverage::try_from)?,
            series: elements("series", &sent.series, Series::try_from)?,
        })
    }
}

impl TryFrom<&pb::Coverage> for Coverage {
    type Error = FieldError;

    fn try_from(sent: &pb::Coverage) -> Result<Self, FieldError> {
        at_most("views", sent.views.len(), VIEWS_MAX)?;
        Ok(Self {
            modality: named("modality", &sent.modality, FLAG_BYTES_MAX)?,
            body_part: short("body_part", &sent.body_part, KEY_BYTES_MAX)?,
            laterality: match sent.laterality() {
                pb::Laterality::Unspecified => Laterality::Unknown,
                pb::Laterality::Unpaired => Laterality::Unpaired,
                pb::Laterality::Left => Laterality::Left,
                pb::Laterality::Right => Laterality::Right,
                pb::Laterality::Both => Laterality::Both,
            },
            views: elements("views", &sent.views, |view| named("view", view, KEY_BYTES_MAX))?.into_iter().collect(),
            contrast: match sent.contrast() {
                pb::Contrast::Unspecified => Contrast::Unknown,
                pb::Contrast::Plain => Contrast::Plain,
                pb::Contrast::Enhanced => Contrast::Enhanced,
                pb::Contrast::PlainAndEnhanced => Contrast::PlainAndEnhanced,
                pb::Contrast::NotApplicable => Contrast::NotApplicable,
            },
        })
    }
}

impl TryFrom<&pb::Series> for Series {
    type Error = FieldError;

    fn try_from(sent: &pb::Series) -> Result<Self, FieldError> {
        at_most("transfer_syntaxes", sent.transfer_syntaxes.len(), SYNTAXES_MAX)?;
        let syntaxes = elements("transfer_syntaxes", &sent.transfer_syntaxes, |uid| named("uid", uid, UID_BYTES_MAX))?;
        Ok(Self {
            series_uid: named("series_uid", &sent.series_uid, UID_BYTES_MAX)?,
            modality: short("modality", &sent.modality, FLAG_BYTES_MAX)?,
            instances: sent.instances,
            slice_thickness_mm: optional_decimal("slice_thickness_mm", &sent.slice_thickness_mm)?,
            field_strength_tesla: optional_decimal("field_strength_tesla", &sent.field_strength_tesla)?,
            description: short("description", &sent.description, LABEL_BYTES_MAX)?,
            transfer_syntaxes: syntaxes.into_iter().collect(),
        })
    }
}

impl TryFrom<&pb::Original> for Original {
    type Error = FieldError;

    fn try_from(sent: &pb::Original) -> Result<Self, FieldError> {
        Ok(Self {
            digest: fixed("digest", &sent.digest)?,
            size_bytes: sent.size_bytes,
            media_type: named("media_type", &sent.media_type, KEY_BYTES_MAX)?,
            instance_uid: short("instance_uid", &sent.instance_uid, UID_BYTES_MAX)?,
        })
    }
}

/// Converts each element and puts its place into the path of an error.
fn elements<'s, S, T>(
    field: &str,
    sent: &'s [S],
    convert: impl Fn(&'s S) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    sent.iter()
        .enumerate()
        .map(|(place, element)| convert(element).map_err(|error| error.under(&format!("{field}[{place}]"))))
        .collect()
}

fn decimal(field: &str, text: &str) -> Result<Decimal, FieldError> {
    parsed(field, text, "decimal")
}

fn optional_decimal(field: &str, text: &str) -> Result<Option<Decimal>, FieldError> {
    if text.is_empty() { Ok(None) } else { decimal(field, text).map(Some) }
}

const ITEMS_MAX: usize = 16;
const ORIGINALS_MAX: usize = 4_000;
const COVERAGE_MAX: usize = 16;
const SERIES_MAX: usize = 500;
const VIEWS_MAX: usize = 16;
const SYNTAXES_MAX: usize = 16;
const MARK_BYTES_MAX: usize = 64;
const FLAG_BYTES_MAX: usize = 16;
const LABEL_BYTES_MAX: usize = 256;
/// Longest UID. Source: DICOM PS3.5, 9.1.
const UID_BYTES_MAX: usize = 64;
