//! How a projection's values lie in an engine: sealed by a checksum, packed by hand, big endian. No engine is named here.

use crate::domain::log::{LogPlace, Position, Sequence};
use crate::domain::time::Moment;

/// A stored value is not what was written under its key: another form, another length or a wrong checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsealed;

/// Bytes that a seal adds: form (1), CRC-32 (4).
pub const SEAL_BYTES: usize = 5;

/// Seals a value for its key: `[form][CRC-32 over form, key and value][value]`.
///
/// The key is in the checksum, because an engine that reads a wrong page may return a sound value of another key.
pub fn seal(form: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(SEAL_BYTES + value.len());
    sealed.push(form);
    sealed.extend_from_slice(&checksum(form, key, value).to_be_bytes());
    sealed.extend_from_slice(value);
    sealed
}

/// Opens what [`seal`] made for the same form and key.
///
/// # Errors
/// [`Unsealed`] when anything differs; the projection is damaged and must be rebuilt.
pub fn unseal<'a>(form: u8, key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], Unsealed> {
    let [found, a, b, c, d, value @ ..] = sealed else { return Err(Unsealed) };
    let sound = *found == form && u32::from_be_bytes([*a, *b, *c, *d]) == checksum(form, key, value);
    sound.then_some(value).ok_or(Unsealed)
}

/// Packs fields one behind the other.
#[derive(Debug, Default)]
pub struct Packer(Vec<u8>);

impl Packer {
    /// Adds bytes whose length the reader knows.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds one byte.
    pub fn byte(self, byte: u8) -> Self {
        self.bytes(&[byte])
    }

    /// Adds a number of 16 bits.
    pub fn half(self, number: u16) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Adds a number of 32 bits.
    pub fn word(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Adds a number of 64 bits.
    pub fn long(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Adds a record's place.
    pub fn place(self, place: LogPlace) -> Self {
        self.long(place.sequence.0).long(place.position.0)
    }

    /// Adds an instant; its offset and whether it is known to the day are kept.
    pub fn moment(self, moment: Moment) -> Self {
        self.long(sortable(moment.unix_ms()))
            .bytes(&moment.offset_minutes().to_be_bytes())
            .byte(moment.is_date_only().into())
    }

    /// Gives what was packed.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes packed fields off the front, in the order in which they were packed.
#[derive(Debug)]
pub struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    /// Starts at the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Unsealed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Unsealed)?;
        self.0 = rest;
        Ok(*head)
    }

    /// Takes as many bytes as were counted before.
    pub fn slice(&mut self, length: usize) -> Result<&'a [u8], Unsealed> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Unsealed)?;
        self.0 = rest;
        Ok(head)
    }

    /// Takes one byte.
    pub fn byte(&mut self) -> Result<u8, Unsealed> {
        self.bytes().map(|[byte]| byte)
    }

    /// Takes a number of 16 bits.
    pub fn half(&mut self) -> Result<u16, Unsealed> {
        self.bytes().map(u16::from_be_bytes)
    }

    /// Takes a number of 32 bits.
    pub fn word(&mut self) -> Result<u32, Unsealed> {
        self.bytes().map(u32::from_be_bytes)
    }

    /// Takes a number of 64 bits.
    pub fn long(&mut self) -> Result<u64, Unsealed> {
        self.bytes().map(u64::from_be_bytes)
    }

    /// Takes a record's place.
    pub fn place(&mut self) -> Result<LogPlace, Unsealed> {
        Ok(LogPlace { sequence: Sequence(self.long()?), position: Position(self.long()?) })
    }

    /// Takes an instant.
    pub fn moment(&mut self) -> Result<Moment, Unsealed> {
        let (unix_ms, offset_minutes) = (unsortable(self.long()?), self.bytes().map(i16::from_be_bytes)?);
        let moment = Moment::new(unix_ms, offset_minutes).map_err(|_| Unsealed)?;
        match self.byte()? {
            0 => Ok(moment),
            1 => Ok(moment.to_the_day()),
            _ => Err(Unsealed),
        }
    }

    /// Gives whatever is left; the last field may have any length.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Turns a signed number into one whose big-endian bytes sort alike.
pub fn sortable(number: i64) -> u64 {
    number.cast_unsigned() ^ SIGN
}

/// Undoes [`sortable`].
pub fn unsortable(number: u64) -> i64 {
    (number ^ SIGN).cast_signed()
}

fn checksum(form: u8, key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[form]);
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

const SIGN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_seal_holds_only_for_its_own_form_key_and_value(
            key in prop::collection::vec(any::<u8>(), 0..40),
            value in prop::collection::vec(any::<u8>(), 0..60),
            bit in any::<prop::sample::Index>(),
        ) {
            let sealed = seal(1, &key, &value);
            prop_assert_eq!(unseal(1, &key, &sealed), Ok(&value[..]));
            prop_assert_eq!(unseal(2, &key, &sealed), Err(Unsealed));
            let mut flipped = sealed.clone();
            let bit = bit.index(flipped.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(unseal(1, &key, &flipped), Err(Unsealed));
            if !key.is_empty() {
                prop_assert_eq!(unseal(1, &key[1..], &sealed), Err(Unsealed));
            }
            for end in 0..sealed.len() {
                prop_assert_eq!(unseal(1, &key, &sealed[..end]), Err(Unsealed));
            }
        }

        #[test]
        fn sortable_numbers_sort_as_the_numbers_do(left in any::<i64>(), right in any::<i64>()) {
            prop_assert_eq!(left.cmp(&right), sortable(left).to_be_bytes().cmp(&sortable(right).to_be_bytes()));
            prop_assert_eq!(unsortable(sortable(left)), left);
        }
    }

    #[test]
    fn moments_come_back_whole() {
        let moment = Moment::new(-1, -210).unwrap().to_the_day();
        let packed = Packer::default().moment(moment).finish();
        let mut unpacker = Unpacker::new(&packed);
        assert_eq!(unpacker.moment(), Ok(moment));
        assert!(unpacker.rest().is_empty());
    }
}
