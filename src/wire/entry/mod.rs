//! The bytes of an entry: what a publisher signs, and what everyone later reads. Encoded once, decoded strictly.

mod decode;
mod encode;

use bytes::Bytes;
use prost::Message;

use crate::domain::entry::Entry;
use crate::domain::limits::ENTRY_BYTES_MAX;
use crate::wire::field::{FieldError, Problem};
use crate::wire::pb;

/// Encodes an entry. Call it once, at the publisher: these bytes are hashed, signed and kept.
pub fn encode(entry: &Entry) -> Bytes {
    pb::Entry::from(entry).encode_to_vec().into()
}

/// Decodes and checks the bytes of an entry.
///
/// # Errors
/// [`FieldError`] naming the field at fault; the hub receipts the entry as rejected and keeps it.
pub fn decode(bytes: &[u8]) -> Result<Entry, FieldError> {
    if bytes.len() > ENTRY_BYTES_MAX {
        let problem = Problem::TooLong { found: bytes.len(), most: ENTRY_BYTES_MAX };
        return Err(FieldError::new("entry", problem));
    }
    let message = pb::Entry::decode(bytes).map_err(|_| FieldError::new("entry", Problem::Undecodable))?;
    Entry::try_from(&message)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::domain::entry::{Content, LaboratoryResult, LocalCode, Original, ResultStatus, Sensitivity, Times};
    use crate::domain::id::{Digest, Pseudonym, ReportId, ResultId};
    use crate::domain::imaging::{Contrast, Coverage, ImagingStudy, Laterality, Series};
    use crate::domain::specimen::Specimen;
    use crate::domain::time::Moment;
    use crate::domain::value::{AsSent, Comparability, Comparator, Quantity, Value};

    /// A potassium result, the example of the whole project.
    pub(crate) fn potassium() -> Entry {
        let at = |hours| Moment::new(1_780_000_000_000, 480).unwrap().plus_hours(hours);
        Entry {
            result: ResultId::new([1; 16]),
            version: 1,
            status: ResultStatus::Final,
            entered_in_error: false,
            publisher: "91350100M000100Y43".parse().unwrap(),
            laboratory: "91350100M000100Y43".parse().unwrap(),
            patient: Pseudonym::new([2; 16]),
            report: ReportId::new([3; 16]),
            items: vec!["L01001".parse().unwrap()],
            times: Times { ordered: Some(at(-1)), collected: at(0), reported: at(2) },
            sensitivity: Sensitivity::Normal,
            claimed_mark: Some("全国HR".into()),
            content: Content::Laboratory(LaboratoryResult {
                loinc: Some("2823-3".parse().unwrap()),
                local: LocalCode { code: "K".into(), name: "钾".into(), system: "LIS".into() },
                specimen: Some(Specimen::Serum),
                value: Value::Quantity(Quantity {
                    comparator: Comparator::Equal,
                    number: Decimal::new(41, 1),
                    unit: "mmol/L".into(),
                    as_sent: Some(AsSent { number: Decimal::new(41, 1), unit: "mmol/l".into() }),
                }),
                reference_range: Some("3.5-5.3".into()),
                flag: Some("N".into()),
                method: Some("ISE".into()),
                instrument: Some("AU5800".into()),
                comparability: Comparability::Comparable,
            }),
            originals: vec![Original {
                digest: Digest::new([4; 32]),
                size_bytes: 700,
                media_type: "x-application/hl7-v2+er7".into(),
                instance_uid: String::new(),
            }],
        }
    }

    /// A chest CT with two series.
    pub(crate) fn chest_ct() -> Entry {
        let series = |uid: &str, thickness| Series {
            series_uid: uid.into(),
            modality: "CT".into(),
            instances: 200,
            slice_thickness_mm: Some(Decimal::new(thickness, 2)),
            field_strength_tesla: None,
            description: "CHEST".into(),
            transfer_syntaxes: BTreeSet::from(["1.2.840.10008.1.2.1".to_owned()]),
        };
        Entry {
            result: ResultId::new([9; 16]),
            items: vec!["E02003".parse().unwrap()],
            content: Content::Imaging(ImagingStudy {
                study_uid: "1.2.3".into(),
                coverage: vec![Coverage {
                    modality: "CT".into(),
                    body_part: "CHEST".into(),
                    laterality: Laterality::Unpaired,
                    views: BTreeSet::new(),
                    contrast: Contrast::Plain,
                }],
                series: vec![series("1.2.3.1", 500), series("1.2.3.2", 125)],
            }),
            originals: vec![Original {
                digest: Digest::new([5; 32]),
                size_bytes: 500_000,
                media_type: "application/dicom".into(),
                instance_uid: "1.2.3.1.1".into(),
            }],
            ..potassium()
        }
    }

    #[test]
    fn entries_survive_their_bytes() {
        for entry in [potassium(), chest_ct()] {
            assert_eq!(decode(&encode(&entry)).unwrap(), entry);
        }
    }

    /// The bytes on the wire are a promise: a change here needs an ADR and a new schema number.
    #[test]
    fn the_bytes_of_a_result_do_not_change() {
        let hex = hex::encode(encode(&potassium()));
        insta::assert_snapshot!(hex);
    }

    #[test]
    fn a_missing_field_is_named() {
        let mut message = pb::Entry::from(&potassium());
        message.patient = bytes::Bytes::new();
        let error = Entry::try_from(&message).unwrap_err();
        assert_eq!(error, FieldError::new("patient", Problem::Missing));

        let mut message = pb::Entry::from(&chest_ct());
        if let Some(pb::entry::Content::ImagingStudy(study)) = &mut message.content {
            study.series[1].slice_thickness_mm = "thin".into();
        }
        let error = Entry::try_from(&message).unwrap_err();
        assert_eq!(error.to_string(), "imaging_study.series[1].slice_thickness_mm: is not a valid decimal");
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_another_entry_never_a_panic(at in any::<prop::sample::Index>(), bit in 0..8u8, keep in any::<prop::sample::Index>()) {
            let mut bytes = encode(&chest_ct()).to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let _ = decode(&bytes);
            bytes.truncate(keep.index(bytes.len()));
            let _ = decode(&bytes);
        }
    }
}
