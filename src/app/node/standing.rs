//! What a node shows to those who run it: its page of metrics, and the checks that make it ready.

use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;

use crate::app::node::config::NodeConfig;
use crate::app::node::serve::accept_settings;
use crate::app::operations::papers::{AUTHORITY, HTTPS, Papers, SIGNING, TLS};
use crate::app::operations::traces::Spans;
use crate::app::operations::{CommonPage, Floor, MakeChecks, Operations, Shown};
use crate::doors::health::{Check, State};
use crate::doors::http::operations::WritePage;
use crate::peer::hub::HubClient;
use crate::ports::clock::Clock;
use crate::service::node::Node;
use crate::sys::meter::page::Page;

/// The node, once it is open: health is told before that.
pub type Opened = Arc<OnceLock<Node<HubClient>>>;

/// Gives what writes the node's page. It must be called in a runtime.
pub fn page(
    config: &NodeConfig,
    operations: &Operations,
    spans: Spans,
    clock: &Arc<dyn Clock>,
    opened: &Opened,
) -> WritePage {
    let common = CommonPage {
        operations: operations.clone(),
        papers: papers(config),
        journal: config.data.join("journal"),
        data: config.data.clone(),
        started: clock.now(),
        clock: Arc::clone(clock),
        spans,
    };
    let (opened, runtime) = (Arc::clone(opened), Handle::current());
    Arc::new(move || {
        let mut page = Page::default();
        common.write(&mut page);
        if let Some(node) = opened.get() {
            match runtime.block_on(node.standing()) {
                Ok(standing) => node.write(&mut page, &standing),
                Err(error) => tracing::error!(%error, "the page of metrics is not whole"),
            }
        }
        page.finish()
    })
}

/// Gives where the page is shown, if anywhere.
pub fn shown(config: &NodeConfig, listener: Option<tokio::net::TcpListener>) -> Option<Shown> {
    Some(Shown {
        listener: listener?,
        tls: config.tls_files(),
        accepting: accept_settings(config),
        own: Some(config.organisation),
        interval: config.timing.watch_interval(),
    })
}

/// Gives what makes the node's checks. It must be called in a runtime.
pub fn checks(config: &NodeConfig, node: Node<HubClient>, clock: Arc<dyn Clock>) -> MakeChecks {
    let floor = Floor { folder: config.data.clone(), bytes_min: config.health.disk_floor_bytes() };
    let (papers, runtime) = (papers(config), Handle::current());
    Arc::new(move || {
        let sees = runtime.block_on(node.standing()).map(|standing| Sees {
            behind: standing.behind,
            has_catalogue: standing.items > 0,
            hub_connected: standing.status.hub_connected,
        });
        let mut checks = of(!node.is_poisoned(), sees.ok());
        checks.extend([floor.check(), papers.check(clock.now())]);
        checks
    })
}

/// What the checks look at.
#[derive(Debug, Clone, Copy)]
struct Sees {
    behind: u64,
    has_catalogue: bool,
    hub_connected: bool,
}

/// Judges where a node stands: without a hub it still takes what arrives, and orders go on.
fn of(takes_records: bool, sees: Option<Sees>) -> Vec<Check> {
    let check = |name, state, is_wrong: bool, why: &str| Check::of(name, state, is_wrong.then(|| why.to_owned()));
    let is_behind = sees.is_none_or(|sees| sees.behind > BEHIND_RECORDS_MAX);
    let (is_away, is_wordless) = sees.map_or((false, false), |sees| (!sees.hub_connected, !sees.has_catalogue));
    vec![
        check(
            "journal",
            State::Failed,
            !takes_records,
            "a write or a sync has failed; restart the node, look at the disk",
        ),
        check("projections", State::Failed, is_behind, "they do not follow the journal; restart rebuilds them"),
        check("catalogue", State::Degraded, is_wordless, "none has come from the hub yet; what arrives waits"),
        check("hub", State::Degraded, is_away, "no tunnel is open; orders go on without prompts, batches wait"),
    ]
}

fn papers(config: &NodeConfig) -> Papers {
    let tls = &config.tls;
    let mut certificates = vec![
        (TLS, tls.certificate.clone()),
        (AUTHORITY, tls.authority.clone()),
        (SIGNING, config.signing.certificate.clone()),
    ];
    let https = config.https.as_ref().and_then(|part| part.certificate.clone());
    certificates.extend(https.map(|path| (HTTPS, path)));
    Papers { certificates, list: tls.revocation_list.clone() }
}

/// Records that projections may be behind the journal.
const BEHIND_RECORDS_MAX: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_its_hub_is_degraded_and_one_without_its_journal_fails() {
        let well = Sees { behind: 3, has_catalogue: true, hub_connected: true };
        let wrong = |takes_records, sees| -> Vec<(&str, State)> {
            let checks = of(takes_records, sees).into_iter().filter(|check| check.state != State::Well);
            checks.map(|check| (check.name, check.state)).collect()
        };
        assert_eq!(wrong(true, Some(well)), []);
        assert_eq!(wrong(true, Some(Sees { hub_connected: false, ..well })), [("hub", State::Degraded)]);
        assert_eq!(wrong(true, Some(Sees { has_catalogue: false, ..well })), [("catalogue", State::Degraded)]);
        assert_eq!(wrong(true, Some(Sees { behind: 100_001, ..well })), [("projections", State::Failed)]);
        assert_eq!(wrong(false, Some(well)), [("journal", State::Failed)]);
        assert_eq!(wrong(true, None), [("projections", State::Failed)]);
    }
}
