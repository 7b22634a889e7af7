//! The region's processes: hub, nodes and issuer as children of whoever starts them, from the same binary, each with a log
//! of its own, so that anybody can kill one and start it again.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::app::process::STOP_WITH_STDIN;
use crate::app::sample::SampleError;
use crate::app::sample::cast::HOSPITALS;
use crate::app::sample::layout::Layout;

/// Hub, nodes and issuer; they are killed when this is dropped.
pub struct Processes {
    /// The hub.
    pub hub: Process,
    /// The nodes, in the order of the cast.
    pub nodes: Vec<Process>,
    /// Where patients log in.
    pub issuer: Process,
}

/// One child.
pub struct Process {
    /// The command line that starts it again.
    pub argv: Vec<String>,
    /// Where it writes its log.
    pub log: PathBuf,
    child: Child,
}

impl Processes {
    /// Starts all of them.
    ///
    /// # Errors
    /// [`SampleError::Start`] when a process cannot be started.
    pub fn start(layout: &Layout) -> Result<Self, SampleError> {
        let issuer = Process::start("demo-issuer", layout.issuer(), "issuer.toml")?;
        let hub = Process::start("hub", layout.hub(), "hub.toml")?;
        let nodes = HOSPITALS.iter().map(|hospital| Process::start("node", layout.node(hospital), "node.toml"));
        Ok(Self { hub, nodes: nodes.collect::<Result<_, _>>()?, issuer })
    }

    /// Says which processes have ended, by their logs.
    pub fn ended(&mut self) -> Vec<PathBuf> {
        let all = [&mut self.hub, &mut self.issuer].into_iter().chain(&mut self.nodes);
        all.filter_map(|process| process.has_ended().then(|| process.log.clone())).collect()
    }
}

impl Process {
    /// Starts one process in its folder.
    ///
    /// # Errors
    /// [`SampleError::Start`] when it cannot be started.
    pub fn start(kind: &str, folder: PathBuf, config: &str) -> Result<Self, SampleError> {
        let failed = |source| SampleError::Start { path: folder.clone(), source };
        let binary = std::env::current_exe().map_err(failed)?;
        let log = folder.join("log");
        let argv = [binary.into_os_string(), kind.into(), "run".into(), "--config".into(), folder.join(config).into()];
        let file = OpenOptions::new().create(true).append(true).open(&log).map_err(failed)?;
        let child = Command::new(&argv[0])
            .args(&argv[1..])
            // Held open by the child's handle here: when its parent ends, in whatever way, the child stops too.
            .stdin(Stdio::piped())
            .env(STOP_WITH_STDIN, "1")
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file)
            .spawn()
            .map_err(failed)?;
        let argv = argv.iter().map(|word: &OsString| word.to_string_lossy().into_owned()).collect();
        Ok(Self { argv, log, child })
    }

    /// Gives the process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, by closing its standard input, and waits until it has.
    pub fn end(mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }

    /// Says whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whatever they acknowledged is on disk; there is nothing to wait for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
