//! The Node service over gRPC, and who may call it.

use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Status};

use super::NodeToolsDoor;
use crate::domain::organisation::{Caller, CertificateSerial, Role};
use crate::doors::auth::Permit;
use crate::doors::grpc::node_access::Own;
use crate::service::node::tests::world::{PUBLISHER, World};
use crate::wire::pb;
use pb::node_client::NodeClient;
use pb::node_server::NodeServer;

const OTHER: &str = "12100000400000624D";

/// Serves a node's tools to callers of `organisation`, as the gate would let them through.
fn served(world: &World, organisation: &'static str) -> NodeClient<Channel> {
    let own = Own(PUBLISHER.parse().unwrap());
    let door = NodeToolsDoor { own, node: world.node(), clock: Arc::clone(&world.clock) as Arc<_> };
    let permitted = move |mut request: Request<()>| -> Result<Request<()>, Status> {
        let caller = Caller {
            region: "520000".parse().unwrap(),
            role: Role::Hospital,
            organisation: organisation.parse().unwrap(),
            name: String::new(),
            serial: Some(CertificateSerial::new(&[1]).unwrap()),
        };
        request.extensions_mut().insert(Permit { caller: Arc::new(caller), method: "" });
        Ok(request)
    };
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = Server::builder().add_service(NodeServer::with_interceptor(door, permitted));
    let incoming = tokio_stream::iter([Ok::<DuplexStream, io::Error>(theirs)]);
    let incoming = tokio_stream::StreamExt::chain(incoming, tokio_stream::pending());
    tokio::spawn(server.serve_with_incoming(incoming));
    let mut ours = Some(ours);
    let connect = tower::service_fn(move |_| {
        let taken = ours.take().map(TokioIo::new).ok_or(io::Error::from(io::ErrorKind::ConnectionRefused));
        async { taken }
    });
    NodeClient::new(Endpoint::from_static("http://node").connect_with_connector_lazy(connect))
}

fn piece(name: &str, data: &[u8], last: bool) -> pb::ImportRequest {
    pb::ImportRequest { name: name.into(), data: bytes::Bytes::copy_from_slice(data), last }
}

/// A Part 10 file with nothing but names and two pixels.
fn instance() -> Vec<u8> {
    let uid = |text: &str| crate::wire::dicom::Uid::parse(text).unwrap();
    let (syntax, class, name) = (uid("1.2.840.10008.1.2.1"), uid("1.2.840.10008.5.1.4.1.1.7"), uid("1.2.3.4"));
    let mut file = crate::wire::dicom::part10::header(&syntax, &class, &name);
    let mut element = |group: u16, number: u16, vr: &str, value: &str| {
        let padding = if vr == "UI" { '\0' } else { ' ' };
        let value = if value.len().is_multiple_of(2) { value.to_owned() } else { format!("{value}{padding}") };
        file.extend(group.to_le_bytes());
        file.extend(number.to_le_bytes());
        file.extend(vr.as_bytes());
        file.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
        file.extend(value.as_bytes());
    };
    element(0x0008, 0x0016, "UI", class.as_str());
    element(0x0008, 0x0018, "UI", name.as_str());
    element(0x0008, 0x0020, "DA", "20260301");
    element(0x0008, 0x0060, "CS", "DX");
    element(0x0020, 0x000D, "UI", "1.2.3");
    element(0x0020, 0x000E, "UI", "1.2.3.1");
    file.extend(*b"\xE0\x7F\x10\0OW\0\0\x04\0\0\0\x01\x01\x01\x01");
    file
}

#[tokio::test]
async fn every_file_of_an_import_is_answered_and_kept_once() {
    let world = World::new();
    let mut client = served(&world, PUBLISHER);
    let file = instance();
    let (head, tail) = file.split_at(150);
    let mut changed = file.clone();
    *changed.last_mut().unwrap() = b'2';
    let sent = vec![
        piece("a.dcm", head, false),
        piece("a.dcm", tail, true),
        piece("again.dcm", &file, true),
        piece("notes.txt", b"no image", true),
        piece("empty", b"", true),
        piece("cut.dcm", &file[..file.len() - 5], true),
        piece("other.dcm", &changed, true),
    ];
    let mut answers = client.import(tokio_stream::iter(sent)).await.unwrap().into_inner();
    let mut outcomes = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.reason.is_empty(), ["STORED", "DUPLICATE"].contains(&answer.outcome.as_str()));
        outcomes.push(format!("{} {}", answer.name, answer.outcome));
    }
    let wanted = [
        "a.dcm STORED",
        "again.dcm DUPLICATE",
        "notes.txt SKIPPED",
        "empty SKIPPED",
        "cut.dcm REFUSED",
        "other.dcm REFUSED",
    ];
    assert_eq!(outcomes, wanted);
    let status = client.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.instances_taken, status.organisation.as_str()), (1, PUBLISHER));
}

#[tokio::test]
async fn a_file_inside_another_ends_the_import() {
    let world = World::new();
    let mut client = served(&world, PUBLISHER);
    let sent = vec![piece("a.dcm", b"x", false), piece("b.dcm", b"x", true)];
    let mut answers = client.import(tokio_stream::iter(sent)).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn other_hospitals_see_nothing() {
    let world = World::new();
    let mut client = served(&world, OTHER);
    let denied = |answer: Result<(), Status>| assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied);
    denied(client.status(pb::StatusRequest {}).await.map(drop));
    denied(client.held(pb::HeldRequest { limit: 1 }).await.map(drop));
    denied(client.unmapped(pb::UnmappedRequest { limit: 1 }).await.map(drop));
    denied(client.reprocess(pb::ReprocessRequest {}).await.map(drop));
    denied(client.import(tokio_stream::empty()).await.map(drop));
}
