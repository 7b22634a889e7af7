//! How an index entry lies on disk: a key of 34 bytes that sorts newest first, and a value of 64.
//!
//! | key | bytes | | value | bytes |
//! |---|---|---|---|---|
//! | patient | 16 | | form | 1 |
//! | collected, milliseconds, inverted | 8 | | CRC-32 over form, key and the rest | 4 |
//! | record in the log | 8 | | flags | 1 |
//! | place in the batch | 2 | | position in the journal | 8 |
//! | | | | result | 16 |
//! | | | | version | 4 |
//! | | | | items, 4 of 22 bits each | 12 |
//! | | | | publisher | 6 |
//! | | | | report | 8 |
//!
//! Flags: bits 0-1 status, 2 sensitive, 3 imaging, 4 more items, 5 superseded. An item is its letter counted from 1
//! and its number, 0 for none. All numbers are big endian.

use crate::domain::entry::{ResultStatus, Sensitivity};
use crate::domain::id::{Pseudonym, PublisherTag, ReportTag, ResultId, ResultLocator};
use crate::domain::item::ItemCode;
use crate::domain::log::{Position, Sequence};
use crate::domain::time::Moment;
use crate::ports::index::{EntryKind, INDEX_ITEMS_MAX, IndexEntry, IndexItems, Piece};
use crate::store::packing::{Packer, SEAL_BYTES, Unpacker, Unsealed, seal, sortable, unseal, unsortable};

/// Bytes of a key.
pub const KEY_BYTES: usize = 34;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 64;
/// Bytes of the row that names the version of a result that stands: its version and its key, sealed.
pub const STANDING_BYTES: usize = SEAL_BYTES + 4 + KEY_BYTES;

/// A key of the index.
pub type Key = [u8; KEY_BYTES];

/// The version of a result that stands, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its version.
    pub version: u32,
    /// Its key.
    pub key: Key,
}

/// Makes the key of an entry.
pub fn key(entry: &IndexEntry) -> Key {
    bound(entry.patient, entry.collected, entry.sequence, entry.place)
}

/// Makes the first and the last key that a patient's entries collected at `not_before` or later can have.
pub fn range(patient: Pseudonym, not_before: Moment) -> (Key, Key) {
    let mut first = [0; KEY_BYTES];
    first[..Pseudonym::BYTES].copy_from_slice(patient.as_bytes());
    (first, bound(patient, not_before, Sequence(u64::MAX), u16::MAX))
}

/// Packs an entry under its key.
pub fn value(key: &Key, entry: &IndexEntry) -> [u8; VALUE_BYTES] {
    let position = u32::try_from(entry.position.0).unwrap_or_else(|_| unreachable!("segments end below 4 GiB"));
    let mut items = [0; INDEX_ITEMS_MAX];
    items.iter_mut().zip(entry.items.iter()).for_each(|(slot, item)| *slot = item_bits(item));
    let packed = items.iter().fold(
        Packer::default()
            .byte(flags(entry))
            .word(position)
            .word(entry.piece.start)
            .word(entry.piece.checksum)
            .bytes(entry.result.as_bytes())
            .word(entry.version),
        |packer, item| packer.bytes(&item.to_be_bytes()[1..]),
    );
    fixed(&seal(FORM, key, &packed.bytes(entry.publisher.as_bytes()).bytes(entry.report.as_bytes()).finish()))
}

/// Unpacks the entry under a key.
///
/// # Errors
/// [`Unsealed`] when it is not what [`value`] made for this key.
pub fn entry(key: &Key, sealed: &[u8; VALUE_BYTES]) -> Result<IndexEntry, Unsealed> {
    let mut value = Unpacker::new(unseal(FORM, key, sealed)?);
    let mut place = Unpacker::new(key);
    let flags = value.byte()?;
    let patient = Pseudonym::new(place.bytes()?);
    let collected = Moment::new(unsortable(!place.long()?), 0).map_err(|_| Unsealed)?;
    let (sequence, place) = (Sequence(place.long()?), place.half()?);
    let position = Position(u64::from(value.word()?));
    let piece = Piece { start: value.word()?, checksum: value.word()? };
    let (result, version) = (ResultId::new(value.bytes()?), value.word()?);
    let mut items = [None; INDEX_ITEMS_MAX];
    for item in &mut items {
        let [a, b, c] = value.bytes()?;
        *item = item_from_bits(u32::from_be_bytes([0, a, b, c]))?;
    }
    let (publisher, report) = (PublisherTag::new(value.bytes()?), ReportTag::new(value.bytes()?));
    Ok(IndexEntry {
        patient,
        collected,
        sequence,
        place,
        position,
        piece,
        result,
        version,
        status: status(flags),
        sensitivity: if flags & SENSITIVE == 0 { Sensitivity::Normal } else { Sensitivity::Sensitive },
        publisher,
        report,
        items: IndexItems::restored(items, flags & MORE != 0),
        kind: if flags & IMAGING == 0 { EntryKind::Laboratory } else { EntryKind::Imaging },
        superseded: flags & SUPERSEDED != 0,
    })
}

/// Packs which version of a result stands.
pub fn standing_value(result: ResultLocator, standing: Standing) -> [u8; STANDING_BYTES] {
    let packed = Packer::default().word(standing.version).bytes(&standing.key).finish();
    fixed(&seal(FORM, result.as_bytes(), &packed))
}

/// Unpacks which version of a result stands.
///
/// # Errors
/// [`Unsealed`] when it is not what [`standing_value`] made for this result.
pub fn standing(result: ResultLocator, sealed: &[u8; STANDING_BYTES]) -> Result<Standing, Unsealed> {
    let mut value = Unpacker::new(unseal(FORM, result.as_bytes(), sealed)?);
    Ok(Standing { version: value.word()?, key: value.bytes()? })
}

impl Standing {
    /// Ranks versions: the greater one stands, of equal ones the later in the log.
    pub fn rank(&self) -> (u32, [u8; 10]) {
        let mut order = [0; 10];
        order.copy_from_slice(&self.key[KEY_BYTES - 10..]);
        (self.version, order)
    }
}

fn bound(patient: Pseudonym, collected: Moment, sequence: Sequence, place: u16) -> Key {
    let inverted = !sortable(collected.unix_ms());
    fixed(&Packer::default().bytes(patient.as_bytes()).long(inverted).long(sequence.0).half(place).finish())
}

fn flags(entry: &IndexEntry) -> u8 {
    let status = match entry.status {
        ResultStatus::Preliminary => 0,
        ResultStatus::Final => 1,
        ResultStatus::Corrected => 2,
        ResultStatus::Withdrawn => 3,
    };
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    status
        | flag(entry.sensitivity == Sensitivity::Sensitive, SENSITIVE)
        | flag(entry.kind == EntryKind::Imaging, IMAGING)
        | flag(entry.items.has_more(), MORE)
        | flag(entry.superseded, SUPERSEDED)
}

fn status(flags: u8) -> ResultStatus {
    match flags & STATUS {
        0 => ResultStatus::Preliminary,
        1 => ResultStatus::Final,
        2 => ResultStatus::Corrected,
        _ => ResultStatus::Withdrawn,
    }
}

/// Folds a code's letter (8 bits packed) into 5 bits, so that an item fits in three bytes.
fn item_bits(item: ItemCode) -> u32 {
    let packed = item.packed();
    let letter = (packed >> 24) - u32::from(b'A') + 1;
    (letter << NUMBER_BITS) | (packed & NUMBER)
}

fn item_from_bits(bits: u32) -> Result<Option<ItemCode>, Unsealed> {
    if bits == 0 {
        return Ok(None);
    }
    let letter = (bits >> NUMBER_BITS) + u32::from(b'A') - 1;
    ItemCode::from_packed((letter << 24) | (bits & NUMBER)).map(Some).map_err(|_| Unsealed)
}

/// Turns packed bytes into an array; another length is a mistake in this file.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    assert_eq!(bytes.len(), N, "the layout has a fixed length");
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

const FORM: u8 = 1;
const NUMBER_BITS: u32 = 17;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
const STATUS: u8 = 0b11;
const SENSITIVE: u8 = 1 << 2;
const IMAGING: u8 = 1 << 3;
const MORE: u8 = 1 << 4;
const SUPERSEDED: u8 = 1 << 5;
