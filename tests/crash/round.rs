//! One round: people work, processes die, the network fails; then everything is judged.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::damage::{self, Damage};
use crate::dice::Dice;
use crate::director::Director;
use crate::judge::{answers, assert_discreet, assert_rebuilt, assert_same, fsck, patient_answers, settle};
use crate::points::{POINTS, Phase, Point};
use crate::process::was_killed;
use crate::proxy::Weather;
use crate::region::{Region, Template};
use crate::scanner::Instance;
use crate::work::{self, Book};

/// What happened in a round.
#[derive(Debug, Default)]
pub struct Report {
    /// Points that were met.
    pub reached: Vec<&'static str>,
    /// What the network did.
    pub storms: Vec<&'static str>,
    /// What was tried at the end.
    pub endings: Vec<&'static str>,
    /// Things acknowledged.
    pub acknowledged: usize,
    /// Starts of processes.
    pub starts: usize,
    /// How long it took.
    pub took: Duration,
}

/// What is particular to a shift of the people's work.
#[derive(Debug, Clone, Copy)]
struct Day {
    shift: u32,
    has_storms: bool,
    /// The version of the policy that is taken up meanwhile.
    policy: Option<u64>,
}

/// Plays the round of a seed in a folder of its own.
pub async fn play(seed: u64, template: &Template, folder: &Path, images: &[Instance], lies: bool) -> Report {
    let began = Instant::now();
    let mut dice = Dice::new(seed);
    let region = template.copy(folder, dice.fork()).await;
    let book = Book::default();
    let mut report = Report::default();
    let mut director = Director::new(region.processes(template), dice.fork(), lies);
    director.draw(seed);
    if dice.one_in(4) {
        director.skew();
        report.storms.push(SKEW);
    }
    let (has_storms, has_policy) = (dice.one_in(2), dice.one_in(2));
    director.start();
    for shift in 0..SHIFTS_MAX {
        let policy = (has_policy && shift == 0).then_some(seed);
        let day = Day { shift, has_storms, policy };
        let storms = director.during(&region, work(&region, &book, images, day, dice.fork())).await;
        report.storms.extend(storms);
        if !director.is_waiting() {
            break;
        }
    }
    director.calm(&region).await;
    director.during(&region, settle(&region, &book, images.len(), "final")).await;
    let before = patient_answers(&region, &book).await;
    director.stop(turn(Phase::Stop, seed)).await;
    fsck(&region, &book, false);
    match seed % 4 {
        0 | 2 => rebuild(&mut director, &region, &book, &before, seed, &mut report).await,
        1 => harm(&mut director, &region, &book, &before, &mut dice, &mut report).await,
        _ => tear(&mut director, &region, &book, &before, &mut dice, &mut report).await,
    }
    director.stop(None).await;
    fsck(&region, &book, true);
    assert_rebuilt(&region);
    assert_discreet(&region);
    report.acknowledged = book.open().count();
    (report.reached, report.starts, report.took) = (director.reached.clone(), director.starts, began.elapsed());
    report
}

/// Has everybody work, and the network fail if it is to, until all is acknowledged. Gives what the network did.
async fn work(region: &Region, book: &Book, images: &[Instance], day: Day, mut dice: Dice) -> Vec<&'static str> {
    let Day { shift, has_storms, policy } = day;
    let (lines, network) = ([dice.fork(), dice.fork(), dice.fork(), dice.fork()], dice.fork());
    let [first, second, scanner, doctor] = lines;
    let images = if shift == 0 { images } else { &[] };
    let people = async {
        tokio::join!(
            work::laboratory(region, book, 0, shift, first),
            work::laboratory(region, book, 1, shift, second),
            work::scanner(region, book, images, scanner),
            work::doctor(region, book, shift, doctor),
            async {
                if let Some(version) = policy {
                    sleep(POLICY_AFTER).await;
                    region.change_policy(version);
                }
            },
        );
    };
    let mut seen = Vec::new();
    tokio::select! {
        () = people => {}
        () = storms(region, network, has_storms, &mut seen) => {}
    }
    region.ways.iter().for_each(|way| way.set(Weather::Clear));
    seen
}

async fn storms(region: &Region, mut dice: Dice, has_storms: bool, seen: &mut Vec<&'static str>) {
    if !has_storms {
        std::future::pending::<()>().await;
    }
    loop {
        sleep(Duration::from_millis(dice.between(50, 600))).await;
        let (way, weather) = (usize::try_from(dice.between(0, 2)).unwrap(), Weather::draw(&mut dice));
        region.ways[way].set(weather);
        seen.push(weather.name());
        sleep(Duration::from_millis(dice.between(50, 1_500))).await;
        region.ways[way].set(Weather::Clear);
    }
}

/// Builds every projection anew: the answers are the same.
async fn rebuild(
    director: &mut Director,
    region: &Region,
    book: &Book,
    before: &[String],
    seed: u64,
    report: &mut Report,
) {
    for name in ["hub/data/index.redb", "hub/data/tables.redb", "hub/data/head"] {
        std::fs::remove_file(region.path(name)).unwrap();
    }
    for name in ["hub/data/tile", "a/data/state", "b/data/state"] {
        std::fs::remove_dir_all(region.path(name)).unwrap();
    }
    // Even seeds alone come here.
    match turn(Phase::Rebuild, seed / 2) {
        Some(point) => director.start_at(point),
        None => director.start(),
    }
    compare(director, region, book, before, "rebuilt").await;
    report.endings.push(REBUILT);
}

/// Leaves something behind the last record: it is cut, and nothing else.
async fn tear(
    director: &mut Director,
    region: &Region,
    book: &Book,
    before: &[String],
    dice: &mut Dice,
    report: &mut Report,
) {
    if dice.one_in(2) {
        report.endings.push(damage::tear_tail(region, dice).name);
        director.start();
        compare(director, region, book, before, "after a torn tail").await;
        return;
    }
    let damage = damage::harm_projection(region, dice);
    report.endings.push(damage.name);
    director.start();
    mend(director, region, book, before, &damage).await;
    director.calm(region).await;
}

/// Waits for the same answers over a damaged projection; one that is only complained of is removed, as the text says.
async fn mend(director: &mut Director, region: &Region, book: &Book, before: &[String], damage: &Damage) {
    let deadline = Instant::now() + MEND_WAIT;
    while Instant::now() < deadline {
        if director.process(damage.who).ended().is_some() {
            break;
        }
        if let Ok(Ok(after)) = timeout(MEND_WAIT, answers(region, book)).await {
            assert_same(&format!("over {}", damage.path.display()), before, &after);
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let process = director.process(damage.who);
    process.kill();
    match damage.path.parent().filter(|parent| parent.ends_with("state")) {
        Some(state) => std::fs::remove_dir_all(state).unwrap(),
        None => drop(std::fs::remove_file(&damage.path)),
    }
    process.start("");
    compare(director, region, book, before, "a damaged projection was removed").await;
}

/// Damages what was acknowledged: the process refuses to start and says why; once the file is back, all is as before.
async fn harm(
    director: &mut Director,
    region: &Region,
    book: &Book,
    before: &[String],
    dice: &mut Dice,
    report: &mut Report,
) {
    let damage = damage::harm_journal(region, dice);
    let process = director.process(damage.who);
    process.start("");
    let status = process.wait().await;
    let words = process.last_words();
    assert!(!status.success() && !was_killed(status), "{damage:?}: {status}\n{words}");
    assert!(words.contains("journal"), "{damage:?}: it does not say why\n{words}");
    report.endings.push(damage.name);
    damage.repair();
    director.start();
    compare(director, region, book, before, "after the journal was restored").await;
}

async fn compare(director: &mut Director, region: &Region, book: &Book, before: &[String], what: &str) {
    let answered = async {
        region.serving().await;
        patient_answers(region, book).await
    };
    let after = director.during(region, answered).await;
    assert_same(what, before, &after);
    director.calm(region).await;
}

/// Gives the point of a phase whose turn a seed is; every few seeds it is none's.
fn turn(phase: Phase, seed: u64) -> Option<&'static Point> {
    let points: Vec<&Point> = POINTS.iter().filter(|point| point.phase == phase).collect();
    points.get(usize::try_from(seed % (points.len() as u64 + 1)).unwrap()).copied()
}

/// The wrong clock.
pub const SKEW: &str = "wrong clock";
/// Everything was built anew.
pub const REBUILT: &str = "projections removed: same answers";
/// Shifts that people work at most, while something that is to happen has not.
const SHIFTS_MAX: u32 = 3;
const POLICY_AFTER: Duration = Duration::from_millis(200);
const MEND_WAIT: Duration = Duration::from_secs(10);
