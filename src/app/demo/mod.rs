//! `concord demo`: a region in a folder, with a hub and three hospital nodes as processes of this binary, and a story
//! told through their own ports. What a foreign client needs to know stands in `demo.json`.

mod description;
mod doctor;
pub mod issuer;
mod links;
mod mllp;
mod reports;
mod step;
mod story;
mod tell;
mod web;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::app::demo::links::World;
use crate::app::demo::step::text;
pub use crate::app::demo::tell::Language;
use crate::app::demo::tell::{Teller, Voice};
use crate::app::process;
use crate::app::sample::layout::Layout;
use crate::app::sample::processes::Processes;
use crate::app::sample::{SampleError, make};
use crate::domain::time::Moment;
use crate::ports::clock::Clock;
use crate::wire::pb;

/// Shows the exchange at work: a hub and three hospitals on this machine, with real TLS, HL7 and DICOM.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  concord demo\n  concord demo --lang en --once\n  \
    concord demo --dir /tmp/region --json\n\n\
    DIR/demo.json names every address, certificate and sample patient, and how each process is started again; hub and \
    nodes may be killed at any time. A second start with the same --dir goes on with the same data.")]
pub struct DemoArgs {
    /// The folder that everything is kept in.
    #[arg(long, default_value = "concord-demo")]
    pub dir: PathBuf,
    /// Ends after the story; the exit code is 0 only if every step came out as it should.
    #[arg(long)]
    pub once: bool,
    /// Writes one JSON object a step.
    #[arg(long)]
    pub json: bool,
    /// The language of the story.
    #[arg(long, value_enum, default_value_t)]
    pub lang: Language,
}

/// The demo could not be shown, or did not come out as it should; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The region.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The terminal or the signals.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Steps failed.
    #[error("{steps} steps did not come out as they should; the logs are {logs}")]
    Failed {
        /// How many.
        steps: usize,
        /// Where to look.
        logs: String,
    },
}

/// Shows the demo and writes its story to `out`.
///
/// # Errors
/// [`DemoError`], whose text says what to do next.
pub fn run(args: &DemoArgs, clock: Arc<dyn Clock>, out: &mut dyn Write) -> Result<(), DemoError> {
    let layout = Layout::new(&args.dir)?;
    let settled = make::region(&layout, &*clock)?;
    let mut processes = Processes::start(&layout)?;
    description::write(&layout, &settled, &processes)?;
    let offset = clock.now().offset_minutes();
    let began = Moment::new(settled.began_unix_ms, offset).map_err(|_| SampleError::Settled {
        path: layout.path("settled.json"),
        source: serde::de::Error::custom("began_unix_ms is no moment"),
    })?;
    let language = match args.lang {
        Language::Zh => pb::Language::Zh,
        Language::En => pb::Language::En,
    };
    let world = World { layout, settled, began, language };
    let voice = if args.json { Voice::Json } else { Voice::Words(args.lang) };
    let mut teller = Teller::new(voice, out);
    let stopped = process::runtime()?.block_on(async {
        let stop = process::stop_signal()?;
        let Some(told) = stop.run_until_cancelled(story::tell(&world, &mut teller)).await else {
            return Ok::<bool, io::Error>(true);
        };
        told?;
        if !args.once {
            let path = world.layout.path("demo.json");
            let (zh, en) = ("运行中；接入信息见", "Running; how to connect:");
            teller.aside(&text(
                format!("{zh} {}，按 Ctrl-C 结束", path.display()),
                format!("{en} {}. Ctrl-C ends it.", path.display()),
            ))?;
            stop.cancelled().await;
        }
        Ok(false)
    })?;
    match teller.failed() {
        0 => Ok(()),
        _ if stopped => Ok(()),
        steps => Err(DemoError::Failed { steps, logs: logs(&mut processes) }),
    }
}

/// Names the logs to read: of the processes that have ended, or else all of them.
fn logs(processes: &mut Processes) -> String {
    let ended = processes.ended();
    let all = || {
        [&processes.hub, &processes.issuer]
            .into_iter()
            .chain(&processes.nodes)
            .map(|process| process.log.clone())
            .collect()
    };
    let logs: Vec<PathBuf> = if ended.is_empty() { all() } else { ended };
    logs.iter().map(|log| log.display().to_string()).collect::<Vec<_>>().join(", ")
}
