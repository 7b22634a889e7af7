//! The `concord` binary.

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use concord::app::ca::{self, CaArgs};
use concord::sys::clock::SystemClock;

/// Cross-hospital exchange for the mutual recognition of exam and lab results.
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Ca(CaArgs),
}

fn main() -> ExitCode {
    match run(&Line::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("concord: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: &Line) -> Result<(), Box<dyn std::error::Error>> {
    let clock = SystemClock::new(CHINA_MINUTES)?;
    match &line.command {
        Command::Ca(args) => Ok(ca::run(args, &clock, &mut io::stdout())?),
    }
}

/// UTC+08:00.
const CHINA_MINUTES: i16 = 480;
