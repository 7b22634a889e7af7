//! What an earlier version left on the disk is opened, verified, judged from and backed up by this one.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use concord::app::hub::secrets::Secrets;
use concord::app::hub::storage::{Storage, StorageOptions};
use concord::domain::organisation::{Caller, Role};
use concord::domain::time::Moment;
use concord::merkle::note::KeyName;
use concord::pki::trust::Trust;
use concord::service::hub::grant::Grants;
use concord::service::hub::ledger::Ledger;
use concord::service::hub::link::Links;
use concord::service::hub::log_keeper::LogKeeper;
use concord::service::hub::projector::Projector;
use concord::service::hub::pseudonym::Pseudonyms;
use concord::service::hub::registry::Registry;
use concord::service::hub::{Hub, HubParts};
use concord::store::journal::{JournalOptions, JournalReader};
use concord::sys::clock::ManualClock;
use concord::wire::pb;
use concord::wire::record::Record;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::process::concord;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_version_s_data_is_verified_judged_from_and_backed_up() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-v1"), folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (hub, node) = (path("hub"), path("node"));
    done(&["verify", "--data", &hub, "--receipts", &node, "--authority", &path("ca.pem")]);
    for data in [&hub, &node] {
        done(&["rebuild", "--data", data]);
        done(&["rebuild", "--data", data, "--check"]);
        done(&["backup", "--from", data, "--to", &format!("{data}-backup")]);
        done(&["restore", "--from", &format!("{data}-backup"), "--to", &format!("{data}-again")]);
    }
    done(&["verify", "--data", &format!("{hub}-again"), "--receipts", &format!("{node}-again")]);

    let asked = recorded(Path::new(&hub));
    let (first, at) = (asked.check_key.clone(), asked.at.unwrap());
    let clock = Arc::new(ManualClock::new(Moment::new(at.unix_ms, 480).unwrap()));
    let stop = CancellationToken::new();
    let opened = open(folder.path(), Arc::clone(&clock), &stop);
    for check_key in [first.as_str(), "asked-after-the-upgrade"] {
        let request = pb::CheckRequest { proofs: true, ..request(&asked, check_key) };
        let answer = opened.check(&caller(&asked.organisation), request).await.unwrap();
        let prompts: Vec<_> = answer.lines.iter().flat_map(|line| &line.prompts).collect();
        assert_eq!(prompts.len(), 1, "{check_key}");
        assert!(format!("{:?}", prompts[0].result).contains("4.1"), "{check_key}: {:?}", prompts[0].result);
        assert_eq!(prompts[0].proof, "", "headers had no records then");
    }
    stop.cancel();
}

/// Gives the check of the story that the data tell.
fn recorded(data: &Path) -> pb::CheckRecord {
    let journal = JournalReader::open(&data.join("entries")).unwrap();
    let checks = journal.scan(0).filter_map(|record| {
        let record = record.unwrap();
        match Record::decode(record.kind, record.payload).unwrap() {
            Record::Check(check) if !check.prompts.is_empty() => Some(check),
            _ => None,
        }
    });
    checks.last().unwrap()
}

fn request(asked: &pb::CheckRecord, check_key: &str) -> pb::CheckRequest {
    pb::CheckRequest {
        check_key: check_key.to_owned(),
        patient: Some(pb::Patient { pseudonym: asked.patient.clone(), ..Default::default() }),
        actor: asked.actor.clone(),
        visit: asked.visit.clone(),
        lines: asked.lines.clone(),
        ..Default::default()
    }
}

fn caller(organisation: &str) -> Caller {
    Caller {
        region: "520000".parse().unwrap(),
        role: Role::Hospital,
        organisation: organisation.parse().unwrap(),
        name: "node".into(),
        serial: None,
    }
}

/// Opens the hub over its data, at the time of its last check.
fn open(folder: &Path, clock: Arc<ManualClock>, stop: &CancellationToken) -> Arc<Hub> {
    let secrets = Secrets::read(&folder.join("secrets")).unwrap();
    let name: KeyName = "hub.example.cn/log".parse().unwrap();
    let log_key = secrets.log_key(&name);
    let now = concord::ports::clock::Clock::now(&*clock);
    let journal = JournalOptions::default();
    let options = StorageOptions { journal, index_cache_bytes: 1 << 20, tables_cache_bytes: 1 << 20, now };
    let storage = Storage::open(&folder.join("hub"), &log_key, options).unwrap();
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (_, trust) = watch::channel(Arc::new(Trust::parse(&read("ca.pem"), &read("crl.pem")).unwrap()));
    let registry = Arc::new(Registry::new(trust));
    let (reader, tiles) = (storage.journal.reader(), storage.tiles.reader());
    let (index, state) = (Arc::clone(&storage.index), Arc::clone(&storage.state));
    let projector = Projector::new(reader.clone(), index, state, Arc::clone(&registry)).unwrap();
    let keeper = LogKeeper::new(reader, storage.tiles, secrets.signer(&name));
    let ledger = Ledger::new(storage.journal, projector.reached(), keeper.published());
    tokio::spawn(projector.run(stop.clone()));
    tokio::spawn(keeper.run(stop.clone()));
    Arc::new(Hub::new(HubParts {
        ledger,
        registry,
        index: storage.index,
        state: storage.state,
        tiles,
        log_key,
        grants: Grants::new(&secrets.grant),
        links: Links::new(&secrets.grant, "", "520000".parse().unwrap()),
        pseudonyms: Pseudonyms::new(&secrets.identity, vec!["CN-ID".parse().unwrap()]),
        clock,
    }))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => {
                std::fs::copy(entry.path(), &to).unwrap();
                // The tree does not keep that secrets are the owner's alone.
                std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
    }
}

/// Runs a command that must succeed.
fn done(arguments: &[&str]) {
    let output = concord(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
