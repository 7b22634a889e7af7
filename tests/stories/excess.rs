//! Too much of everything at a running hub: each is refused, and the neighbour who asks meanwhile does not notice.

use std::time::Duration;

use concord::domain::limits::{HTTP_BODY_BYTES_MAX, PUBLICATIONS_PER_ORGANISATION_MAX, REQUEST_BYTES_MAX};
use concord::wire::pb;
use concord::wire::pb::catalogue_client::CatalogueClient;
use concord::wire::pb::recalls_client::RecallsClient;
use reqwest::StatusCode;
use reqwest::header::CONTENT_ENCODING;
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::callers::{client, door_of};
use crate::region::{A, B, Region};

#[tokio::test(flavor = "multi_thread")]
async fn too_large_too_many_and_too_deep_is_refused_and_the_neighbour_is_served() {
    let region = Region::unqualified().await;
    let neighbour = region.hub(B.folder);

    let large = send(region.hub(A.folder), CHECK, tokio_stream::once(vec![0; REQUEST_BYTES_MAX + 1])).await;
    assert_eq!(large.unwrap_err().code(), Code::OutOfRange, "a message over the limit");
    served(&neighbour).await;
    let packed = Request::from_parts(packed(), Default::default(), tokio_stream::once(vec![0; 8]));
    let mut channel = tonic::client::Grpc::new(region.hub(A.folder));
    channel.ready().await.unwrap();
    let packed = channel.streaming(packed, CHECK.parse().unwrap(), ProstCodec::<Vec<u8>, ()>::default()).await;
    assert_eq!(packed.map(drop).unwrap_err().code(), Code::Unimplemented, "nothing is unpacked");

    let mut open = Vec::new();
    let refused = loop {
        match send(region.hub(A.folder), PUBLISH, tokio_stream::pending::<Vec<u8>>()).await {
            Ok(stream) => open.push(stream),
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    // The node of the hospital may hold one of its own.
    assert!(open.len() + 1 >= PUBLICATIONS_PER_ORGANISATION_MAX, "{} streams", open.len());
    send(region.hub(B.folder), PUBLISH, tokio_stream::pending::<Vec<u8>>()).await.expect("another publisher's stream");
    served(&neighbour).await;

    let screen = client(&region, Some(A.folder));
    let hooks = format!("{}/cds-services/mutual-recognition", door_of(&region, "hub"));
    let ask = async |body: Vec<u8>| screen.post(&hooks).body(body).send().await.unwrap().status();
    assert_eq!(ask(vec![b' '; HTTP_BODY_BYTES_MAX + 1]).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask("[".repeat(10_000).into_bytes()).await, StatusCode::BAD_REQUEST, "nested without end");
    let packed =
        screen.post(&hooks).header(CONTENT_ENCODING, "gzip").body(vec![0x1f, 0x8b, 8, 0]).send().await.unwrap();
    assert_eq!(packed.status(), StatusCode::BAD_REQUEST, "nothing is unpacked");
    let wordy = screen.get(&hooks).header("x-long", "x".repeat(100 << 10)).send().await;
    let told = wordy.map(|answer| answer.status());
    assert!(told.is_err() || told.is_ok_and(|status| status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    served(&neighbour).await;
    drop(open);
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_too_many_on_one_connection_waits_and_another_connection_is_served() {
    let few = "watch_interval_s = 1\nconnection_requests_max = 16";
    let mut region = Region::made_with(&[("watch_interval_s = 1", few)]);
    region.start_all().await;
    for (one, other, most) in
        [(region.hub(A.folder), region.hub(A.folder), 16), (region.node(A, A.folder), region.node(A, A.folder), 256)]
    {
        // Each stays open until it is dropped.
        let watch = async || {
            let watched = RecallsClient::new(one.clone()).watch(pb::WatchRecallsRequest::default()).await;
            watched.unwrap().into_inner()
        };
        let mut open = Vec::new();
        for _ in 0..most {
            open.push(watch().await);
        }
        let mut too_many = std::pin::pin!(watch());
        assert!(timeout(Duration::from_millis(300), &mut too_many).await.is_err(), "it waits");
        let mut neighbour = RecallsClient::new(other);
        let listed = pb::ListRecallsRequest { practitioner: "D1".to_owned(), patient: None };
        neighbour.list(listed).await.expect("another connection is served");
        open.pop();
        too_many.await;
    }
    region.end().await;
}

/// Makes a call with messages that are each one field of bytes.
async fn send(
    channel: Channel,
    path: &'static str,
    messages: impl Stream<Item = Vec<u8>> + Send + 'static,
) -> Result<tonic::Streaming<()>, Status> {
    let mut channel = tonic::client::Grpc::new(channel);
    channel.ready().await.unwrap();
    let codec = ProstCodec::<Vec<u8>, ()>::default();
    Ok(channel.streaming(Request::new(messages), path.parse().unwrap(), codec).await?.into_inner())
}

/// Says of a message that it is packed, whatever it is.
fn packed() -> tonic::metadata::MetadataMap {
    let mut said = tonic::metadata::MetadataMap::new();
    said.insert("grpc-encoding", "gzip".parse().unwrap());
    said
}

/// Insists that a neighbour is answered.
async fn served(channel: &Channel) {
    CatalogueClient::new(channel.clone()).version(pb::VersionRequest::default()).await.expect("a neighbour is served");
}

const CHECK: &str = "/concord.v1.Orders/Check";
const PUBLISH: &str = "/concord.v1.Publication/Publish";
