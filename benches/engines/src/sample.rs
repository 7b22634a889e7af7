//! Entries of made-up patients: 25 visits of 40 results in a batch, patients of unequal frequency, a year.

use concord::domain::entry::{ResultStatus, Sensitivity};
use concord::domain::id::{Pseudonym, PublisherTag, ReportTag, ResultId};
use concord::domain::log::{Position, Sequence};
use concord::domain::time::Moment;
use concord::ports::index::{EntryKind, IndexEntry, IndexItems, Piece};

/// A region's entries.
pub struct Sample {
    batches: u64,
}

impl Sample {
    /// Entries of a batch.
    pub const BATCH_ENTRIES: u64 = 1_000;

    /// Makes a sample of at least one batch.
    pub fn of(entries: u64) -> Self {
        Self { batches: (entries / Self::BATCH_ENTRIES).max(1) }
    }

    /// Gives how many batches it has.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Gives how many entries it has.
    pub fn entries(&self) -> u64 {
        self.batches * Self::BATCH_ENTRIES
    }

    /// Gives the entries of a batch.
    pub fn batch(&self, batch: u64) -> Vec<IndexEntry> {
        (0..Self::BATCH_ENTRIES).map(|place| self.entry(batch, place)).collect()
    }

    /// Gives a patient of whom a reader asks, and since when.
    pub fn question(&self, reader: u64, number: u64) -> (Pseudonym, Moment) {
        (self.patient(mixed(number, reader + 99)), moment(YEAR_MS - QUARTER_MS))
    }

    fn entry(&self, batch: u64, place: u64) -> IndexEntry {
        let dice = mixed(batch, place / VISIT_ENTRIES);
        let number = batch * Self::BATCH_ENTRIES + place;
        let report = mixed(dice, 5).to_be_bytes();
        IndexEntry {
            patient: self.patient(dice),
            collected: moment(mixed(dice, 3) % YEAR_MS),
            sequence: Sequence(batch),
            place: place as u16,
            position: Position(number % (1 << 30)),
            result: ResultId::new(named(number, 11)),
            version: 1,
            status: ResultStatus::Final,
            sensitivity: Sensitivity::Normal,
            piece: Piece { start: place as u32 * 300, checksum: mixed(number, 17) as u32 },
            publisher: PublisherTag::new([1, 2, 3, 4, 5, (dice % 20) as u8]),
            report: ReportTag::new(report),
            items: IndexItems::default(),
            kind: EntryKind::Laboratory,
            superseded: false,
        }
    }

    /// Gives who comes; the chance of the patient of rank k is in proportion to 1 / (k + patients / 500).
    fn patient(&self, dice: u64) -> Pseudonym {
        let patients = (self.entries() / PATIENT_ENTRIES).max(1) as f64;
        let (offset, chance) = (patients / 500.0 + 1.0, (dice >> 11) as f64 / (1_u64 << 53) as f64);
        let rank = offset * ((patients + offset) / offset).powf(chance) - offset;
        Pseudonym::new(named(rank as u64, 1))
    }
}

fn moment(ms_of_year: u64) -> Moment {
    Moment::new(YEAR_BEGAN_MS + ms_of_year as i64, 0).unwrap_or_else(|_| unreachable!("a moment of that year"))
}

fn named(number: u64, what: u64) -> [u8; 16] {
    let halves = u128::from(mixed(number, what)) << 64 | u128::from(mixed(number, what + 1));
    halves.to_be_bytes()
}

/// Makes numbers that look drawn by lot, always the same (the finaliser of SplitMix64).
fn mixed(number: u64, what: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

const VISIT_ENTRIES: u64 = 40;
/// Entries of a patient on average.
const PATIENT_ENTRIES: u64 = 100;
const YEAR_BEGAN_MS: i64 = 1_780_000_000_000;
const YEAR_MS: u64 = 365 * 86_400_000;
const QUARTER_MS: u64 = YEAR_MS / 4;
