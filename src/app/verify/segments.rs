//! A journal read again from its bytes alone, without the code that wrote it.
//!
//! A segment is `magic | version u32 | first u64 | crc u32` and then records,
//! `crc u32 | length u32 | sequence u64 | place u32 | kind u8 | payload`, all little-endian.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::domain::limits::RECORD_BYTES_MAX;

/// A record as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub sequence: u64,
    /// The kind byte.
    pub kind: u8,
    /// The message.
    pub payload: Vec<u8>,
}

/// Where reading stopped being possible, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Number of the record that was expected.
    pub sequence: u64,
    /// The segment.
    pub file: PathBuf,
    /// Offset in the segment, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub problem: String,
}

/// Reads records in order over all segments; ends after the first that is broken.
pub struct Segments {
    files: std::vec::IntoIter<(u64, PathBuf)>,
    current: Option<Current>,
    next: u64,
    done: bool,
}

struct Current {
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
}

impl Segments {
    /// Lists the segments of a journal's folder.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20);
            files.extend(digits.and_then(|digits| digits.parse().ok()).map(|first: u64| (first, path.clone())));
        }
        files.sort();
        Ok(Self { files: files.into_iter(), current: None, next: 0, done: false })
    }

    fn advance(&mut self) -> Result<Option<Found>, Broken> {
        loop {
            if let Some(current) = &mut self.current {
                match current.record(self.next) {
                    Ok(None) => self.current = None,
                    Ok(Some(found)) => return Ok(Some(found)),
                    Err(problem) => return Err(current.broken(self.next, problem)),
                }
            }
            let Some((first, path)) = self.files.next() else { return Ok(None) };
            self.current = Some(Current::open(path, first, self.next)?);
        }
    }
}

impl Iterator for Segments {
    type Item = Result<Found, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let found = self.advance();
        self.done = !matches!(found, Ok(Some(_)));
        self.next += 1;
        found.transpose()
    }
}

impl Current {
    fn open(path: PathBuf, first: u64, next: u64) -> Result<Self, Broken> {
        let broken = |problem: &str| Broken { sequence: next, file: path.clone(), offset: 0, problem: problem.into() };
        let file = File::open(&path).map_err(|error| broken(&error.to_string()))?;
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header).map_err(|_| broken("the segment has no header"))?;
        let named = u64_at(&header, 12);
        let sound = header.starts_with(MAGIC) && crc32fast::hash(&header[..20]) == u32_at(&header, 20);
        if !sound || named != first {
            return Err(broken("the segment's header is damaged"));
        }
        if first != next {
            return Err(broken(&format!("the segment begins with record {first}; those before it are missing")));
        }
        Ok(Self { path, file, offset: HEADER_BYTES as u64 })
    }

    fn record(&mut self, next: u64) -> Result<Option<Found>, String> {
        let mut head = [0; HEAD_BYTES];
        match read_full(&mut self.file, &mut head).map_err(|error| error.to_string())? {
            0 => return Ok(None),
            HEAD_BYTES => {}
            _ => return Err("the record is cut short".into()),
        }
        let length = usize::try_from(u32_at(&head, 4)).unwrap_or(usize::MAX);
        if length > RECORD_BYTES_MAX {
            return Err("the record's length is damaged".into());
        }
        let mut payload = vec![0; length];
        let read = read_full(&mut self.file, &mut payload).map_err(|error| error.to_string())?;
        if read < length {
            return Err("the record is cut short".into());
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&head[4..]);
        checksum.update(&payload);
        if checksum.finalize() != u32_at(&head, 0) {
            return Err("the record does not match its checksum".into());
        }
        let sequence = u64_at(&head, 8);
        if sequence != next {
            return Err(format!("record {sequence} stands in its place"));
        }
        self.offset += (HEAD_BYTES + length) as u64;
        Ok(Some(Found { sequence, kind: head[20], payload }))
    }

    fn broken(&self, sequence: u64, problem: String) -> Broken {
        Broken { sequence, file: self.path.clone(), offset: self.offset, problem }
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    let word = bytes.get(place..place + 4).and_then(|word| word.try_into().ok());
    u32::from_le_bytes(word.unwrap_or_default())
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    let word = bytes.get(place..place + 8).and_then(|word| word.try_into().ok());
    u64::from_le_bytes(word.unwrap_or_default())
}

const SUFFIX: &str = ".journal";
const MAGIC: &[u8; 8] = b"CNCDJRNL";
const HEADER_BYTES: usize = 24;
const HEAD_BYTES: usize = 21;
const BUFFER_BYTES: usize = 1 << 20;
