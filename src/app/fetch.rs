//! `concord fetch`: one original into a file, resumed where an earlier try broke off, and checked before it gets its name.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sha2::{Digest, Sha256};
use tonic::Code;

use crate::app::client::{ClientError, Endpoint, HubArguments, endpoint};
use crate::app::process;
use crate::wire::pb;
use crate::wire::pb::retrieval_client::RetrievalClient;

/// Fetches an original with the grant that came with an accepted or viewed result.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  concord fetch --node 127.0.0.1:7444 --server-name localhost \\\n    \
    --digest 6a0a88.. --out report.hl7\n\n\
    The grant is best given as CONCORD_GRANT. What has arrived lies in OUT.part until it is whole; the same command \
    goes on from there.")]
pub struct FetchArgs {
    /// Token of the grant, from `concord order decide`.
    #[arg(long, env = "CONCORD_GRANT", hide_env_values = true)]
    grant: String,
    /// SHA-256 of the original, 64 hexadecimal digits.
    #[arg(long, value_parser = digest)]
    digest: [u8; 32],
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
    /// The hospital's own node, host:port; without it the hub is asked.
    #[arg(long, env = "CONCORD_NODE", value_parser = endpoint)]
    node: Option<Endpoint>,
    /// Writes JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    hub: HubArguments,
}

/// Why an original was not fetched; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Hub or node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The bytes are not those that were signed.
    #[error("what arrived is not what its hospital signed; {path} was removed, fetch again", path = .0.display())]
    Digest(PathBuf),
    /// The stream broke off.
    #[error("the stream ended after {arrived} of {size} bytes; run the same command again to go on from there")]
    Short {
        /// Bytes that have arrived.
        arrived: u64,
        /// Bytes of the whole.
        size: u64,
    },
}

/// Fetches the original and writes what was done to `out`.
///
/// # Errors
/// [`FetchError`], whose text says what to do next.
pub fn run(args: &FetchArgs, out: &mut dyn Write) -> Result<(), FetchError> {
    let mut name = args.out.clone().into_os_string();
    name.push(".part");
    let mut part = Part::open(PathBuf::from(name))?;
    let runtime = process::runtime().map_err(ClientError::Start)?;
    runtime.block_on(receive(args, &mut part))?;
    let size = part.finish(&args.digest, &args.out)?;
    let said = match args.json {
        true => writeln!(out, "{}", json!({ "out": args.out, "size_bytes": size, "digest": hex::encode(args.digest) })),
        false => writeln!(out, "wrote {}, {size} bytes, as its hospital signed it", args.out.display()),
    };
    said.map_err(|source| FetchError::File { action: "write to", path: PathBuf::from("the terminal"), source })
}

async fn receive(args: &FetchArgs, part: &mut Part) -> Result<(), FetchError> {
    let channel = args.hub.channel_by(args.node.as_ref())?;
    let request = |offset| pb::FetchRequest { grant: args.grant.clone(), digest: args.digest.to_vec().into(), offset };
    let refused = |status: tonic::Status| FetchError::Client(status.into());
    let mut client = RetrievalClient::new(channel);
    let mut opened = client.fetch(request(part.arrived)).await;
    if part.arrived > 0 && opened.as_ref().is_err_and(|status| status.code() == Code::InvalidArgument) {
        // More lies here than the original is long: it is of something else.
        part.restart()?;
        opened = client.fetch(request(part.arrived)).await;
    }
    let mut stream = opened.map_err(refused)?.into_inner();
    let progress = if args.json { ProgressBar::hidden() } else { ProgressBar::new(0).with_style(style()) };
    let mut size = None;
    while let Some(chunk) = stream.message().await.map_err(refused)? {
        progress.set_length(chunk.size_bytes);
        size = Some(chunk.size_bytes);
        part.write(&chunk.data)?;
        progress.set_position(part.arrived);
    }
    progress.finish_and_clear();
    match size {
        Some(size) if part.arrived < size => Err(FetchError::Short { arrived: part.arrived, size }),
        _ => Ok(()),
    }
}

/// What has arrived so far.
struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    arrived: u64,
}

impl Part {
    /// Opens what an earlier try has left, or begins anew.
    fn open(path: PathBuf) -> Result<Self, FetchError> {
        let failed = |source| FetchError::File { action: "open", path: path.clone(), source };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let (mut hasher, mut arrived, mut buffer) = (Sha256::new(), 0, vec![0; READ_BYTES]);
        loop {
            let read = file.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                return Ok(Self { path, file, hasher, arrived });
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
            arrived += u64::try_from(read).unwrap_or(u64::MAX);
        }
    }

    /// Forgets what has arrived.
    fn restart(&mut self) -> Result<(), FetchError> {
        self.file.set_len(0).map_err(self.failed("empty"))?;
        (self.hasher, self.arrived) = (Sha256::new(), 0);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(self.failed("write"))?;
        self.hasher.update(bytes);
        self.arrived += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Gives the file its name if it is what was signed, and removes it if not.
    fn finish(self, digest: &[u8; 32], out: &Path) -> Result<u64, FetchError> {
        let failed = self.failed("finish");
        if <[u8; 32]>::from(self.hasher.finalize()) != *digest {
            std::fs::remove_file(&self.path).map_err(failed)?;
            return Err(FetchError::Digest(self.path));
        }
        self.file.sync_all().and_then(|()| std::fs::rename(&self.path, out)).map_err(failed)?;
        Ok(self.arrived)
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> FetchError + use<> {
        let path = self.path.clone();
        move |source| FetchError::File { action, path, source }
    }
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).map_err(|_| "write 64 hexadecimal digits".to_owned())?;
    Ok(digest)
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    style.unwrap_or_else(|error| unreachable!("the template is ours: {error}"))
}

const READ_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_fetch_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (path, out) = (folder.path().join("a.part"), folder.path().join("a"));
        Part::open(path.clone()).unwrap().write(b"first, ").unwrap();
        let mut part = Part::open(path.clone()).unwrap();
        assert_eq!(part.arrived, 7);
        part.write(b"second").unwrap();
        assert_eq!(part.finish(&Sha256::digest(b"first, second").into(), &out).unwrap(), 13);
        assert_eq!(std::fs::read(&out).unwrap(), b"first, second");
        assert!(!path.exists());
    }

    #[test]
    fn what_is_of_something_else_is_forgotten_and_the_fetch_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, out) = (folder.path().join("a.part"), folder.path().join("a"));
        std::fs::write(&path, "longer than the original").unwrap();
        let mut part = Part::open(path).unwrap();
        part.restart().unwrap();
        part.write(b"original").unwrap();
        assert_eq!(part.finish(&Sha256::digest(b"original").into(), &out).unwrap(), 8);
        assert_eq!(std::fs::read(&out).unwrap(), b"original");
    }

    #[test]
    fn bytes_that_were_not_signed_never_get_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, out) = (folder.path().join("a.part"), folder.path().join("a"));
        let mut part = Part::open(path.clone()).unwrap();
        part.write(b"other").unwrap();
        assert!(matches!(part.finish(&[0; 32], &out), Err(FetchError::Digest(_))));
        assert!(!out.exists() && !path.exists());
    }
}
