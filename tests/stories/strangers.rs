//! Callers who must not be let in, and the neighbours they must not disturb.

use concord::sys::clock::ManualClock;
use concord::wire::pb;
use concord::wire::pb::catalogue_client::CatalogueClient;
use concord::wire::pb::orders_client::OrdersClient;
use concord::wire::pb::qualifications_client::QualificationsClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::callers::is_let_in;
use crate::doctor::Doctor;
use crate::patience::until;
use crate::people;
use crate::region::{A, B, Region};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_a_valid_certificate_of_the_region_reaches_hub_or_node() {
    let region = Region::unqualified().await;
    let past = ManualClock::new(region.began.plus_hours(-24 * 400));
    region.authority("ca", &region.issuing(A, "expired", "--days 30"), &past);
    region.authority("other-ca", "init --region 520000", &past);
    region.authority("other-ca", &region.issuing(A, "other", "--days 900"), &past);
    for shown in [None, Some("expired"), Some("other")] {
        assert!(!is_let_in(&region, region.hub_address(), shown).await, "{shown:?} at the hub");
        assert!(!is_let_in(&region, region.grpc(A), shown).await, "{shown:?} at a node");
    }
    assert!(is_let_in(&region, region.hub_address(), Some(A.folder)).await);
    assert!(is_let_in(&region, region.grpc(A), Some(A.folder)).await);
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_revoked_while_connected_is_refused_and_the_neighbours_go_on() {
    let region = Region::unqualified().await;
    region.issue(B, "lost", "");
    let (lost, kept) = (region.hub("lost"), region.hub(B.folder));
    ask(lost.clone()).await.unwrap();
    ask(kept.clone()).await.unwrap();
    region.ca(&format!("revoke --file {}", region.path("lost/tls.pem").display()));
    let refused = until("the refusal", async || match ask(lost.clone()).await {
        Ok(()) => Err("still answered".to_owned()),
        Err(status) => Ok(status),
    })
    .await;
    assert_eq!(refused.code(), Code::Unauthenticated, "the live connection");
    assert!(!is_let_in(&region, region.hub_address(), Some("lost")).await, "a new connection");
    until("the refusal at the node", async || match is_let_in(&region, region.grpc(B), Some("lost")).await {
        true => Err("still let in".to_owned()),
        false => Ok(()),
    })
    .await;
    ask(kept).await.expect("the other certificate of the same hospital");
    Doctor::at(&region, B).recent(&people::canary()).await.expect("a node's own way to the hub");
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_can_neither_use_anothers_node_nor_speak_for_a_qc_centre() {
    let region = Region::unqualified().await;
    let refused = orders(region.node(A, B.folder)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "another hospital's node");

    let statement = pb::StatementRequest::default();
    let mut client = QualificationsClient::new(region.hub(A.folder));
    assert_eq!(client.submit(statement.clone()).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(client.suspend(statement).await.unwrap_err().code(), Code::PermissionDenied);
    let output = region.eqa(A, &["suspend", "--lab", B.code, "--effective", &region.day(1), "--reason", "rivalry"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("PermissionDenied"), "{output:?}");
    region.end().await;
}

/// Makes a call that every organisation of the region may make.
async fn ask(channel: Channel) -> Result<(), Status> {
    CatalogueClient::new(channel).version(pb::VersionRequest::default()).await.map(drop)
}

/// Makes a call that a hospital's own systems may make.
async fn orders(channel: Channel) -> Result<(), Status> {
    OrdersClient::new(channel).acknowledge(pb::AcknowledgeRequest::default()).await.map(drop)
}
