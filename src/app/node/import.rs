//! `concord node import`: sends DICOM files to the node, and tells of each what became of it.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::app::node::tools::{NodeAddress, ToolError, files_under};
use crate::wire::pb;

/// Imports every file under the paths.
///
/// # Errors
/// [`ToolError`]; what was answered STORED or DUPLICATE before is kept by the node, and may be sent again.
pub async fn import(node: &NodeAddress, paths: &[PathBuf], out: &mut dyn Write) -> Result<(), ToolError> {
    let files = files_under(paths)?;
    let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
    let (pieces, sent) = mpsc::channel(PIECES_MAX);
    let reading = tokio::task::spawn_blocking(move || files.iter().try_for_each(|file| read(file, &pieces)));
    let mut answers = node.client()?.import(ReceiverStream::new(sent)).await?.into_inner();
    let bar = bar(count, node.json);
    let (mut stored, mut duplicates, mut skipped, mut refused) = (0u64, 0u64, 0u64, 0u64);
    while let Some(answer) = answers.message().await? {
        bar.inc(1);
        match answer.outcome.as_str() {
            "STORED" => stored += 1,
            "DUPLICATE" => duplicates += 1,
            "SKIPPED" => skipped += 1,
            _ => refused += 1,
        }
        if node.json {
            let shown = json!({ "name": answer.name, "outcome": answer.outcome, "reason": answer.reason });
            writeln!(out, "{shown}")?;
        } else if !answer.reason.is_empty() {
            bar.suspend(|| writeln!(out, "{:<9} {}: {}", answer.outcome, answer.name, answer.reason))?;
        }
    }
    bar.finish_and_clear();
    if let Ok(Err(error)) = reading.await {
        return Err(error);
    }
    if !node.json {
        writeln!(out, "{stored} stored, {duplicates} known, {skipped} skipped, {refused} refused of {count} files")?;
    }
    if refused > 0 { Err(ToolError::Refused(refused)) } else { Ok(()) }
}

/// Sends one file in pieces, until the node takes no more.
fn read(path: &Path, pieces: &mpsc::Sender<pb::ImportRequest>) -> Result<(), ToolError> {
    let failed = |source| ToolError::Folder { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let name = path.display().to_string();
    loop {
        let mut data = Vec::with_capacity(PIECE_BYTES);
        let most = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
        (&file).take(most).read_to_end(&mut data).map_err(failed)?;
        let last = data.len() < PIECE_BYTES;
        let piece = pb::ImportRequest { name: name.clone(), data: data.into(), last };
        if pieces.blocking_send(piece).is_err() || last {
            return Ok(());
        }
    }
}

fn bar(files: u64, is_quiet: bool) -> ProgressBar {
    if is_quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files  {per_sec}  {eta}");
    ProgressBar::new(files).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

const PIECE_BYTES: usize = 1 << 20;
const PIECES_MAX: usize = 4;
