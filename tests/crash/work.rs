//! What people do in a round: a laboratory with two lines, a scanner, a doctor. Each does a thing until it is answered,
//! with the same key, as real systems do, and writes down what was answered.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use concord::wire::dicom::command::Status;
use concord::wire::pb;
use concord::wire::pb::orders_client::OrdersClient;
use pb::decision::Outcome;
use sha2::{Digest, Sha256};
use tonic::Code;
use tonic::transport::Channel;

use crate::dice::Dice;
use crate::doctor::{self, POTASSIUM, value};
use crate::laboratory::{Report, Sender};
use crate::ledger::Ledger;
use crate::patience::until;
use crate::people;
use crate::region::{B, Region};
use crate::scanner::{Instance, store};

/// The ledger that all write in.
#[derive(Debug, Clone, Default)]
pub struct Book(Arc<Mutex<Ledger>>);

impl Book {
    /// Opens it; nobody waits for anything while it is open.
    pub fn open(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap()
    }
}

/// Sends reports of three patients on one line of the laboratory: first values, then corrections.
pub async fn laboratory(region: &Region, book: &Book, line: u16, shift: u32, mut dice: Dice) {
    let mut connection: Option<Sender> = None;
    for place in shift * MESSAGES..(shift + 1) * MESSAGES {
        let patient = line * PATIENTS + u16::try_from(dice.between(0, u64::from(PATIENTS) - 1)).unwrap();
        let who = people::numbered(patient);
        let number = 300 + u32::from(line) * 100 + place;
        let sent = format!("{}.{:02}", number / 100, number % 100);
        let is_first = book.open().truths.get(&patient).is_none_or(|truth| truth.sent.is_empty());
        let collected = region.began.plus_hours(-5);
        let first = Report::potassium(&format!("K{patient}"), &who, collected, &sent);
        let report = if is_first { first } else { Report { status: "C", ..first } };
        let message = padded(report.message(), &mut dice, number);
        book.open().truths.entry(patient).or_default().sent.insert(sent.clone());

        send(region, &mut connection, &message).await;
        {
            let mut ledger = book.open();
            ledger.message(hex::encode(Sha256::digest(&message)));
            ledger.truths.entry(patient).or_default().current = Some(sent);
        }
        if dice.one_in(4) {
            // A line that lost the answer sends the same once more, on another connection.
            send(region, &mut None, &message).await;
        }
    }
}

/// Sends a message until it is taken.
async fn send(region: &Region, connection: &mut Option<Sender>, message: &[u8]) {
    until("the acknowledgement", async || {
        let broken = |error: std::io::Error| error.to_string();
        let sending = async {
            let mut sender = match connection.take() {
                Some(sender) => sender,
                None => Sender::connect(region.mllp()).await.map_err(broken)?,
            };
            let answer = sender.send(message).await.map_err(broken)?;
            Ok::<_, String>((sender, answer))
        };
        let (sender, answer) = tokio::time::timeout(ANSWER_WAIT, sending).await.map_err(|late| late.to_string())??;
        *connection = Some(sender);
        if answer.code == "AA" { Ok(()) } else { Err(answer.own_words()) }
    })
    .await;
}

/// Makes some messages long: within the journal's record, or beyond it.
fn padded(mut message: Vec<u8>, dice: &mut Dice, number: u32) -> Vec<u8> {
    let length = match dice.between(0, 5) {
        0 => 40_000,
        1 => 70_000,
        _ => return message,
    };
    let text = format!("note {number} ").repeat(length / 9);
    for (place, line) in (1..).zip(text.as_bytes().chunks(8_000)) {
        message.extend_from_slice(format!("NTE|{place}||{}\r", String::from_utf8_lossy(line)).as_bytes());
    }
    message
}

/// Stores a study, one image after the other, some of them twice.
pub async fn scanner(region: &Region, book: &Book, images: &[Instance], mut dice: Dice) {
    let twice = |image| std::iter::repeat_n(image, if dice.one_in(4) { 2 } else { 1 });
    for image in images.iter().flat_map(twice) {
        until("an image to be stored", async || {
            let (address, one) = (region.dicom(), vec![image.clone()]);
            // It panics where the connection breaks: that image was not acknowledged.
            let storing = tokio::spawn(async move { store(address, &one).await });
            let stored = tokio::time::timeout(ANSWER_WAIT, storing).await.map_err(|late| late.to_string())?;
            match stored.map_err(|_| "the association broke")?.as_slice() {
                [Status::SUCCESS] => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        let digest = hex::encode(Sha256::digest(&image.data_set));
        book.open().instance(image.instance.as_str(), digest, image.data_set.len());
    }
}

/// Orders potassium for patients whose results have been sent, and decides what is prompted.
pub async fn doctor(region: &Region, book: &Book, shift: u32, mut dice: Dice) {
    let channel = region.node(B, B.folder);
    for place in 0..ORDERS {
        let known: Vec<u16> = until("a patient with a result", async || {
            let ledger = book.open();
            let known = ledger.truths.iter().filter(|(_, truth)| truth.current.is_some());
            let known: Vec<u16> = known.map(|(patient, _)| *patient).collect();
            if known.is_empty() { Err("none".to_owned()) } else { Ok(known) }
        })
        .await;
        let patient = dice.one_of(&known);
        let mut prompts = Vec::new();
        for look in 0..LOOKS_MAX {
            // What was sent is on its way for a moment.
            tokio::time::sleep(BETWEEN_PATIENTS).await;
            prompts = order(&channel, book, patient, &format!("check-{shift}-{place}-{look}")).await;
            if !prompts.is_empty() {
                break;
            }
        }
        for prompt in prompts {
            let told = hex::encode(&prompt.prompt_id);
            shown(&channel, book, &format!("shown-{told}"), &prompt).await;
            decide(&channel, book, &format!("decision-{told}"), &prompt, &mut dice).await;
        }
    }
}

/// Orders potassium in a visit of its own.
///
/// # Errors
/// What came instead of an answer of the hub.
pub async fn check(channel: &Channel, patient: u16, key: &str) -> Result<pb::CheckResponse, String> {
    let codes = vec![pb::Code { system: POTASSIUM.0.to_owned(), code: POTASSIUM.1.to_owned(), display: String::new() }];
    let request = pb::CheckRequest {
        check_key: key.to_owned(),
        patient: Some(doctor::person(&people::numbered(patient))),
        actor: Some(doctor::actor()),
        visit: Some(pb::Visit { encounter: key.to_owned(), ..doctor::visit() }),
        lines: vec![pb::OrderLine { line_id: "1".to_owned(), codes, imaging: Vec::new() }],
        language: pb::Language::Zh.into(),
        proofs: false,
    };
    let answer = OrdersClient::new(channel.clone()).check(request).await.map_err(|status| status.to_string())?;
    let answer = answer.into_inner();
    if answer.degraded.is_none() { Ok(answer) } else { Err(format!("{:?}", answer.degraded)) }
}

/// Orders until the hub has answered, and insists that nothing wrong is prompted.
pub async fn order(channel: &Channel, book: &Book, patient: u16, key: &str) -> Vec<pb::Prompt> {
    let answer = until("an answer of the hub", async || check(channel, patient, key).await).await;
    let prompts: Vec<pb::Prompt> = answer.lines.into_iter().flat_map(|line| line.prompts).collect();
    let mut ledger = book.open();
    let truth = ledger.truths.get(&patient).cloned().unwrap_or_default();
    for prompt in &prompts {
        let shown = value(prompt).0;
        assert!(truth.sent.contains(&shown), "a wrong prompt: {shown} for a patient with {:?}", truth.sent);
    }
    if !prompts.is_empty() {
        ledger.check(patient, key, prompts.iter().map(|prompt| hex::encode(&prompt.prompt_id)).collect());
    }
    prompts
}

async fn shown(channel: &Channel, book: &Book, key: &str, prompt: &pb::Prompt) {
    let request = pb::AcknowledgeRequest {
        event_key: key.to_owned(),
        actor: Some(doctor::actor()),
        prompt_id: prompt.prompt_id.clone(),
        event: pb::acknowledge_request::Event::Shown.into(),
    };
    let done = until("the event to be recorded", async || {
        let answer = OrdersClient::new(channel.clone()).acknowledge(request.clone()).await;
        settled(answer.map(drop))
    });
    if done.await {
        book.open().event(key, hex::encode(&prompt.prompt_id));
    }
}

async fn decide(channel: &Channel, book: &Book, key: &str, prompt: &pb::Prompt, dice: &mut Dice) {
    let (accepts, is_repeated) = (dice.one_in(2), dice.one_in(4));
    let outcome = match accepts {
        true => Outcome::Accept(pb::Accept {}),
        false => Outcome::Decline(pb::Decline { reason: "R02".to_owned(), ..Default::default() }),
    };
    let request = pb::DecideRequest {
        decision_key: key.to_owned(),
        actor: Some(doctor::actor()),
        decisions: vec![pb::Decision {
            prompt_id: prompt.prompt_id.clone(),
            outcome: Some(outcome),
            ..Default::default()
        }],
        language: pb::Language::Zh.into(),
        ..Default::default()
    };
    let done = async || {
        until("the decision to be recorded", async || {
            let answer = OrdersClient::new(channel.clone()).decide(request.clone()).await;
            settled(answer.map(drop))
        })
        .await
    };
    if done().await {
        let sign = if accepts { '+' } else { '-' };
        book.open().decision(key, format!("{}{sign}", hex::encode(&prompt.prompt_id)));
        if is_repeated {
            // A client that lost the answer sends the same once more.
            assert!(done().await, "{key} was acknowledged and is now refused");
        }
    }
}

/// Says whether a call was done, once that is certain: a refusal is final, anything else is asked again.
fn settled(answer: Result<(), tonic::Status>) -> Result<bool, String> {
    match answer {
        Ok(()) => Ok(true),
        Err(status) => match status.code() {
            Code::InvalidArgument | Code::FailedPrecondition | Code::PermissionDenied | Code::AlreadyExists => {
                Ok(false)
            }
            _ => Err(status.to_string()),
        },
    }
}

/// Patients of each line.
pub const PATIENTS: u16 = 3;
const MESSAGES: u32 = 12;
const ORDERS: u32 = 10;
const LOOKS_MAX: u32 = 20;
const ANSWER_WAIT: Duration = Duration::from_secs(4);
const BETWEEN_PATIENTS: Duration = Duration::from_millis(50);
