//! The truth table of the rule: one prompt that is right, and every single change that makes it wrong.

mod world;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::domain::entry::{Sensitivity, Times};
use crate::domain::eqa::{EqaOutcome, SanctionAct};
use crate::domain::id::{Pseudonym, ResultId};
use crate::domain::imaging::{Contrast, Laterality};
use crate::domain::item::ItemCode;
use crate::domain::order::{ImagingOrder, Setting, Wanted};
use crate::domain::policy::Windows;
use crate::domain::qualification::Unqualified;
use crate::domain::scope::Scope;
use crate::domain::specimen::Specimen;
use crate::domain::time::Hours;
use crate::domain::value::{Comparability, Incomparable, Value};

use world::*;

#[test]
fn the_plain_candidate_prompts_with_its_evidence() {
    let Verdict::Prompt(evidence) = World::laboratory().verdict() else { panic!("it prompts") };
    assert_eq!((evidence.mark.as_str(), evidence.age_ms, evidence.window), ("贵州省HR", 10 * HOUR, Hours(168)));
    assert_eq!(evidence.answers, Answers::Full);
    assert_eq!((evidence.qualification.programme.as_str(), evidence.qualification.rounds.len()), ("NCCL-C-01", 1));
}

/// A name, one change of the plain world, and the one refusal that it brings.
type Case = (&'static str, fn(&mut World), Refusal);

#[test]
fn each_single_change_is_refused_for_its_own_reason() {
    use Refusal as R;
    let cases: &[Case] = &[
        ("another patient", |w| w.context.patient = Pseudonym::new([2; 16]), R::OtherPatient),
        ("disputed link", |w| w.link_disputed = true, R::LinkDisputed),
        ("another item", |w| w.entry.items = vec![code("L01002")], R::NotCovered),
        ("sensitive entry", |w| w.entry.sensitivity = Sensitivity::Sensitive, R::Sensitive),
        (
            "sensitive item",
            |w| {
                w.policy.sensitive.insert(code("L01001"));
            },
            R::Sensitive,
        ),
        ("newer version", |w| w.latest_version = 2, R::NotLatest { latest: 2 }),
        ("preliminary", |w| w.entry.status = ResultStatus::Preliminary, R::Preliminary),
        ("withdrawn", |w| w.entry.status = ResultStatus::Withdrawn, R::Withdrawn),
        ("bad key", |w| w.key_valid = false, R::KeyNotValid),
        ("own result", |w| w.context.organisation = organisation(1), R::OwnResult),
        ("another LOINC", |w| laboratory_of(w).loinc = Some(code("2951-2")), R::LoincDiffers),
        ("no specimen", |w| laboratory_of(w).specimen = None, R::SpecimenUnknown),
        (
            "another specimen",
            |w| laboratory_of(w).specimen = Some(Specimen::ArterialBlood),
            R::SpecimenDiffers { found: Specimen::ArterialBlood },
        ),
        ("no value", |w| laboratory_of(w).value = Value::InOriginal, R::ValueMissing),
        (
            "not comparable by the publisher's own word",
            |w| laboratory_of(w).comparability = Comparability::NotComparable(Incomparable::NumberUnreadable),
            R::NotComparable(Incomparable::NumberUnreadable),
        ),
        (
            "another unit under the item's name",
            |w| laboratory_of(w).value = result("2823-3", "4.1", "umol/L").value,
            R::NotComparable(Incomparable::UnitUnknown),
        ),
        (
            "a unit without rule",
            |w| laboratory_of(w).value = result("2823-3", "4.1", "g/L").value,
            R::NotComparable(Incomparable::UnitUnknown),
        ),
        (
            "text for a number",
            |w| laboratory_of(w).value = Value::Text("正常".into()),
            R::NotComparable(Incomparable::ValueKind),
        ),
        ("never qualified", |w| w.rounds.clear(), R::NotQualified(Unqualified::NoRecord)),
        (
            "another laboratory made it",
            |w| w.entry.laboratory = organisation(3),
            R::NotQualified(Unqualified::NoRecord),
        ),
        (
            "out of scope",
            |w| w.context.region = code("530102"),
            R::OutOfScope { widest: Scope::Region(code("520000")) },
        ),
        (
            "negative list",
            |w| {
                w.policy.never_prompt.insert(code("L01001"));
            },
            R::NeverPrompts,
        ),
        (
            "window zero",
            |w| {
                w.policy.windows.remove(&code("L01001"));
            },
            R::WindowZero { setting: Setting::Outpatient },
        ),
        (
            "one millisecond too old",
            |w| w.at = Moment::new(hour(168).unix_ms() + 1, 0).unwrap(),
            R::WindowExpired { window: Hours(168), age_ms: 168 * HOUR + 1 },
        ),
        (
            "inpatient window",
            |w| {
                w.context.setting = Setting::Inpatient;
                w.at = hour(25);
            },
            R::WindowExpired { window: Hours(24), age_ms: 25 * HOUR },
        ),
        ("collected after the order", |w| w.at = hour(-1), R::InFuture),
        ("reported before collected", |w| w.entry.times.reported = hour(-1), R::TimesContradict),
        ("emergency", |w| w.context.setting = Setting::Emergency, R::Emergency),
        ("before an operation", |w| w.context.preoperative = true, R::Preoperative),
        ("before a transfusion", |w| w.context.transfusion = true, R::Transfusion),
        ("guarded panel", |w| w.wanted.guarded = true, R::GuardedPanel),
        ("forensic", |w| w.context.forensic = true, R::Forensic),
        ("serial", |w| w.context.serial = true, R::Serial),
        ("newborn", |w| w.context.neonate = true, R::Neonate),
        (
            "pregnancy",
            |w| {
                w.context.pregnant = true;
                w.policy.never_in_pregnancy.insert(code("L01001"));
            },
            R::Pregnant,
        ),
        ("treated since", |w| w.context.treated_at = Some(hour(5)), R::TreatedSince { treated_at: hour(5) }),
        (
            "decided",
            |w| {
                w.context.decided.insert(ResultId::new([1; 16]));
            },
            R::AlreadyDecided,
        ),
        (
            "the budget of the visit is spent",
            |w| {
                w.context.prompted.insert(code("L01001"), 8);
            },
            R::AlertBudget,
        ),
    ];
    for (name, change, refusal) in cases {
        let mut world = World::laboratory();
        change(&mut world);
        assert_eq!(world.refusals(), vec![refusal.clone()], "{name}");
        let silent = world.verdict() == Verdict::None;
        assert_eq!(silent, refusal.is_silent(), "{name}: what a doctor may not know is not listed");
    }
}

/// A name, and a change of the plain world that it survives.
type Harmless = (&'static str, fn(&mut World));

#[test]
fn what_does_not_matter_changes_nothing() {
    let cases: &[Harmless] = &[
        ("the boundary of the window", |w| w.at = hour(168)),
        ("the same instant at another offset", |w| w.at = Moment::new(hour(168).unix_ms(), -300).unwrap()),
        ("a corrected result", |w| w.entry.status = ResultStatus::Corrected),
        ("treated before collection", |w| w.context.treated_at = Some(hour(-1))),
        ("a grant opens what is sensitive", |w| {
            w.entry.sensitivity = Sensitivity::Sensitive;
            w.context.sensitive_granted = true;
        }),
        ("pregnancy and another item", |w| {
            w.context.pregnant = true;
            w.policy.never_in_pregnancy.insert(code("L01002"));
        }),
        ("prompts below the budget, and another item's", |w| {
            w.context.prompted.insert(code("L01001"), 7);
            w.context.prompted.insert(code("L01002"), 8);
        }),
        ("own results where the policy wants them", |w| {
            w.context.organisation = organisation(1);
            w.policy.own_results_prompt = true;
        }),
        ("the claimed mark is not believed, and not needed", |w| w.entry.claimed_mark = Some("无".into())),
        ("another spelling of the unit", |w| laboratory_of(w).value = result("2823-3", "4.1", "MMOLL").value),
    ];
    for (name, change) in cases {
        let mut world = World::laboratory();
        change(&mut world);
        assert_eq!(world.refusals(), vec![], "{name}");
    }
}

#[test]
fn a_day_counts_from_its_start() {
    let mut world = World::laboratory();
    world.entry.times.collected = hour(0).to_the_day();
    let start = age::start(world.entry.times.collected);
    assert_eq!(start.local_day(), hour(0).local_day());
    world.at = start.plus_hours(168);
    assert_eq!(world.refusals(), vec![]);
    world.at = Moment::new(world.at.unix_ms() + 1, 480).unwrap();
    assert!(matches!(world.refusals()[..], [Refusal::WindowExpired { .. }]));
}

#[test]
fn methods_must_be_known_and_equal_where_the_item_demands_it() {
    let mut world = World::laboratory();
    world.wanted = WantedItem::of(code("L02013"), Laterality::Unknown, &world.catalogue).unwrap();
    world.entry.items = vec![code("L02013")];
    *laboratory_of(&mut world) = result("2039-6", "3", "mmol/L");
    world.rounds[0].item = code("L02013");
    assert_eq!(world.refusals(), vec![Refusal::MethodUnknown]);
    laboratory_of(&mut world).method = Some("ECLIA".into());
    assert_eq!(world.refusals(), vec![Refusal::MethodUnknown], "the ordering hospital's method is not known");
    world.context.methods.insert(code("L02013"), "CLIA".into());
    assert_eq!(world.refusals(), vec![Refusal::MethodDiffers], "CLIA is inside ECLIA only as letters");
    world.context.methods.insert(code("L02013"), "ECLIA".into());
    assert_eq!(world.refusals(), vec![]);
}

#[test]
fn images_answer_by_containment() {
    use Answers::{Full, Partial};
    use Contrast::{Enhanced, NotApplicable, Plain, PlainAndEnhanced};
    use Laterality::{Both, Left, Right, Unknown, Unpaired};
    let dx = |side, views: &[&str]| {
        coverage("DX", if side == Unpaired { "CHEST" } else { "KNEE" }, side, views, NotApplicable)
    };
    let ct = |part, contrast| coverage("CT", part, Unpaired, &[], contrast);
    let cases = [
        ("E01001", Unpaired, dx(Unpaired, &["PA"]), Ok(Full)),
        ("E01001", Unpaired, dx(Unpaired, &["LATERAL", "PA"]), Ok(Full)),
        ("E01002", Unpaired, dx(Unpaired, &["PA"]), Ok(Partial)),
        ("E01001", Unpaired, dx(Unpaired, &["LATERAL"]), Err(Refusal::ViewMissing)),
        ("E01001", Unpaired, dx(Unpaired, &[]), Err(Refusal::ViewMissing)),
        ("E01009", Left, dx(Left, &["AP"]), Ok(Full)),
        ("E01009", Left, dx(Both, &["AP"]), Ok(Full)),
        ("E01009", Both, dx(Left, &["AP"]), Ok(Partial)),
        ("E01009", Left, dx(Right, &["AP"]), Err(Refusal::SideDiffers)),
        ("E01009", Left, dx(Unknown, &["AP"]), Err(Refusal::SideUnknown)),
        ("E01009", Unknown, dx(Left, &["AP"]), Err(Refusal::SideUnknown)),
        ("E02003", Unpaired, ct("CHEST", Plain), Ok(Full)),
        ("E02003", Unpaired, ct("CHEST", PlainAndEnhanced), Ok(Full)),
        ("E02004", Unpaired, ct("CHEST", Plain), Err(Refusal::ContrastDiffers)),
        ("E02003", Unpaired, ct("CHEST", Enhanced), Err(Refusal::ContrastDiffers)),
        ("E02003", Unpaired, ct("CHEST", Contrast::Unknown), Err(Refusal::ContrastDiffers)),
        ("E02005", Unpaired, ct("ABDOMEN", Plain), Ok(Full)),
        ("E02007", Unpaired, ct("UPPER_ABDOMEN", Plain), Ok(Partial)),
        ("E02005", Unpaired, ct("LOWER_ABDOMEN", Plain), Err(Refusal::NotCovered)),
        ("E02003", Unpaired, ct("ABDOMEN", Plain), Err(Refusal::NotCovered)),
        ("E02003", Unpaired, coverage("MR", "CHEST", Unpaired, &[], Plain), Err(Refusal::NotCovered)),
    ];
    for (place, (item, side, shown, expected)) in cases.into_iter().enumerate() {
        let world = World::imaging(item, side, shown);
        let found = match world.verdict() {
            Verdict::Prompt(evidence) => Ok(evidence.answers),
            Verdict::Quiet(_) | Verdict::None => Err(world.refusals().first().cloned().unwrap()),
        };
        assert_eq!(found, expected, "case {place}: {item}");
    }
}

#[test]
fn thin_slices_are_checked_where_the_order_wants_them() {
    let mut world = World::imaging(
        "E02003",
        Laterality::Unpaired,
        coverage("CT", "CHEST", Laterality::Unpaired, &[], Contrast::Plain),
    );
    world.wanted.slice_thickness_mm_max = Some(code("1.25"));
    let (found_mm, wanted_mm) = (Decimal::from(5), code("1.25"));
    assert_eq!(world.refusals(), vec![Refusal::SlicesTooThick { found_mm, wanted_mm }]);
    let Content::Imaging(study) = &mut world.entry.content else { panic!("a study") };
    study.series[0].slice_thickness_mm = None;
    assert_eq!(world.refusals(), vec![Refusal::ThicknessUnknown]);
    let Content::Imaging(study) = &mut world.entry.content else { panic!("a study") };
    study.series[0].slice_thickness_mm = Some(code("1.25"));
    assert_eq!(world.refusals(), vec![]);
}

#[test]
fn the_laboratory_counts_as_it_stood_at_collection() {
    let (pass, fail) = (EqaOutcome::Scored(Decimal::from(80)), EqaOutcome::Scored(Decimal::from(79)));
    let not = |fact| vec![Refusal::NotQualified(fact)];
    let suspended = |published| not(Unqualified::Suspended { since: hour(published) });
    let days = |days: i64| days * 24;
    let expired = -1 - days(184 + 60);
    let cases = [
        ("80 passes", vec![round(1, -900, pass)], vec![]),
        ("79 does not", vec![round(1, -900, fail)], suspended(-900)),
        ("not reported is a failure", vec![round(1, -900, EqaOutcome::NotReported)], suspended(-900)),
        ("excused says nothing", vec![round(1, -900, pass), round(2, -100, EqaOutcome::Excused)], vec![]),
        ("the next good round restores", vec![round(1, -900, fail), round(2, -100, pass)], vec![]),
        (
            "two of three withdraw",
            vec![round(1, -900, fail), round(2, -800, fail), round(3, -100, pass)],
            not(Unqualified::Withdrawn { since: hour(-800) }),
        ),
        (
            "a failure published later puts in doubt what was collected since its samples",
            vec![round(1, -900, pass), round(2, 5, fail)],
            not(Unqualified::InDoubt { sampled_at: hour(-495), published_at: hour(5) }),
        ),
        ("a failure not yet published is not known", vec![round(1, -900, pass), round(2, 20, fail)], vec![]),
        ("qualified only later", vec![round(1, 5, pass)], not(Unqualified::NotYet { from: hour(5) })),
        ("the last hour of grace", vec![round(1, expired + 1, pass)], vec![]),
        ("after the grace", vec![round(1, expired, pass)], not(Unqualified::Expired { valid_to: hour(-1) })),
    ];
    for (name, rounds, refusals) in cases {
        let mut world = World::laboratory();
        world.rounds = rounds;
        assert_eq!(world.refusals(), refusals, "{name}");
    }
}

#[test]
fn suspensions_reach_back_and_restorations_end_them() {
    use SanctionAct::{Restore, Suspend};
    let not = |hours| vec![Refusal::NotQualified(Unqualified::Sanctioned { effective_at: hour(hours) })];
    let cases = [
        ("before collection", vec![suspension(Suspend, -5, -5)], not(-5)),
        ("decided after collection, reaching back", vec![suspension(Suspend, -5, 5)], not(-5)),
        ("from the very instant", vec![suspension(Suspend, 0, 0)], not(0)),
        ("from later on", vec![suspension(Suspend, 1, 1)], vec![]),
        ("not yet known", vec![suspension(Suspend, -5, 11)], vec![]),
        ("restored before collection", vec![suspension(Suspend, -5, -5), suspension(Restore, -1, -1)], vec![]),
        ("restored after collection", vec![suspension(Suspend, -5, -5), suspension(Restore, 1, 1)], not(-5)),
        ("lifted from its beginning", vec![suspension(Suspend, -5, -5), suspension(Restore, -5, 5)], vec![]),
    ];
    for (name, sanctions, refusals) in cases {
        let mut world = World::laboratory();
        world.sanctions = sanctions;
        assert_eq!(world.refusals(), refusals, "{name}");
    }
}

#[test]
fn a_panel_is_answered_item_by_item_and_only_the_rest_remains() {
    let world = World::laboratory();
    let answer = world.answer(vec![Wanted::Panel(code("SALTS"))], &[potassium()]);
    assert_eq!(answer.coverage, LineCoverage::Partial);
    assert_eq!(answer.prompts.iter().map(|prompt| prompt.item).collect::<Vec<_>>(), [code::<ItemCode>("L01001")]);
    assert_eq!(answer.remaining, [code::<ItemCode>("L01002")]);
    let answer = world.answer(vec![Wanted::Panel(code("PREOP"))], &[potassium()]);
    assert_eq!((answer.coverage, answer.quiet[0].refusals.clone()), (LineCoverage::None, vec![Refusal::GuardedPanel]));
    let answer = world.answer(vec![Wanted::Item(code("L01001"))], &[potassium()]);
    assert_eq!((answer.coverage, answer.remaining.len()), (LineCoverage::Full, 0));
    let answer = world.answer(vec![Wanted::Item(code("L01001")), Wanted::Item(code("L99999"))], &[potassium()]);
    assert_eq!((answer.coverage, answer.unknown), (LineCoverage::Partial, 1));
}

#[test]
fn a_correction_or_withdrawal_hides_the_version_before_it() {
    let world = World::laboratory();
    let line = || vec![Wanted::Item(code("L01001"))];
    let second = |status| Entry { version: 2, status, ..potassium() };
    let answer = world.answer(line(), &[potassium(), second(ResultStatus::Corrected)]);
    assert_eq!(answer.prompts.iter().map(|prompt| prompt.candidate).collect::<Vec<_>>(), [1]);
    let answer = world.answer(line(), &[potassium(), second(ResultStatus::Withdrawn)]);
    assert_eq!((answer.coverage, answer.prompts.len()), (LineCoverage::None, 0));
    let foreign = Entry { publisher: organisation(4), ..second(ResultStatus::Withdrawn) };
    let answer = world.answer(line(), &[potassium(), foreign]);
    assert_eq!(answer.coverage, LineCoverage::Full, "another publisher cannot withdraw it");
}

#[test]
fn two_studies_together_answer_two_views() {
    let shown = |view| coverage("DX", "CHEST", Laterality::Unpaired, &[view], Contrast::NotApplicable);
    let world = World::imaging("E01002", Laterality::Unpaired, shown("PA"));
    let lateral = Entry {
        result: ResultId::new([2; 16]),
        content: Content::Imaging(study(shown("LATERAL"))),
        ..world.entry.clone()
    };
    let order = ImagingOrder {
        item: None,
        coverage: coverage("DX", "CHEST", Laterality::Unknown, &["PA", "LATERAL"], Contrast::Unknown),
        slice_thickness_mm_max: None,
    };
    let order = ImagingOrder { item: Some(code("E01002")), ..order };
    let answer = world.answer(vec![Wanted::Imaging(order.clone())], &[world.entry.clone(), lateral]);
    assert_eq!((answer.coverage, answer.prompts.len()), (LineCoverage::Full, 2));
    let answer = world.answer(vec![Wanted::Imaging(order)], std::slice::from_ref(&world.entry));
    assert_eq!((answer.coverage, answer.remaining), (LineCoverage::Partial, vec![code("E01002")]));
}

proptest! {
    #[test]
    fn what_prompts_in_a_window_prompts_in_any_wider_one(age in 0i64..2_000, window in 1u32..2_000, more in 0u32..500) {
        let prompts = |hours: u32| {
            let mut world = World::laboratory();
            let windows = Windows { outpatient: Hours(hours), inpatient: Hours(0) };
            world.policy.windows.insert(code("L01001"), windows);
            world.at = hour(age);
            matches!(world.verdict(), Verdict::Prompt(_))
        };
        prop_assert_eq!(prompts(window), age <= i64::from(window));
        prop_assert!(!prompts(window) || prompts(window + more));
    }

    #[test]
    fn nothing_prompts_without_a_qualification(collected in -3_000i64..3_000, known in 0i64..100) {
        let mut world = World::laboratory();
        world.rounds.clear();
        world.entry.times.collected = hour(collected);
        world.at = hour(collected + known);
        prop_assert!(!matches!(world.verdict(), Verdict::Prompt(_)));
    }

    #[test]
    fn the_order_of_candidates_does_not_matter(ages in proptest::collection::vec(0i64..12, 1..8), seed in any::<usize>()) {
        let world = World::laboratory();
        let entries: Vec<Entry> = ages.iter().zip(1u8..).map(|(age, number)| Entry {
            result: ResultId::new([number; 16]),
            times: Times { ordered: None, collected: hour(10 - age), reported: hour(11) },
            ..potassium()
        }).collect();
        let mut turned = entries.clone();
        turned.rotate_left(seed % entries.len());
        turned.reverse();
        let chosen = |entries: &[Entry]| {
            let answer = world.answer(vec![Wanted::Item(code("L01001"))], entries);
            answer.prompts.iter().map(|prompt| entries[prompt.candidate].result).collect::<Vec<_>>()
        };
        prop_assert_eq!(chosen(&entries), chosen(&turned));
    }
}
