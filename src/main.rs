//! The `concord` binary: reads the command line, sets up what a process needs once, and runs one command.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand, ValueEnum};
use concord::app::backup::{self, BackupArgs, RestoreArgs};
use concord::app::bench::{self, BenchArgs};
use concord::app::ca::{self, CaArgs};
use concord::app::cases::{self, CasesArgs};
use concord::app::demo::issuer::{self, DemoIssuerArgs};
use concord::app::demo::{self, DemoArgs};
use concord::app::eqa::{self, EqaArgs};
use concord::app::fetch::{self, FetchArgs};
use concord::app::follow_up::{self, FollowUpArgs};
use concord::app::hub::{self, HubArgs};
use concord::app::map::{self, MapArgs};
use concord::app::node::{self, NodeArgs};
use concord::app::order::{self, OrderArgs};
use concord::app::probe::{self, ProbeArgs};
use concord::app::rebuild::{self, RebuildArgs};
use concord::app::recalls::{self, RecallsArgs};
use concord::app::render::{self, RenderArgs};
use concord::app::stats::{self, StatsArgs};
use concord::app::verify::{self, VerifyArgs};
use concord::ports::clock::Clock;
use concord::sys::allocator::Allocator;
use concord::sys::clock::SystemClock;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Cross-hospital exchange for the mutual recognition of exam and lab results.
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    command: Command,
    /// How the log is written to the standard error; `RUST_LOG` says what of it.
    #[arg(long, global = true, value_enum, default_value = "text", env = "CONCORD_LOG_FORMAT")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    Ca(CaArgs),
    Hub(HubArgs),
    Node(NodeArgs),
    Eqa(EqaArgs),
    Map(MapArgs),
    Order(OrderArgs),
    Fetch(FetchArgs),
    Stats(StatsArgs),
    FollowUp(FollowUpArgs),
    Recalls(RecallsArgs),
    Cases(CasesArgs),
    Verify(VerifyArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Rebuild(RebuildArgs),
    Probe(ProbeArgs),
    Bench(BenchArgs),
    Demo(DemoArgs),
    Render(RenderArgs),
    #[command(hide = true)]
    DemoIssuer(DemoIssuerArgs),
}

fn main() -> ExitCode {
    // One provider for the whole process; the libraries' own guesses would depend on their features.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let line = Line::parse();
    log_to_stderr(line.log_format);
    match run(&line) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) if line.log_format == LogFormat::Json => tracing::error!(%error, "concord ends"),
        Err(error) => eprintln!("concord: {error}"),
    }
    ExitCode::FAILURE
}

fn run(line: &Line) -> Result<(), Box<dyn std::error::Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(CHINA_MINUTES)?);
    let out = &mut io::stdout();
    match &line.command {
        Command::Ca(args) => Ok(ca::run(args, &*clock, out)?),
        Command::Eqa(args) => Ok(eqa::run(args, &*clock, out)?),
        Command::Hub(args) => Ok(hub::run(args, clock, out)?),
        Command::Verify(args) => Ok(verify::run(args, out)?),
        Command::Backup(args) => Ok(backup::run(args, &*clock, out)?),
        Command::Restore(args) => Ok(backup::run_restore(args, out)?),
        Command::Rebuild(args) => Ok(rebuild::run(args, &*clock, out)?),
        Command::Order(args) => Ok(order::run(args, &*clock, out)?),
        Command::Fetch(args) => Ok(fetch::run(args, out)?),
        Command::Stats(args) => Ok(stats::run(args, out)?),
        Command::FollowUp(args) => Ok(follow_up::run(args, out)?),
        Command::Recalls(args) => Ok(recalls::run(args, out)?),
        Command::Cases(args) => Ok(cases::run(args, out)?),
        Command::Demo(args) => Ok(demo::run(args, clock, out)?),
        Command::DemoIssuer(args) => Ok(issuer::run(args, clock)?),
        Command::Bench(args) => Ok(bench::run(args, clock, out)?),
        Command::Map(args) => Ok(map::run(args, out)?),
        Command::Node(args) => Ok(node::run(args, clock, out)?),
        Command::Probe(args) => Ok(probe::run(args, out)?),
        Command::Render(args) => std::process::exit(render::run(args)),
    }
}

/// `RUST_LOG` says what is written; what the libraries below say is rarely worth reading. Of a panic only its place is
/// told: its text may quote what was being read.
fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_FILTER));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| (place.file(), place.line()));
        let (file, line) = place.unwrap_or_default();
        tracing::error!(file, line, "a mistake of the program");
    }));
}

/// UTC+08:00.
const CHINA_MINUTES: i16 = 480;
const LOG_FILTER: &str = "info,sled=warn,redb=warn,h2=warn,hyper=warn,rustls=warn,dicom_ul=warn";
