//! What those who run a region see of it: metrics, health, logs and traces, and nothing of a patient.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use concord::sys::meter::{Metric, table};
use concord::wire::pb;
use concord::wire::pb::node_client::NodeClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::doctor::{Doctor, POTASSIUM};
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people;
use crate::process;
use crate::region::{A, B, OPERATOR, REGULATOR, Region, assert_no_canary};

#[tokio::test(flavor = "multi_thread")]
async fn a_story_is_seen_in_metrics_logs_and_one_trace_and_names_no_patient() {
    let collector = Collector::open().await;
    let region = Region::observed(collector.address).await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message()).await;
    doctor.wait_for(&patient, 1).await;
    let line = doctor.order("order-1", &patient, POTASSIUM).await;
    let (result, grant) = doctor.accept("decision-1", &line.prompts[0]).await;
    doctor.open(&grant, &result.originals[0]).await.unwrap();

    let hub = Page::of(region.hub_metrics(), &[table::BOTH, table::HUBS]).await;
    assert_eq!(hub.sum("concord_prompts_total", &[]), 1.0);
    assert_eq!(hub.sum("concord_decisions_total", &["outcome=\"accepted\""]), 1.0);
    let of_a = format!("organisation=\"{}\"", A.code);
    assert_eq!(hub.sum("concord_publication_delay_seconds_count", &[&of_a]), 1.0);
    // Reported an hour after it was collected, four hours before the story.
    let delay_s = hub.sum("concord_publication_last_delay_seconds", &[&of_a]);
    assert!((4.0 * 3_600.0..4.5 * 3_600.0).contains(&delay_s), "{delay_s} s");
    assert_eq!(hub.sum("concord_tunnel_connections", &[&of_a]), 1.0);
    let checks = ["method=\"concord.v1.Orders/Check\"", "code=\"OK\""];
    assert_eq!(hub.sum("concord_rpc_requests_total", &checks), 1.0);
    assert!(hub.sum("concord_certificate_expiry_seconds", &["certificate=\"tls\""]) > 86_400.0);

    let node = Page::of(region.metrics(A), &[table::BOTH, table::NODES]).await;
    assert_eq!(node.sum("concord_intake_total", &["kind=\"message\"", "outcome=\"taken\""]), 1.0);
    assert_eq!(node.sum("concord_hub_connected", &[]), 1.0);
    assert_eq!(node.sum("concord_observations_total", &["code=\"mapped\""]), 1.0);
    assert_eq!((node.sum("concord_ready", &[]), node.sum("concord_outbox_batches", &[])), (1.0, 0.0));

    let spans = collector.spans_of_check().await;
    let of = |service: &str| spans.iter().find(|(from, _)| from == service).map(|(_, span)| span).unwrap();
    let (asked, answered) = (of("concord-node"), of("concord-hub"));
    assert_eq!(asked.trace_id, answered.trace_id, "one check is one trace");
    assert_eq!(answered.parent_span_id, asked.span_id, "the hub was asked by the node");
    let trace: String = asked.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    until("the other spans", async || {
        let names = collector.names();
        let missing = ["publish", "intake", "concord.v1.Publication/Publish", "concord.v1.Retrieval/Fetch"];
        if missing.iter().all(|name| names.contains(*name)) { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await;
    let (fetched, brought) = collector.pair("concord.v1.Retrieval/Fetch", "original").await;
    assert_eq!(
        (fetched.trace_id, fetched.span_id),
        (brought.trace_id, brought.parent_span_id),
        "one fetch is one trace"
    );
    assert_no_canary("the spans", format!("{:?}", collector.taken.lock().unwrap()).as_bytes());

    for folder in [OPERATOR.folder, B.folder] {
        let lines = logged(&region, folder);
        let check = lines.iter().find(|line| line["trace"] == trace.as_str() && line["message"] == "call").unwrap();
        assert_eq!((&check["call"], &check["outcome"]), (&"concord.v1.Orders/Check".into(), &"OK".into()));
        assert_eq!(check["organisation"], B.code);
        assert!(check["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{check}");
    }
    logged(&region, A.folder);
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_its_hub_says_so_and_stays_ready_for_what_arrives() {
    let mut region = Region::open().await;
    until("a ready node", async || readiness(region.metrics(A), 200, "ready").await).await;
    until("a ready hub", async || readiness(region.hub_metrics(), 200, "ready").await).await;
    region.kill_hub();
    until("a degraded node", async || {
        let told = readiness(region.metrics(A), 200, "degraded").await?;
        let hub = told["checks"].as_array().unwrap().iter().find(|check| check["name"] == "hub").unwrap().clone();
        if hub["state"] == "degraded" && hub["reason"] != "" { Ok(()) } else { Err(hub.to_string()) }
    })
    .await;
    assert!(!region.status(A).await.unwrap().hub_connected);
    let patient = people::canary();
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message()).await;
    assert_eq!(get(region.metrics(A), "/healthz").await.unwrap(), (200, "{\"status\":\"live\"}".to_owned()));

    region.start_hub();
    until("a ready node", async || readiness(region.metrics(A), 200, "ready").await).await;
    assert!(region.status(A).await.unwrap().hub_connected);
    region.serving().await;
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_to_stop_says_so_first_and_still_answers() {
    let mut region = Region::made_with(&[("drain_s = 0", "drain_s = 20")]);
    region.start_all().await;
    until("a ready hub", async || readiness(region.hub_metrics(), 200, "ready").await).await;
    region.ask_hub_to_stop();
    until("a hub that stops", async || readiness(region.hub_metrics(), 503, "stopping").await).await;
    let mut health = HealthClient::new(region.hub(REGULATOR.folder));
    let told = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(told.status, ServingStatus::NotServing as i32, "gRPC health says what readiness says");
    region.figures(B).await.unwrap();
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_finished_after_a_node_was_told_to_stop() {
    let mut region = Region::open().await;
    let patient = people::canary();
    let message = Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message();
    let (first, rest) = message.split_at(100);
    let piece = |data: &[u8], last| pb::ImportRequest { name: "late".to_owned(), data: data.to_vec().into(), last };
    let (pieces, sent) = tokio::sync::mpsc::channel(4);
    pieces.send(piece(first, false)).await.unwrap();
    let mut node = NodeClient::new(region.node(A, A.folder));
    let mut outcomes = node.import(ReceiverStream::new(sent)).await.unwrap().into_inner();
    let stopped = region.ask_node_to_stop(A);
    until("a closed door", async || match TcpStream::connect(region.grpc(A)).await {
        Err(_) => Ok(()),
        Ok(_) => Err("new callers are still taken".to_owned()),
    })
    .await;
    pieces.send(piece(rest, true)).await.unwrap();
    drop(pieces);
    let outcome = outcomes.message().await.unwrap().unwrap();
    assert!(["STORED", "REFUSED", "SKIPPED"].contains(&outcome.outcome.as_str()), "{outcome:?}");
    drop((outcomes, node));
    stopped.await;
    region.end().await;
}

/// A page of metrics, read as Prometheus does.
struct Page {
    samples: Vec<(String, String, f64)>,
}

impl Page {
    /// Reads a page, and insists that it shows exactly these metrics.
    async fn of(address: SocketAddr, expected: &[&[Metric]]) -> Self {
        let (status, text) = get(address, "/metrics").await.unwrap();
        assert_eq!(status, 200);
        assert_no_canary("the metrics", text.as_bytes());
        let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let typed: BTreeMap<&str, &str> = typed.filter_map(|line| line.split_once(' ')).collect();
        let known = expected.concat().into_iter().map(|metric| (metric.name, metric.kind.as_str())).collect();
        assert_eq!(typed, known, "what is shown is what the table says");
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(typed.keys().any(|known| name.starts_with(known)), "{line}");
            (name.to_owned(), labels.trim_end_matches('}').to_owned(), value.parse().unwrap())
        });
        Self { samples: samples.collect() }
    }

    /// Sums the samples of a metric that bear all these labels.
    fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let meant = self.samples.iter().filter(|(found, bears, _)| {
            found == name && labels.iter().all(|label| bears.split(',').any(|one| one == *label))
        });
        meant.map(|(_, _, value)| value).sum()
    }
}

/// Takes spans as the official messages have them.
#[derive(Clone)]
struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<(String, Span)>>>,
}

impl Collector {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self { address: listener.local_addr().unwrap(), taken: Arc::default() };
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
        collector
    }

    /// Waits for the spans of one check, by the service that sent each.
    async fn spans_of_check(&self) -> Vec<(String, Span)> {
        until("the spans of a check", async || {
            let taken = self.taken.lock().unwrap();
            let spans = taken.iter().filter(|(_, span)| span.name == "concord.v1.Orders/Check").cloned();
            let spans: Vec<_> = spans.collect();
            if spans.len() >= 2 { Ok(spans) } else { Err(format!("{spans:?}")) }
        })
        .await
    }

    /// Waits for the hub's span of one name and a node's of another.
    async fn pair(&self, hubs: &str, nodes: &str) -> (Span, Span) {
        until("a span of the hub and one of a node", async || {
            let taken = self.taken.lock().unwrap();
            let find = |service, name| taken.iter().find(|(from, span)| from == service && span.name == name);
            match (find("concord-hub", hubs), find("concord-node", nodes)) {
                (Some((_, hubs)), Some((_, nodes))) => Ok((hubs.clone(), nodes.clone())),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    fn names(&self) -> BTreeSet<String> {
        self.taken.lock().unwrap().iter().map(|(_, span)| span.name.clone()).collect()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of in request.into_inner().resource_spans {
            let attributes = of.resource.unwrap().attributes;
            let service = attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
            let service = format!("{:?}", service.value);
            let service = if service.contains("concord-hub") { "concord-hub" } else { "concord-node" };
            let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.taken.lock().unwrap().extend(spans.map(|span| (service.to_owned(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Asks for readiness, and insists on how it is.
async fn readiness(address: SocketAddr, status: u16, word: &str) -> Result<serde_json::Value, String> {
    let (found, body) = get(address, "/readyz").await?;
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    if found == status && told["status"] == word { Ok(told) } else { Err(format!("{found} {body}")) }
}

async fn get(address: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = asked.await.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    Ok((status, body.to_owned()))
}

/// Reads what a process logged, every line of it as JSON.
fn logged(region: &Region, folder: &str) -> Vec<serde_json::Value> {
    let log = String::from_utf8(process::log(&region.path(folder))).unwrap();
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    log.lines().map(read).collect()
}
