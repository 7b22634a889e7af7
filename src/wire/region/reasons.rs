//! `reasons.csv`: why a doctor declines.

use std::collections::BTreeMap;

use crate::domain::reason::{Reason, ReasonClass, ReasonCode, ReasonContext, ReasonEvidence};

use super::table::{Row, rows};
use super::{RegionError, RegionFault, RegionFile};

/// Reads the reasons.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<ReasonCode, Reason>, RegionError> {
    let mut reasons = BTreeMap::new();
    for row in rows(RegionFile::Reasons, &COLUMNS, bytes)? {
        let reason = reason(&row)?;
        if reason.choices_zh.len() != reason.choices_en.len() {
            return Err(row.wrong("choices_en", RegionFault::Value));
        }
        if reasons.insert(reason.code, reason).is_some() {
            return Err(row.wrong("reason", RegionFault::Twice));
        }
    }
    Ok(reasons)
}

fn reason(row: &Row) -> Result<Reason, RegionError> {
    Ok(Reason {
        code: row.parse("reason")?,
        text_zh: row.required("text_zh")?.to_owned(),
        text_en: row.required("text_en")?.to_owned(),
        class: row.choice("class", &CLASSES)?,
        needs_text: row.flag("needs_text")?,
        needs_acknowledgement: row.flag("needs_acknowledgement")?,
        choices_zh: row.parse_list("choices_zh")?,
        choices_en: row.parse_list("choices_en")?,
        evidence: row.choice("evidence", &EVIDENCE)?,
        counts: row.flag("counts")?,
        offered: row.choice("offered", &CONTEXTS)?,
    })
}

const COLUMNS: [&str; 11] = [
    "reason",
    "text_zh",
    "text_en",
    "class",
    "needs_text",
    "needs_acknowledgement",
    "choices_zh",
    "choices_en",
    "evidence",
    "counts",
    "offered",
];
const CLASSES: [(&str, ReasonClass); 11] = [
    ("statutory-1", ReasonClass::Statutory(1)),
    ("statutory-2", ReasonClass::Statutory(2)),
    ("statutory-3", ReasonClass::Statutory(3)),
    ("statutory-4", ReasonClass::Statutory(4)),
    ("statutory-5", ReasonClass::Statutory(5)),
    ("statutory-6", ReasonClass::Statutory(6)),
    ("quality", ReasonClass::Quality),
    ("infrastructure", ReasonClass::Infrastructure),
    ("series", ReasonClass::Series),
    ("mismatch", ReasonClass::Mismatch),
    ("identity", ReasonClass::Identity),
];
const EVIDENCE: [(&str, ReasonEvidence); 8] = [
    ("none", ReasonEvidence::None),
    ("age", ReasonEvidence::Age),
    ("procedure", ReasonEvidence::Procedure),
    ("encounter", ReasonEvidence::Encounter),
    ("purpose", ReasonEvidence::Purpose),
    ("series", ReasonEvidence::Series),
    ("method", ReasonEvidence::Method),
    ("retrieval", ReasonEvidence::Retrieval),
];
const CONTEXTS: [(&str, ReasonContext); 3] =
    [("any", ReasonContext::Any), ("laboratory", ReasonContext::Laboratory), ("imaging", ReasonContext::Imaging)];
