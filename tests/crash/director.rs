//! Lets things befall the processes of a round, and starts them again: each has a queue of blows, one for each start.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::dice::Dice;
use crate::patience::until;
use crate::points::{Action, Blow, FULL, KILLED, POINTS, Phase, Point, ROOM, UNPLUGGED, Who};
use crate::process::{Process, was_killed};
use crate::region::Region;

/// The processes of a round with what befalls them.
#[derive(Debug)]
pub struct Director {
    processes: [Process; 3],
    queues: [VecDeque<Blow>; 3],
    current: [Option<(Blow, Instant)>; 3],
    skewed_ms: [i64; 3],
    /// It was given room after its disk had been full, and served.
    has_room: [bool; 3],
    dice: Dice,
    /// The disks answer a flush without doing it: the harness must find that out.
    lies: bool,
    /// What was met, in order.
    pub reached: Vec<&'static str>,
    /// How often a process was started.
    pub starts: usize,
}

impl Director {
    /// Takes processes that do not run.
    pub fn new(processes: [Process; 3], dice: Dice, lies: bool) -> Self {
        let (queues, current) = Default::default();
        Self {
            processes,
            queues,
            current,
            skewed_ms: [0; 3],
            has_room: [false; 3],
            dice,
            lies,
            reached: Vec::new(),
            starts: 0,
        }
    }

    /// Draws what befalls the processes while people work: the points that are this seed's turn, and what comes from
    /// outside.
    pub fn draw(&mut self, seed: u64) {
        let points: Vec<&Point> = POINTS.iter().filter(|point| point.phase == Phase::Work).collect();
        for place in 0..POINTS_PER_ROUND {
            let turn = (seed * POINTS_PER_ROUND + place) % points.len() as u64;
            let point = points[usize::try_from(turn).unwrap()];
            for point in [Some(point), point.sequel()].into_iter().flatten() {
                let plan = point.plan(&mut self.dice);
                self.queues[point.who as usize].push_back(Blow::At(point, plan));
            }
        }
        let who = self.dice.one_of(&[Who::Hub, Who::A, Who::B]);
        let after = Duration::from_millis(self.dice.between(50, 2_500));
        let blow = match self.dice.between(0, 3) {
            0 => Blow::Killed(after),
            1 => Blow::Unplugged(after),
            2 => Blow::Full(self.dice.between(0, 150_000)),
            _ => return,
        };
        self.queues[who as usize].push_back(blow);
    }

    /// Says whether something that is to befall a process at its work has not yet.
    pub fn is_waiting(&self) -> bool {
        let at_work = |blow: &Blow| matches!(blow, Blow::At(..) | Blow::Full(_));
        let current = self.current.iter().flatten().any(|(blow, _)| at_work(blow));
        current || self.queues.iter().flatten().any(at_work)
    }

    /// Sets the clock of one process wrong, until it is started again.
    pub fn skew(&mut self) {
        let (place, ms) = match self.dice.one_of(&[Who::Hub, Who::A, Who::B]) {
            Who::Hub => (0, self.dice.between(0, 1_200_000)),
            Who::A => (1, self.dice.between(0, 240_000)),
            Who::B => (2, self.dice.between(0, 1_200_000)),
        };
        let ms = i64::try_from(ms).unwrap();
        self.skewed_ms[place] = if self.dice.one_in(2) { ms } else { -ms };
    }

    /// Starts every process under its first blow.
    pub fn start(&mut self) {
        (0..self.processes.len()).for_each(|place| self.next(place));
    }

    /// Starts every process; `point` befalls whose it is.
    pub fn start_at(&mut self, point: &'static Point) {
        let plan = point.plan(&mut self.dice);
        self.queues[point.who as usize].push_back(Blow::At(point, plan));
        self.start();
    }

    /// Gives a process.
    pub fn process(&mut self, who: Who) -> &mut Process {
        &mut self.processes[who as usize]
    }

    /// Looks after the processes until `work` is over. A look that has begun is ended first, so that no process is
    /// left half dealt with.
    pub async fn during<T>(&mut self, region: &Region, work: impl Future<Output = T>) -> T {
        let is_over = Cell::new(false);
        let work = async {
            let done = work.await;
            is_over.set(true);
            done
        };
        let watch = async {
            while !is_over.get() {
                for place in 0..self.processes.len() {
                    self.look(place, region).await;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        tokio::join!(work, watch).0
    }

    /// Ends all blows and wrong clocks; all processes answer afterwards.
    pub async fn calm(&mut self, region: &Region) {
        for place in 0..self.processes.len() {
            self.queues[place].clear();
            // Nothing new befalls it from here on; what has since the last look is seen to now.
            self.processes[place].arm("").await;
            self.look(place, region).await;
            self.current[place] = None;
            if self.lies {
                self.fell(place).await;
            } else if self.skewed_ms[place] != 0 {
                self.processes[place].fall().await;
                self.next(place);
            }
            self.skewed_ms[place] = 0;
        }
        self.during(region, region.serving()).await;
    }

    /// Stops all processes; `point`, if any, befalls one of them meanwhile.
    pub async fn stop(&mut self, point: Option<&'static Point>) {
        for place in [1, 2, 0] {
            let process = &mut self.processes[place];
            let point = point.filter(|point| point.who as usize == place);
            if let Some(point) = point {
                let plan = point.plan(&mut self.dice);
                process.arm(&plan).await;
            }
            let status = process.stop().await;
            let fired = process.fired();
            if fired.is_empty() {
                assert!(status.success(), "{:?} {status}\n{}", process.who, process.last_words());
            } else if let Some(point) = point {
                let is_killed = was_killed(status);
                let is_right = if point.action == Action::Fails { !is_killed } else { is_killed };
                assert!(is_right, "{:?} {status}\n{}", process.who, process.last_words());
                self.reached.push(point.name);
            }
        }
    }

    fn next(&mut self, place: usize) {
        let blow = self.queues[place].pop_front();
        let mut plan = blow.as_ref().map(Blow::plan).unwrap_or_default();
        let _ = writeln!(plan, "seed {}", self.dice.roll() >> 2);
        if self.lies {
            plan.push_str("lies 1\n");
        }
        if self.skewed_ms[place] != 0 && self.starts < self.processes.len() {
            let _ = writeln!(plan, "skew {}", self.skewed_ms[place]);
        }
        self.processes[place].start(&plan);
        self.has_room[place] = false;
        self.current[place] = blow.map(|blow| (blow, Instant::now()));
        self.starts += 1;
    }

    async fn look(&mut self, place: usize, region: &Region) {
        let fired = self.processes[place].fired();
        self.count(place, &fired);
        if let Some(status) = self.processes[place].ended() {
            let process = &self.processes[place];
            let may_refuse = matches!(&self.current[place], Some((Blow::Full(_), _)))
                || matches!(&self.current[place], Some((Blow::At(point, _), _)) if point.action == Action::Fails);
            assert!(
                was_killed(status) || may_refuse,
                "{:?} ended by itself: {status}\n{}",
                process.who,
                process.last_words()
            );
            self.next(place);
            return;
        }
        if fired.iter().any(|line| line.starts_with("eio")) {
            self.after_failure(place, region).await;
        } else if fired.iter().any(|line| line.starts_with("full")) {
            self.after_full(place, region).await;
        } else if self.has_room[place] && !self.serves(place, region).await {
            // A write that was under way when there was none has told since.
            self.fell(place).await;
        }
        let due = match &self.current[place] {
            Some((Blow::Killed(after) | Blow::Unplugged(after), since)) => since.elapsed() >= *after,
            _ => false,
        };
        if due {
            let name = self.current[place].as_ref().map_or(KILLED, |(blow, _)| blow.name());
            self.reached.push(name);
            match name {
                UNPLUGGED => self.processes[place].unplug().await,
                _ => self.processes[place].fall().await,
            }
            self.next(place);
        }
    }

    /// After a failed flush of the journal nothing is acknowledged, and readiness says so; then the power goes.
    async fn after_failure(&mut self, place: usize, region: &Region) {
        let who = self.processes[place].who;
        if matches!(&self.current[place], Some((Blow::At(point, _), _)) if point.poisons()) {
            until("a failed flush to be told", async || match region.health(who).await {
                Some(ServingStatus::Serving) => Err(format!("{who:?} still says that it serves")),
                _ if region.is_ready(who).await => Err(format!("{who:?} still says that it is ready")),
                _ => Ok(()),
            })
            .await;
            // What was on its way is written by then.
            sleep(FULL_WAIT / 4).await;
            let before = self.processes[place].journal_bytes();
            sleep(FULL_WAIT).await;
            let grown = self.processes[place].journal_bytes() - before;
            assert_eq!(grown, 0, "{who:?} goes on recording after a failed flush");
        } else {
            sleep(FULL_WAIT).await;
        }
        self.fell(place).await;
    }

    /// After a full disk somebody takes the power, or makes room: then the process works on, or says that it does not.
    async fn after_full(&mut self, place: usize, region: &Region) {
        sleep(FULL_WAIT).await;
        if self.dice.one_in(2) {
            self.processes[place].lift();
            sleep(FULL_WAIT).await;
            if self.serves(place, region).await {
                self.current[place] = None;
                self.has_room[place] = true;
                self.reached.push(ROOM);
                return;
            }
        }
        self.fell(place).await;
    }

    async fn serves(&self, place: usize, region: &Region) -> bool {
        region.health(self.processes[place].who).await == Some(ServingStatus::Serving)
    }

    /// Takes the power from a process that still runs, and starts it again.
    async fn fell(&mut self, place: usize) {
        self.processes[place].unplug().await;
        let fired = self.processes[place].fired();
        self.count(place, &fired);
        self.next(place);
    }

    fn count(&mut self, place: usize, fired: &[String]) {
        for line in fired {
            let met = match &self.current[place] {
                Some((Blow::At(point, _), _)) if !line.starts_with("power at") => point.name,
                Some((Blow::Full(_), _)) if line.starts_with("full") => FULL,
                _ => continue,
            };
            self.reached.push(met);
        }
    }
}

const POINTS_PER_ROUND: u64 = 3;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long people meet a process that cannot write.
const FULL_WAIT: Duration = Duration::from_millis(400);
