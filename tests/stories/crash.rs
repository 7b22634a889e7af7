//! `kill -9` in the middle of the work: whatever was acknowledged is published, and published once.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use concord::wire::dicom::command::Status;
use concord::wire::dicom::read_file;
use concord::wire::pb;
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::doctor::{Doctor, POTASSIUM};
use crate::laboratory::{Report, Sender, report};
use crate::patience::until;
use crate::people;
use crate::region::{A, B, Region};
use crate::scanner::{chest, store};

#[tokio::test(flavor = "multi_thread")]
async fn every_report_acknowledged_before_between_or_after_kills_is_published_exactly_once() {
    let mut region = Region::open().await;
    let messages: Vec<Vec<u8>> = (0..MESSAGES).map(|place| message(&region, place)).collect();
    let (acknowledged, count) = watch::channel(0_u16);
    let address = region.mllp(A);
    let parts = messages.chunks(messages.len() / CONNECTIONS);
    let sending = join_all(parts.map(|part| send_all(address, part, &acknowledged)));
    tokio::join!(sending, kill(&mut region, count));
    region.restart_node_a();
    region.serving().await;
    until("every report", async || match is_published(&region, &messages) {
        true => Ok(()),
        false => Err(format!("{} of {MESSAGES}; {:?}", published(&region).len(), region.status(A).await)),
    })
    .await;

    for (digest, times) in published(&region) {
        assert_eq!(times, 1, "{} was published {times} times", hex::encode(digest));
    }
    assert_eq!(published(&region).len(), usize::from(MESSAGES));
    let doctor = Doctor::at(&region, B);
    for place in 0..PATIENTS {
        let found = doctor.wait_for(&people::numbered(place), usize::from(MESSAGES / PATIENTS)).await;
        assert_eq!(found.len(), usize::from(MESSAGES / PATIENTS));
    }
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_stored_before_the_node_was_killed_is_part_of_the_study() {
    let mut region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let slices = chest(&patient, region.began.plus_hours(-4), 4);
    for slice in slices.chunks(1) {
        assert_eq!(store(region.dicom(A), slice).await, [Status::SUCCESS]);
        region.restart_node_a();
        region.serving().await;
    }
    let is_whole = |found: &[pb::ResultSummary]| found.len() == 1 && found[0].originals.len() == slices.len();
    doctor.wait_until(&patient, is_whole).await;
    let line = doctor.order("order-1", &patient, ("catalogue", "E02003")).await;
    let [prompt] = line.prompts.as_slice() else { panic!("{line:?}") };
    let (result, grant) = doctor.accept("decision-1", prompt).await;
    for original in &result.originals {
        let file = doctor.open(&grant, original).await.unwrap();
        let data_set = read_file(&file).unwrap().data_set;
        assert!(slices.iter().any(|slice| slice.data_set == data_set), "an image is not what was sent");
    }
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_acknowledged_before_the_hub_was_killed_stands_after_it_and_counts_once() {
    let mut region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let message = Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message();
    report(region.mllp(A), &message).await;
    doctor.wait_for(&patient, 1).await;
    let line = doctor.order("order-1", &patient, POTASSIUM).await;
    region.kill_hub();
    region.start_hub();
    region.serving().await;
    let (result, grant) = doctor.accept("decision-1", &line.prompts[0]).await;
    region.kill_hub();
    region.start_hub();
    region.serving().await;
    let again = doctor.order("order-1", &patient, POTASSIUM).await;
    assert_eq!(again.prompts, line.prompts, "the same question is answered as before");
    assert_eq!(doctor.accept("decision-1", &line.prompts[0]).await.0, result);
    until("the original", async || match doctor.open(&grant, &result.originals[0]).await {
        Ok(original) if original == message => Ok(()),
        Ok(_) => panic!("the original is not what was sent"),
        Err(status) => Err(status.to_string()),
    })
    .await;
    let row = region.figures(B).await.unwrap();
    assert_eq!((row.checks, row.prompts, row.accepted), (1, 1, 1), "{row:?}");
    region.end().await;
}

/// Kills the node, and then the hub, again and again while messages are sent.
async fn kill(region: &mut Region, mut count: watch::Receiver<u16>) {
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for place in chance.places(1, MESSAGES / 2, 5) {
        count.wait_for(|count| *count >= place).await.unwrap();
        region.restart_node_a();
    }
    for place in chance.places(MESSAGES / 2, MESSAGES - 20, 3) {
        count.wait_for(|count| *count >= place).await.unwrap();
        region.kill_hub();
        count.wait_for(|count| *count >= place + 10).await.unwrap();
        region.start_hub();
    }
}

/// Sends messages until each is accepted, as laboratory systems do: what is not answered is sent again.
async fn send_all(address: SocketAddr, messages: &[Vec<u8>], acknowledged: &watch::Sender<u16>) {
    let mut connection: Option<Sender> = None;
    for message in messages {
        until("the acknowledgement", async || {
            let broken = |error: std::io::Error| error.to_string();
            let mut sender = match connection.take() {
                Some(sender) => sender,
                None => Sender::connect(address).await.map_err(broken)?,
            };
            let answer = sender.send(message).await.map_err(broken)?;
            assert_eq!(answer.code, "AA", "{}", answer.text);
            connection = Some(sender);
            Ok(())
        })
        .await;
        acknowledged.send_modify(|count| *count += 1);
    }
}

/// Counts how often each message is among the originals of the entries that hospital A has published, and insists that
/// the hospital's chain of batches has no hole and no fork.
fn published(region: &Region) -> BTreeMap<Vec<u8>, u32> {
    let (mut times, mut sequence, mut previous) = (BTreeMap::new(), 0, vec![0; 32]);
    for batch in region.batches(A) {
        sequence += 1;
        assert_eq!((batch.header.sequence, batch.header.previous.to_vec()), (sequence, previous), "the chain");
        previous = Sha256::digest(&batch.header_bytes).to_vec();
        for entry in batch.entries {
            let [original] = entry.originals.as_slice() else { panic!("{entry:?}") };
            *times.entry(original.digest.to_vec()).or_insert(0) += 1;
        }
    }
    times
}

fn is_published(region: &Region, messages: &[Vec<u8>]) -> bool {
    let published = published(region);
    messages.iter().all(|message| published.contains_key(Sha256::digest(message).as_slice()))
}

fn message(region: &Region, place: u16) -> Vec<u8> {
    let patient = people::numbered(place % PATIENTS);
    let value = format!("4.{}", place % 10);
    Report::potassium(&format!("K{place}"), &patient, region.began.plus_hours(-5), &value).message()
}

/// Numbers that look random and are the same every time: xorshift64.
struct Chance(u64);

impl Chance {
    /// Gives places between two bounds, in order.
    fn places(&mut self, from: u16, to: u16, count: usize) -> Vec<u16> {
        let mut places: Vec<u16> = (0..count).map(|_| from + self.below(to - from)).collect();
        places.sort_unstable();
        places
    }

    fn below(&mut self, bound: u16) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u16::try_from(self.0 % u64::from(bound)).unwrap()
    }
}

const MESSAGES: u16 = 300;
const PATIENTS: u16 = 20;
const CONNECTIONS: usize = 4;
