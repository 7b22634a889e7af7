//! Domain entry to message.

use crate::domain::entry::{Content, Entry, LaboratoryResult, LocalCode, Original, ResultStatus, Sensitivity};
use crate::domain::imaging::{Contrast, Coverage, ImagingStudy, Laterality, Series};
use crate::domain::value::{Comparability, Comparator, Incomparable, Quantity, Value};
use crate::wire::pb;

impl From<&Entry> for pb::Entry {
    fn from(entry: &Entry) -> Self {
        Self {
            result_id: entry.result.as_bytes().to_vec().into(),
            version: entry.version,
            status: pb::ResultStatus::from(entry.status).into(),
            publisher: entry.publisher.to_string(),
            laboratory: entry.laboratory.to_string(),
            patient: entry.patient.as_bytes().to_vec().into(),
            report_id: entry.report.as_bytes().to_vec().into(),
            items: entry.items.iter().map(ToString::to_string).collect(),
            ordered_at: entry.times.ordered.map(Into::into),
            collected_at: Some(entry.times.collected.into()),
            reported_at: Some(entry.times.reported.into()),
            sensitivity: match entry.sensitivity {
                Sensitivity::Normal => pb::Sensitivity::Normal,
                Sensitivity::Sensitive => pb::Sensitivity::Sensitive,
            }
            .into(),
            claimed_mark: entry.claimed_mark.clone().unwrap_or_default(),
            content: Some(match &entry.content {
                Content::Laboratory(result) => pb::entry::Content::LaboratoryResult(result.into()),
                Content::Imaging(study) => pb::entry::Content::ImagingStudy(study.into()),
            }),
            originals: entry.originals.iter().map(Into::into).collect(),
            entered_in_error: entry.entered_in_error,
        }
    }
}

impl From<ResultStatus> for pb::ResultStatus {
    fn from(status: ResultStatus) -> Self {
        match status {
            ResultStatus::Preliminary => Self::Preliminary,
            ResultStatus::Final => Self::Final,
            ResultStatus::Corrected => Self::Corrected,
            ResultStatus::Withdrawn => Self::Withdrawn,
        }
    }
}

impl From<&LaboratoryResult> for pb::LaboratoryResult {
    fn from(result: &LaboratoryResult) -> Self {
        use pb::laboratory_result::Value as Sent;
        Self {
            loinc: result.loinc.map(|loinc| loinc.to_string()).unwrap_or_default(),
            local: Some((&result.local).into()),
            specimen: result.specimen.map(|specimen| specimen.code().to_owned()).unwrap_or_default(),
            value: match &result.value {
                Value::Quantity(quantity) => Some(Sent::Quantity(quantity.into())),
                Value::Text(text) => Some(Sent::Text(text.clone())),
                Value::Coded { code, display, system } => {
                    Some(Sent::Coded(pb::Code { system: system.clone(), code: code.clone(), display: display.clone() }))
                }
                Value::InOriginal => None,
            },
            reference_range: result.reference_range.clone().unwrap_or_default(),
            flag: result.flag.clone().unwrap_or_default(),
            method: result.method.clone().unwrap_or_default(),
            instrument: result.instrument.clone().unwrap_or_default(),
            comparability: match result.comparability {
                Comparability::Comparable => pb::Comparability::Comparable,
                Comparability::NotComparable(Incomparable::UnitMissing) => pb::Comparability::UnitMissing,
                Comparability::NotComparable(Incomparable::UnitUnknown) => pb::Comparability::UnitUnknown,
                Comparability::NotComparable(Incomparable::NumberUnreadable) => pb::Comparability::NumberUnreadable,
                Comparability::NotComparable(Incomparable::ValueKind) => pb::Comparability::ValueKind,
            }
            .into(),
        }
    }
}

impl From<&LocalCode> for pb::Code {
    fn from(local: &LocalCode) -> Self {
        Self { system: local.system.clone(), code: local.code.clone(), display: local.name.clone() }
    }
}

impl From<&Quantity> for pb::Quantity {
    fn from(quantity: &Quantity) -> Self {
        let as_sent = quantity.as_sent.as_ref();
        Self {
            comparator: match quantity.comparator {
                Comparator::Equal => pb::Comparator::Unspecified,
                Comparator::Less => pb::Comparator::Less,
                Comparator::LessOrEqual => pb::Comparator::LessOrEqual,
                Comparator::Greater => pb::Comparator::Greater,
                Comparator::GreaterOrEqual => pb::Comparator::GreaterOrEqual,
            }
            .into(),
            number: quantity.number.to_string(),
            unit: quantity.unit.clone(),
            sent_number: as_sent.map(|sent| sent.number.to_string()).unwrap_or_default(),
            sent_unit: as_sent.map(|sent| sent.unit.clone()).unwrap_or_default(),
        }
    }
}

impl From<&ImagingStudy> for pb::ImagingStudy {
    fn from(study: &ImagingStudy) -> Self {
        Self {
            study_uid: study.study_uid.clone(),
            coverage: study.coverage.iter().map(Into::into).collect(),
            series: study.series.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Coverage> for pb::Coverage {
    fn from(coverage: &Coverage) -> Self {
        Self {
            modality: coverage.modality.clone(),
            body_part: coverage.body_part.clone(),
            laterality: match coverage.laterality {
                Laterality::Unknown => pb::Laterality::Unspecified,
                Laterality::Unpaired => pb::Laterality::Unpaired,
                Laterality::Left => pb::Laterality::Left,
                Laterality::Right => pb::Laterality::Right,
                Laterality::Both => pb::Laterality::Both,
            }
            .into(),
            views: coverage.views.iter().cloned().collect(),
            contrast: match coverage.contrast {
                Contrast::Unknown => pb::Contrast::Unspecified,
                Contrast::Plain => pb::Contrast::Plain,
                Contrast::Enhanced => pb::Contrast::Enhanced,
                Contrast::PlainAndEnhanced => pb::Contrast::PlainAndEnhanced,
                Contrast::NotApplicable => pb::Contrast::NotApplicable,
            }
            .into(),
        }
    }
}

impl From<&Series> for pb::Series {
    fn from(series: &Series) -> Self {
        Self {
            series_uid: series.series_uid.clone(),
            modality: series.modality.clone(),
            instances: series.instances,
            slice_thickness_mm: series.slice_thickness_mm.map(|mm| mm.to_string()).unwrap_or_default(),
            field_strength_tesla: series.field_strength_tesla.map(|tesla| tesla.to_string()).unwrap_or_default(),
            description: series.description.clone(),
            transfer_syntaxes: series.transfer_syntaxes.iter().cloned().collect(),
        }
    }
}

impl From<&Original> for pb::Original {
    fn from(original: &Original) -> Self {
        Self {
            digest: original.digest.as_bytes().to_vec().into(),
            size_bytes: original.size_bytes,
            media_type: original.media_type.clone(),
            instance_uid: original.instance_uid.clone(),
        }
    }
}
