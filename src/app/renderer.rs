//! Draws each picture in a process of its own: this binary again, as `concord render`, with nothing of the surroundings
//! but the file. What it does to itself harms nobody, and it is killed when it takes too long.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::app::render::{arguments, reason};
use crate::domain::limits::PICTURE_FRAME_BYTES_MAX;
use crate::domain::picture::{Undrawn, View};
use crate::ports::renderer::{Drawing, Renderer};

/// Draws in processes of this binary.
#[derive(Debug)]
pub struct ProcessRenderer {
    binary: PathBuf,
    drawing: Semaphore,
    waiting: Semaphore,
}

impl ProcessRenderer {
    /// Draws with the binary that is running, also when the file has been replaced by a newer one since.
    ///
    /// Source: Linux, proc(5).
    pub fn new() -> Self {
        Self::with(PathBuf::from("/proc/self/exe"))
    }

    /// Draws with a binary, which must be `concord`.
    pub fn with(binary: PathBuf) -> Self {
        Self { binary, drawing: Semaphore::new(PROCESSES_MAX), waiting: Semaphore::new(WAITING_MAX) }
    }

    async fn drawn(&self, file: Bytes, view: View) -> Result<Bytes, Undrawn> {
        let _place = self.waiting.try_acquire().map_err(|_| Undrawn::Late)?;
        let turn = tokio::time::timeout(TURN_WAIT_MAX, self.drawing.acquire()).await;
        let _turn = turn.map_err(|_| Undrawn::Late)?.map_err(|_| Undrawn::Broken)?;
        let (mut process, input, output) = Process::start(&self.binary, &view).map_err(|error| {
            tracing::error!(%error, "no process to draw a picture");
            Undrawn::Broken
        })?;
        let fed = spawn_blocking(move || feed(input, &file));
        let read = spawn_blocking(move || read(output));
        let ended = tokio::time::timeout(PROCESS_WAIT_MAX, async {
            // A process that has seen enough closes its input; what it says at its end counts.
            let _ = fed.await;
            read.await
        });
        let drawn = ended.await.map_err(|_| {
            tracing::info!("a picture took too long to draw");
            Undrawn::Late
        })?;
        let drawn = drawn.map_err(|_| Undrawn::Broken)?.map_err(|_| Undrawn::Broken)?;
        if drawn.len() > ANSWER_BYTES_MAX {
            return Err(Undrawn::TooLarge);
        }
        // Its output has ended, so it has too, or does so in a moment.
        let status = spawn_blocking(move || process.wait()).await.map_err(|_| Undrawn::Broken)?;
        match status.map_err(|_| Undrawn::Broken)?.code() {
            Some(0) => Ok(Bytes::from(drawn)),
            code => Err(reason(code)),
        }
    }
}

impl Default for ProcessRenderer {
    fn default() -> Self {
        Self::new()
    }
}

impl Renderer for ProcessRenderer {
    fn draw(&self, file: Bytes, view: View) -> Drawing<'_> {
        Box::pin(self.drawn(file, view))
    }
}

/// A process that draws; it is killed and reaped when nobody waits for it any more.
struct Process(Child);

impl Process {
    fn start(binary: &PathBuf, view: &View) -> io::Result<(Self, ChildStdin, ChildStdout)> {
        let mut child = Command::new(binary)
            .args(arguments(view))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok((Self(child), input, output)),
            _ => Err(io::Error::other("no pipes")),
        }
    }

    fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has been reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn feed(mut input: ChildStdin, file: &[u8]) -> io::Result<()> {
    input.write_all(file)
}

fn read(output: ChildStdout) -> io::Result<Vec<u8>> {
    let mut drawn = Vec::new();
    let most = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
    output.take(most + 1).read_to_end(&mut drawn)?;
    Ok(drawn)
}

/// Pictures that are drawn at once.
const PROCESSES_MAX: usize = 2;
/// Pictures that are drawn or wait for it.
const WAITING_MAX: usize = 128;
const TURN_WAIT_MAX: Duration = Duration::from_secs(10);
const PROCESS_WAIT_MAX: Duration = Duration::from_secs(15);
/// Samples are the largest answer.
const ANSWER_BYTES_MAX: usize = PICTURE_FRAME_BYTES_MAX as usize;
