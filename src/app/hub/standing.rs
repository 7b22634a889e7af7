//! What a hub shows to those who run it: its page of metrics, and the checks that make it ready.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::app::hub::config::HubConfig;
use crate::app::hub::serve::accept_settings;
use crate::app::hub::storage::{CHECKPOINT, ENTRIES};
use crate::app::operations::papers::{AUTHORITY, HTTPS, Papers, TLS};
use crate::app::operations::traces::Spans;
use crate::app::operations::{CommonPage, Floor, MakeChecks, Operations, Shown};
use crate::doors::health::{Check, State};
use crate::doors::http::operations::WritePage;
use crate::ports::clock::Clock;
use crate::service::hub::Hub;
use crate::service::hub::standing::Standing;
use crate::sys::machine;
use crate::sys::meter::page::Page;
use crate::sys::meter::table;

/// The hub, once it is open: health is told before that.
pub type Opened = Arc<OnceLock<Arc<Hub>>>;

/// Gives what writes the hub's page.
pub fn page(
    config: &HubConfig,
    operations: &Operations,
    spans: Spans,
    clock: &Arc<dyn Clock>,
    opened: &Opened,
) -> WritePage {
    let common = CommonPage {
        operations: operations.clone(),
        papers: papers(config),
        data: config.data.clone(),
        journal: config.data.join(ENTRIES),
        started: clock.now(),
        clock: Arc::clone(clock),
        spans,
    };
    let (opened, checkpoint) = (Arc::clone(opened), config.data.join(CHECKPOINT));
    Arc::new(move || {
        let mut page = Page::default();
        common.write(&mut page);
        if let Some(hub) = opened.get() {
            hub.figures().write(&mut page, &hub.standing(), hub.now());
            write_age(&mut page, &checkpoint);
            if let Err(error) = hub.write_recalls(&mut page) {
                tracing::error!(%error, "the page of metrics is not whole");
            }
        }
        page.finish()
    })
}

fn write_age(page: &mut Page, checkpoint: &Path) {
    page.begin(table::CHECKPOINT_AGE);
    if let Some(age_s) = machine::file_age_s(checkpoint) {
        page.sample(&[], age_s);
    }
}

/// Gives where the page is shown, if anywhere.
pub fn shown(config: &HubConfig, listener: Option<tokio::net::TcpListener>) -> Option<Shown> {
    Some(Shown {
        listener: listener?,
        tls: config.tls_files(),
        accepting: accept_settings(config),
        own: None,
        interval: config.limits.watch_interval(),
    })
}

/// Gives what makes the hub's checks.
pub fn checks(config: &HubConfig, hub: Arc<Hub>) -> MakeChecks {
    let floor = Floor { folder: config.data.clone(), bytes_min: config.health.disk_floor_bytes() };
    let papers = papers(config);
    Arc::new(move || {
        let mut checks = of(&hub.standing());
        checks.extend([floor.check(), papers.check(hub.now())]);
        checks
    })
}

/// Judges where a hub stands.
fn of(standing: &Standing) -> Vec<Check> {
    let failed = |name, is_wrong: bool, why: &str| Check::of(name, State::Failed, is_wrong.then(|| why.to_owned()));
    let behind = standing.records.saturating_sub(standing.projected);
    let is_behind = behind > BEHIND_RECORDS_MAX;
    let unlogged = standing.records.saturating_sub(standing.published) > BEHIND_RECORDS_MAX;
    vec![
        failed("journal", !standing.journal_is_well, "a write or a sync has failed; restart the hub, look at the disk"),
        failed(
            "projections",
            !standing.is_followed || is_behind,
            "they do not follow the journal; restart rebuilds them",
        ),
        Check::of(
            "public-log",
            State::Degraded,
            unlogged.then(|| "its checkpoint is far behind the journal".to_owned()),
        ),
        failed("region", standing.organisations.is_none(), "no policy version is in force"),
    ]
}

fn papers(config: &HubConfig) -> Papers {
    let tls = &config.tls;
    let mut certificates = vec![(TLS, tls.certificate.clone()), (AUTHORITY, tls.authority.clone())];
    let https = config.https.as_ref().and_then(|part| part.certificate.clone());
    certificates.extend(https.map(|path| (HTTPS, path)));
    Papers { certificates, list: tls.revocation_list.clone() }
}

/// Records that projections may be behind the journal; a check would miss what they hold.
const BEHIND_RECORDS_MAX: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_fails_the_check_that_names_it() {
        let well = Standing {
            records: 200_000,
            projected: 200_000,
            published: 199_999,
            journal_is_well: true,
            is_followed: true,
            policies: 1,
            organisations: Some(5),
            tunnels: Default::default(),
        };
        let wrong = |standing: &Standing| -> Vec<(&str, State)> {
            let checks = of(standing).into_iter().filter(|check| check.state != State::Well);
            checks.map(|check| (check.name, check.state)).collect()
        };
        assert_eq!(wrong(&well), []);
        let table = [
            (Standing { journal_is_well: false, ..well.clone() }, ("journal", State::Failed)),
            (Standing { is_followed: false, ..well.clone() }, ("projections", State::Failed)),
            (Standing { projected: 99_999, ..well.clone() }, ("projections", State::Failed)),
            (Standing { published: 99_999, ..well.clone() }, ("public-log", State::Degraded)),
            (Standing { organisations: None, ..well.clone() }, ("region", State::Failed)),
        ];
        for (standing, expected) in table {
            assert_eq!(wrong(&standing), [expected], "{standing:?}");
        }
    }
}
