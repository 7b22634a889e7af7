//! Crash testing: a real hub and two nodes work for people while they are killed, lose power, run out of disk, fail to
//! flush and are cut off; afterwards a program that shares no code with them judges what is left. `docs/crash-testing.md`
//! says how to run it and what the table means.
//!
//! `cargo test --test crash -- ROUNDS [--seed N] [--jobs N] [--lying-disk]`; the round of a seed is `1 --seed N`.

mod damage;
mod dice;
mod director;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../stories/doctor.rs"]
mod doctor;
mod judge;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../stories/laboratory.rs"]
mod laboratory;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../stories/layout.rs"]
mod layout;
mod ledger;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../stories/patience.rs"]
mod patience;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../stories/people.rs"]
mod people;
mod points;
mod process;
mod proxy;
mod region;
mod round;
#[path = "../stories/scanner.rs"]
mod scanner;
mod work;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::region::Template;
use crate::round::Report;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
struct Wish {
    rounds: u64,
    seed: u64,
    jobs: usize,
    lies: bool,
}

fn main() -> ExitCode {
    let Some(wish) = wish() else { return ExitCode::SUCCESS };
    // A round that fails is told once, with its seed; what its tasks said before is of use to whoever looks closely.
    let root = root();
    std::fs::create_dir_all(&root).unwrap();
    let panics = File::create(root.join("panics")).unwrap();
    std::panic::set_hook(Box::new(move |panic| drop(writeln!(&panics, "{panic}"))));
    run(wish, &root)
}

/// Reads the command line; words of a test runner that name no rounds ask for nothing here.
fn wish() -> Option<Wish> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| words.iter().position(|word| word == name).and_then(|place| words.get(place + 1));
    let number = |name: &str, usual: u64| option(name).map_or(Some(usual), |word| word.parse().ok());
    let rounds = match words.first().filter(|word| !word.starts_with("--")) {
        Some(word) => word.parse().ok()?,
        None => ROUNDS_USUAL,
    };
    let jobs = usize::try_from(number("--jobs", 2)?).ok()?;
    let lies = words.iter().any(|word| word == "--lying-disk");
    Some(Wish { rounds, seed: number("--seed", 1)?, jobs, lies })
}

fn run(wish: Wish, root: &Path) -> ExitCode {
    let began = Instant::now();
    let shim = process::build_shim(root);
    let folder = root.join("template");
    let template = played(|| Template::make(&folder, shim)).unwrap_or_else(|words| panic!("{words}"));
    let images = scanner::chest(&people::numbered(judge::SCANNED), template.began.plus_hours(-4), 2);
    let (next, outcomes) = (AtomicU64::new(wish.seed), Mutex::new((Vec::new(), Vec::new())));
    let worker = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= wish.seed + wish.rounds {
            return;
        }
        let folder = root.join(format!("round-{seed}"));
        let outcome = played(|| round::play(seed, &template, &folder, &images, wish.lies));
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(report) => {
                tell(seed, &report);
                outcomes.0.push(report);
                let _ = std::fs::remove_dir_all(folder);
            }
            Err(words) => {
                println!("round {seed:4}  FAILED; its folder is {}\n{words}", folder.display());
                outcomes.1.push(seed);
            }
        }
    };
    std::thread::scope(|scope| (0..wish.jobs).for_each(|_| drop(scope.spawn(worker))));
    let (reports, failed) = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    table(&reports);
    println!("{} rounds in {} s, failed: {failed:?}", wish.rounds, began.elapsed().as_secs());
    if failed.is_empty() {
        let _ = std::fs::remove_dir_all(root);
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Plays something to its end on a runtime of its own, or gives the words of its panic.
fn played<F: Future>(play: impl FnOnce() -> F) -> Result<F::Output, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(play()))).map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned())).unwrap_or_default()
    })
}

fn tell(seed: u64, report: &Report) {
    let Report { reached, storms, endings, acknowledged, starts, took } = report;
    let met = [reached.as_slice(), endings].concat().join("; ");
    println!(
        "round {seed:4}  {:4.1} s  {acknowledged:3} acknowledged  {starts:2} starts  {} storms  {met}",
        took.as_secs_f64(),
        storms.len()
    );
}

/// Prints how often everything was met: points that no round reached are shown too.
fn table(reports: &[Report]) {
    let outside = [points::KILLED, points::UNPLUGGED, points::FULL, points::ROOM, round::REBUILT, round::SKEW];
    let damages = [damage::TORN, damage::CUT, damage::ZEROED, damage::FLIPPED, damage::PROJECTION];
    let names = points::POINTS
        .iter()
        .chain(points::FOUND)
        .map(|point| point.name)
        .chain(outside)
        .chain(damages)
        .chain(proxy::STORMS);
    let names: Vec<&str> = names.collect();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for report in reports {
        for name in report.reached.iter().chain(&report.storms).chain(&report.endings) {
            *times.entry(name).or_default() += 1;
        }
    }
    println!("\nreached  what");
    for name in names {
        println!("{:7}  {name}", times.get(name).copied().unwrap_or_default());
    }
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    println!("\n{} things acknowledged, {} starts", sum(|it| it.acknowledged), sum(|it| it.starts));
}

/// A folder for all rounds: in memory where there is room, for loss of power is played and not waited for.
fn root() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let asked = Command::new("df").args(["-k", "--output=avail"]).arg(memory).output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let free_kib = said.lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0);
    let folder = if free_kib >= MEMORY_KIB_MIN { memory.to_owned() } else { std::env::temp_dir() };
    folder.join(format!("concord-crash-{}", std::process::id()))
}

/// Rounds when everything is tested and nobody says how many.
const ROUNDS_USUAL: u64 = 2;
/// Room that the rounds of some workers take.
const MEMORY_KIB_MIN: u64 = 1 << 20;
