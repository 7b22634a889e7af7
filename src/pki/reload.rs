//! Values read from files, replaced while they are in use. Each change is parsed first; a bad file leaves the old value.

use std::fmt::Display;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The current value of something read from files; clones see the same changes.
#[derive(Debug)]
pub struct Reloading<T> {
    current: watch::Receiver<Arc<T>>,
}

/// Looks after the files of one [`Reloading`]; somebody must run it.
pub struct Watcher<T, E> {
    files: Vec<PathBuf>,
    stamps: Vec<Stamp>,
    interval: Duration,
    load: Load<T, E>,
    current: watch::Sender<Arc<T>>,
}

/// Reads a value from `files` by `load`, and gives it with the watcher that will look at them every `interval`.
///
/// # Errors
/// What `load` says of the first reading; nothing is kept then.
pub fn reloading<T, E>(
    files: Vec<PathBuf>,
    interval: Duration,
    load: impl FnMut() -> Result<T, E> + Send + 'static,
) -> Result<(Reloading<T>, Watcher<T, E>), E> {
    let mut load: Load<T, E> = Box::new(load);
    // Before the reading, so that a change in between is seen at the first look.
    let stamps = stamps(&files);
    let (current, receiver) = watch::channel(Arc::new(load()?));
    Ok((Reloading { current: receiver }, Watcher { files, stamps, interval, load, current }))
}

impl<T> Reloading<T> {
    /// Gives the value as it is now; hold it for one connection or call, not longer.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.borrow())
    }

    /// Gives a receiver that is told of each change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<T>> {
        self.current.clone()
    }
}

impl<T> Clone for Reloading<T> {
    fn clone(&self) -> Self {
        Self { current: self.current.clone() }
    }
}

impl<T, E: Display> Watcher<T, E> {
    /// Looks at the files until `stop`, reading them again whenever one has changed.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut told = None;
        while stop.run_until_cancelled(tokio::time::sleep(self.interval)).await.is_some() {
            let now = stamps(&self.files);
            if now == self.stamps && told.is_none() {
                continue;
            }
            match (self.load)() {
                Ok(value) => {
                    self.stamps = now;
                    told = None;
                    self.current.send_replace(Arc::new(value));
                    tracing::info!(files = ?self.files, "files read again");
                }
                // Tried again at every look, for the disk may be at fault and not the file; told once.
                Err(error) => {
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        tracing::error!(error = text, files = ?self.files, "changed files refused, the old ones stay in use");
                    }
                    told = Some(text);
                }
            }
        }
    }
}

type Load<T, E> = Box<dyn FnMut() -> Result<T, E> + Send>;

/// What changes when a file does: its time, its size, and which file it is.
type Stamp = Option<(SystemTime, u64, u64)>;

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_good_change_is_taken_and_a_bad_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let file = path.clone();
        let (looked, mut looks) = tokio::sync::mpsc::unbounded_channel();
        let (value, watcher) = reloading(vec![path.clone()], Duration::from_millis(1), move || {
            let read = std::fs::read_to_string(&file).unwrap().parse::<u32>();
            looked.send(read.is_ok()).unwrap();
            read
        })
        .unwrap();
        assert_eq!((*value.current(), looks.recv().await), (1, Some(true)));
        let stop = CancellationToken::new();
        let running = tokio::spawn(watcher.run(stop.clone()));

        replace(&path, "none");
        assert_eq!(looks.recv().await, Some(false));
        assert_eq!(*value.current(), 1, "the old value stays");
        let mut changes = value.subscribe();
        replace(&path, "2");
        changes.changed().await.unwrap();
        assert_eq!(*value.current(), 2);
        stop.cancel();
        running.await.unwrap();
    }

    fn replace(path: &std::path::Path, text: &str) {
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, path).unwrap();
    }

    #[test]
    fn a_bad_file_at_the_start_is_an_error() {
        assert!(reloading(vec![], Duration::from_secs(1), || "x".parse::<u32>()).is_err());
    }
}
