//! `concord verify`: whether a hub's data, the log it shows, or the proof of one result is what was recorded. Nothing that wrote the data is
//! used to read it: a mistake there would hide itself here.

pub(in crate::app) mod chain;
mod data;
mod evidence;
mod proof;
#[cfg(test)]
mod proof_tests;
mod remote;
mod segments;
#[cfg(test)]
mod tests;
mod tree;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use tonic::Status;

use self::evidence::Evidence;
use self::tree::Disagreement;
use crate::app::client::{ClientError, HubArguments};
use crate::app::process;
use crate::doors::http::pages::shown;
use crate::merkle::note::{VerifierKey, WitnessKey};
use crate::sys::files::{self, FileError};
use crate::wire::pb;

/// Checks a hub's data folder, the log that a running hub shows, or the proof that came with a result.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  concord verify --data /var/lib/concord/hub\n  \
    concord verify --data copy --log-key log.vkey --authority ca.pem\n  \
    concord verify --data hub --receipts node --since checkpoint.seen\n  concord verify --hub hub.example.cn:7443 --since checkpoint.seen\n  \
    concord verify --proof card.tlog-proof --log-key log.vkey --witnesses witnesses\n\n\
    Exit status 0 when everything agrees; 1 otherwise, and the first thing that does not is named.")]
pub struct VerifyArgs {
    /// The data folder of a stopped hub, or a copy: `entries`, `tile` and `checkpoint`.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The proof that came with a result (C2SP tlog-proof): needs neither folder nor hub, and --log-key.
    #[arg(long, requires = "log_key")]
    proof: Option<PathBuf>,
    /// Keys of witnesses, one a line: with --proof, every cosignature must be by one of them.
    #[arg(long, requires = "proof")]
    witnesses: Option<PathBuf>,
    /// With --witnesses: at least so many of them must have cosigned.
    #[arg(long, requires = "witnesses", default_value_t = 0)]
    quorum: usize,
    /// With --proof: lets signatures by keys that were not given stand, unchecked.
    #[arg(long, requires = "proof")]
    any_witness: bool,
    /// With --proof: the certificate with which the publisher signs; the batch must be signed by it.
    #[arg(long, requires = "proof")]
    signer: Option<PathBuf>,
    /// The log's public key, or a file with it; `log.vkey` in the folder if it is not given.
    #[arg(long)]
    log_key: Option<String>,
    /// The authority's certificate; signing keys must then be certified by it.
    #[arg(long)]
    authority: Option<PathBuf>,
    /// The checkpoint seen last: the log must extend it. With --hub it is replaced by the one seen now.
    #[arg(long)]
    since: Option<PathBuf>,
    /// The data folder of a hospital's node, or a copy: the receipts in its journal must agree. May be given often.
    #[arg(long, requires = "data")]
    receipts: Vec<PathBuf>,
    /// Writes JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Where the hub is.
    #[command(flatten)]
    hub: HubArguments,
}

/// What does not agree, or why it could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The first thing that does not agree.
    #[error("{}: {}", .0.place, .0.problem)]
    Wrong(Disagreement),
    /// Nothing was named to check.
    #[error("name the data folder with --data, the hub with --hub host:port, or the proof of a result with --proof")]
    Nothing,
    /// No key was found.
    #[error("{path} holds no verifier key; give the log's key with --log-key", path = path.display())]
    Key {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The hub was not reached, or did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer could not be written out.
    #[error("write the answer: {0}")]
    Output(#[from] io::Error),
}

impl From<Disagreement> for VerifyError {
    fn from(wrong: Disagreement) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<Status> for VerifyError {
    fn from(status: Status) -> Self {
        Self::Client(status.into())
    }
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`VerifyError`], which names the first thing that does not agree.
pub fn run(args: &VerifyArgs, out: &mut dyn Write) -> Result<(), VerifyError> {
    let progress = if args.json { ProgressBar::hidden() } else { bar() };
    let outcome = match (&args.proof, &args.data, &args.hub.hub) {
        (Some(path), _, _) => proof_answer(args, path),
        (None, Some(folder), _) => folder_answer(args, folder, &progress),
        (None, None, Some(_)) => hub_answer(args, &progress),
        (None, None, None) => return Err(VerifyError::Nothing),
    };
    progress.finish_and_clear();
    if let (Err(VerifyError::Wrong(wrong)), true) = (&outcome, args.json) {
        writeln!(out, "{}", json!({ "sound": false, "place": wrong.place, "problem": wrong.problem }))?;
    }
    let (record, text) = outcome?;
    if args.json {
        writeln!(out, "{record}")?
    } else {
        writeln!(out, "{text}")?
    }
    Ok(())
}

type Answer = (serde_json::Value, String);

fn folder_answer(args: &VerifyArgs, folder: &Path, progress: &ProgressBar) -> Result<Answer, VerifyError> {
    let beside = folder.join("log.vkey");
    let key = key(args.log_key.as_deref().unwrap_or(&beside.to_string_lossy()))?;
    let authority = args.authority.as_deref().map(certificate).transpose()?;
    let (mut evidence, mut receipts) = (Evidence::default(), 0);
    if let Some(path) = &args.since {
        evidence.add_checkpoint(&files::read(path)?, &key, "the checkpoint seen before")?;
    }
    for node in &args.receipts {
        receipts += evidence.add_receipts(node, &key)?;
    }
    let sound = data::check(folder, &key, authority, evidence, progress)?;
    let counts = sound.counts;
    let record = json!({
        "sound": true, "log_size": sound.head.size, "root": sound.head.root.to_string(),
        "uncovered": sound.uncovered, "publishers": counts.publishers, "batches": counts.batches,
        "entries": counts.entries, "statements": counts.statements, "receipts": receipts,
        "cosigned_size": sound.cosigned.map(|(size, _)| size), "cosignatures": sound.cosigned.map(|(_, count)| count),
    });
    let mut text = format!(
        "{} records agree with the log, root {}; {} batches of {} publishers with {} entries, {} statements; \
         {} records after the checkpoint",
        sound.head.size,
        sound.head.root,
        counts.batches,
        counts.publishers,
        counts.entries,
        counts.statements,
        sound.uncovered
    );
    if let Some((size, count)) = sound.cosigned {
        text.push_str(&format!("; {count} witnesses have cosigned {size} of them"));
    }
    if receipts > 0 {
        text.push_str(&format!("; {receipts} receipts agree"));
    }
    Ok((record, text))
}

fn proof_answer(args: &VerifyArgs, path: &Path) -> Result<Answer, VerifyError> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|source| VerifyError::Read { path: path.into(), source });
    let witnesses = args.witnesses.as_deref().map(read).transpose()?.unwrap_or_default();
    let witnesses: Result<Vec<WitnessKey>, _> = witnesses.lines().map(str::parse).collect();
    let known = proof::Known {
        log: key(args.log_key.as_deref().unwrap_or_default())?,
        witnesses: witnesses.map_err(|error| Disagreement::new("witnesses", error))?,
        quorum: args.quorum,
        strangers: args.any_witness,
        signer: args.signer.as_deref().map(certificate).transpose()?,
        authority: args.authority.as_deref().map(certificate).transpose()?,
    };
    let proved = proof::check(&files::read(path)?, &known)?;
    let (result, header) = (&proved.result, &proved.header);
    let found = match &result.content {
        Some(pb::entry::Content::LaboratoryResult(found)) => format!("{} {}", shown::value(found), shown::unit(found)),
        Some(pb::entry::Content::ImagingStudy(study)) => format!("study {}", study.study_uid),
        None => String::new(),
    };
    let (items, found, name) = (result.items.join(" "), found.trim(), hex::encode(&result.result_id));
    let witnesses: Vec<&str> = proved.witnesses.iter().map(|(name, _)| name.as_str()).collect();
    let record = json!({
        "sound": true, "log": known.log.name().as_str(), "log_size": proved.head.size, "log_index": proved.index,
        "publisher": header.organisation, "batch": header.sequence, "entry": proved.place, "result": name,
        "version": result.version, "items": result.items, "found": found,
        "collected_at": shown::moment(result.collected_at.as_ref()), "witnesses": witnesses,
        "signature_checked": known.signer.is_some(),
    });
    let mut text = format!(
        "result {name}, version {}, of {}: {items} {found}, collected {}; entry {} of its batch {}, record {} of {} in {}",
        result.version,
        header.organisation,
        shown::moment(result.collected_at.as_ref()),
        proved.place,
        header.sequence,
        proved.index,
        proved.head.size,
        known.log.name(),
    );
    text.push_str(&match witnesses.as_slice() {
        [] => "; no known witness vouches for it".to_owned(),
        names => format!("; {} witnesses cosigned: {}", names.len(), names.join(", ")),
    });
    if known.signer.is_none() {
        text.push_str("; the publisher's signature was not checked: give its certificate with --signer");
    }
    Ok((record, text))
}

fn hub_answer(args: &VerifyArgs, progress: &ProgressBar) -> Result<Answer, VerifyError> {
    let runtime = process::runtime()?;
    let channel = {
        let _inside = runtime.enter();
        args.hub.channel()?
    };
    let known = args.log_key.as_deref().map(key).transpose()?;
    let taken_on_trust = known.is_none();
    let seen = remote::check(&runtime, channel, known, args.since.as_deref(), progress)?;
    let record = json!({
        "sound": true, "log_size": seen.head.size, "root": seen.head.root.to_string(),
        "since": seen.since.map(|head| head.size), "key": seen.key, "key_taken_on_trust": taken_on_trust,
    });
    let mut text = format!("{} entries agree with the checkpoint, root {}", seen.head.size, seen.head.root);
    if let Some(since) = seen.since {
        text.push_str(&format!("; the log extends the {} entries seen before", since.size));
    }
    if taken_on_trust {
        text.push_str(&format!("; the key is the hub's own word, compare it: {}", seen.key));
    }
    Ok((record, text))
}

/// Reads a verifier key, or the file that holds it.
fn key(text: &str) -> Result<VerifierKey, VerifyError> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let path = PathBuf::from(text);
    let read = fs::read_to_string(&path).map_err(|source| VerifyError::Read { path: path.clone(), source })?;
    read.trim().parse().map_err(|_| VerifyError::Key { path })
}

fn certificate(path: &Path) -> Result<Vec<u8>, VerifyError> {
    let pem = files::read(path)?;
    let der = CertificateDer::from_pem_slice(&pem);
    der.map(|der| der.to_vec()).map_err(|_| Disagreement::new(path.display(), "it holds no certificate").into())
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records, {per_sec}, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
