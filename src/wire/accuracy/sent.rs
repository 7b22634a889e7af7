//! A case as it is written. Unknown members are refused: what was mistyped must not be left out unseen.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One line of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentCase {
    pub(super) id: String,
    pub(super) category: String,
    pub(super) at: String,
    pub(super) organisations: Vec<SentOrganisation>,
    pub(super) issuers: Vec<SentIssuer>,
    pub(super) order: SentOrder,
    pub(super) visit: SentVisit,
    pub(super) candidates: Vec<SentCandidate>,
    pub(super) quality: SentQuality,
    pub(super) label: SentLabel,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentOrganisation {
    pub(super) code: String,
    pub(super) region: String,
    #[serde(rename = "role")]
    pub(super) _role: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentIssuer {
    pub(super) code: String,
    pub(super) scope: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentOrder {
    pub(super) panel: Option<String>,
    #[serde(default)]
    pub(super) items: Vec<String>,
    #[serde(default)]
    pub(super) imaging: Vec<SentImage>,
}

/// What an image shows, or must show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentImage {
    pub(super) item: Option<String>,
    pub(super) modality: String,
    pub(super) body_part: String,
    pub(super) side: String,
    pub(super) views: Vec<String>,
    pub(super) contrast: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentVisit {
    pub(super) hospital: String,
    pub(super) region: String,
    pub(super) setting: String,
    pub(super) methods: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) preoperative: bool,
    #[serde(default)]
    pub(super) transfusion: bool,
    #[serde(default)]
    pub(super) forensic: bool,
    #[serde(default)]
    pub(super) serial: bool,
    #[serde(default)]
    pub(super) neonate: bool,
    #[serde(default)]
    pub(super) pregnant: bool,
    pub(super) treated_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentCandidate {
    pub(super) id: String,
    pub(super) patient: String,
    pub(super) link: String,
    pub(super) key: String,
    pub(super) publisher: String,
    pub(super) laboratory: String,
    pub(super) versions: Vec<SentVersion>,
}

/// One version; a laboratory result has a specimen, a study its coverage.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentVersion {
    pub(super) version: u32,
    pub(super) status: String,
    pub(super) items: Vec<String>,
    pub(super) collected: String,
    pub(super) reported: String,
    pub(super) sensitivity: String,
    #[serde(default)]
    pub(super) specimen: String,
    #[serde(default)]
    pub(super) value: String,
    #[serde(default)]
    pub(super) unit: String,
    #[serde(default)]
    pub(super) method: String,
    pub(super) coverage: Option<Vec<SentImage>>,
    #[serde(default)]
    pub(super) slice_thickness_mm: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentQuality {
    pub(super) rounds: Vec<SentRound>,
    pub(super) credentials: Vec<SentCredential>,
    pub(super) suspensions: Vec<SentSanction>,
    pub(super) restorations: Vec<SentSanction>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentRound {
    pub(super) issuer: String,
    pub(super) programme: String,
    pub(super) year: u32,
    pub(super) round: u32,
    pub(super) laboratory: String,
    pub(super) item: String,
    pub(super) method: String,
    pub(super) status: String,
    pub(super) score: String,
    pub(super) sampled: String,
    pub(super) published: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentCredential {
    pub(super) issuer: String,
    pub(super) issued: String,
    pub(super) laboratory: String,
    pub(super) subject: String,
    pub(super) valid_from: String,
    pub(super) valid_to: String,
    pub(super) basis: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentSanction {
    pub(super) issuer: String,
    pub(super) issued: String,
    pub(super) laboratory: String,
    pub(super) subject: String,
    pub(super) effective: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentLabel {
    pub(super) coverage: String,
    pub(super) prompts: Vec<SentAnswers>,
    pub(super) legal: Vec<SentAnswers>,
    pub(super) remaining: Vec<String>,
    pub(super) because: String,
}

/// A result with the items that it answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentAnswers {
    pub(super) candidate: String,
    pub(super) items: Vec<String>,
}
