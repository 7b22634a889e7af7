//! What happens to files while nobody runs: torn tails, lost pages, flipped bits.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dice::Dice;
use crate::points::Who;
use crate::region::Region;

/// What was done to a file.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Its name in the table.
    pub name: &'static str,
    /// Whose file it is.
    pub who: Who,
    /// The file.
    pub path: PathBuf,
    before: Vec<u8>,
}

impl Damage {
    /// Puts the file back as it was.
    pub fn repair(&self) {
        fs::write(&self.path, &self.before).unwrap();
    }
}

/// Appends to a journal what a crash leaves of a record that was never acknowledged.
pub fn tear_tail(region: &Region, dice: &mut Dice) -> Damage {
    let (who, path) = journal(region, dice);
    let before = fs::read(&path).unwrap();
    let mut after = before.clone();
    match dice.one_in(2) {
        // The first part of a record: its head promises more than there is.
        true => {
            let sequence = dice.between(0, 1 << 20);
            let head = [&[7; 4][..], &900_u32.to_le_bytes(), &sequence.to_le_bytes(), &[0; 4], &[1]].concat();
            after.extend_from_slice(&head[..usize::try_from(dice.between(1, 21)).unwrap()]);
        }
        // A page that was allotted and never written.
        false => after.extend_from_slice(&vec![0; usize::try_from(dice.between(1, 8_192)).unwrap()]),
    }
    fs::write(&path, after).unwrap();
    Damage { name: TORN, who, path, before }
}

/// Damages what a journal has acknowledged.
pub fn harm_journal(region: &Region, dice: &mut Dice) -> Damage {
    let (who, path) = journal(region, dice);
    let before = fs::read(&path).unwrap();
    let mut after = before.clone();
    let records = after.len() - HEADER_BYTES;
    let page = usize::try_from(dice.between(1, 4_096)).unwrap().min(records);
    let start = after.len() - page;
    let name = match dice.between(0, 2) {
        0 => {
            after.truncate(start);
            CUT
        }
        1 => {
            after[start..].fill(0);
            ZEROED
        }
        _ => {
            let place = HEADER_BYTES + usize::try_from(dice.between(0, records as u64 - 1)).unwrap();
            after[place] ^= 1 << dice.between(0, 7);
            FLIPPED
        }
    };
    if after == before {
        after.truncate(start);
    }
    fs::write(&path, after).unwrap();
    Damage { name, who, path, before }
}

/// Damages a projection: what it holds can be built anew.
pub fn harm_projection(region: &Region, dice: &mut Dice) -> Damage {
    let data = region.path("hub/data");
    let (who, path) = match dice.between(0, 5) {
        0 => (Who::Hub, data.join("index.redb")),
        1 => (Who::Hub, data.join("tables.redb")),
        2 => (Who::Hub, data.join("head")),
        3 => (Who::Hub, any_file(&data.join("tile"), dice)),
        4 => (Who::Hub, data.join("checkpoint")),
        _ => (Who::A, region.path("a/data/state/db")),
    };
    let before = fs::read(&path).unwrap();
    let mut after = before.clone();
    let is_engine = path.extension().is_some_and(|extension| extension == "redb");
    if is_engine || after.is_empty() || dice.one_in(2) {
        let left = dice.between(0, (after.len() as u64).saturating_sub(1));
        after.truncate(usize::try_from(left).unwrap());
    } else {
        for _ in 0..dice.between(1, 8) {
            let place = usize::try_from(dice.between(0, after.len() as u64 - 1)).unwrap();
            after[place] ^= 1 << dice.between(0, 7);
        }
    }
    fs::write(&path, after).unwrap();
    Damage { name: PROJECTION, who, path, before }
}

fn journal(region: &Region, dice: &mut Dice) -> (Who, PathBuf) {
    let (who, folder) = dice.one_of(&[(Who::Hub, "hub/data/entries"), (Who::A, "a/data/journal")]);
    let mut segments: Vec<PathBuf> = fs::read_dir(region.path(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "journal"))
        .collect();
    segments.sort();
    (who, segments.pop().unwrap())
}

fn any_file(folder: &Path, dice: &mut Dice) -> PathBuf {
    let mut places: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    places.sort();
    let chosen = places[usize::try_from(dice.between(0, places.len() as u64 - 1)).unwrap()].clone();
    if chosen.is_dir() { any_file(&chosen, dice) } else { chosen }
}

/// A torn tail.
pub const TORN: &str = "torn tail: cut, nothing lost";
/// The last page is gone.
pub const CUT: &str = "journal's last page gone: refused";
/// The last page is empty.
pub const ZEROED: &str = "journal's last page empty: refused";
/// A bit is another.
pub const FLIPPED: &str = "journal's bit flipped: refused";
/// A projection is damaged.
pub const PROJECTION: &str = "projection damaged: same answers";
const HEADER_BYTES: usize = 24;
