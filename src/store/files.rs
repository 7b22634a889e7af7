//! Files that are there whole or not at all after a power failure. What is in them is for others to know.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Replaces the file at `path` by `bytes` in one step, and returns once that is durable.
///
/// # Errors
/// What the operating system answers; the old file, if any, is then still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_added_extension(DRAFT);
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    // Synced before it takes the name, so that the name never stands for half a file.
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Replaces the file at `path` by `bytes` in one step that a power failure may still undo or damage; syncing the file and
/// its folder makes it durable.
///
/// # Errors
/// What the operating system answers; the old file, if any, is then still there.
pub fn replace_soon(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_added_extension(DRAFT);
    fs::write(&draft, bytes)?;
    fs::rename(&draft, path)
}

/// Removes what a crash left of files in a folder that had not taken their names; there need be no such folder.
///
/// # Errors
/// What the operating system answers.
pub fn forget_drafts(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == DRAFT) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Makes the names in a folder durable.
///
/// # Errors
/// What the operating system answers; count nothing created or renamed there as kept.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

const DRAFT: &str = "draft";
