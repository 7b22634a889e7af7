//! A hub or node as a process of the binary under the shim: it dies where its plan says, and is started again.

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::patience::until;
use crate::points::Who;

/// A process with its folders; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    /// Which it is.
    pub who: Who,
    kind: &'static str,
    folder: PathBuf,
    state: PathBuf,
    shim: PathBuf,
    child: Option<Child>,
    /// Lines of `fired` that were looked at.
    seen: usize,
}

/// A library that stands between the processes and the system, built from `shim.c`.
pub fn build_shim(into: &Path) -> PathBuf {
    let library = into.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/shim.c");
    let flags = ["-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wno-format-truncation", "-Werror"];
    let built = Command::new("cc").args(flags).arg("-o").arg(&library).arg(source).args(["-ldl", "-lpthread"]).status();
    assert!(built.expect("cc is needed, as of build-essential").success());
    library
}

impl Process {
    /// Names a process whose configuration lies in `folder`; it is not started.
    pub fn new(who: Who, folder: &Path, state: &Path, shim: &Path) -> Self {
        fs::create_dir_all(state).unwrap();
        let kind = if who == Who::Hub { "hub" } else { "node" };
        let (folder, state, shim) = (folder.to_owned(), state.to_owned(), shim.to_owned());
        Self { who, kind, folder, state, shim, child: None, seen: 0 }
    }

    /// Gives its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts it under a plan of the shim.
    pub fn start(&mut self, plan: &str) {
        assert!(self.child.is_none(), "it runs already");
        let _ = fs::remove_file(self.state.join("lift"));
        fs::write(self.state.join("plan"), plan).unwrap();
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_concord"))
            .args([self.kind, "run", "--config"])
            .arg(self.folder.join(format!("{}.toml", self.kind)))
            .env("RUST_LOG", "info")
            .env("LD_PRELOAD", &self.shim)
            .env("CRASH_SHIM_ROOT", self.data())
            .env("CRASH_SHIM_STATE", &self.state)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Puts another plan in force while it runs.
    pub async fn arm(&mut self, plan: &str) {
        let path = self.state.join("plan");
        // Before its first plan is read, a signal would end it.
        self.has_read(&path).await;
        fs::write(self.state.join("draft"), plan).unwrap();
        fs::rename(self.state.join("draft"), &path).unwrap();
        self.signal(Signal::USR1);
        self.has_read(&path).await;
    }

    /// Gives the faults that have happened since this was last asked, as the shim writes them.
    pub fn fired(&mut self) -> Vec<String> {
        let text = fs::read_to_string(self.state.join("fired")).unwrap_or_default();
        let lines: Vec<String> = text.lines().skip(self.seen).map(str::to_owned).collect();
        self.seen += lines.len();
        lines
    }

    /// Gives how it ended, once, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().unwrap()?;
        self.child = None;
        Some(status)
    }

    /// Makes room on its disk.
    pub fn lift(&self) {
        fs::write(self.state.join("lift"), "").unwrap();
    }

    /// Kills it with `kill -9`, and its machine runs on: what was written and not synced is there, and can be lost later.
    pub async fn fall(&mut self) {
        self.arm("die 1\n").await;
        self.wait().await;
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Takes the power from its machine.
    pub async fn unplug(&mut self) {
        self.signal(Signal::USR2);
        self.wait().await;
    }

    /// Asks it to stop, and gives how it ended. Whoever stops a process lets its machine write what it holds.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let status = self.wait().await;
        let _ = fs::remove_file(self.state.join("unsynced"));
        status
    }

    /// Gives the length of its journal.
    pub fn journal_bytes(&self) -> u64 {
        let folder = self.folder.join("data").join(if self.who == Who::Hub { "entries" } else { "journal" });
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().map_or(0, |about| about.len())).sum()
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> ExitStatus {
        until("the end of a process", async || self.ended().ok_or_else(|| format!("{:?}", self.who))).await
    }

    /// Gives the last lines of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log).into_owned();
        let mut lines: Vec<&str> = text.lines().rev().take(12).collect();
        lines.reverse();
        lines.join("\n")
    }

    /// Waits until a plan is in force, or the process has ended before.
    async fn has_read(&mut self, plan: &Path) {
        until("the plan to be read", async || {
            let has_ended = self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
            if has_ended || !plan.exists() { Ok(()) } else { Err(format!("{:?}", self.who)) }
        })
        .await;
    }

    fn signal(&mut self, signal: Signal) {
        let child = self.child.as_mut().expect("it runs");
        // A process that has just ended is no fault: its end is seen next.
        if child.try_wait().unwrap().is_none() {
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says whether a process died by a blow, and not by itself.
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}
