//! Fills the index of entries and reads it, behind its port: the engine in use, and one that merges sorted runs.
//!
//! Usage: `engines tree|runs ENTRIES FOLDER`

mod index;
#[path = "../../../src/store/packing.rs"]
#[expect(dead_code, reason = "the index uses a part of it")]
mod packing;
mod runs;
mod sample;

// The sources shared with the package name these as their own.
use concord::{domain, ports};
/// The floor that the shared sources belong to.
mod store {
    pub(crate) use crate::packing;
}

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use concord::domain::log::Sequence;
use concord::ports::index::EntryIndex;
use concord::store::index::RedbIndex;
use concord::sys::allocator::Allocator;

use crate::runs::RunsIndex;
use crate::sample::Sample;

// What the package allocates with.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, entries, folder] = arguments.as_slice() else {
        return Err("usage: engines tree|runs ENTRIES FOLDER".into());
    };
    let (sample, folder) = (Sample::of(entries.parse()?), Path::new(folder));
    fs::create_dir_all(folder)?;
    let index: Box<dyn EntryIndex> = match engine.as_str() {
        "tree" => Box::new(RedbIndex::open(&folder.join("index.redb"), CACHE_BYTES)?),
        "runs" => Box::new(RunsIndex::open(&folder.join("index"), CACHE_BYTES)?),
        other => return Err(format!("no engine {other}: tree or runs").into()),
    };
    println!("{engine}, {entries} entries");
    fill(index.as_ref(), &sample)?;
    println!("  disk {:.0} bytes an entry", bytes_of(folder)? as f64 / sample.entries() as f64);
    for readers in [1, 2] {
        read(index.as_ref(), &sample, readers)?;
    }
    Ok(())
}

/// Applies every batch as a hub does, and says how fast: of each fifth, and in all.
fn fill(index: &dyn EntryIndex, sample: &Sample) -> Result<(), Box<dyn Error>> {
    let (began, fifth) = (Instant::now(), (sample.batches() / 5).max(1));
    let mut since = began;
    for batch in 0..sample.batches() {
        index.apply(Sequence(batch + 1), &sample.batch(batch))?;
        if (batch + 1) % fifth == 0 {
            let entries = fifth * Sample::BATCH_ENTRIES;
            println!("  up to {}: {:.0} a second", (batch + 1) * Sample::BATCH_ENTRIES, rate(entries, since.elapsed()));
            since = Instant::now();
        }
    }
    index.flush()?;
    let (took, processor_s) = (began.elapsed(), processor_s()?);
    let entries = sample.entries();
    println!(
        "  filled: {:.0} a second, {:.1} µs of processor time each; memory at most {} MB",
        rate(entries, took),
        processor_s * 1e6 / entries as f64,
        memory_kib("VmHWM")? * 1_024 / 1_000_000
    );
    Ok(())
}

/// Reads the last 90 days of patients for some seconds, more frequent ones more often.
fn read(index: &dyn EntryIndex, sample: &Sample, readers: u64) -> Result<(), Box<dyn Error>> {
    let rows = AtomicUsize::new(0);
    let until = Instant::now() + READ_TIME;
    let reader = |reader: u64| {
        let mut took = Vec::new();
        while Instant::now() < until {
            let (patient, since) = sample.question(reader, took.len() as u64);
            let began = Instant::now();
            let found = index.scan(patient, since, usize::MAX).map_err(|error| error.to_string())?;
            took.push(began.elapsed());
            rows.fetch_add(found.len(), Ordering::Relaxed);
        }
        Ok::<_, String>(took)
    };
    let took: Result<Vec<Vec<Duration>>, String> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..readers).map(|place| scope.spawn(move || reader(place))).collect();
        readers.into_iter().map(|reader| reader.join().map_err(|_| "a reader panicked".to_owned())?).collect()
    });
    let mut took = took?.concat();
    took.sort_unstable();
    let part = |share: usize| took[took.len() * share / 100].as_micros();
    println!(
        "  {readers} at once: {:.0} scans a second of {} entries, p50 {} µs, p99 {} µs; memory {} MB",
        rate(took.len() as u64, READ_TIME),
        rows.into_inner() / took.len(),
        part(50),
        part(99),
        memory_kib("VmRSS")? * 1_024 / 1_000_000
    );
    Ok(())
}

fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn bytes_of(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// Processor time of this process so far, in seconds: fields 14 and 15 of `/proc/self/stat`, in hundredths.
fn processor_s() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("no process name in /proc/self/stat")?;
    let ticks: Result<Vec<u64>, _> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum::<u64>() as f64 / 100.0)
}

fn memory_kib(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).ok_or("no memory in /proc/self/status")?;
    Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
}

/// As much as a hub gives its index unless it is told otherwise.
const CACHE_BYTES: usize = 128 << 20;
const READ_TIME: Duration = Duration::from_secs(6);
