//! `concord bench`: what the exchange does, measured.

pub mod accuracy;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::app::bench::accuracy::{AccuracyArgs, AccuracyError};

/// Measures the exchange.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub what: What,
    /// Writes one JSON object at the end, and nothing else to standard output.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Prompts against labelled cases: precision, recall, and every disagreement with both reasons.
    Accuracy(AccuracyArgs),
}

/// Measures, and writes what came out to `out`.
///
/// # Errors
/// [`AccuracyError`], whose text says what is missing.
pub fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<(), AccuracyError> {
    match &args.what {
        What::Accuracy(accuracy) => accuracy::run(accuracy, args.json, out),
    }
}
