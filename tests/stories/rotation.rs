//! Keys are renewed while everything runs: certificates for connections, keys for signing, keys of a program's tokens.
//! No request fails meanwhile, and nothing is started again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use concord::pki::token::IssuingKey;
use concord::store::journal::JournalReader;
use concord::wire::pb;
use concord::wire::record::Record;
use prost::Message;
use reqwest::header::AUTHORIZATION;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::callers::{acquaint, claims, client, door_of, shown_by};
use crate::doctor::Doctor;
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people;
use crate::region::{A, B, OPERATOR, Region};

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_renewed_while_traffic_runs_and_no_request_fails() {
    let mut region = Region::open().await;
    let old = Arc::new(acquaint(&region));
    region.restart_node(A);
    region.serving().await;
    let region = region;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let potassium =
        |number: u32| Report::potassium(&format!("K{number}"), &patient, region.began.plus_hours(-5), "4.1");
    report(region.mllp(A), &potassium(0).message()).await;
    doctor.wait_for(&patient, 1).await;

    let (over, in_use) = (CancellationToken::new(), Mutex::new(Arc::clone(&old)));
    let address = format!("{}/cds-services", door_of(&region, "node"));
    let screen = client(&region, None);
    let ask = async |key: &IssuingKey| {
        let token = key.sign(&claims(&address, &[])).unwrap();
        screen.get(&address).header(AUTHORIZATION, format!("Bearer {token}")).send().await.unwrap().status()
    };
    let asking = async {
        while !over.is_cancelled() {
            doctor.recent(&patient).await.expect("a doctor is answered");
            let key = Arc::clone(&in_use.lock().unwrap());
            assert_eq!(ask(&key).await, 200, "a program is answered");
        }
    };
    let reporting = async {
        for number in 1.. {
            report(region.mllp(A), &potassium(number).message()).await;
            if over.is_cancelled() {
                return number;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        0
    };
    let renewing = async {
        let doors: [SocketAddr; 4] = [region.hub_address(), region.grpc(A), region.grpc(B), region.https(B)];
        let mut before = Vec::new();
        for door in doors {
            before.push(shown_by(&region, door).await);
        }
        for organisation in [OPERATOR, A, B] {
            region.issue(organisation, organisation.folder, "");
        }
        for (door, before) in doors.into_iter().zip(before) {
            until("the new certificate", async || match shown_by(&region, door).await {
                after if after == before => Err("the old one".to_owned()),
                _ => Ok(()),
            })
            .await;
        }
        until("a batch under the new key", async || {
            let keys = keys_of(&region);
            if keys == 2 { Ok(()) } else { Err(format!("{keys} key")) }
        })
        .await;
        let fresh = Arc::new(IssuingKey::generate("fresh").unwrap());
        let (old_set, fresh_set) = (old.key_set(), fresh.key_set());
        let both = json!({ "keys": [old_set["keys"][0], fresh_set["keys"][0]] });
        replace(&region, &both.to_string());
        until("the second key", async || if ask(&fresh).await == 200 { Ok(()) } else { Err(String::new()) }).await;
        *in_use.lock().unwrap() = Arc::clone(&fresh);
        replace(&region, &fresh_set.to_string());
        until("the end of the first key", async || if ask(&old).await == 401 { Ok(()) } else { Err(String::new()) })
            .await;
        over.cancel();
    };
    let ((), reports, ()) = tokio::join!(asking, reporting, renewing);
    until("every report", async || match region.status(A).await?.outbox_batches {
        0 => Ok(()),
        waiting => Err(format!("{waiting} of {reports} wait")),
    })
    .await;
    region.end().await;
}

/// Counts the keys under which batches stand in the hub's journal, as far as it is written now.
fn keys_of(region: &Region) -> usize {
    let journal = JournalReader::open(&region.path("hub/data/entries")).unwrap();
    let records = journal.scan(0).map_while(Result::ok).filter_map(|it| Record::decode(it.kind, it.payload).ok());
    let keys = records.filter_map(|record| {
        let Record::Batch(batch) = record else { return None };
        let header = pb::SignedBatch::decode(batch.batch).unwrap().header;
        Some(pb::BatchHeader::decode(header).unwrap().key_id)
    });
    keys.collect::<BTreeSet<_>>().len()
}

/// Puts a key set in the place of the program's.
fn replace(region: &Region, set: &str) {
    let fresh = region.path("program.new");
    std::fs::write(&fresh, set).unwrap();
    std::fs::rename(&fresh, region.path("program.jwks")).unwrap();
}
