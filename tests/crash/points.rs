//! The places at which a process dies, and what else befalls it: each has a name, and every run counts how often it was
//! reached.

use std::time::Duration;

use crate::dice::Dice;

/// A process of the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The hub.
    Hub,
    /// The node of the hospital whose laboratory and scanner work.
    A,
    /// The node of the hospital whose doctors order.
    B,
}

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The process is killed, or its machine loses power.
    Dies,
    /// The process is killed, and its machine loses power when the next one syncs what this one has left.
    Killed,
    /// Part of the bytes is written, then the machine loses power.
    Torn,
    /// The call answers EIO.
    Fails,
}

/// When a point can be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// While people work.
    Work,
    /// While the process stops.
    Stop,
    /// While its projections are built anew.
    Rebuild,
}

/// A place in a process, as the shim names it.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// What lies between what is done and what is not.
    pub name: &'static str,
    /// Whose.
    pub who: Who,
    /// What happens.
    pub action: Action,
    /// When it is met.
    pub phase: Phase,
    /// `before` or `after` the call.
    when: &'static str,
    /// The call.
    call: &'static str,
    /// The class of the file.
    class: &'static str,
    /// Kind of the journal record, -1 for any.
    kind: i8,
    /// Of the first so many times, one is drawn.
    times: u64,
}

impl Point {
    /// Writes a line of the shim's plan.
    pub fn plan(&self, dice: &mut Dice) -> String {
        let action = match self.action {
            Action::Dies => dice.one_of(&["kill", "power"]),
            Action::Killed => "kill",
            Action::Torn => "torn",
            Action::Fails => "eio",
        };
        let Self { when, call, class, kind, times, .. } = self;
        format!("{action} {when} {call} {class} {kind} {}\n", dice.between(1, *times))
    }

    /// Says whether a failure here must stop the process from acknowledging, and from saying that it serves.
    pub fn poisons(&self) -> bool {
        self.action == Action::Fails && ["journal", "seal", "tile", "head", "checkpoint"].contains(&self.class)
    }

    /// Gives what befalls the process once it is started again.
    pub fn sequel(&self) -> Option<&'static Point> {
        FOUND.iter().find(|found| self.action == Action::Killed && found.who == self.who)
    }
}

/// What befalls a process from its start on.
#[derive(Debug, Clone)]
pub enum Blow {
    /// A point is met.
    At(&'static Point, String),
    /// It is killed from outside.
    Killed(Duration),
    /// Its machine loses power.
    Unplugged(Duration),
    /// Its disk has room for so many bytes more, until somebody makes room.
    Full(u64),
}

impl Blow {
    /// Gives the name under which it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::At(point, _) => point.name,
            Self::Killed(_) => KILLED,
            Self::Unplugged(_) => UNPLUGGED,
            Self::Full(_) => FULL,
        }
    }

    /// Gives the shim's plan for it.
    pub fn plan(&self) -> String {
        match self {
            Self::At(_, plan) => plan.clone(),
            Self::Full(bytes) => format!("full {bytes}\n"),
            Self::Killed(_) | Self::Unplugged(_) => String::new(),
        }
    }
}

/// `kill -9` at any time.
pub const KILLED: &str = "any: killed from outside";
/// Loss of power at any time.
pub const UNPLUGGED: &str = "any: loss of power from outside";
/// A full disk.
pub const FULL: &str = "any: disk full";
/// A full disk that got room again, under a process that works on.
pub const ROOM: &str = "any: disk full, then room: works on";

const fn dies(who: Who, name: &'static str, when: &'static str, call: &'static str, class: &'static str) -> Point {
    Point { name, who, action: Action::Dies, phase: Phase::Work, when, call, class, kind: -1, times: 4 }
}

const fn record(who: Who, name: &'static str, when: &'static str, call: &'static str, kind: i8) -> Point {
    Point { kind, times: 2, ..dies(who, name, when, call, "journal") }
}

const fn once(point: Point) -> Point {
    Point { times: 1, ..point }
}

const fn written(who: Who, name: &'static str, kind: i8) -> Point {
    Point { action: Action::Killed, ..record(who, name, "after", "write", kind) }
}

const fn torn(who: Who, name: &'static str, kind: i8) -> Point {
    Point { action: Action::Torn, ..record(who, name, "before", "write", kind) }
}

const fn fails(who: Who, name: &'static str, call: &'static str, class: &'static str) -> Point {
    Point { action: Action::Fails, ..dies(who, name, "before", call, class) }
}

const fn stop(point: Point) -> Point {
    Point { phase: Phase::Stop, times: 1, ..point }
}

const fn rebuild(point: Point) -> Point {
    Point { phase: Phase::Rebuild, times: 1, ..point }
}

const fn found(who: Who, name: &'static str) -> Point {
    once(dies(who, name, "before", "sync", "journal"))
}

/// What a killed process has written and not synced is found by the next one, and can still be lost.
pub const FOUND: &[Point] = &[
    found(Who::Hub, "hub: what a killed process wrote, not durable"),
    found(Who::A, "node: what a killed process wrote, not durable"),
];

/// All points; a round meets some of them, and as many rounds as there are points meet all several times.
pub const POINTS: &[Point] = &[
    // Between fsync and acknowledgement.
    record(Who::A, "node: message durable, not acknowledged", "after", "sync", 1),
    written(Who::A, "node: message written, not durable", 1),
    torn(Who::A, "node: message half written", 1),
    record(Who::A, "node: image durable, not acknowledged", "after", "sync", 2),
    record(Who::A, "node: batch sealed, not sent", "after", "sync", 3),
    torn(Who::A, "node: batch half written", 3),
    record(Who::Hub, "hub: batch durable, no receipt given", "after", "sync", 1),
    written(Who::Hub, "hub: batch written, not durable", 1),
    torn(Who::Hub, "hub: batch half written", 1),
    once(record(Who::Hub, "hub: check durable, not answered", "after", "sync", 5)),
    record(Who::Hub, "hub: decision durable, not answered", "after", "sync", 6),
    written(Who::Hub, "hub: decision written, not durable", 6),
    torn(Who::Hub, "hub: decision half written", 6),
    record(Who::Hub, "hub: event durable, not answered", "after", "sync", 8),
    // Receipt.
    record(Who::A, "node: receipt believed, not kept", "before", "write", 4),
    record(Who::A, "node: receipt kept, outbox not emptied", "after", "sync", 4),
    torn(Who::A, "node: receipt half written", 4),
    // Recall: a node has it before the hub is told so.
    record(Who::B, "node: recall durable, hub not told", "after", "sync", 19),
    torn(Who::B, "node: recall half written", 19),
    // Originals.
    once(dies(Who::A, "node: original written, not durable", "before", "sync", "original")),
    once(dies(Who::A, "node: original durable, not named", "before", "rename", "original")),
    once(dies(Who::A, "node: original named, not recorded", "after", "rename", "original")),
    dies(Who::A, "node: folder of original not durable", "before", "sync-folder", "original"),
    // Between log and index.
    dies(Who::Hub, "hub: record durable, not in the public log", "before", "create", "tile"),
    dies(Who::Hub, "hub: tile written, not named", "before", "rename", "tile"),
    dies(Who::Hub, "hub: tiles named, not durable", "before", "sync", "tile"),
    dies(Who::Hub, "hub: public log ahead of the index", "after", "sync-folder", "journal"),
    once(dies(Who::Hub, "hub: index opened", "after", "sync", "index")),
    once(dies(Who::Hub, "hub: tables opened", "after", "sync", "tables")),
    dies(Who::A, "node: between journal and projections", "before", "write", "sled"),
    dies(Who::A, "node: projections written, not durable", "before", "sync", "sled"),
    // Checkpoint.
    dies(Who::Hub, "hub: head named, not durable", "after", "rename", "head"),
    dies(Who::Hub, "hub: checkpoint written, not named", "before", "rename", "checkpoint"),
    dies(Who::Hub, "hub: checkpoint named, not durable", "after", "rename", "checkpoint"),
    // Compaction: segments are closed, partial tiles give way to full ones, the engines write themselves anew.
    once(dies(Who::Hub, "hub: segment made, not durable", "after", "create", "journal")),
    once(dies(Who::Hub, "hub: segment durable, the one before not sealed", "before", "rename", "seal")),
    once(dies(Who::Hub, "hub: seal named, not durable", "after", "rename", "seal")),
    dies(Who::Hub, "hub: partial tile given up", "after", "unlink", "tile"),
    once(dies(Who::A, "node: segment made, not durable", "after", "create", "journal")),
    once(dies(Who::A, "node: segment durable, the one before not sealed", "before", "create", "seal")),
    once(dies(Who::A, "node: seal named, not durable", "after", "rename", "seal")),
    stop(dies(Who::Hub, "hub: index saved at the stop", "before", "sync", "index")),
    stop(dies(Who::Hub, "hub: index saved, tables not", "before", "sync", "tables")),
    stop(dies(Who::Hub, "hub: tables saved at the stop", "after", "sync", "tables")),
    stop(fails(Who::Hub, "hub: flush of the index fails at the stop", "sync", "index")),
    stop(fails(Who::Hub, "hub: flush of the tables fails at the stop", "sync", "tables")),
    stop(fails(Who::A, "node: flush of the projections fails at the stop", "sync", "sled")),
    // Rebuild.
    rebuild(dies(Who::Hub, "hub: index made anew", "after", "create", "index")),
    rebuild(dies(Who::Hub, "hub: tables made anew", "before", "sync", "tables")),
    rebuild(dies(Who::Hub, "hub: public log made anew", "before", "rename", "head")),
    rebuild(dies(Who::Hub, "hub: checkpoint of the log made anew", "before", "rename", "checkpoint")),
    rebuild(dies(Who::A, "node: projections made anew", "after", "write", "sled")),
    rebuild(dies(Who::A, "node: projections made anew, not durable", "before", "sync", "sled")),
    // fsync fails.
    fails(Who::Hub, "hub: flush of the journal fails", "sync", "journal"),
    fails(Who::A, "node: flush of the journal fails", "sync", "journal"),
    fails(Who::Hub, "hub: flush of a tile fails", "sync", "tile"),
    fails(Who::Hub, "hub: flush of a tile's folder fails", "sync-folder", "tile"),
    fails(Who::Hub, "hub: flush of the head fails", "sync", "head"),
    fails(Who::Hub, "hub: flush of the checkpoint fails", "sync", "checkpoint"),
    once(fails(Who::Hub, "hub: flush of a segment's folder fails", "sync-folder", "journal")),
    once(fails(Who::A, "node: flush of a seal fails", "sync", "seal")),
    once(fails(Who::A, "node: flush of an original fails", "sync", "original")),
    once(fails(Who::A, "node: flush of an original's folder fails", "sync-folder", "original")),
    fails(Who::A, "node: flush of the projections fails", "sync", "sled"),
];
