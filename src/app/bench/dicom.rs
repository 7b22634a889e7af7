//! Studies over C-STORE, several associations at once, each instance stored before the next is sent; beside files that
//! are written, synced and renamed one by one, or beside another archive that takes the same studies from the same sender.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::app::bench::load::Run;
use crate::app::bench::region::Region;
use crate::app::bench::report::{Report, Yardstick, progress, rounded};
use crate::app::bench::{BenchArgs, BenchError};
use crate::app::sample::cast::{GUIYANG, SCANNED};
use crate::app::sample::scan::{self, Plan, Slice};
use crate::domain::time::Moment;
use crate::ports::clock::Clock;
use crate::wire::dicom::{Uid, part10};

/// Where another archive takes studies.
#[derive(Debug, Clone, clap::Args)]
pub struct Archives {
    /// An archive to compare with, host:port; it must take studies for the title ORTHANC.
    #[arg(long)]
    pub orthanc: Option<SocketAddr>,
    /// Sends a study with dcmtk's storescu too, as it is: with Nagle's algorithm.
    #[arg(long)]
    pub storescu: bool,
}

/// Measures instances.
///
/// # Errors
/// [`BenchError`]; nothing was measured.
pub async fn run(
    args: &BenchArgs,
    archives: &Archives,
    region: &mut Region,
    clock: &Arc<dyn Clock>,
) -> Result<Report, BenchError> {
    region.start_hub().await?;
    region.start_node(0).await?;
    let own = (region.settled.nodes[0].dicom, GUIYANG.ae_title);
    let foreign = archives.orthanc.map(|address| (address, ORTHANC));
    let bar = progress(args, "measuring, steps", 4);
    let associations = args.clients.clamp(1, ASSOCIATIONS_MAX);
    let slices = (args.seconds * SLICES_PER_SECOND) as u16;
    // Slices of 33 KB, as the peers were measured with.
    let plan = Plan { slices: slices.clamp(CHUNK as u16, 2_000), side: 128 };
    let mut draw = Drawing { associations, before: clock.now().plus_hours(-24), drawn: 0, plan };
    let file = region.layout.path("yardstick");
    let first = draw.studies()?;
    store(own, first.clone(), args.seconds / 8.0).await?;
    let (mut ours, mut theirs, mut files) = (Run::default(), Run::default(), Vec::new());
    let before = region.usage();
    for _ in 0..2 {
        files.push(written_per_second(&file, &first)?);
        if let Some(foreign) = foreign {
            theirs = theirs.and(&store(foreign, draw.studies()?, args.seconds / 4.0).await?);
        }
        bar.inc(1);
        ours = ours.and(&store(own, draw.studies()?, args.seconds / 2.0).await?);
        bar.inc(1);
    }
    let after = region.usage();
    bar.finish_and_clear();
    let mut report = Report::new("dicom", args);
    report.tell("associations", associations);
    report.tell("instance_bytes", first[0][0].data_set.len());
    let disk = files.iter().sum::<f64>() / files.len() as f64;
    let yardstick = match foreign {
        Some(_) => Yardstick { name: "the other archive, same sender".to_owned(), per_second: theirs.per_second() },
        None => Yardstick { name: "files written, synced and renamed".to_owned(), per_second: disk },
    };
    report.tell_run("instances/s", &ours, &yardstick);
    report.tell("files_per_second", rounded(disk));
    if archives.storescu {
        let folder = region.layout.path("storescu");
        let nagle = storescu(&folder, own, &draw.studies()?[0])?;
        report.tell("storescu_per_second", rounded(nagle));
        if let Some(foreign) = foreign {
            let other = storescu(&folder, foreign, &draw.studies()?[0])?;
            report.tell("storescu_other_per_second", rounded(other));
            report.tell("storescu_ratio", rounded(nagle / other));
        }
    }
    report.tell_usage(before, after, ours.latencies.total());
    Ok(report)
}

/// Draws studies of which no two are the same.
struct Drawing {
    associations: usize,
    before: Moment,
    drawn: i64,
    plan: Plan,
}

impl Drawing {
    /// Draws one study for each association.
    fn studies(&mut self) -> Result<Vec<Vec<Slice>>, BenchError> {
        let draw = |_| {
            self.drawn += 1;
            let acquired = Moment::new(self.before.unix_ms() - self.drawn * 1_000, self.before.offset_minutes());
            Ok(scan::chest(&SCANNED, acquired.unwrap_or(self.before), self.plan)?)
        };
        (0..self.associations).map(draw).collect()
    }
}

/// Sends each study in an association of its own, until all are stored or the time is over.
async fn store(to: (SocketAddr, &str), studies: Vec<Vec<Slice>>, seconds: f64) -> Result<Run, BenchError> {
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    let mut running = JoinSet::new();
    for study in studies {
        let (address, title) = (to.0, to.1.to_owned());
        running.spawn(async move {
            let mut run = Run::default();
            for some in study.chunks(CHUNK) {
                if Instant::now() >= end {
                    break;
                }
                scan::send(address, &title, some, |took| run.latencies.count(took)).await?;
            }
            Ok::<_, BenchError>(run)
        });
    }
    let mut run = Run::default();
    while let Some(ended) = running.join_next().await {
        run = run.and(&ended.map_err(|_| BenchError::Client)??);
    }
    run.seconds = began.elapsed().as_secs_f64();
    Ok(run)
}

fn written_per_second(path: &Path, studies: &[Vec<Slice>]) -> Result<f64, BenchError> {
    let write = || {
        let (began, mut count) = (Instant::now(), 0_u64);
        for slice in studies.iter().flatten().take(FILES) {
            let mut file = std::fs::File::create(path)?;
            file.write_all(&slice.data_set)?;
            file.sync_data()?;
            std::fs::rename(path, path.with_extension("dcm"))?;
            std::fs::File::open(path.parent().unwrap_or(path))?.sync_all()?;
            count += 1;
        }
        Ok(count as f64 / began.elapsed().as_secs_f64())
    };
    let rate = write().map_err(BenchError::io("write the yardstick's file"));
    let _ = std::fs::remove_file(path.with_extension("dcm"));
    rate
}

/// Sends files with dcmtk's program and gives the instances of a second.
fn storescu(folder: &Path, to: (SocketAddr, &str), study: &[Slice]) -> Result<f64, BenchError> {
    let failed = || BenchError::io("run storescu");
    let class = Uid::parse(CT).ok_or(BenchError::Client)?;
    let syntax = Uid::parse(EXPLICIT).ok_or(BenchError::Client)?;
    std::fs::create_dir_all(folder).map_err(failed())?;
    let files = study.iter().take(STORESCU_FILES).enumerate().map(|(place, slice)| {
        let path = folder.join(format!("{place}.dcm"));
        let whole = [part10::header(&syntax, &class, &slice.instance), slice.data_set.clone()].concat();
        std::fs::write(&path, whole).map(|()| path)
    });
    let files: Vec<_> = files.collect::<Result<_, _>>().map_err(failed())?;
    let began = Instant::now();
    let mut command = Command::new("storescu");
    command.args(["-aec", to.1, &to.0.ip().to_string(), &to.0.port().to_string()]).args(&files);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().map_err(failed())?;
    let took = began.elapsed().as_secs_f64();
    let _ = std::fs::remove_dir_all(folder);
    if !status.success() {
        return Err(BenchError::Unexpected { what: "storescu", found: status.to_string() });
    }
    Ok(files.len() as f64 / took)
}

const ORTHANC: &str = "ORTHANC";
const ASSOCIATIONS_MAX: usize = 4;
/// Slices drawn beforehand for each association and second of measuring; when they are used up, the run ends early.
const SLICES_PER_SECOND: f64 = 150.0;
/// Instances of one association.
const CHUNK: usize = 100;
const FILES: usize = 300;
const STORESCU_FILES: usize = 100;
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
