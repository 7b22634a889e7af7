//! `concord bench`: what the exchange does in a second, on real processes with real TLS, beside a yardstick that is
//! measured before and after it in the same run. What is asked stands in `docs/performance.md`.

pub mod accuracy;
mod cds;
mod check;
mod counts;
mod data;
mod dicom;
mod fetch;
mod fill;
mod histogram;
mod load;
mod mllp;
mod people;
mod postgres;
mod publish;
mod publisher;
mod region;
mod report;
mod start;
mod usage;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use tonic::Status;

use crate::app::bench::accuracy::{AccuracyArgs, AccuracyError};
use crate::app::bench::region::Region;
use crate::app::bench::report::Report;
use crate::app::hub::secrets::SecretsError;
use crate::app::hub::storage::StorageError;
use crate::app::process;
use crate::app::sample::SampleError;
use crate::app::sample::links::ChannelError;
use crate::app::sample::scan::ScanError;
use crate::pki::signing::SigningError;
use crate::pki::trust::TrustError;
use crate::ports::clock::Clock;
use crate::service::hub::error::HubError;
use crate::sys::files::FileError;

/// Measures the exchange on this machine, beside yardsticks of the same run.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  concord bench check --entries 1000000\n  \
    concord bench check --dir /var/tmp/bench --keep --entries 10000000 --json\n  \
    concord bench publish --postgres 'host=127.0.0.1 dbname=bench'\n\n\
    Servers run as processes of their own, on data that is made up from a seed. With --keep the folder stays, and a \
    later run with the same --dir and --entries begins at once; where its hub is running already, that one is measured. \
    benches/run installs the foreign yardsticks and runs everything.")]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub what: What,
    /// Entries in the region before measuring.
    #[arg(long, global = true, default_value_t = 100_000)]
    pub entries: u64,
    /// Seconds of measuring, yardsticks not counted.
    #[arg(long, global = true, default_value_t = 10.0)]
    pub seconds: f64,
    /// Clients at once.
    #[arg(long, global = true, default_value_t = 16)]
    pub clients: usize,
    /// Writes one JSON object at the end, and nothing else to standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// The folder of the region; by default one of its own among the temporary files.
    #[arg(long, global = true)]
    pub dir: Option<PathBuf>,
    /// Leaves the folder behind.
    #[arg(long, global = true)]
    pub keep: bool,
    /// Seed of the data.
    #[arg(long, global = true, default_value_t = 1)]
    pub seed: u64,
    /// Measures a PostgreSQL beside it, with the same rows and questions: a connection string for psql and pgbench. The
    /// tables `result` and `question` are made anew there.
    #[arg(long, global = true)]
    pub postgres: Option<String>,
}

/// What can be measured.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Order checks at the hub; the yardstick is an empty call over the same connections.
    Check {
        /// Lines of each order.
        #[arg(long, default_value_t = 3)]
        lines: usize,
    },
    /// Batches of 1,000 entries, signed, sent and receipted; the yardstick is the disk, writing and syncing the same
    /// bytes.
    Publish,
    /// Laboratory reports over MLLP until they are durable; the yardstick is a file, synced after each.
    Mllp,
    /// Instances over C-STORE until they are durable; the yardstick is files, or another archive.
    Dicom(dicom::Archives),
    /// An original of 8 MB fetched through hub and node; the yardstick is the same bytes over TLS with a relay.
    Fetch,
    /// Orders signed over CDS Hooks, through node and hub; the yardstick is the discovery of the same door.
    Cds,
    /// Prompts against labelled cases: precision, recall, and every disagreement with both reasons.
    Accuracy(AccuracyArgs),
    /// One piece of work, for counting its instructions.
    #[command(hide = true)]
    Count {
        /// Which.
        work: counts::Work,
    },
    /// The start of the hub, after an orderly end and after kill -9; the yardstick is the start of an empty one.
    Start,
}

/// Nothing was measured; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The region could not be made.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// There is no way to a process.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file system or another program refused.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The hub's secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The hub's data.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The hub's data could not be filled.
    #[error("fill the journal: {0}")]
    Fill(#[from] HubError),
    /// A signing key cannot be used.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The authority cannot be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A call was refused.
    #[error("{call}: {:?}: {}", .status.code(), .status.message())]
    Refused {
        /// The call.
        call: &'static str,
        /// Its status.
        status: Box<Status>,
    },
    /// Something came out otherwise than it must.
    #[error("{what}: {found}")]
    Unexpected {
        /// What was looked at.
        what: &'static str,
        /// What was there.
        found: String,
    },
    /// A study could not be stored.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// There is no answer over HTTPS.
    #[error("HTTPS: {0}")]
    Web(Box<reqwest::Error>),
    /// The accuracy was not judged, or is not what it must be.
    #[error(transparent)]
    Accuracy(#[from] AccuracyError),
    /// A client broke off.
    #[error("a client of the bench broke off")]
    Client,
}

impl BenchError {
    /// Tells which call was refused.
    pub fn refused(call: &'static str) -> impl FnOnce(Status) -> Self {
        move |status| Self::Refused { call, status: Box::new(status) }
    }

    /// Tells why there is no answer over HTTPS.
    pub fn web(error: reqwest::Error) -> Self {
        Self::Web(Box::new(error))
    }

    /// Tells what could not be done.
    pub fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// Measures, and writes what came out to `out`.
///
/// # Errors
/// [`BenchError`]; nothing was measured.
pub fn run(args: &BenchArgs, clock: Arc<dyn Clock>, out: &mut dyn Write) -> Result<(), BenchError> {
    if let What::Count { work } = args.what {
        return counts::run(work);
    }
    if let What::Accuracy(accuracy) = &args.what {
        return Ok(accuracy::run(accuracy, args.json, out)?);
    }
    let runtime = process::runtime().map_err(BenchError::io("start"))?;
    let report: Report = runtime.block_on(async {
        let mut region = Region::make(args, &clock).await?;
        match &args.what {
            What::Check { lines } => check::run(args, *lines, &mut region, &clock).await,
            What::Publish => publish::run(args, &mut region, &clock).await,
            What::Mllp => mllp::run(args, &mut region, &clock).await,
            What::Dicom(archives) => dicom::run(args, archives, &mut region, &clock).await,
            What::Fetch => fetch::run(args, &mut region, &clock).await,
            What::Cds => cds::run(args, &mut region, &clock).await,
            What::Start | What::Accuracy(_) | What::Count { .. } => start::run(args, &mut region, &clock).await,
        }
    })?;
    report.write(args.json, out).map_err(BenchError::io("write the report"))
}
