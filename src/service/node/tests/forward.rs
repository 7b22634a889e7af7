//! What a hospital's systems ask, against a hub that answers, is slow, is gone, or refuses.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Response, Status};

use super::world::World;
use crate::peer::hub::HubClient;
use crate::service::node::Node;
use crate::service::node::forward::{ForwardSettings, Forwarder};
use crate::wire::pb;
use pb::degraded::Cause;
use pb::orders_server::{Orders, OrdersServer};

/// How the hub behaves, and what it was asked.
#[derive(Default)]
struct Hub {
    /// Never answers.
    is_slow: bool,
    /// Refuses everything.
    refuses: Option<Status>,
    /// Does not know how to take misses.
    is_old: bool,
    checks: Mutex<Vec<pb::CheckRequest>>,
    misses: Mutex<Vec<pb::Miss>>,
    persons: Mutex<usize>,
}

#[derive(Clone)]
struct HubDoor(Arc<Hub>);

impl HubDoor {
    async fn answer<T: Default>(&self) -> Result<Response<T>, Status> {
        if self.0.is_slow {
            std::future::pending::<()>().await;
        }
        self.0.refuses.clone().map_or_else(|| Ok(Response::new(T::default())), Err)
    }
}

#[tonic::async_trait]
impl Orders for HubDoor {
    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        assert!(request.metadata().contains_key("grpc-timeout"), "the hub must know how long it has");
        self.0.checks.lock().unwrap().push(request.into_inner());
        let answer = self.answer::<pb::CheckResponse>().await?;
        Ok(answer.map(|_| pb::CheckResponse { policy_version: "2026.1".into(), ..Default::default() }))
    }

    async fn decide(&self, _: Request<pb::DecideRequest>) -> Result<Response<pb::DecideResponse>, Status> {
        self.answer().await
    }

    async fn revoke(&self, _: Request<pb::RevokeRequest>) -> Result<Response<pb::RevokeResponse>, Status> {
        self.answer().await
    }

    async fn recent_results(
        &self,
        _: Request<pb::RecentResultsRequest>,
    ) -> Result<Response<pb::RecentResultsResponse>, Status> {
        self.answer().await
    }

    async fn acknowledge(
        &self,
        _: Request<pb::AcknowledgeRequest>,
    ) -> Result<Response<pb::AcknowledgeResponse>, Status> {
        self.answer().await
    }

    async fn report_misses(
        &self,
        request: Request<pb::ReportMissesRequest>,
    ) -> Result<Response<pb::ReportMissesResponse>, Status> {
        if self.0.is_old {
            return Err(Status::unimplemented(""));
        }
        self.0.misses.lock().unwrap().extend(request.into_inner().misses);
        Ok(Response::new(pb::ReportMissesResponse::default()))
    }
}

#[tonic::async_trait]
impl pb::identity_server::Identity for HubDoor {
    async fn resolve(&self, request: Request<pb::ResolveRequest>) -> Result<Response<pb::ResolveResponse>, Status> {
        let asked = request.get_ref().persons.len();
        *self.0.persons.lock().unwrap() += asked;
        let outcome = pb::resolution::Outcome::Resolved.into();
        let resolution = pb::Resolution { outcome, pseudonym: Bytes::from_static(&PSEUDONYM), field: String::new() };
        Ok(Response::new(pb::ResolveResponse { resolutions: vec![resolution; asked] }))
    }
}

impl Hub {
    /// Serves in this process and gives a client.
    fn start(self) -> (Arc<Self>, HubClient) {
        let hub = Arc::new(self);
        let (accepted, incoming) = mpsc::channel::<io::Result<DuplexStream>>(4);
        let door = HubDoor(Arc::clone(&hub));
        let server = Server::builder()
            .add_service(OrdersServer::new(door.clone()))
            .add_service(pb::identity_server::IdentityServer::new(door));
        tokio::spawn(server.serve_with_incoming(ReceiverStream::new(incoming)));
        let connect = tower::service_fn(move |_| {
            let accepted = accepted.clone();
            async move {
                let (ours, theirs) = tokio::io::duplex(1 << 16);
                accepted.send(Ok(theirs)).await.map_err(io::Error::other)?;
                Ok::<_, io::Error>(TokioIo::new(ours))
            }
        });
        let channel = Endpoint::from_static("http://hub").connect_with_connector_lazy(connect);
        (hub, HubClient::over(channel, Bytes::new))
    }
}

fn nowhere() -> HubClient {
    let connect = tower::service_fn(|_| async {
        Err::<TokioIo<DuplexStream>, _>(io::Error::from(io::ErrorKind::ConnectionRefused))
    });
    HubClient::over(Endpoint::from_static("http://hub").connect_with_connector_lazy(connect), Bytes::new)
}

/// A node whose callers wait as long as it takes.
fn hospital(world: &World, hub: &HubClient) -> (Node<HubClient>, Forwarder) {
    waiting(world, hub, Duration::from_secs(600))
}

fn waiting(world: &World, hub: &HubClient, wait: Duration) -> (Node<HubClient>, Forwarder) {
    let node = world.node_over(world.path(), Arc::new(hub.clone()));
    let settings = ForwardSettings { check_wait_max: wait, decide_wait_max: wait };
    (node.clone(), Forwarder::new(node, hub.clone(), settings))
}

fn check(key: &str, codes: &[(&str, &str)]) -> pb::CheckRequest {
    let code = |(system, code): &(&str, &str)| pb::Code {
        system: (*system).into(),
        code: (*code).into(),
        display: String::new(),
    };
    pb::CheckRequest {
        check_key: key.into(),
        patient: Some(pb::Patient {
            identifiers: vec![pb::Identifier {
                r#type: "CN-ID".into(),
                authority: String::new(),
                value: "11010519491231002X".into(),
            }],
            sex: pb::Sex::Female.into(),
            ..Default::default()
        }),
        actor: Some(pb::Actor { practitioner: "d1".into(), department: String::new() }),
        visit: Some(pb::Visit {
            encounter: "v1".into(),
            setting: pb::Setting::Outpatient.into(),
            ..Default::default()
        }),
        lines: vec![pb::OrderLine {
            line_id: "1".into(),
            codes: codes.iter().map(code).collect(),
            imaging: Vec::new(),
        }],
        language: pb::Language::En.into(),
        proofs: false,
    }
}

fn cause(answer: &pb::CheckResponse) -> Option<Cause> {
    assert!(answer.degraded.is_none() || answer.lines.is_empty());
    answer.degraded.as_ref().map(|degraded| {
        assert!(!degraded.text.is_empty());
        degraded.cause()
    })
}

#[tokio::test]
async fn identifiers_and_local_codes_do_not_leave_the_hospital() {
    let world = World::new();
    let (hub, client) = Hub::default().start();
    let (_, forwarder) = hospital(&world, &client);
    let sent = check("k1", &[("L", "K"), ("L", "UNKNOWN"), ("panel", "P0001")]);
    let answer = forwarder.check(sent.clone(), Instant::now()).await.unwrap();
    assert_eq!((cause(&answer), answer.policy_version.as_str()), (None, "2026.1"));
    forwarder.check(sent, Instant::now()).await.unwrap();
    let seen = hub.checks.lock().unwrap();
    assert_eq!(seen[0].patient, Some(pb::Patient { pseudonym: Bytes::from_static(&PSEUDONYM), ..Default::default() }));
    let codes: Vec<_> = seen[0].lines[0].codes.iter().map(|code| format!("{} {}", code.system, code.code)).collect();
    assert_eq!(codes, ["catalogue L01001", "L UNKNOWN", "panel P0001"]);
    assert_eq!(*hub.persons.lock().unwrap(), 1, "the second time the pseudonym is remembered");
}

#[tokio::test]
async fn a_slow_hub_stops_no_order_and_is_told_once_of_each_check() {
    let world = World::new();
    let (hub, client) = Hub { is_slow: true, ..Hub::default() }.start();
    let (node, forwarder) = waiting(&world, &client, SOON);
    for key in ["k1", "k1", "k2"] {
        let answer = forwarder.check(check(key, &[("L", "K")]), Instant::now()).await.unwrap();
        assert_eq!(cause(&answer), Some(Cause::Timeout));
    }
    forwarder.close().await;
    let kept: Vec<_> = node.misses().await.unwrap().into_iter().map(|miss| miss.check_key).collect();
    assert_eq!(kept, ["k1", "k2"]);
    assert_eq!(node.report_misses_once(&client).await.unwrap(), 2);
    assert_eq!(node.report_misses_once(&client).await.unwrap(), 0);
    let told = hub.misses.lock().unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|miss| miss.cause() == Cause::Timeout && miss.at.is_some()));
}

#[tokio::test]
async fn misses_wait_for_a_hub_that_can_take_them() {
    let world = World::new();
    let client = nowhere();
    let (node, forwarder) = hospital(&world, &client);
    let answer = forwarder.check(check("k1", &[("L", "K")]), Instant::now()).await.unwrap();
    assert_eq!(cause(&answer), Some(Cause::Unreachable));
    forwarder.close().await;
    assert!(node.report_misses_once(&client).await.is_err());
    let (old, client) = Hub { is_old: true, ..Hub::default() }.start();
    assert!(node.report_misses_once(&client).await.is_err());
    assert!(old.misses.lock().unwrap().is_empty());
    let (hub, client) = Hub::default().start();
    assert_eq!(node.report_misses_once(&client).await.unwrap(), 1);
    assert_eq!(hub.misses.lock().unwrap()[0].cause(), Cause::Unreachable);
}

#[tokio::test]
async fn a_refusal_stops_no_order_but_a_wrong_request_is_told() {
    let world = World::new();
    let (_, client) = Hub { refuses: Some(Status::permission_denied("no")), ..Hub::default() }.start();
    let (_, forwarder) = hospital(&world, &client);
    let answer = forwarder.check(check("k1", &[("L", "K")]), Instant::now()).await.unwrap();
    assert_eq!(cause(&answer), Some(Cause::Refused));

    let other = World::new();
    let wrong = Status::with_details(Code::InvalidArgument, "lines[0]", Bytes::from_static(b"details"));
    let (_, client) = Hub { refuses: Some(wrong), ..Hub::default() }.start();
    let (node, forwarder) = hospital(&other, &client);
    let error = forwarder.check(check("k1", &[("L", "K")]), Instant::now()).await.unwrap_err();
    let status = error.into_status().unwrap();
    assert_eq!(
        (status.code(), status.message(), status.details()),
        (Code::InvalidArgument, "lines[0]", &b"details"[..])
    );
    let error = forwarder.decide(pb::DecideRequest::default()).await.unwrap_err();
    assert_eq!(error.into_status().unwrap().details(), b"details");
    let error = forwarder.check(check("", &[("L", "K")]), Instant::now()).await.unwrap_err();
    assert_eq!(error.into_status().unwrap_err().field, "check_key");
    forwarder.close().await;
    assert!(node.misses().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_patient_without_a_strong_identifier_is_asked_of_nobody() {
    let world = World::new();
    let (hub, client) = Hub::default().start();
    let (_, forwarder) = hospital(&world, &client);
    let mut sent = check("k1", &[("L", "K")]);
    sent.patient.as_mut().unwrap().identifiers[0].r#type = "MRN".into();
    let answer = forwarder.check(sent, Instant::now()).await.unwrap();
    assert_eq!(cause(&answer), Some(Cause::PatientUnresolved));
    assert_eq!((hub.checks.lock().unwrap().len(), *hub.persons.lock().unwrap()), (0, 0));
}

#[tokio::test]
async fn the_wait_counts_from_the_arrival() {
    let world = World::new();
    let (hub, client) = Hub::default().start();
    let (_, forwarder) = waiting(&world, &client, Duration::from_millis(300));
    let arrived = Instant::now().checked_sub(Duration::from_millis(300)).unwrap();
    let answer = forwarder.check(check("k1", &[("L", "K")]), arrived).await.unwrap();
    assert_eq!(cause(&answer), Some(Cause::Timeout));
    assert!(hub.checks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_listing_is_empty_and_a_decision_fails_when_the_hub_is_slow() {
    let world = World::new();
    let (_, client) = Hub { is_slow: true, ..Hub::default() }.start();
    let (_, forwarder) = waiting(&world, &client, SOON);
    let asked = check("k1", &[("L", "K")]);
    let listing = pb::RecentResultsRequest {
        patient: asked.patient,
        actor: asked.actor,
        visit: asked.visit,
        ..Default::default()
    };
    let answer = forwarder.recent_results(listing, Instant::now()).await.unwrap();
    assert_eq!(answer.degraded.unwrap().cause(), Cause::Timeout);
    let error = forwarder.decide(pb::DecideRequest::default()).await.unwrap_err();
    assert_eq!(error.into_status().unwrap().code(), Code::DeadlineExceeded);
}

/// A wait that passes while the test runs.
const SOON: Duration = Duration::from_millis(5);
const PSEUDONYM: [u8; 16] = [5; 16];
