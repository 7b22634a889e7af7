//! The hub's contract with publishers and order screens, over a real journal and its projections.

mod ahead;
mod replacing;

use std::collections::BTreeSet;

use bytes::Bytes;

use super::testing::{CENTRE, HOSPITAL, OTHER_HOSPITAL, Signer25519, World, caller, code};
use crate::domain::entry::{Entry, ResultStatus};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::{Digest, Pseudonym, ReportId, ResultId};
use crate::domain::organisation::{Caller, Role};
use crate::domain::time::Moment;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::leaf_hash;
use crate::merkle::proof::verify_inclusion;
use crate::merkle::tree::root_of;
use crate::pki::signing::SigningDomain;
use crate::ports::clock::Clock;
use crate::service::hub::error::HubError;
use crate::service::hub::results::ResultFilter;
use crate::store::hub::{Figure, FigureKey};
use crate::wire::batch::{Batch, Header, SIGNED_AS};
use crate::wire::entry::tests::potassium;
use crate::wire::pb;
use crate::wire::record::Record;
use crate::wire::statement;

/// The patient.
pub const PATIENT: [u8; 16] = [2; 16];

/// A hospital that publishes.
pub struct Publisher {
    signer: Signer25519,
    caller: Caller,
    sequence: u64,
    previous: Digest,
}

impl Publisher {
    /// Makes one with a key of its own.
    pub fn new(world: &World, organisation: &str, number: u8) -> Self {
        Self {
            signer: world.signer(organisation, Role::Hospital, number),
            caller: caller(organisation, Role::Hospital),
            sequence: 0,
            previous: Digest::new([0; 32]),
        }
    }

    fn batch(&self, entries: &[Entry], at: Moment) -> Batch {
        let entries: Vec<Bytes> = entries.iter().map(crate::wire::entry::encode).collect();
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let header = Header {
            organisation: self.caller.organisation,
            key_id: self.signer.key.record().key_id.0,
            sequence: self.sequence + 1,
            previous: self.previous,
            root: Digest::new(*root_of(&leaves).as_bytes()),
            size: entries.len(),
            sealed_at: at,
        };
        self.seal(header, entries)
    }

    fn seal(&self, header: Header, entries: Vec<Bytes>) -> Batch {
        let header_bytes = header.encode();
        let signature = self.signer.key.sign(SigningDomain(SIGNED_AS), &header_bytes);
        Batch { header, header_bytes, signature, entries }
    }

    async fn send(&self, world: &World, batch: &Batch) -> Result<pb::Receipt, HubError> {
        let certificate = Bytes::from(self.signer.certificate_der.clone());
        world.hub.take_batch(&self.caller, batch.encode(), &certificate).await
    }

    /// Gives the certificate of its key, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.signer.certificate_der
    }

    /// Publishes the next batch.
    pub async fn publish(&mut self, world: &World, entries: &[Entry]) -> pb::Receipt {
        let batch = self.batch(entries, world.clock.now());
        let receipt = self.send(world, &batch).await.unwrap();
        (self.sequence, self.previous) = (batch.header.sequence, batch.header_digest());
        receipt
    }
}

/// A potassium result of the other hospital, collected so many hours ago.
pub fn result(world: &World, name: u8, hours_ago: i64) -> Entry {
    let mut entry = potassium();
    entry.publisher = code(OTHER_HOSPITAL);
    entry.laboratory = code(OTHER_HOSPITAL);
    entry.patient = Pseudonym::new(PATIENT);
    entry.result = ResultId::new([name; 16]);
    entry.report = ReportId::new([name; 16]);
    entry.times.collected = world.clock.now().plus_hours(-hours_ago);
    entry.times.reported = entry.times.collected;
    entry.times.ordered = None;
    entry
}

/// Lets the centre say that a laboratory passed potassium.
pub async fn qualify(world: &World, laboratory: &str) {
    use prost::Message;
    let now = world.clock.now();
    let round = pb::EqaResult {
        programme: "NCCL-C-01".into(),
        year: 2026,
        round: 1,
        laboratory: laboratory.into(),
        item: "L01001".into(),
        method: String::new(),
        status: pb::EqaStatus::Scored.into(),
        score_percent: "100".into(),
        sampled_at: Some(now.plus_hours(-24 * 60).into()),
        published_at: Some(now.plus_hours(-24 * 30).into()),
    };
    let statement = pb::Statement {
        issuer: CENTRE.into(),
        issued_at: Some(now.into()),
        content: Some(pb::statement::Content::Rounds(pb::EqaRounds { results: vec![round] })),
    }
    .encode_to_vec();
    let signer = world.signer(CENTRE, Role::QcCentre, 60);
    let signature = signer.key.sign(SigningDomain(statement::SIGNED_AS), &statement);
    world
        .record(Record::Statement(pb::StatementRecord {
            statement: statement.into(),
            signature: signature.to_vec().into(),
            signing_certificate: signer.certificate_der.into(),
            received_at: Some(now.into()),
        }))
        .await;
}

/// An order of one item.
pub fn check_request(key: &str, item: &str) -> pb::CheckRequest {
    pb::CheckRequest {
        check_key: key.into(),
        patient: Some(pb::Patient { pseudonym: PATIENT.to_vec().into(), ..Default::default() }),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: "心内科".into() }),
        visit: Some(pb::Visit {
            encounter: "V1".into(),
            setting: pb::Setting::Outpatient.into(),
            ..Default::default()
        }),
        lines: vec![pb::OrderLine {
            line_id: "1".into(),
            codes: vec![pb::Code { system: "catalogue".into(), code: item.into(), display: String::new() }],
            imaging: vec![],
        }],
        language: pb::Language::En.into(),
        proofs: false,
    }
}

/// A decision of doctor D7 on one prompt.
pub fn decide_request(key: &str, prompt: &pb::Prompt, outcome: pb::decision::Outcome) -> pb::DecideRequest {
    pb::DecideRequest {
        decision_key: key.into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        decisions: vec![pb::Decision {
            prompt_id: prompt.prompt_id.clone(),
            outcome: Some(outcome),
            ..Default::default()
        }],
        language: pb::Language::En.into(),
        ..Default::default()
    }
}

/// The hospital that orders.
pub fn doctor() -> Caller {
    caller(HOSPITAL, Role::Hospital)
}

/// A world in which the other hospital has published a qualified potassium result of the patient.
pub async fn prompted_world() -> (World, Publisher, pb::Prompt) {
    let world = World::new().await;
    qualify(&world, OTHER_HOSPITAL).await;
    let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
    publisher.publish(&world, &[result(&world, 1, 24)]).await;
    let answer = world.check(&doctor(), check_request("c1", "L01001")).await.unwrap();
    let prompt = answer.lines[0].prompts[0].clone();
    (world, publisher, prompt)
}

/// Gives a figure of the ordering hospital today.
pub async fn figure(world: &World, figure: Figure) -> u64 {
    let day = world.clock.now().local_day();
    let key = FigureKey { day, organisation: code(HOSPITAL), item: None, figure };
    // A check that prompts nothing is not waited for; what follows it is.
    world
        .record(Record::Miss(pb::MissRecord {
            organisation: OTHER_HOSPITAL.into(),
            check_key: "fence".into(),
            cause: 0,
            at: Some(world.clock.now().into()),
        }))
        .await;
    world.hub.parts.state.read().unwrap().figure(&key).unwrap()
}

#[tokio::test]
async fn a_receipt_proves_that_the_log_has_the_batch() {
    let world = World::new().await;
    let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
    let receipt = publisher.publish(&world, &[result(&world, 1, 24)]).await;
    let head =
        Checkpoint::open(receipt.checkpoint.as_bytes(), world.log_key.name(), std::slice::from_ref(&world.log_key));
    let proof: Vec<_> =
        receipt.inclusion.iter().map(|hash| <[u8; 32]>::try_from(hash.as_ref()).unwrap().into()).collect();
    verify_inclusion(&leaf_hash(&receipt.log_entry), receipt.log_index, &head.unwrap().head(), &proof).unwrap();
    assert!(receipt.rejections.is_empty());
}

#[tokio::test]
async fn the_same_batch_again_is_taken_once() {
    let world = World::new().await;
    let publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
    let batch = publisher.batch(&[result(&world, 1, 24)], world.clock.now());
    let first = publisher.send(&world, &batch).await.unwrap();
    let again = publisher.send(&world, &batch).await.unwrap();
    assert_eq!((first.log_index, first.log_entry), (again.log_index, again.log_entry));
    assert_eq!(world.hub.position(code(OTHER_HOSPITAL)).unwrap().sequence, 1);
}

#[tokio::test]
async fn what_does_not_hold_together_is_refused_and_nothing_is_kept() {
    let world = World::new().await;
    let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
    publisher.publish(&world, &[result(&world, 1, 24)]).await;
    let records = world.hub.parts.ledger.projected();
    let good = publisher.batch(&[result(&world, 2, 24)], world.clock.now());
    let header = |change: fn(&mut Header)| {
        let mut header = good.header.clone();
        change(&mut header);
        publisher.seal(header, good.entries.clone())
    };
    let mut forged = good.clone();
    forged.signature[0] ^= 1;
    let mut swapped = good.clone();
    swapped.entries = vec![crate::wire::entry::encode(&result(&world, 9, 1))];
    for (what, batch, fault) in [
        ("gap", header(|header| header.sequence = 3), Fault::Conflict),
        ("fork", header(|header| header.sequence = 1), Fault::Conflict),
        ("previous", header(|header| header.previous = Digest::new([1; 32])), Fault::Conflict),
        ("root", header(|header| header.root = Digest::new([1; 32])), Fault::BadInput),
        ("future", header(|header| header.sealed_at = header.sealed_at.plus_hours(1)), Fault::BadInput),
        ("other organisation", header(|header| header.organisation = code(HOSPITAL)), Fault::Denied),
        ("unknown key", header(|header| header.key_id = [9; 8]), Fault::Unproven),
        ("signature", forged, Fault::Unproven),
        ("entries", swapped, Fault::BadInput),
    ] {
        let error = publisher.send(&world, &batch).await.unwrap_err();
        assert_eq!(error.fault(), fault, "{what}: {error}");
    }
    assert_eq!(world.hub.parts.ledger.projected(), records, "nothing was written");
    publisher.send(&world, &good).await.unwrap();
}

#[tokio::test]
async fn a_revoked_key_publishes_nothing_more_and_what_it_signed_before_still_counts() {
    let (world, publisher, _) = prompted_world().await;
    world.clock.advance(60_000);
    world.revoke(50);
    let late = publisher.batch(&[result(&world, 2, 24)], world.clock.now().plus_hours(-1));
    assert_eq!(publisher.send(&world, &late).await.unwrap_err().fault(), Fault::Unproven);
    let answer = world.check(&doctor(), check_request("c2", "L01001")).await.unwrap();
    assert_eq!(answer.lines[0].prompts.len(), 1);
}

#[tokio::test]
async fn an_entry_that_cannot_be_indexed_is_receipted_with_its_reason_and_blocks_nothing() {
    let world = World::new().await;
    qualify(&world, OTHER_HOSPITAL).await;
    let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
    let mut future = result(&world, 1, 24);
    future.times.collected = world.clock.now().plus_hours(2);
    let mut unknown = result(&world, 2, 24);
    unknown.items = vec!["L99999".parse().unwrap()];
    let mut foreign = result(&world, 3, 24);
    foreign.publisher = code(HOSPITAL);
    let receipt = publisher.publish(&world, &[future, unknown, foreign, result(&world, 4, 24)]).await;
    let reasons: Vec<_> =
        receipt.rejections.iter().map(|it| (it.entry, it.field.as_str(), it.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [(0, "collected_at", "FUTURE_DATE"), (1, "items[0]", "UNKNOWN_ITEM"), (2, "publisher", "FOREIGN_PUBLISHER"),]
    );
    let answer = world.check(&doctor(), check_request("c1", "L01001")).await.unwrap();
    assert_eq!(answer.lines[0].prompts.len(), 1, "the good one is offered");
}

#[tokio::test]
async fn a_prompt_carries_the_value_and_why_it_may_be_relied_on() {
    let (_world, _publisher, prompt) = prompted_world().await;
    let evidence = prompt.evidence.unwrap();
    assert_eq!(prompt.text, "Potassium 4.1 mmol/L, 1 d ago, Second, 520000HR".replace("520000HR", &evidence.mark));
    assert_eq!((evidence.window_hours, evidence.rounds), (168, vec!["2026-1: 100 %".to_owned()]));
    assert!(prompt.decline_reasons.iter().any(|reason| reason.code == "R01" && reason.needs_text));
    assert_eq!(prompt.result.unwrap().originals.len(), 1);
}

#[tokio::test]
async fn the_same_check_gives_the_same_prompts_and_another_under_its_key_is_refused() {
    let (world, _publisher, prompt) = prompted_world().await;
    let again = world.check(&doctor(), check_request("c1", "L01001")).await.unwrap();
    assert_eq!(again.lines[0].prompts, [prompt]);
    let other = world.check(&doctor(), check_request("c1", "L01002")).await.unwrap_err();
    assert_eq!(other.fault(), Fault::Conflict);
    assert_eq!(figure(&world, Figure::Prompts).await, 1);
}

#[tokio::test]
async fn no_qualification_no_prompt_and_the_reason_is_named() {
    let world = World::new().await;
    let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
    publisher.publish(&world, &[result(&world, 1, 24)]).await;
    let answer = world.check(&doctor(), check_request("c1", "L01001")).await.unwrap();
    let line = &answer.lines[0];
    assert_eq!((line.prompts.len(), line.coverage(), line.remaining_items.len()), (0, pb::LineCoverage::None, 1));
    let codes: Vec<_> = line.quiet[0].refusals.iter().map(|refusal| refusal.code.as_str()).collect();
    assert_eq!(codes, ["NOT_QUALIFIED"]);
}

#[tokio::test]
async fn a_correction_takes_the_place_of_what_it_corrects_in_any_order_of_arrival() {
    // The last is a withdrawal that does not raise the version.
    for (order, report) in [([1, 2], 1), ([2, 1], 1), ([1, 2], 2), ([2, 1], 2), ([1, 0], 2)] {
        let world = World::new().await;
        qualify(&world, OTHER_HOSPITAL).await;
        let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
        for version in order {
            let mut entry = result(&world, 1, 24);
            entry.version = version.max(1);
            entry.status = if version == 1 { ResultStatus::Final } else { ResultStatus::Withdrawn };
            if version != 1 {
                entry.report = ReportId::new([report; 16]);
            }
            publisher.publish(&world, &[entry]).await;
        }
        let (since, before, items, classes) = (None, None, BTreeSet::new(), BTreeSet::new());
        let all = ResultFilter { since, before, items, classes, include_sensitive: true, limit: 10 };
        let listed = world.hub.results_of(Pseudonym::new(PATIENT), &all).unwrap().found;
        let statuses: Vec<_> = listed.iter().map(|found| found.entry.status).collect();
        assert_eq!(statuses, [ResultStatus::Withdrawn], "{order:?} {report}");
        let answer = world.check(&doctor(), check_request("c1", "L01001")).await.unwrap();
        assert!(answer.lines[0].prompts.is_empty(), "a withdrawn result is never offered");
    }
}

#[tokio::test]
async fn no_publisher_shadows_another_ones_result() {
    let (world, _publisher, _) = prompted_world().await;
    let mut liar = Publisher::new(&world, HOSPITAL, 51);
    let mut shadow = result(&world, 1, 24);
    shadow.publisher = code(HOSPITAL);
    shadow.laboratory = code(HOSPITAL);
    shadow.version = 99;
    shadow.status = ResultStatus::Withdrawn;
    liar.publish(&world, &[shadow]).await;
    let answer = world.check(&doctor(), check_request("c2", "L01001")).await.unwrap();
    assert_eq!(answer.lines[0].prompts.len(), 1);
}

#[tokio::test]
async fn an_acceptance_opens_the_original_and_is_counted_once() {
    let (world, _publisher, prompt) = prompted_world().await;
    let accept = decide_request("d1", &prompt, pb::decision::Outcome::Accept(pb::Accept {}));
    let first = world.hub.decide(&doctor(), accept.clone()).await.unwrap();
    let again = world.hub.decide(&doctor(), accept).await.unwrap();
    assert_eq!(first.log_index, again.log_index);
    let grant = first.outcomes[0].grant.clone().unwrap();
    assert!(world.hub.parts.grants.open(&grant.token, code(HOSPITAL), world.clock.now()).is_ok());
    assert_eq!(first.outcomes[0].result.as_ref().unwrap().originals.len(), 1);
    let twice = decide_request("d2", &prompt, pb::decision::Outcome::Accept(pb::Accept {}));
    assert_eq!(world.hub.decide(&doctor(), twice).await.unwrap_err().fault(), Fault::Conflict);
    assert_eq!((figure(&world, Figure::Accepted).await, figure(&world, Figure::ReportsRecognised).await), (1, 1));
    assert_eq!(figure(&world, Figure::ReportsExisting).await, 1);

    let answer = world.check(&doctor(), check_request("c2", "L01001")).await.unwrap();
    let quiet = &answer.lines[0].quiet[0];
    assert_eq!(quiet.refusals[0].code, "ALREADY_DECIDED", "the same visit is not asked twice");
}

#[tokio::test]
async fn a_decline_must_say_what_its_reason_asks_for() {
    let (world, _publisher, prompt) = prompted_world().await;
    let decline = |reason: &str, text: &str| {
        let decline = pb::Decline { reason: reason.into(), text: text.into(), choice: String::new() };
        decide_request("d1", &prompt, pb::decision::Outcome::Decline(decline))
    };
    for (reason, text, field) in [("X99", "", "reason"), ("R0", "", "reason"), ("R01", "  ", "text")] {
        let error = world.hub.decide(&doctor(), decline(reason, text)).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("decisions[0].decline.{field}")), "{error}");
    }
    world.hub.decide(&doctor(), decline("R01", "new arrhythmia")).await.unwrap();
    assert_eq!((figure(&world, Figure::Declined).await, figure(&world, Figure::DeclinedCounted).await), (1, 1));
    assert_eq!(figure(&world, Figure::DeclinedFor("R01".into())).await, 1);
}

/// A batch decline that lost its reasons, in a deployed adaptor.
#[tokio::test]
async fn a_batch_of_declines_keeps_every_reason() {
    let world = World::new().await;
    qualify(&world, OTHER_HOSPITAL).await;
    let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
    publisher.publish(&world, &[result(&world, 1, 24)]).await;
    let mut request = check_request("c1", "L01001");
    request.lines.push(pb::OrderLine { line_id: "2".into(), ..request.lines[0].clone() });
    let answer = world.check(&doctor(), request).await.unwrap();
    let decisions = answer.lines.iter().zip([("R01", "new arrhythmia"), ("R02", "")]).map(|(line, (reason, text))| {
        let decline = pb::Decline { reason: reason.into(), text: text.into(), choice: String::new() };
        let outcome = Some(pb::decision::Outcome::Decline(decline));
        pb::Decision { prompt_id: line.prompts[0].prompt_id.clone(), outcome, ..Default::default() }
    });
    let decide = pb::DecideRequest {
        decision_key: "d1".into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        decisions: decisions.collect(),
        ..Default::default()
    };
    world.hub.decide(&doctor(), decide).await.unwrap();
    for reason in ["R01", "R02"] {
        assert_eq!(figure(&world, Figure::DeclinedFor(reason.into())).await, 1, "{reason}");
    }
}

/// Counts that depended on what was clicked first, in a deployed adaptor.
#[tokio::test]
async fn what_was_viewed_is_prompted_all_the_same_and_counted_once() {
    let (world, _publisher, prompt) = prompted_world().await;
    for key in ["e1", "e1", "e2"] {
        let viewed = pb::AcknowledgeRequest {
            event_key: key.into(),
            actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
            prompt_id: prompt.prompt_id.clone(),
            event: pb::acknowledge_request::Event::Viewed.into(),
        };
        assert!(world.hub.acknowledge(&doctor(), &viewed).await.unwrap().grant.is_some());
    }
    let answer = world.check(&doctor(), check_request("c2", "L01001")).await.unwrap();
    assert_eq!(answer.lines[0].prompts.len(), 1);
    assert_eq!((figure(&world, Figure::Viewed).await, figure(&world, Figure::Prompts).await), (1, 2));
}

#[tokio::test]
async fn who_views_an_earlier_version_hears_which_one_stands_in_any_report() {
    for report in [1, 2] {
        let (world, mut publisher, prompt) = prompted_world().await;
        let shown = |key: &str| pb::AcknowledgeRequest {
            event_key: key.into(),
            actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
            prompt_id: prompt.prompt_id.clone(),
            event: pb::acknowledge_request::Event::Shown.into(),
        };
        let said = |told: pb::AcknowledgeResponse| (told.standing_version, told.standing_status());
        let first = world.hub.acknowledge(&doctor(), &shown("e1")).await.unwrap();
        assert_eq!(said(first), (1, pb::ResultStatus::Final));
        let mut corrected = result(&world, 1, 24);
        (corrected.version, corrected.status) = (2, ResultStatus::Corrected);
        corrected.report = ReportId::new([report; 16]);
        publisher.publish(&world, &[corrected]).await;
        let then = world.hub.acknowledge(&doctor(), &shown("e2")).await.unwrap();
        assert_eq!(said(then), (2, pb::ResultStatus::Corrected), "report {report}");
    }
}

#[tokio::test]
async fn a_decision_taken_back_leaves_the_prompt_open_and_the_rate_as_it_was() {
    let (world, _publisher, prompt) = prompted_world().await;
    let accept = |key| decide_request(key, &prompt, pb::decision::Outcome::Accept(pb::Accept {}));
    world.hub.decide(&doctor(), accept("d1")).await.unwrap();
    let revoke = pb::RevokeRequest {
        decision_key: "r1".into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        prompt_id: prompt.prompt_id.clone(),
        text: "wrong line".into(),
    };
    let first = world.hub.revoke(&doctor(), revoke.clone()).await.unwrap();
    assert_eq!(world.hub.revoke(&doctor(), revoke).await.unwrap(), first);
    assert_eq!((figure(&world, Figure::Revoked).await, figure(&world, Figure::ReportsRecognised).await), (1, 0));
    world.hub.decide(&doctor(), accept("d2")).await.unwrap();
    assert_eq!(figure(&world, Figure::ReportsRecognised).await, 1);
}

#[tokio::test]
async fn a_result_that_is_not_the_patients_is_offered_to_nobody_until_that_is_taken_back() {
    let (world, _publisher, prompt) = prompted_world().await;
    let decline = pb::Decline { reason: "P22".into(), text: "another person".into(), choice: String::new() };
    let outcome = pb::decision::Outcome::Decline(decline);
    world.hub.decide(&doctor(), decide_request("d1", &prompt, outcome)).await.unwrap();
    let elsewhere = |key| {
        let mut request = check_request(key, "L01001");
        request.visit.as_mut().unwrap().encounter = key.into();
        request
    };
    let answer = world.check(&doctor(), elsewhere("c2")).await.unwrap();
    assert_eq!((answer.lines[0].prompts.len(), answer.lines[0].quiet.len()), (0, 0));
    let revoke = pb::RevokeRequest {
        decision_key: "r1".into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        prompt_id: prompt.prompt_id,
        text: String::new(),
    };
    world.hub.revoke(&doctor(), revoke).await.unwrap();
    assert_eq!(world.check(&doctor(), elsewhere("c3")).await.unwrap().lines[0].prompts.len(), 1);
}

#[tokio::test]
async fn a_prompt_does_not_exist_for_another_hospital() {
    let (world, _publisher, prompt) = prompted_world().await;
    let accept = decide_request("d1", &prompt, pb::decision::Outcome::Accept(pb::Accept {}));
    let error = world.hub.decide(&caller(OTHER_HOSPITAL, Role::Hospital), accept).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Missing);
}

#[tokio::test]
async fn identifiers_are_not_accepted_by_the_hub() {
    let world = World::new().await;
    let mut request = check_request("c1", "L01001");
    request.patient = Some(pb::Patient {
        identifiers: vec![pb::Identifier { r#type: "CN-ID".into(), authority: String::new(), value: "x".into() }],
        ..Default::default()
    });
    let error = world.check(&doctor(), request).await.unwrap_err();
    assert!(error.to_string().starts_with("patient.identifiers: is not accepted here"), "{error}");
}

#[tokio::test]
async fn a_missed_check_is_counted_once_however_often_it_is_told() {
    let world = World::new().await;
    let miss = pb::Miss {
        check_key: "m1".into(),
        cause: pb::degraded::Cause::Timeout.into(),
        at: Some(world.clock.now().into()),
    };
    let request = pb::ReportMissesRequest { misses: vec![miss.clone(), miss] };
    world.hub.report_misses(&doctor(), &request).await.unwrap();
    world.hub.report_misses(&doctor(), &request).await.unwrap();
    assert_eq!(figure(&world, Figure::Misses).await, 1);
}

#[tokio::test]
async fn recent_results_are_those_of_others_and_the_listing_is_recorded() {
    let (world, _publisher, _) = prompted_world().await;
    let request = pb::RecentResultsRequest {
        patient: Some(pb::Patient { pseudonym: PATIENT.to_vec().into(), ..Default::default() }),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        visit: check_request("", "").visit,
        hours: 0,
        limit: 0,
        language: 0,
    };
    let before = world.hub.parts.ledger.projected();
    let listed = world.hub.recent_results(&doctor(), &request).await.unwrap();
    assert_eq!((listed.results.len(), listed.truncated), (1, false));
    assert_eq!(world.hub.parts.ledger.projected(), before.next());
    let own = world.hub.recent_results(&caller(OTHER_HOSPITAL, Role::Hospital), &request).await.unwrap();
    assert!(own.results.is_empty());
}
