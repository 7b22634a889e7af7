//! `concord bench accuracy`: judges labelled cases by the rule of recognition and says where label and rule differ. How
//! cases are made and what the figures mean stands in `docs/accuracy.md`.

mod score;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use clap::Args;

use self::score::Score;
use crate::domain::catalogue::Catalogue;
use crate::domain::limits::CASES_BYTES_MAX;
use crate::domain::policy::Policy;
use crate::sys::files::{self, FileError};
use crate::wire::accuracy::{self, CaseError};
use crate::wire::region::{self, RegionError, RegionFile, RegionFiles, load_region};

/// Where the cases and the region's files are.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  python3 benches/accuracy/generate.py | concord bench accuracy\n\n\
    Ends with 1 where a prompt is wrong, or where more than 2 in 100 are missing.")]
pub struct AccuracyArgs {
    /// Labelled cases, one JSON object a line; standard input where it is left out.
    #[arg(long)]
    pub cases: Option<PathBuf>,
    /// The folder with the region's files; the sample region where it is left out.
    #[arg(long)]
    pub region: Option<PathBuf>,
}

/// The cases were not judged, or not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum AccuracyError {
    /// A file of the region could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The region's files.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The cases could not be read, or the answer not be written.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line is no case.
    #[error("case {line}: {source}")]
    Case {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        source: CaseError,
    },
    /// There are no cases.
    #[error("there are no cases")]
    Empty,
    /// The rule does not reach what it must.
    #[error("precision {precision:.4} must be 1, recall {recall:.4} at least {RECALL_MIN}")]
    Short {
        /// Prompts that the labels demand, of all prompts made.
        precision: f64,
        /// Prompts made, of all that the labels demand.
        recall: f64,
    },
}

/// Judges the cases and writes the figures to `out`.
///
/// # Errors
/// [`AccuracyError`]; after [`AccuracyError::Short`] the figures and every disagreement have been written.
pub fn run(args: &AccuracyArgs, json: bool, out: &mut dyn Write) -> Result<(), AccuracyError> {
    let (catalogue, policy) = rules(args)?;
    let mut source: Box<dyn Read> = match &args.cases {
        Some(path) => Box::new(File::open(path).map_err(io_error("open the cases"))?),
        None => Box::new(io::stdin().lock()),
    };
    let cases = BufReader::new(source.by_ref().take(CASES_BYTES_MAX));
    let score = judge(cases, &catalogue, &policy)?;
    if json { score.write_json(out) } else { score.write_table(out) }.map_err(io_error("write the figures"))?;
    let (precision, recall) = (score.total.precision(), score.total.recall());
    if precision < 1.0 || recall < RECALL_MIN {
        return Err(AccuracyError::Short { precision, recall });
    }
    Ok(())
}

fn rules(args: &AccuracyArgs) -> Result<(Catalogue, Policy), AccuracyError> {
    let Some(folder) = &args.region else { return Ok(load_region(&region::sample())?) };
    let read = |file: RegionFile| Ok((file.name(), files::read(&folder.join(file.name()))?));
    let content = RegionFile::ALL.into_iter().map(read).collect::<Result<Vec<_>, FileError>>()?;
    let find = |name: &str| content.iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes.as_slice());
    Ok(load_region(&RegionFiles::pick(find)?)?)
}

fn judge(cases: impl BufRead, catalogue: &Catalogue, policy: &Policy) -> Result<Score, AccuracyError> {
    let mut score = Score::default();
    for (place, line) in cases.lines().enumerate() {
        let line = line.map_err(io_error("read the cases"))?;
        if line.trim().is_empty() {
            continue;
        }
        let read = accuracy::read(&line, catalogue, policy);
        let case = read.map_err(|source| AccuracyError::Case { line: place + 1, source })?;
        score.judge(&case, catalogue, policy);
    }
    if score.total.cases == 0 { Err(AccuracyError::Empty) } else { Ok(score) }
}

fn io_error(action: &'static str) -> impl FnOnce(io::Error) -> AccuracyError {
    move |source| AccuracyError::Io { action, source }
}

/// Least share of the prompts demanded that must be made.
const RECALL_MIN: f64 = 0.98;
