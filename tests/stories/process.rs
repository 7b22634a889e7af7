//! A hub or a node as a process of the binary, which may be killed and started again.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::patience::until;

/// A process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    kind: &'static str,
    folder: PathBuf,
    format: &'static str,
    child: Child,
}

impl Process {
    /// Starts `concord <kind> run` on the configuration in its folder; it logs in `text` or `json`.
    pub fn start(kind: &'static str, folder: &Path, format: &'static str) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(folder.join(LOG)).unwrap();
        let child = Command::new(BINARY)
            .args([kind, "run", "--config"])
            .arg(folder.join(format!("{kind}.toml")))
            .env("RUST_LOG", "info,concord=debug")
            .env("CONCORD_LOG_FORMAT", format)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { kind, folder: folder.to_owned(), format, child }
    }

    /// Kills it as `kill -9` does; nothing is asked of it before.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it and starts it again at once.
    pub fn restart(&mut self) {
        self.kill();
        *self = Self::start(self.kind, &self.folder, self.format);
    }

    /// Asks it to stop, as the system does at a shutdown.
    pub fn ask_to_stop(&self) {
        let number = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &number]).status().unwrap().success());
    }

    /// Asks it to stop, and insists that it ends well.
    pub async fn stop(mut self) {
        self.ask_to_stop();
        let status = until("the end of the process", async || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(self.kind.to_owned()),
        })
        .await;
        assert!(status.success(), "{} {status}", self.kind);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives what the process of a folder has logged, over all its starts.
pub fn log(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join(LOG)).unwrap_or_default()
}

/// Runs a command of the binary to its end.
pub fn concord(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The binary.
pub const BINARY: &str = env!("CARGO_BIN_EXE_concord");
const LOG: &str = "log";
