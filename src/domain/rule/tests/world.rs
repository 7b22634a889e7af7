//! A small region in which one result prompts, for tests to change one thing of it.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::super::*;
use crate::domain::body_part::{BodyPart, BodyParts};
use crate::domain::catalogue::{ItemKind, LaboratoryItem, MethodDemand, ValueKind};
use crate::domain::entry::{LaboratoryResult, LocalCode, Original, Sensitivity, Times};
use crate::domain::eqa::{Credential, EqaOutcome, EqaRound, Provenance, Sanction, SanctionAct, Subject};
use crate::domain::id::{Digest, Pseudonym, ReportId, ResultId};
use crate::domain::imaging::{Contrast, Coverage, ImagingStudy, Laterality, Series};
use crate::domain::order::{OrderLine, Wanted};
use crate::domain::organisation::OrganisationCode;
use crate::domain::panel::{Panel, PanelPurpose};
use crate::domain::policy::{Anchor, QualificationRules, Windows};
use crate::domain::scope::{Areas, Scope};
use crate::domain::specimen::Specimen;
use crate::domain::time::Hours;
use crate::domain::unit::{Unit, Units};
use crate::domain::value::{Comparability, Comparator, Quantity, Value};

pub(super) const HOUR: i64 = 3_600_000;

/// An instant so many hours after the specimen was collected.
pub(super) fn hour(hours: i64) -> Moment {
    Moment::new(1_790_000_000_000 + hours * HOUR, 480).unwrap()
}

pub(super) fn code<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap_or_else(|| panic!("{text} is no such code"))
}

/// A credit code with its check character, made from a number.
pub(super) fn organisation(number: u32) -> OrganisationCode {
    let body = format!("12520000{number:09}");
    let mut checks = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars();
    checks.find_map(|check| format!("{body}{check}").parse().ok()).unwrap()
}

/// A world in which the plain candidate prompts; each test changes one thing of it.
pub(super) struct World {
    pub(super) catalogue: Catalogue,
    pub(super) policy: Policy,
    pub(super) rounds: Vec<EqaRound>,
    pub(super) credentials: Vec<Credential>,
    pub(super) sanctions: Vec<Sanction>,
    pub(super) context: OrderContext,
    pub(super) entry: Entry,
    pub(super) key_valid: bool,
    pub(super) link_disputed: bool,
    pub(super) latest_version: u32,
    pub(super) wanted: WantedItem,
    pub(super) at: Moment,
}

impl World {
    pub(super) fn laboratory() -> Self {
        let catalogue = catalogue();
        let wanted = WantedItem::of(code("L01001"), Laterality::Unknown, &catalogue).unwrap();
        Self {
            wanted,
            catalogue,
            policy: policy(),
            rounds: vec![round(1, -1_000, EqaOutcome::Scored(Decimal::from(100)))],
            credentials: vec![credential("CT"), credential("DX")],
            sanctions: Vec::new(),
            context: OrderContext::outpatient(Pseudonym::new([1; 16]), organisation(2), code("520103")),
            entry: potassium(),
            key_valid: true,
            link_disputed: false,
            latest_version: 1,
            at: hour(10),
        }
    }

    pub(super) fn imaging(item: &str, side: Laterality, shown: Coverage) -> Self {
        let mut world = Self::laboratory();
        world.wanted = WantedItem::of(code(item), side, &world.catalogue).unwrap();
        world.entry.items = vec![code(item)];
        world.entry.content = Content::Imaging(study(shown));
        world
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.with_rulebook(|rulebook| assess(&self.wanted, &self.candidate(), &self.context, rulebook, self.at))
    }

    pub(super) fn refusals(&self) -> Vec<Refusal> {
        let judged = self.with_rulebook(|book| judge(&self.wanted, &self.candidate(), &self.context, book, self.at));
        judged.err().unwrap_or_default()
    }

    pub(super) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            entry: &self.entry,
            key_valid: self.key_valid,
            link_disputed: self.link_disputed,
            latest_version: self.latest_version,
        }
    }

    pub(super) fn with_rulebook<T>(&self, ask: impl FnOnce(&Rulebook<'_>) -> T) -> T {
        let qualifications = Qualifications::derive(
            self.rounds.clone(),
            self.credentials.clone(),
            self.sanctions.clone(),
            self.policy.qualification.clone(),
        );
        ask(&Rulebook { catalogue: &self.catalogue, policy: &self.policy, qualifications: &qualifications })
    }

    pub(super) fn answer(&self, line: Vec<Wanted>, entries: &[Entry]) -> LineAnswer {
        let candidates: Vec<Candidate<'_>> =
            entries.iter().map(|entry| Candidate { entry, ..self.candidate() }).collect();
        let line = OrderLine { line_id: "1".into(), wanted: line };
        self.with_rulebook(|book| answer_line(&line, &candidates, &self.context, book, self.at))
    }
}

pub(super) fn potassium() -> Entry {
    Entry {
        result: ResultId::new([1; 16]),
        version: 1,
        status: ResultStatus::Final,
        entered_in_error: false,
        publisher: organisation(1),
        laboratory: organisation(1),
        patient: Pseudonym::new([1; 16]),
        report: ReportId::new([1; 16]),
        items: vec![code("L01001")],
        times: Times { ordered: None, collected: hour(0), reported: hour(1) },
        sensitivity: Sensitivity::Normal,
        claimed_mark: None,
        content: Content::Laboratory(result("2823-3", "4.1", "mmol/L")),
        originals: vec![Original {
            digest: Digest::new([1; 32]),
            size_bytes: 1,
            media_type: String::new(),
            instance_uid: String::new(),
        }],
    }
}

pub(super) fn result(loinc: &str, number: &str, unit: &str) -> LaboratoryResult {
    LaboratoryResult {
        loinc: Some(code(loinc)),
        local: LocalCode { code: "K".into(), name: "钾".into(), system: "L".into() },
        specimen: Some(Specimen::Serum),
        value: Value::Quantity(Quantity {
            comparator: Comparator::Equal,
            number: code(number),
            unit: unit.into(),
            as_sent: None,
        }),
        reference_range: None,
        flag: None,
        method: None,
        instrument: None,
        comparability: Comparability::Comparable,
    }
}

pub(super) fn laboratory_of(world: &mut World) -> &mut LaboratoryResult {
    match &mut world.entry.content {
        Content::Laboratory(result) => result,
        Content::Imaging(_) => panic!("a laboratory result is expected"),
    }
}

pub(super) fn study(shown: Coverage) -> ImagingStudy {
    let series = Series {
        series_uid: "1.2".into(),
        modality: shown.modality.clone(),
        instances: 100,
        slice_thickness_mm: Some(Decimal::from(5)),
        field_strength_tesla: None,
        description: String::new(),
        transfer_syntaxes: BTreeSet::new(),
    };
    ImagingStudy { study_uid: "1.1".into(), coverage: vec![shown], series: vec![series] }
}

pub(super) fn coverage(modality: &str, part: &str, side: Laterality, views: &[&str], contrast: Contrast) -> Coverage {
    Coverage {
        modality: modality.into(),
        body_part: part.into(),
        laterality: side,
        views: views.iter().map(|view| (*view).into()).collect(),
        contrast,
    }
}

pub(super) fn provenance(learned: i64) -> Provenance {
    Provenance {
        statement: Digest::new([7; 32]),
        issuer: organisation(9),
        scope: Scope::Region(code("520000")),
        learned_at: hour(learned),
    }
}

pub(super) fn round(number: u32, published: i64, outcome: EqaOutcome) -> EqaRound {
    EqaRound {
        provenance: provenance(published),
        programme: "NCCL-C-01".into(),
        year: 2026,
        round: number,
        laboratory: organisation(1),
        item: code("L01001"),
        method: None,
        outcome,
        sampled_at: hour(published - 500),
        published_at: hour(published),
        next_due_at: None,
    }
}

pub(super) fn credential(modality: &str) -> Credential {
    Credential {
        provenance: provenance(-1_000),
        laboratory: organisation(1),
        subject: Subject::Modality(modality.into()),
        method: None,
        valid_from: hour(-1_000),
        valid_to: hour(5_000),
        basis: "省放射影像质控中心年度评价".into(),
    }
}

pub(super) fn suspension(act: SanctionAct, effective: i64, learned: i64) -> Sanction {
    Sanction {
        provenance: provenance(learned),
        laboratory: organisation(1),
        subject: Some(Subject::Item(code("L01001"))),
        act,
        effective_at: hour(effective),
    }
}

pub(super) fn laboratory_item(text: &str, loinc: &str, value: ValueKind, method: MethodDemand) -> Item {
    Item {
        kind: ItemKind::Laboratory(LaboratoryItem {
            loinc: code(loinc),
            equivalent_loincs: BTreeSet::new(),
            specimens: BTreeSet::from([Specimen::Serum]),
            value,
            molar_mass_g_per_mol: None,
            conversions: BTreeMap::new(),
            method,
            fasting: false,
            cycle_day: false,
        }),
        ..bare_item(text)
    }
}

pub(super) fn imaging_item(text: &str, wanted: Coverage) -> Item {
    Item {
        kind: ItemKind::Imaging(ImagingItem {
            modalities: vec![wanted.modality],
            body_part: wanted.body_part,
            paired: wanted.laterality != Laterality::Unpaired,
            views: wanted.views,
            contrast: wanted.contrast,
            slice_thickness_mm_max: None,
        }),
        ..bare_item(text)
    }
}

pub(super) fn bare_item(text: &str) -> Item {
    Item {
        code: code(text),
        name_zh: text.into(),
        name_en: text.into(),
        subclass: String::new(),
        programme: String::new(),
        sensitivity: Sensitivity::Normal,
        kind: ItemKind::Imaging(ImagingItem {
            modalities: Vec::new(),
            body_part: String::new(),
            paired: false,
            views: BTreeSet::new(),
            contrast: Contrast::Plain,
            slice_thickness_mm_max: None,
        }),
    }
}

pub(super) fn catalogue() -> Catalogue {
    use Contrast::{Enhanced, NotApplicable, Plain};
    use Laterality::{Left, Unpaired};
    let millimole = || ValueKind::Quantity("mmol/L".into());
    let items = [
        laboratory_item("L01001", "2823-3", millimole(), MethodDemand::Any),
        laboratory_item("L01002", "2951-2", millimole(), MethodDemand::Any),
        laboratory_item("L02013", "2039-6", millimole(), MethodDemand::SameGroup),
        imaging_item("E01001", coverage("DX", "CHEST", Unpaired, &["PA"], NotApplicable)),
        imaging_item("E01002", coverage("DX", "CHEST", Unpaired, &["LATERAL", "PA"], NotApplicable)),
        imaging_item("E01009", coverage("DX", "KNEE", Left, &["AP"], NotApplicable)),
        imaging_item("E02003", coverage("CT", "CHEST", Unpaired, &[], Plain)),
        imaging_item("E02004", coverage("CT", "CHEST", Unpaired, &[], Enhanced)),
        imaging_item("E02005", coverage("CT", "UPPER_ABDOMEN", Unpaired, &[], Plain)),
        imaging_item("E02007", coverage("CT", "ABDOMEN", Unpaired, &[], Plain)),
    ];
    let part = |code: &str, parent: Option<&str>| BodyPart {
        code: code.into(),
        parent: parent.map(Into::into),
        name_zh: String::new(),
        name_en: String::new(),
        paired: code == "KNEE",
        terms: BTreeSet::new(),
    };
    let parts = vec![
        part("CHEST", None),
        part("KNEE", None),
        part("ABDOMEN", None),
        part("UPPER_ABDOMEN", Some("ABDOMEN")),
        part("LOWER_ABDOMEN", Some("ABDOMEN")),
    ];
    let mut units = Units::default();
    let unit = |ucum: &str, dimension: &str, factor: &str| Unit {
        ucum: ucum.into(),
        dimension: dimension.into(),
        factor: code(factor),
    };
    units.add(unit("mmol/L", "mol/L", "0.001"), &["MMOLL"]).unwrap();
    units.add(unit("umol/L", "mol/L", "0.000001"), &[]).unwrap();
    units.add(unit("g/L", "g/L", "1"), &[]).unwrap();
    let panel = |name: &str, purpose| Panel {
        code: code(name),
        name_zh: String::new(),
        name_en: String::new(),
        loinc: None,
        purpose,
        items: vec![code("L01001"), code("L01002")],
    };
    let panels = [panel("SALTS", PanelPurpose::Care), panel("PREOP", PanelPurpose::MajorMeasure)];
    Catalogue {
        version: "1".into(),
        items: items.into_iter().map(|item| (item.code, item)).collect(),
        panels: panels.into_iter().map(|panel| (panel.code.clone(), panel)).collect(),
        body_parts: BodyParts::new(parts).unwrap(),
        units,
        by_loinc: BTreeMap::new(),
    }
}

pub(super) fn policy() -> Policy {
    let windows = Windows { outpatient: Hours(168), inpatient: Hours(24) };
    Policy {
        version: "1".into(),
        effective_from: hour(-9_000),
        anchor: Anchor::Collected,
        windows: catalogue().items.keys().map(|code| (*code, windows)).collect(),
        never_prompt: BTreeSet::new(),
        sensitive: BTreeSet::new(),
        never_in_pregnancy: BTreeSet::new(),
        emergency_prompts: false,
        neonate_prompts: false,
        own_results_prompt: false,
        visit_prompts_max: 8,
        decisions: Default::default(),
        break_glass: true,
        reasons: BTreeMap::new(),
        areas: Areas {
            agreements: BTreeMap::new(), region_names: BTreeMap::from([(code("520000"), "贵州省".into())])
        },
        issuers: BTreeMap::new(),
        qualification: QualificationRules::default(),
    }
}
