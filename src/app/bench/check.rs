//! Order checks at the hub, flat out and at half of that, beside an empty call over the same connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::app::bench::data::{Shape, mixed};
use crate::app::bench::load::{Asked, Run, flat_out, steady};
use crate::app::bench::postgres::Postgres;
use crate::app::bench::region::Region;
use crate::app::bench::report::{Report, Yardstick, progress, rounded};
use crate::app::bench::{BenchArgs, BenchError};
use crate::app::sample::authority::ORDER_ENTRY;
use crate::ports::clock::Clock;
use crate::wire::pb;
use crate::wire::pb::orders_client::OrdersClient;

/// Measures checks.
///
/// # Errors
/// [`BenchError`]; nothing was measured.
pub async fn run(
    args: &BenchArgs,
    lines: usize,
    region: &mut Region,
    clock: &Arc<dyn Clock>,
) -> Result<Report, BenchError> {
    region.start_hub().await?;
    let asking = Asking::new(args, lines, region, clock)?;
    let postgres = args.postgres.as_deref().map(Postgres::new);
    if let Some(postgres) = &postgres {
        postgres.load(&region.shape, args)?;
        postgres.ask_about(&region.shape, lines)?;
    }
    let bar = progress(args, "measuring, steps", 7);
    // Warm: connections, caches, and the pages of the index that are asked for most.
    asking.checks(args.clients, args.seconds / 4.0).await?;
    asking.empty_calls(args.clients, args.seconds / 8.0).await?;
    bar.inc(1);
    let (mut empty, mut checks) = (Run::default(), Run::default());
    let (mut rows, before, prompts) = (Vec::new(), region.usage(), asking.prompted.load(Ordering::Relaxed));
    let mut used = 0.0;
    for _ in 0..2 {
        empty = empty.and(&asking.empty_calls(args.clients, args.seconds / 4.0).await?);
        if let Some(postgres) = &postgres {
            rows.push(postgres.questions_per_second(args.clients, args.seconds / 4.0)?);
        }
        bar.inc(1);
        let start = region.usage();
        checks = checks.and(&asking.checks(args.clients, args.seconds / 2.0).await?);
        used += region.usage().cpu_s - start.cpu_s;
        bar.inc(1);
    }
    empty = empty.and(&asking.empty_calls(args.clients, args.seconds / 4.0).await?);
    bar.inc(1);
    let prompts = asking.prompted.load(Ordering::Relaxed) - prompts;
    let half = checks.per_second() / 2.0;
    let calm = asking.steady_checks(half, args.clients, args.seconds / 2.0).await?;
    bar.finish_and_clear();

    let mut report = Report::new("check", args);
    report.tell("lines", lines);
    let name = "empty call (grpc.health.v1) over the same connections".to_owned();
    report.tell_run("checks/s", &checks, &Yardstick { name, per_second: empty.per_second() });
    report.tell_latencies("yardstick_", &empty);
    report.tell("half_load_per_second", rounded(half));
    report.tell_latencies("half_load_", &calm);
    report.tell("prompted_share", rounded(prompts as f64 / checks.latencies.total().max(1) as f64));
    let mut after = region.usage();
    after.cpu_s = before.cpu_s + used;
    report.tell_usage(before, after, checks.latencies.total());
    for (name, bytes) in region.disk() {
        report.tell(&format!("disk_{name}_bytes"), bytes);
    }
    if !rows.is_empty() {
        let per_second = rows.iter().sum::<f64>() / rows.len() as f64;
        report.tell("postgres_questions_per_second", rounded(per_second));
        report.tell("postgres_ratio", rounded(checks.per_second() / per_second));
    }
    Ok(report)
}

/// Clients of the hub with their questions.
struct Asking {
    channels: Vec<Channel>,
    shape: Arc<Shape>,
    lines: usize,
    run: String,
    numbers: AtomicU64,
    prompted: Arc<AtomicU64>,
}

impl Asking {
    fn new(args: &BenchArgs, lines: usize, region: &Region, clock: &Arc<dyn Clock>) -> Result<Self, BenchError> {
        let connections = args.clients.div_ceil(CONNECTION_CLIENTS).clamp(1, CONNECTIONS_MAX);
        let channels = (0..connections).map(|_| region.hub(ORDER_ENTRY[0])).collect::<Result<_, _>>()?;
        Ok(Self {
            channels,
            shape: Arc::new(region.shape.clone()),
            lines,
            run: format!("bench-{}", clock.now().unix_ms()),
            numbers: AtomicU64::new(0),
            prompted: Arc::default(),
        })
    }

    async fn empty_calls(&self, clients: usize, seconds: f64) -> Result<Run, BenchError> {
        let channels = self.channels.clone();
        flat_out(clients, seconds, &self.numbers, move |client, _| {
            let mut client = HealthClient::new(channels[client % channels.len()].clone());
            async move {
                let call = client.check(HealthCheckRequest::default()).await;
                call.map(drop).map_err(BenchError::refused("Health.Check"))
            }
        })
        .await
    }

    async fn checks(&self, clients: usize, seconds: f64) -> Result<Run, BenchError> {
        flat_out(clients, seconds, &self.numbers, self.question()).await
    }

    async fn steady_checks(&self, rate: f64, clients: usize, seconds: f64) -> Result<Run, BenchError> {
        steady(rate, clients, seconds, &self.numbers, self.question()).await
    }

    /// Asks the next question: an order for the patient of some visit, so that those who come often are ordered for often.
    fn question(&self) -> impl Fn(usize, u64) -> Asked + Send + Sync + 'static {
        let (channels, shape, prompted) = (self.channels.clone(), Arc::clone(&self.shape), Arc::clone(&self.prompted));
        let (run, lines) = (self.run.clone(), self.lines);
        move |client, number| {
            let mut client = OrdersClient::new(channels[client % channels.len()].clone());
            let request = request(&shape, lines, format!("{run}-{number}"), mixed(1, number));
            let prompted = Arc::clone(&prompted);
            Box::pin(async move {
                let answer = client.check(request).await.map_err(BenchError::refused("Orders.Check"))?.into_inner();
                if answer.lines.len() != lines {
                    return Err(BenchError::Unexpected {
                        what: "lines answered",
                        found: answer.lines.len().to_string(),
                    });
                }
                if answer.lines.iter().any(|line| !line.prompts.is_empty()) {
                    prompted.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        }
    }
}

/// Writes an order.
pub fn request(shape: &Shape, lines: usize, key: String, dice: u64) -> pb::CheckRequest {
    let visit = shape.visit(dice % shape.visits());
    let line = |(place, (system, code)): (usize, (&str, String))| pb::OrderLine {
        line_id: place.to_string(),
        codes: vec![pb::Code { system: system.to_owned(), code, display: String::new() }],
        imaging: Vec::new(),
    };
    pb::CheckRequest {
        patient: Some(pb::Patient {
            pseudonym: shape.pseudonym(visit.patient).as_bytes().to_vec().into(),
            ..Default::default()
        }),
        actor: Some(pb::Actor { practitioner: "D0001".to_owned(), department: "内科门诊".to_owned() }),
        visit: Some(pb::Visit {
            encounter: key.clone(),
            setting: pb::Setting::Outpatient.into(),
            ..Default::default()
        }),
        check_key: key,
        lines: shape.ordered(dice, lines).into_iter().enumerate().map(line).collect(),
        language: pb::Language::Zh.into(),
        proofs: false,
    }
}

/// Clients that share a connection.
const CONNECTION_CLIENTS: usize = 4;
const CONNECTIONS_MAX: usize = 16;
