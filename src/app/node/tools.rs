//! The tools of a hospital's engineers: they call the node as its configuration describes it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::Channel;

use crate::app::node::config::NodeConfig;
use crate::app::settings::SettingsError;
use crate::domain::organisation::Role;
use crate::peer::channel::{HubAddress, HubAddressError, HubChannel};
use crate::pki::tls::{self, Material, TlsError};
use crate::sys::files::{self, FileError};
use crate::wire::pb;
use pb::node_client::NodeClient;

/// Which node is called.
#[derive(Debug, Clone, Args)]
pub struct NodeAddress {
    /// The node's configuration: its TLS files and its port are used.
    #[arg(long, default_value = "node.toml", env = "CONCORD_NODE_CONFIG")]
    pub config: PathBuf,
    /// Host of the node.
    #[arg(long, default_value = "127.0.0.1", env = "CONCORD_NODE_HOST")]
    pub host: String,
    /// The name in the node's certificate.
    #[arg(long, default_value = "localhost", env = "CONCORD_NODE_SERVER_NAME")]
    pub server_name: String,
    /// Writes JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A tool did not do it; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The TLS files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The host or the name.
    #[error("--host, --server-name: {0}")]
    Address(#[from] HubAddressError),
    /// The node refused, or could not be reached.
    #[error("the node answered {code:?}: {text}; does it run, and is this its configuration?", code = .0.code(), text = .0.message())]
    Node(Box<Status>),
    /// A folder could not be read.
    #[error("read {path}: {source}", path = path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Some files were not taken; they are named above.
    #[error("{0} files were refused; they are named above")]
    Refused(u64),
    /// The answer could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl NodeAddress {
    /// Makes a client of the node; it must be called in a runtime.
    ///
    /// # Errors
    /// [`ToolError`] naming the file or option to correct.
    pub fn client(&self) -> Result<NodeClient<Channel>, ToolError> {
        let config = NodeConfig::read(&self.config)?;
        let material = Material {
            authority_pem: files::read(&config.tls.authority)?,
            list_pem: files::read(&config.tls.revocation_list)?,
            certificate_pem: files::read(&config.tls.certificate)?,
            key_pem: files::read_secret(&config.tls.key)?,
        };
        let settings = tls::client(&material, config.region, Role::Hospital)?;
        let (_, settings) = watch::channel(Arc::new(settings));
        let (host, port) = (self.host.clone(), config.listen.port());
        let address = HubAddress { host, port, server_name: self.server_name.clone() };
        Ok(NodeClient::new(HubChannel::new(&address, settings)?.channel()))
    }
}

/// Shows where the node stands.
///
/// # Errors
/// [`ToolError`], whose text says what to do next.
pub async fn status(node: &NodeAddress, out: &mut dyn Write) -> Result<(), ToolError> {
    let now = node.client()?.status(pb::StatusRequest {}).await?.into_inner();
    if node.json {
        let shown = json!({
            "organisation": now.organisation,
            "messages_taken": now.messages_taken,
            "instances_taken": now.instances_taken,
            "results_published": now.results_published,
            "results_held": now.results_held,
            "results_unmapped": now.results_unmapped,
            "outbox_batches": now.outbox_batches,
            "outbox_age_s": now.outbox_age_s,
            "hub_connected": now.hub_connected,
            "pipeline_position": now.pipeline_position,
            "journal_size": now.journal_size,
            "log_size": now.log_size,
            "log_seen_age_s": now.log_seen_age_s,
            "log_refused": now.log_refused,
            "witness_key": now.witness_key,
            "cosignatures": now.cosignatures,
        });
        return Ok(writeln!(out, "{shown}")?);
    }
    writeln!(out, "node of {}", now.organisation)?;
    writeln!(out, "taken since the start   {} messages, {} images", now.messages_taken, now.instances_taken)?;
    writeln!(out, "published since then    {} results, {} unmapped", now.results_published, now.results_unmapped)?;
    writeln!(out, "held for somebody       {}", now.results_held)?;
    writeln!(out, "waiting for a receipt   {} batches, the oldest {} s", now.outbox_batches, now.outbox_age_s)?;
    writeln!(out, "hub                     {}", if now.hub_connected { "connected" } else { "not connected" })?;
    writeln!(out, "read                    {} of {} records", now.pipeline_position, now.journal_size)?;
    let seen = match now.log_seen_age_s {
        Some(age_s) => {
            format!("{} entries, seen to grow {age_s} s ago, {} cosignatures", now.log_size, now.cosignatures)
        }
        None => format!("{} entries, not seen since the start", now.log_size),
    };
    writeln!(out, "the hub's log           {seen}")?;
    if !now.log_refused.is_empty() {
        writeln!(out, "THE HUB'S LOG WAS NOT BELIEVED: {}; see docs/operations.md", now.log_refused)?;
    }
    Ok(writeln!(out, "witness key             {}", now.witness_key)?)
}

/// Lists what waits for somebody.
///
/// # Errors
/// [`ToolError`], whose text says what to do next.
pub async fn held(node: &NodeAddress, limit: u32, out: &mut dyn Write) -> Result<(), ToolError> {
    let results = node.client()?.held(pb::HeldRequest { limit }).await?.into_inner().results;
    for held in &results {
        if node.json {
            let (reference, reason) = (&held.reference, &held.reason);
            let shown = json!({ "intake": held.intake, "reference": reference, "reason": reason, "field": held.field });
            writeln!(out, "{shown}")?;
        } else {
            writeln!(out, "{:>8}  {:<24} {:<24} {}", held.intake, held.reason, held.field, held.reference)?;
        }
    }
    if results.is_empty() && !node.json {
        writeln!(out, "nothing is held")?;
    }
    Ok(())
}

/// Has what is held or unmapped read again.
///
/// # Errors
/// [`ToolError`], whose text says what to do next.
pub async fn reprocess(node: &NodeAddress, out: &mut dyn Write) -> Result<(), ToolError> {
    let results = node.client()?.reprocess(pb::ReprocessRequest {}).await?.into_inner().results;
    match node.json {
        true => Ok(writeln!(out, "{}", json!({ "records": results }))?),
        false => Ok(writeln!(out, "{results} records are read again")?),
    }
}

/// Takes a study out of use.
///
/// # Errors
/// [`ToolError`], whose text says what to do next.
pub async fn withdraw_study(
    node: &NodeAddress,
    sent: pb::WithdrawStudyRequest,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let study = sent.study_uid.clone();
    node.client()?.withdraw_study(sent).await?;
    match node.json {
        true => Ok(writeln!(out, "{}", json!({ "study": study, "withdrawn": true }))?),
        false => Ok(writeln!(out, "the study is taken out of use; whoever relied on it is told")?),
    }
}

/// Lists the codes that map to nothing, with what they may mean.
///
/// # Errors
/// [`ToolError`], whose text says what to do next.
pub async fn unmapped(node: &NodeAddress, limit: u32, out: &mut dyn Write) -> Result<(), ToolError> {
    let codes = node.client()?.unmapped(pb::UnmappedRequest { limit }).await?.into_inner().codes;
    for unmapped in &codes {
        let code = unmapped.code.clone().unwrap_or_default();
        show_suggestions(out, node.json, (&code, &unmapped.unit), unmapped.count, &unmapped.suggestions)?;
    }
    if codes.is_empty() && !node.json {
        writeln!(out, "every code is mapped")?;
    }
    Ok(())
}

/// Shows one local code and its unit, with what it may mean.
///
/// # Errors
/// When the answer cannot be written.
pub fn show_suggestions(
    out: &mut dyn Write,
    as_json: bool,
    (code, unit): (&pb::Code, &str),
    count: u64,
    suggestions: &[pb::Suggestion],
) -> io::Result<()> {
    let pb::Code { system, code, display } = code;
    if as_json {
        let suggestion = |one: &pb::Suggestion| json!({ "item": one.item, "name_zh": one.name_zh, "name_en": one.name_en, "score": one.score, "unit_fits": one.unit_fits });
        let suggestions: Vec<_> = suggestions.iter().map(suggestion).collect();
        let shown = json!({ "system": system, "code": code, "name": display, "unit": unit, "count": count, "suggestions": suggestions });
        return writeln!(out, "{shown}");
    }
    writeln!(out, "{system}|{code} {display}  {unit}  ({count})")?;
    for one in suggestions {
        let fits = if one.unit_fits { "unit fits" } else { "unit differs" };
        writeln!(out, "    {}  {:>3} %  {fits:<12}  {} {}", one.item, one.score, one.name_zh, one.name_en)?;
    }
    Ok(())
}

/// Lists the files under the paths, sorted. A path that was named may be a link; links below it are not followed.
///
/// # Errors
/// [`ToolError::Folder`] naming what cannot be read.
pub fn files_under(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ToolError> {
    let (mut found, mut waiting) = (Vec::new(), Vec::with_capacity(paths.len()));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ToolError::Folder { path, source }
    };
    for path in paths {
        waiting.push(std::fs::canonicalize(path).map_err(failed(path))?);
    }
    while let Some(path) = waiting.pop() {
        let metadata = std::fs::symlink_metadata(&path).map_err(failed(&path))?;
        if metadata.is_file() {
            found.push(path);
        } else if metadata.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(failed(&path))? {
                waiting.push(entry.map_err(failed(&path))?.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

impl From<Status> for ToolError {
    fn from(status: Status) -> Self {
        Self::Node(Box::new(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_named_link_is_followed_and_one_below_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, link) = (folder.path().join("archive"), folder.path().join("latest"));
        std::fs::create_dir(&archive).unwrap();
        std::fs::write(archive.join("image"), "").unwrap();
        std::os::unix::fs::symlink(&archive, &link).unwrap();
        std::os::unix::fs::symlink(&archive, archive.join("again")).unwrap();
        let found = files_under(&[link]).unwrap();
        assert_eq!(found, [std::fs::canonicalize(archive).unwrap().join("image")]);
    }
}
