//! Whether there is room on the disk: before it is full, so that somebody can act while everything is still taken.

use std::path::PathBuf;

use crate::doors::health::{Check, State};
use crate::sys::machine;

/// The room that a process needs on the disk of its data.
#[derive(Debug, Clone)]
pub struct Floor {
    /// The data.
    pub folder: PathBuf,
    /// The least room, in bytes.
    pub bytes_min: u64,
}

impl Floor {
    /// Looks at the disk. Blocks.
    pub fn check(&self) -> Check {
        let wrong = match machine::room(&self.folder) {
            Ok(room) if room.free_bytes >= self.bytes_min => None,
            Ok(room) => Some(format!("{} MiB are left, {} are needed", room.free_bytes >> 20, self.bytes_min >> 20)),
            Err(error) => Some(format!("the disk cannot be asked: {error}")),
        };
        Check::of("disk", State::Failed, wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_fails() {
        let folder = tempfile::tempdir().unwrap();
        let state = |bytes_min| Floor { folder: folder.path().to_owned(), bytes_min }.check().state;
        assert_eq!((state(1), state(u64::MAX)), (State::Well, State::Failed));
    }
}
