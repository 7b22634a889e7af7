//! A segment as a file: its name, its header and its seal. The records in it are `frame`'s.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::JournalError;
use crate::store::files;

/// Length of a segment's header, in bytes: `magic | version u32 | first sequence u64 | checksum u32`.
pub(super) const HEADER_BYTES: u64 = 24;

/// Gives the path of the segment whose first record is `first`.
pub(super) fn path_of(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}{SUFFIX}"))
}

/// Lists the segments of a folder by their first sequence; other files are left alone.
pub(super) fn list(folder: &Path) -> io::Result<BTreeSet<u64>> {
    let mut segments = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).filter(|digits| digits.len() == 20);
        segments.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    Ok(segments)
}

/// Writes the header of the segment that begins at `first`.
pub(super) fn header(first: u64) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &first.to_le_bytes()].concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    assert_eq!(bytes.len() as u64, HEADER_BYTES, "a header has one length");
    bytes
}

/// Says whether the file begins with the header of segment `first`.
///
/// # Errors
/// [`JournalError::Version`] when the header is sound but of another version.
pub(super) fn has_header(file: &File, first: u64) -> Result<bool, JournalError> {
    let expected = header(first);
    let mut found = vec![0; expected.len()];
    match file.read_exact_at(&mut found, 0) {
        Ok(()) if found == expected => Ok(true),
        Ok(()) => match version_of(&found) {
            Some(version) if version != VERSION => Err(JournalError::Version { segment: first, version }),
            _ => Ok(false),
        },
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(JournalError::io("read a segment header")(error)),
    }
}

/// Says whether the segment has a checksum file.
pub(super) fn is_sealed(folder: &Path, first: u64) -> bool {
    seal_path(folder, first).exists()
}

/// Writes the checksum file of a segment that takes no more records, in the format of `sha256sum`.
pub(super) fn seal(folder: &Path, first: u64, digest: &[u8]) -> io::Result<()> {
    files::replace(&seal_path(folder, first), seal_line(first, digest).as_bytes())
}

/// Says whether a segment still matches its checksum file.
pub(super) fn matches_seal(folder: &Path, first: u64) -> io::Result<bool> {
    let digest = digester_of(&path_of(folder, first))?.finalize();
    match fs::read(seal_path(folder, first)) {
        Ok(line) => Ok(line == seal_line(first, &digest).as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Hashes the file so far, ready for what will follow.
pub(super) fn digester_of(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher);
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}

/// Gives the path of a segment's checksum file.
pub(super) fn seal_path(folder: &Path, first: u64) -> PathBuf {
    path_of(folder, first).with_added_extension("sha256")
}

/// Writes what a checksum file says.
pub(super) fn seal_line(first: u64, digest: &[u8]) -> String {
    format!("{}  {first:020}{SUFFIX}\n", hex::encode(digest))
}

/// Reads the version out of a header whose checksum holds.
fn version_of(header: &[u8]) -> Option<u32> {
    let (body, checksum) = header.split_last_chunk()?;
    let (version, _) = body.strip_prefix(MAGIC)?.split_first_chunk()?;
    (crc32fast::hash(body) == u32::from_le_bytes(*checksum)).then(|| u32::from_le_bytes(*version))
}

const SUFFIX: &str = ".journal";
const MAGIC: &[u8; 8] = b"CNCDJRNL";
const VERSION: u32 = 1;
const READ_BYTES: usize = 1 << 20;
