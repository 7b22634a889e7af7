//! What the operating system tells of the machine and of this process.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Room on the disk that holds a folder, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What may still be written.
    pub free_bytes: u64,
    /// All there is.
    pub total_bytes: u64,
}

/// Asks for the room on the disk that holds `folder`.
///
/// # Errors
/// When the operating system does not say.
pub fn room(folder: &Path) -> io::Result<Room> {
    let disk = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(Room { free_bytes: bytes(disk.f_bavail), total_bytes: bytes(disk.f_blocks) })
}

/// Sums the files directly in a folder, in bytes; a folder that is not there holds none.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let length = |entry: io::Result<std::fs::DirEntry>| entry.and_then(|entry| entry.metadata()).ok();
    entries.filter_map(length).filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()).sum()
}

/// Gives the seconds since a file was written; none where there is no such file.
pub fn file_age_s(file: &Path) -> Option<f64> {
    let modified = std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok()?;
    Some(SystemTime::now().duration_since(modified).unwrap_or_default().as_secs_f64())
}

/// Gives the memory that this process holds, in bytes; none where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

/// Counts the files and connections that this process has open; none where the system does not say.
pub fn open_files() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

/// Tells the time, in nanoseconds since 1970.
pub fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_a_disk_with_room_and_as_large_as_its_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), [0; 7]).unwrap();
        let room = room(folder.path()).unwrap();
        assert!(room.total_bytes > 0 && room.free_bytes <= room.total_bytes, "{room:?}");
        assert_eq!((folder_bytes(folder.path()), folder_bytes(&folder.path().join("none"))), (7, 0));
        assert!(file_age_s(&folder.path().join("a")).is_some() && file_age_s(&folder.path().join("b")).is_none());
    }

    #[test]
    fn the_process_has_memory_and_files() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
        assert!(open_files().is_some_and(|files| files > 0));
    }
}
