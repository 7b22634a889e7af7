//! An order screen that signs orders over CDS Hooks, through its node to the hub and back, at a steady rate; beside the
//! empty request of the same door, its discovery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};

use crate::app::bench::load::{Asked, Run, flat_out, steady};
use crate::app::bench::people::person;
use crate::app::bench::region::Region;
use crate::app::bench::report::{Report, Yardstick, progress, rounded};
use crate::app::bench::{BenchArgs, BenchError};
use crate::app::sample::authority::ORDER_ENTRY;
use crate::ports::clock::Clock;
use crate::sys::files;

/// Measures signed orders.
///
/// # Errors
/// [`BenchError`]; nothing was measured.
pub async fn run(args: &BenchArgs, region: &mut Region, clock: &Arc<dyn Clock>) -> Result<Report, BenchError> {
    region.start_hub().await?;
    region.start_node(0).await?;
    let screen = Screen::new(region, clock.now().unix_ms())?;
    let bar = progress(args, "measuring, steps", 5);
    let numbers = AtomicU64::new(0);
    // The first orders of a patient ask for the pseudonym; later ones find it at the node.
    flat_out(args.clients, args.seconds / 4.0, &numbers, screen.sign()).await?;
    let before = region.usage();
    let (mut empty, mut signed) = (Run::default(), Run::default());
    for _ in 0..2 {
        empty = empty.and(&flat_out(args.clients, args.seconds / 8.0, &numbers, screen.discover()).await?);
        bar.inc(1);
        signed = signed.and(&flat_out(args.clients, args.seconds / 4.0, &numbers, screen.sign()).await?);
        bar.inc(1);
    }
    let after = region.usage();
    empty = empty.and(&flat_out(args.clients, args.seconds / 8.0, &numbers, screen.discover()).await?);
    screen.degraded.store(0, Ordering::Relaxed);
    let half = signed.per_second() / 2.0;
    let calm = steady(half, args.clients, args.seconds / 2.0, &numbers, screen.sign()).await?;
    bar.finish_and_clear();
    let mut report = Report::new("cds", args);
    let name = "discovery at the same door, over the same connections".to_owned();
    report.tell_run("order-sign/s", &signed, &Yardstick { name, per_second: empty.per_second() });
    report.tell_latencies("yardstick_", &empty);
    report.tell("half_load_per_second", rounded(half));
    report.tell_latencies("half_load_", &calm);
    let share = screen.degraded.load(Ordering::Relaxed) as f64 / calm.latencies.total().max(1) as f64;
    report.tell("half_load_without_answer_of_the_hub", rounded(share));
    report.tell_usage(before, after, signed.latencies.total() + empty.latencies.total());
    Ok(report)
}

/// An order screen.
struct Screen {
    client: Client,
    base: String,
    run: i64,
    degraded: Arc<AtomicU64>,
}

impl Screen {
    fn new(region: &Region, run: i64) -> Result<Self, BenchError> {
        let folder = region.layout.client(ORDER_ENTRY[0]);
        let authority = files::read(&region.layout.authority().join("ca.pem"))?;
        let both = [files::read(&folder.join("tls.pem"))?, files::read(&folder.join("tls.key"))?].concat();
        let made = Certificate::from_pem(&authority).and_then(|authority| {
            let identity = Identity::from_pem(&both)?;
            Client::builder().https_only(true).tls_certs_only([authority]).identity(identity).build()
        });
        let base = format!("https://localhost:{}/cds-services", region.settled.nodes[0].https.port());
        Ok(Self { client: made.map_err(BenchError::web)?, base, run, degraded: Arc::default() })
    }

    fn discover(&self) -> impl Fn(usize, u64) -> Asked + Send + Sync + 'static {
        let (client, base) = (self.client.clone(), self.base.clone());
        move |_, _| {
            let request = client.get(&base);
            Box::pin(async move { said(request).await.map(drop) })
        }
    }

    fn sign(&self) -> impl Fn(usize, u64) -> Asked + Send + Sync + 'static {
        let (client, url, run) = (self.client.clone(), format!("{}/mutual-recognition", self.base), self.run);
        let degraded = Arc::clone(&self.degraded);
        move |_, number| {
            let request = client.post(&url).json(&hook(run, number));
            let degraded = Arc::clone(&degraded);
            Box::pin(async move {
                let answer = said(request).await?;
                match answer["cards"].as_array() {
                    None => Err(BenchError::Unexpected { what: "the answer to order-sign", found: answer.to_string() }),
                    Some(_) => {
                        let missed = !answer["extension"].is_null() && answer.to_string().contains("degraded");
                        degraded.fetch_add(u64::from(missed), Ordering::Relaxed);
                        Ok(())
                    }
                }
            })
        }
    }
}

async fn said(request: reqwest::RequestBuilder) -> Result<Value, BenchError> {
    let response = request.send().await.map_err(BenchError::web)?;
    let status = response.status();
    let text = response.text().await.map_err(BenchError::web)?;
    if !status.is_success() {
        return Err(BenchError::Unexpected { what: "an answer over HTTPS", found: format!("{status} {text}") });
    }
    serde_json::from_str(&text).map_err(|error| BenchError::Unexpected { what: "an answer", found: error.to_string() })
}

/// Writes the firing of a hook: a doctor is about to sign two orders.
fn hook(run: i64, number: u64) -> Value {
    let person = person(number % PEOPLE);
    let (year, rest) = person.birth_date.split_at(4);
    let birth_date = format!("{year}-{}-{}", &rest[..2], &rest[2..]);
    let order = |id: &str, loinc: &str| {
        json!({ "resource": { "resourceType": "ServiceRequest", "id": id, "status": "draft", "intent": "order",
            "code": { "coding": [{ "system": "http://loinc.org", "code": loinc }] },
            "subject": { "reference": "Patient/p1" } } })
    };
    json!({
        "hook": "order-sign",
        "hookInstance": format!("c0c0c0c0-0000-4000-8000-{:012x}", number & 0xffff_ffff_ffff),
        "context": {
            "userId": "Practitioner/D0001", "patientId": "p1", "encounterId": format!("bench-{run}-{number}"),
            "draftOrders": { "resourceType": "Bundle", "type": "collection",
                "entry": [order("o1", "2823-3"), order("o2", "2000-8")] },
        },
        "prefetch": { "patient": {
            "resourceType": "Patient", "id": "p1", "gender": if person.sex == "M" { "male" } else { "female" },
            "birthDate": birth_date,
            "identifier": [{ "system": "urn:oid:2.16.156.10011.1.3", "value": person.number }],
        }},
    })
}

/// People ordered for.
const PEOPLE: u64 = 2_000;
