//! Quality records as their issuers sign them: EQA rounds, direct credentials, suspensions and restorations.

use rust_decimal::Decimal;

use super::id::Digest;
use super::item::ItemCode;
use super::organisation::OrganisationCode;
use super::scope::Scope;
use super::time::Moment;

/// What a laboratory is qualified for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One catalogue item.
    Item(ItemCode),
    /// All items of a modality at the site (CT, MR, DX, US, ECG).
    Modality(String),
}

/// Where a record comes from, and since when the region knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provenance {
    /// SHA-256 of the signed statement that holds it.
    pub statement: Digest,
    /// The QC centre that signed it.
    pub issuer: OrganisationCode,
    /// Where the centre's word counts.
    pub scope: Scope,
    /// When the region learned it; nothing decided earlier could know it.
    pub learned_at: Moment,
}

/// One laboratory's result for one item in one round of an EQA programme.
///
/// Source: WS/T 644-2018; NCCL reports (`NCCL-C-22-01-2025` = programme, round, year).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EqaRound {
    /// Where it comes from.
    pub provenance: Provenance,
    /// Programme, as `NCCL-C-01`.
    pub programme: String,
    /// Year of the round.
    pub year: u32,
    /// Number of the round in its year, from 1.
    pub round: u32,
    /// The laboratory.
    pub laboratory: OrganisationCode,
    /// The item.
    pub item: ItemCode,
    /// Method group, or all methods.
    pub method: Option<String>,
    /// How it went.
    pub outcome: EqaOutcome,
    /// When the samples were tested; results collected from then on share the round's fate.
    pub sampled_at: Moment,
    /// When the result was published.
    pub published_at: Moment,
    /// When the next round's result is due, if the centre says so.
    pub next_due_at: Option<Moment>,
}

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EqaOutcome {
    /// Percent of acceptable samples, 0 to 100.
    Scored(Decimal),
    /// Nothing was reported; counts as a failure.
    NotReported,
    /// Excused; says nothing.
    Excused,
    /// The group was too small to grade; says nothing, but the laboratory took part.
    NotGraded,
}

/// A direct credential: the yearly evaluation of a modality at a site, or of an item without EQA.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credential {
    /// Where it comes from.
    pub provenance: Provenance,
    /// The laboratory or site.
    pub laboratory: OrganisationCode,
    /// What for.
    pub subject: Subject,
    /// Method group, or all methods.
    pub method: Option<String>,
    /// First instant at which it counts.
    pub valid_from: Moment,
    /// Last instant at which it counts.
    pub valid_to: Moment,
    /// The evaluation it rests on.
    pub basis: String,
}

/// A suspension or its end, decided by a QC centre.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sanction {
    /// Where it comes from.
    pub provenance: Provenance,
    /// The laboratory.
    pub laboratory: OrganisationCode,
    /// What for; all subjects if none.
    pub subject: Option<Subject>,
    /// Suspends or restores.
    pub act: SanctionAct,
    /// Results collected from then on are affected; may lie before the decision.
    pub effective_at: Moment,
}

/// What a sanction does. The order makes suspension the later, and so the stronger, of two at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SanctionAct {
    /// Ends a suspension.
    Restore,
    /// Suspends.
    Suspend,
}
