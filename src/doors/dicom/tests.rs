//! Associations over the loopback: what is answered, when, and what the sink is given.

use super::*;
use crate::wire::dicom::command::{self, Command, Status};
use dicom_ul::association::client::{AsyncClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const JPEG_XL: &str = "1.2.840.10008.1.2.4.110";

/// Keeps what it is given, and meets others in the middle of a store if told to.
#[derive(Default)]
struct Shelf {
    kept: Mutex<Vec<(String, String, Vec<u8>)>>,
    refusal: Option<Fault>,
    meeting: Option<Barrier>,
    finished: AtomicUsize,
}

impl InstanceSink for Shelf {
    async fn store(&self, instance: ReceivedInstance) -> Result<(), StoreRefusal> {
        if let Some(fault) = self.refusal {
            return Err(StoreRefusal(fault));
        }
        if let Some(meeting) = &self.meeting {
            meeting.wait().await;
        }
        let bytes = match &instance.body {
            InstanceBody::Memory(bytes) => bytes.clone(),
            InstanceBody::File(file) => std::fs::read(file.path()).unwrap(),
        };
        let names = (instance.facts.sop_instance.to_string(), instance.transfer_syntax.to_string());
        self.kept.lock().unwrap().push((names.0, names.1, bytes));
        self.finished.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

struct Door {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    shelf: Arc<Shelf>,
    folder: tempfile::TempDir,
}

async fn open(shelf: Shelf, change: impl FnOnce(&mut Settings)) -> Door {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings {
        ae_title: "CONCORD".into(),
        calling_ae_titles: None,
        associations_max: 8,
        pdu_bytes_max: 64 << 10,
        idle_max: Duration::from_secs(30),
        spool_folder: folder.path().to_owned(),
    };
    change(&mut settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop, shelf) = (listener.local_addr().unwrap(), CancellationToken::new(), Arc::new(shelf));
    let served = tokio::spawn(serve(listener, settings, Arc::clone(&shelf), stop.clone()));
    Door { address, stop, served, shelf, folder }
}

type Sender = AsyncClientAssociation<TcpStream>;

fn caller() -> ClientAssociationOptions<'static> {
    ClientAssociationOptions::new()
        .calling_ae_title("PACS")
        .called_ae_title("CONCORD")
        .with_presentation_context(command::VERIFICATION, vec!["1.2.840.10008.1.2"])
        .with_presentation_context(CT, vec![EXPLICIT])
        .with_presentation_context(CT, vec![JPEG_XL])
}

impl Door {
    async fn call(&self) -> Sender {
        caller().establish_async(self.address).await.unwrap()
    }
}

/// Sends a command, and a data set if there is one, and gives the answer.
async fn ask(sender: &mut Sender, context: usize, command: Vec<u8>, data_set: Option<&[u8]>) -> Command {
    let context = sender.presentation_contexts()[context].id;
    let value = PDataValue {
        presentation_context_id: context,
        value_type: PDataValueType::Command,
        is_last: true,
        data: command,
    };
    sender.send(&Pdu::PData { data: vec![value] }).await.unwrap();
    if let Some(data_set) = data_set {
        let mut writer = sender.send_pdata(context);
        writer.write_all(data_set).await.unwrap();
        writer.finish().await.unwrap();
    }
    let Pdu::PData { data } = sender.receive().await.unwrap() else { panic!("no answer") };
    command::decode(&data[0].data).unwrap()
}

async fn store(sender: &mut Sender, context: usize, instance: &str, data_set: &[u8]) -> Status {
    let (class, instance) = (Uid::parse(CT).unwrap(), Uid::parse(instance).unwrap());
    let answer = ask(sender, context, command::store_request(5, &class, &instance), Some(data_set)).await;
    assert_eq!((answer.message_id, answer.sop_instance), (5, Some(instance)));
    answer.status.unwrap()
}

/// A whole CT instance in explicit little endian with so many bytes of pixels.
fn picture(instance: &str, pixel_bytes: usize) -> Vec<u8> {
    let mut data_set = Vec::new();
    let mut text = |group: u16, element: u16, vr: &[u8; 2], value: &str| {
        let mut value = value.as_bytes().to_vec();
        value.resize(value.len().next_multiple_of(2), 0);
        data_set.extend([group.to_le_bytes(), element.to_le_bytes(), *vr].concat());
        data_set.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
        data_set.extend(value);
    };
    text(0x08, 0x16, b"UI", CT);
    text(0x08, 0x18, b"UI", instance);
    text(0x08, 0x60, b"CS", "CT");
    text(0x10, 0x20, b"LO", "P1");
    text(0x20, 0x0D, b"UI", "2.25.1");
    text(0x20, 0x0E, b"UI", "2.25.2");
    data_set.extend(b"\xE0\x7F\x10\x00OW\0\0");
    data_set.extend(u32::try_from(pixel_bytes).unwrap().to_le_bytes());
    data_set.resize(data_set.len() + pixel_bytes, 0x5A);
    data_set
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_is_answered_under_its_own_number() {
    let door = open(Shelf::default(), |_| {}).await;
    let mut sender = door.call().await;
    for message_id in [1, 77] {
        let answer = ask(&mut sender, 0, command::echo_request(message_id), None).await;
        assert_eq!((answer.message_id, answer.status), (message_id, Some(Status::SUCCESS)));
    }
    sender.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_what_was_sent_in_its_own_syntax() {
    let door = open(Shelf::default(), |_| {}).await;
    let mut sender = door.call().await;
    let (small, large) = (picture("2.25.10", 512), picture("2.25.11", 9 << 20));
    assert_eq!(store(&mut sender, 1, "2.25.10", &small).await, Status::SUCCESS);
    assert_eq!(store(&mut sender, 2, "2.25.11", &large).await, Status::SUCCESS);
    sender.release().await.unwrap();
    let kept = door.shelf.kept.lock().unwrap();
    assert_eq!((kept[0].0.as_str(), kept[0].1.as_str()), ("2.25.10", EXPLICIT));
    assert_eq!((kept[1].0.as_str(), kept[1].1.as_str()), ("2.25.11", JPEG_XL));
    assert!(kept[0].2 == small && kept[1].2 == large);
    assert_eq!(std::fs::read_dir(door.folder.path()).unwrap().count(), 0, "the spool is empty again");
}

#[tokio::test(flavor = "multi_thread")]
async fn associations_store_side_by_side_and_success_follows_the_sink() {
    let shelf = Shelf { meeting: Some(Barrier::new(2)), ..Shelf::default() };
    let door = open(shelf, |_| {}).await;
    let (mut one, mut other) = (door.call().await, door.call().await);
    let (first, second) = (picture("2.25.20", 64), picture("2.25.21", 64));
    // Neither store ends before the other has begun: in turn they would wait for ever.
    let both = tokio::join!(store(&mut one, 1, "2.25.20", &first), async {
        let status = store(&mut other, 1, "2.25.21", &second).await;
        assert!(door.shelf.finished.load(Ordering::SeqCst) >= 1);
        status
    });
    assert_eq!(both, (Status::SUCCESS, Status::SUCCESS));
    assert_eq!(door.shelf.finished.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_instances_never_reach_the_sink() {
    let door = open(Shelf::default(), |_| {}).await;
    let mut sender = door.call().await;
    let whole = picture("2.25.30", 4096);
    for length in [0, 7, 61, whole.len() - 4096, whole.len() - 1] {
        let status = store(&mut sender, 1, "2.25.30", &whole[..length.max(2)]).await;
        assert_eq!(status, Status::CANNOT_UNDERSTAND, "cut at {length}");
    }
    assert_eq!(store(&mut sender, 1, "2.25.31", &whole).await, Status::DATA_SET_DIFFERS);
    assert!(door.shelf.kept.lock().unwrap().is_empty());
    assert_eq!(store(&mut sender, 1, "2.25.30", &whole).await, Status::SUCCESS, "the association lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sinks_refusal_is_the_senders_status() {
    for (fault, status) in [
        (Fault::Conflict, Status::DUPLICATE_INSTANCE),
        (Fault::Busy, Status::OUT_OF_RESOURCES),
        (Fault::Denied, Status::NOT_AUTHORISED),
        (Fault::Broken, Status::PROCESSING_FAILURE),
    ] {
        let door = open(Shelf { refusal: Some(fault), ..Shelf::default() }, |_| {}).await;
        let mut sender = door.call().await;
        assert_eq!(store(&mut sender, 1, "2.25.40", &picture("2.25.40", 2)).await, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_operations_are_answered_as_unknown() {
    let door = open(Shelf::default(), |_| {}).await;
    let mut sender = door.call().await;
    let mut find = command::store_request(9, &Uid::parse(CT).unwrap(), &Uid::parse("1.2").unwrap());
    let field = find.windows(8).position(|bytes| bytes == [0, 0, 0, 1, 2, 0, 0, 0]).unwrap();
    find[field + 8] = 0x20;
    let answer = ask(&mut sender, 1, find, Some(b"query")).await;
    assert_eq!(answer.status, Some(Status::UNRECOGNISED_OPERATION));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let door = open(Shelf::default(), |settings| settings.calling_ae_titles = Some(vec!["PACS".into()])).await;
    let refused = |options: ClientAssociationOptions<'static>| async move {
        options.establish_async(door.address).await.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refused(caller().called_ae_title("CONCOR")).await.contains("called AE title not recognized"));
    assert!(refused(caller().calling_ae_title("PACS2")).await.contains("calling AE title not recognized"));
    door.call().await.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_too_many_is_refused_for_now() {
    let door = open(Shelf::default(), |settings| settings.associations_max = 1).await;
    let mut first = door.call().await;
    let error = caller().establish_async(door.address).await.err().unwrap().to_string();
    assert!(error.contains("local limit exceeded"), "{error}");
    assert_eq!(ask(&mut first, 0, command::echo_request(1), None).await.status, Some(Status::SUCCESS));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_ask_for_nothing_keep_no_association_out() {
    let door = open(Shelf::default(), |settings| settings.associations_max = 1).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(door.address).await.unwrap());
    }
    let mut sender = door.call().await;
    assert_eq!(ask(&mut sender, 0, command::echo_request(1), None).await.status, Some(Status::SUCCESS));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_verification_and_storage_are_agreed() {
    let door = open(Shelf::default(), |_| {}).await;
    let find = "1.2.840.10008.5.1.4.1.2.2.1";
    let sender = ClientAssociationOptions::new()
        .called_ae_title("CONCORD")
        .with_presentation_context(find, vec!["1.2.840.10008.1.2"])
        .with_presentation_context("1.2.826.0.1.999", vec![EXPLICIT])
        .establish_async(door.address)
        .await
        .unwrap();
    let agreed: Vec<_> = sender.presentation_contexts().iter().map(|context| context.id).collect();
    assert_eq!(agreed, [3], "a private class is stored, a query is not answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_idle_associations() {
    let door = open(Shelf::default(), |_| {}).await;
    let mut sender = door.call().await;
    door.stop.cancel();
    assert!(matches!(sender.receive().await, Ok(Pdu::AbortRQ { .. })));
    drop(sender);
    door.served.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_dicom_is_hung_up_on() {
    let door = open(Shelf::default(), |_| {}).await;
    for noise in
        [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0], &[7, 0, 0, 0, 0, 4, 0, 0, 0, 0]]
    {
        let mut socket = TcpStream::connect(door.address).await.unwrap();
        socket.write_all(noise).await.unwrap();
        let mut last = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut last).await.unwrap();
        assert!(last.is_empty() || last[0] == 7, "an abort, and no more");
    }
    let mut sender = door.call().await;
    assert_eq!(ask(&mut sender, 0, command::echo_request(1), None).await.status, Some(Status::SUCCESS));
}
