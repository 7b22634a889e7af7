//! The region's policy as versioned data: windows, negative rules, reasons, scopes, and how qualifications are derived.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::adcode::Adcode;
use super::entry::Times;
use super::item::ItemCode;
use super::order::Setting;
use super::organisation::OrganisationCode;
use super::reason::{Reason, ReasonCode};
use super::scope::{Areas, Scope};
use super::time::{Hours, Moment};

/// One version of the policy; a decision pins the version it was made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Version, as `2026.1`.
    pub version: String,
    /// From when it applies.
    pub effective_from: Moment,
    /// Which of a result's times its age is counted from.
    pub anchor: Anchor,
    /// Windows by item.
    pub windows: BTreeMap<ItemCode, Windows>,
    /// Items that are indexed and viewable, and never prompt.
    pub never_prompt: BTreeSet<ItemCode>,
    /// Items whose results only a grant of the patient opens.
    pub sensitive: BTreeSet<ItemCode>,
    /// Items that never prompt in pregnancy.
    pub never_in_pregnancy: BTreeSet<ItemCode>,
    /// Whether an emergency visit prompts at all; by law a ground to test again.
    pub emergency_prompts: bool,
    /// Whether a newborn's visit prompts at all.
    pub neonate_prompts: bool,
    /// Whether a hospital's own results prompt too. Off by default: recognition is of other organisations' results.
    pub own_results_prompt: bool,
    /// Most prompts for one item in one visit; further ones are quiet.
    pub visit_prompts_max: u32,
    /// What is asked of decisions.
    pub decisions: DecisionRules,
    /// Whether a doctor may open results without the patient's leave, for a reason that is written down.
    pub break_glass: bool,
    /// Decline reasons.
    pub reasons: BTreeMap<ReasonCode, Reason>,
    /// Agreements and names of regions.
    pub areas: Areas,
    /// QC centres whose word counts beyond their own division.
    pub issuers: BTreeMap<OrganisationCode, Scope>,
    /// How qualifications are derived.
    pub qualification: QualificationRules,
}

/// Which time a result's age is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anchor {
    /// Collection of the specimen or acquisition of the image.
    Collected,
    /// The report.
    Reported,
}

/// Windows of one item by setting; an emergency visit has the inpatient window where it prompts at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Windows {
    /// Outpatient.
    pub outpatient: Hours,
    /// Inpatient.
    pub inpatient: Hours,
}

/// What is asked of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionRules {
    /// Whether a decline without a reason is followed up.
    pub reason_mandatory: bool,
    /// How long a prompt waits before it counts as unanswered.
    pub answer: Hours,
}

/// How qualifications are derived from rounds. Source: WS/T 644-2018; the region's own rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualificationRules {
    /// Least satisfactory score in percent (80).
    pub pass_score_percent: Decimal,
    /// Items that must score 100 (blood groups).
    pub full_score_items: BTreeSet<ItemCode>,
    /// So many of the latest rounds are looked at (3).
    pub rounds_looked_at: usize,
    /// So many failures among them withdraw the qualification (2).
    pub failures_withdrawing: usize,
    /// Days after a publication until the next is due, where the centre names no date (184).
    pub round_interval_days: u32,
    /// Days of grace after the next round was due (60).
    pub grace_days: u32,
}

impl Policy {
    /// Gives the window of an item in a setting; zero for an item that the policy does not list.
    pub fn window(&self, item: ItemCode, setting: Setting) -> Hours {
        self.windows.get(&item).map_or(Hours(0), |windows| match setting {
            Setting::Outpatient => windows.outpatient,
            Setting::Inpatient | Setting::Emergency => windows.inpatient,
        })
    }

    /// Gives the longest window of all, the farthest back that a check needs to read.
    pub fn longest_window(&self) -> Hours {
        self.windows.values().map(|windows| windows.outpatient.max(windows.inpatient)).max().unwrap_or_default()
    }

    /// Gives the time that a result's age is counted from.
    pub fn anchor(&self, times: &Times) -> Moment {
        match self.anchor {
            Anchor::Collected => times.collected,
            Anchor::Reported => times.reported,
        }
    }

    /// Gives the scope of a QC centre's word: what the policy lists for it, otherwise its own division.
    pub fn scope_of(&self, issuer: OrganisationCode, region: Adcode) -> Scope {
        self.issuers.get(&issuer).cloned().unwrap_or(Scope::Region(region))
    }

    /// Gives the reasons to offer for an imaging study, or else for a laboratory result.
    pub fn reasons_for(&self, imaging: bool) -> impl Iterator<Item = &Reason> {
        self.reasons.values().filter(move |reason| reason.offered.fits(imaging))
    }
}

impl Default for DecisionRules {
    fn default() -> Self {
        Self { reason_mandatory: true, answer: Hours(24) }
    }
}

impl Default for QualificationRules {
    fn default() -> Self {
        Self {
            pass_score_percent: Decimal::from(80),
            full_score_items: BTreeSet::new(),
            rounds_looked_at: 3,
            failures_withdrawing: 2,
            round_interval_days: 184,
            grace_days: 60,
        }
    }
}
