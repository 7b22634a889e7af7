//! `policy.toml`: version, visits, qualification, issuers, agreements.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::adcode::Adcode;
use crate::domain::catalogue::Catalogue;
use crate::domain::policy::{Anchor, DecisionRules, Policy, QualificationRules};
use crate::domain::scope::{Agreement, Areas, Scope};
use crate::domain::time::{Hours, Moment};

use super::{RegionError, RegionFault, RegionFile};

/// Reads the policy without its windows and reasons, which stand in other files.
pub(super) fn read(bytes: &[u8]) -> Result<Policy, RegionError> {
    let text = std::str::from_utf8(bytes).map_err(|_| RegionFile::Policy.fault(RegionFault::Form))?;
    let file: File = toml::from_str(text).map_err(|error| form_error(text, &error))?;
    let qualification = QualificationRules {
        pass_score_percent: Decimal::from(file.qualification.pass_score_percent),
        full_score_items: codes("qualification.full_score_items", &file.qualification.full_score_items)?,
        rounds_looked_at: file.qualification.rounds_looked_at,
        failures_withdrawing: file.qualification.failures_withdrawing,
        round_interval_days: file.qualification.round_interval_days,
        grace_days: file.qualification.grace_days,
    };
    check_rules(&qualification)?;
    if file.version.trim().is_empty() {
        return Err(wrong("version", RegionFault::Empty));
    }
    Ok(Policy {
        version: file.version,
        effective_from: moment(&file.effective_from).ok_or_else(|| wrong("effective_from", RegionFault::Value))?,
        anchor: match file.anchor {
            AnchorWord::Collected => Anchor::Collected,
            AnchorWord::Reported => Anchor::Reported,
        },
        windows: BTreeMap::new(),
        never_prompt: BTreeSet::new(),
        sensitive: BTreeSet::new(),
        never_in_pregnancy: codes("visits.never_in_pregnancy", &file.visits.never_in_pregnancy)?,
        emergency_prompts: file.visits.emergency_prompts,
        neonate_prompts: file.visits.neonate_prompts,
        own_results_prompt: file.visits.own_results_prompt,
        visit_prompts_max: file.visits.prompts_max,
        decisions: file.decisions.rules()?,
        break_glass: file.consent.is_none_or(|consent| consent.break_glass == BreakGlassWord::Allow),
        reasons: BTreeMap::new(),
        issuers: issuers(&file.issuers, &file.agreements)?,
        areas: areas(file.agreements, file.region_names)?,
        qualification,
    })
}

/// Checks that every item the policy names is in the catalogue.
pub(super) fn check(policy: &Policy, catalogue: &Catalogue) -> Result<(), RegionError> {
    let named = [
        ("visits.never_in_pregnancy", &policy.never_in_pregnancy),
        ("qualification.full_score_items", &policy.qualification.full_score_items),
    ];
    let dangling = named.iter().find(|(_, codes)| codes.iter().any(|code| !catalogue.items.contains_key(code)));
    dangling.map_or(Ok(()), |(key, _)| Err(wrong(key, RegionFault::Dangling)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    effective_from: String,
    anchor: AnchorWord,
    visits: Visits,
    #[serde(default)]
    decisions: Decisions,
    consent: Option<ConsentTable>,
    qualification: Qualification,
    #[serde(default)]
    issuers: BTreeMap<String, String>,
    #[serde(default)]
    agreements: BTreeMap<String, AgreementTable>,
    #[serde(default)]
    region_names: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AnchorWord {
    Collected,
    Reported,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Visits {
    emergency_prompts: bool,
    neonate_prompts: bool,
    own_results_prompt: bool,
    prompts_max: u32,
    never_in_pregnancy: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Decisions {
    reason_mandatory: Option<bool>,
    answer_hours: Option<u32>,
}

impl Decisions {
    /// Versions written before these rules have the usual ones.
    fn rules(&self) -> Result<DecisionRules, RegionError> {
        let usual = DecisionRules::default();
        let answer = self.answer_hours.map_or(usual.answer, Hours);
        if !(1..=ANSWER_HOURS_MAX).contains(&answer.0) {
            return Err(wrong("decisions.answer_hours", RegionFault::Value));
        }
        Ok(DecisionRules { reason_mandatory: self.reason_mandatory.unwrap_or(usual.reason_mandatory), answer })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentTable {
    break_glass: BreakGlassWord,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum BreakGlassWord {
    Allow,
    Deny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Qualification {
    pass_score_percent: u32,
    full_score_items: Vec<String>,
    rounds_looked_at: usize,
    failures_withdrawing: usize,
    round_interval_days: u32,
    grace_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementTable {
    name_zh: String,
    regions: Vec<String>,
}

/// Refuses numbers under which nothing could fail, or everything would.
fn check_rules(rules: &QualificationRules) -> Result<(), RegionError> {
    let refused = [
        ("qualification.pass_score_percent", rules.pass_score_percent > Decimal::ONE_HUNDRED),
        ("qualification.rounds_looked_at", !(1..=20).contains(&rules.rounds_looked_at)),
        ("qualification.failures_withdrawing", !(1..=rules.rounds_looked_at).contains(&rules.failures_withdrawing)),
        ("qualification.round_interval_days", !(1..=1_100).contains(&rules.round_interval_days)),
        ("qualification.grace_days", rules.grace_days > 366),
    ];
    refused.iter().find(|(_, bad)| *bad).map_or(Ok(()), |(key, _)| Err(wrong(key, RegionFault::Value)))
}

fn issuers(
    named: &BTreeMap<String, String>,
    agreements: &BTreeMap<String, AgreementTable>,
) -> Result<BTreeMap<crate::domain::organisation::OrganisationCode, Scope>, RegionError> {
    let scope = |word: &str| match word {
        "national" => Ok(Scope::National),
        name if agreements.contains_key(name) => Ok(Scope::Agreement(name.to_owned())),
        region => region.parse().map(Scope::Region).map_err(|_| wrong("issuers", RegionFault::Dangling)),
    };
    named.iter().map(|(code, word)| Ok((parse("issuers", code)?, scope(word)?))).collect()
}

fn areas(
    agreements: BTreeMap<String, AgreementTable>,
    region_names: BTreeMap<String, String>,
) -> Result<Areas, RegionError> {
    let agreement = |(name, table): (String, AgreementTable)| {
        let regions = table.regions.iter().map(|code| parse("agreements.regions", code)).collect::<Result<_, _>>()?;
        Ok((name, Agreement { name_zh: table.name_zh, regions }))
    };
    let region = |(code, name): (String, String)| Ok((parse::<Adcode>("region_names", &code)?, name));
    Ok(Areas {
        agreements: agreements.into_iter().map(agreement).collect::<Result<_, RegionError>>()?,
        region_names: region_names.into_iter().map(region).collect::<Result<_, RegionError>>()?,
    })
}

fn codes<T: FromStr + Ord>(key: &str, words: &[String]) -> Result<BTreeSet<T>, RegionError> {
    words.iter().map(|word| parse(key, word)).collect()
}

fn parse<T: FromStr>(key: &str, word: &str) -> Result<T, RegionError> {
    word.parse().map_err(|_| wrong(key, RegionFault::Value))
}

fn moment(text: &str) -> Option<Moment> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let unix_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()?;
    Moment::new(unix_ms, at.offset().whole_minutes()).ok()
}

/// A month.
const ANSWER_HOURS_MAX: u32 = 744;

fn wrong(key: &str, reason: RegionFault) -> RegionError {
    RegionError { column: key.to_owned(), ..RegionFile::Policy.fault(reason) }
}

fn form_error(text: &str, error: &toml::de::Error) -> RegionError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.and_then(|before| u64::try_from(before.matches('\n').count() + 1).ok());
    RegionError { line: line.and_then(NonZeroU64::new), ..RegionFile::Policy.fault(RegionFault::Form) }
}
