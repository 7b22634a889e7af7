//! Other people's DICOM senders against the DICOM door: dcmtk's `echoscu` and `dcmsend`, unmodified.

use concord::doors::dicom::{InstanceBody, InstanceSink, ReceivedInstance, Settings, StoreRefusal, serve};
use concord::wire::dicom::{precheck, read_file, syntax};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Keeps each instance as a Part 10 file, by instance and transfer syntax.
#[derive(Default)]
struct Archive(Mutex<BTreeMap<(String, String), Vec<u8>>>);

impl InstanceSink for Archive {
    async fn store(&self, instance: ReceivedInstance) -> Result<(), StoreRefusal> {
        let InstanceBody::Memory(data_set) = &instance.body else { panic!("corpus files are small") };
        let file = [instance.file_header(), data_set.clone()].concat();
        let key = (instance.facts.sop_instance.to_string(), instance.transfer_syntax.to_string());
        self.0.lock().unwrap().insert(key, file);
        Ok(())
    }
}

async fn open(archive: Arc<Archive>, spool_folder: PathBuf) -> SocketAddr {
    let settings = Settings {
        ae_title: "CONCORD".into(),
        calling_ae_titles: None,
        associations_max: 4,
        pdu_bytes_max: 128 << 10,
        idle_max: Duration::from_secs(30),
        spool_folder,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, settings, archive, CancellationToken::new()));
    address
}

/// Finds a program of dcmtk, or says that the test is skipped.
fn program(name: &str) -> Option<PathBuf> {
    let path = Path::new("/usr/bin").join(name);
    if !path.is_file() {
        eprintln!("skipped: {name} of dcmtk is not installed");
        return None;
    }
    Some(path)
}

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible/dicom"));
    if !folder.is_dir() {
        eprintln!("skipped: no corpus beside the package");
        return None;
    }
    Some(folder.to_owned())
}

/// Runs a sender to its end; the door is served by the other threads meanwhile.
fn run(program: &Path, called: &str, address: SocketAddr, arguments: &[&std::ffi::OsStr]) -> bool {
    let port = address.port().to_string();
    let mut command = Command::new(program);
    command.args(["-aec", called, "127.0.0.1", &port]).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

#[tokio::test(flavor = "multi_thread")]
async fn echoscu_is_answered_and_refused_under_another_title() {
    let Some(echoscu) = program("echoscu") else { return };
    let spool = tempfile::tempdir().unwrap();
    let address = open(Arc::default(), spool.path().to_owned()).await;
    assert!(run(&echoscu, "CONCORD", address, &[]));
    assert!(!run(&echoscu, "OTHER", address, &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn dcmsend_delivers_the_corpus_in_every_syntax() {
    let (Some(dcmsend), Some(folder)) = (program("dcmsend"), corpus()) else { return };
    let spool = tempfile::tempdir().unwrap();
    let archive = Arc::new(Archive::default());
    let address = open(Arc::clone(&archive), spool.path().to_owned()).await;
    let mut files = Vec::new();
    collect(&folder, &mut files);
    assert!(files.len() > 40);
    for path in files {
        let sent = std::fs::read(&path).unwrap();
        let sent = read_file(&sent).unwrap();
        // The one syntax that dcmsend cannot propose as it is.
        if sent.transfer_syntax.as_str() == "1.2.840.10008.1.2.1.99" {
            continue;
        }
        let flags: [&std::ffi::OsStr; 3] = ["--decompress-never".as_ref(), "--no-uid-checks".as_ref(), path.as_ref()];
        assert!(run(&dcmsend, "CONCORD", address, &flags), "{path:?}");
        // Implicit data sets are offered as explicit ones too, and sent as what was agreed first.
        let syntax = match sent.transfer_syntax.as_str() {
            syntax::IMPLICIT_LITTLE => syntax::EXPLICIT_LITTLE,
            other => other,
        };
        let key = (sent.facts.sop_instance.to_string(), syntax.to_owned());
        let kept = archive.0.lock().unwrap().get(&key).cloned().unwrap_or_else(|| panic!("{path:?} is not kept"));
        let kept = read_file(&kept).unwrap();
        // The sender writes sequence lengths its own way; values are what both must agree on.
        let sent_values = values(sent.data_set, sent.transfer_syntax.as_str());
        let kept_values = values(kept.data_set, syntax);
        let differing = sent_values.iter().filter(|sent| !kept_values.contains(sent)).map(|(tag, _)| tag);
        assert_eq!(differing.collect::<Vec<_>>(), Vec::<&String>::new(), "{path:?}");
    }
}

/// Gives the values of the top level without padding, those of sequences, private groups and group lengths left out.
fn values(data_set: &[u8], transfer_syntax: &str) -> Vec<(String, Vec<u8>)> {
    let walked = precheck::walk(data_set, syntax::form(transfer_syntax).unwrap().encoding).unwrap();
    let elements = walked.elements().iter().filter(|element| {
        let is_private = element.tag.group() % 2 == 1;
        element.vr.to_string() != "SQ" && element.tag.element() != 0 && element.tag.group() != 0xFFFC && !is_private
    });
    elements.map(|element| (element.tag.to_string(), unpadded(element.value).to_vec())).collect()
}

fn unpadded(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
    &value[..end]
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, files);
        } else if name != "DICOMDIR" && name != "PROVENANCE.tsv" {
            files.push(path);
        }
    }
}
