//! Names and numbers in all the wrong places: whatever is refused, the refusal names nobody.

use bytes::Bytes;
use concord::wire::pb;
use concord::wire::pb::identity_client::IdentityClient;
use concord::wire::pb::node_client::NodeClient;
use concord::wire::pb::orders_client::OrdersClient;
use concord::wire::pb::retrieval_client::RetrievalClient;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::Status;

use crate::doctor::{Doctor, POTASSIUM};
use crate::laboratory::{Report, Sender};
use crate::patience::until;
use crate::people::{self, Patient};
use crate::region::{A, B, Region, assert_no_canary};
use crate::scanner::{chest, store};

#[tokio::test(flavor = "multi_thread")]
async fn no_refused_message_image_or_call_names_a_patient() {
    let region = Region::open().await;
    let refused = send_spoilt(&region).await;
    assert_eq!(refused, 2, "others are taken, and held or read as far as they go");

    let patient = people::canary();
    let mut slices = chest(&Patient { number: "金丝雀".to_owned(), ..patient.clone() }, region.began, 1);
    slices[0].data_set.truncate(600);
    store(region.dicom(A), &slices).await;

    for status in wrong_calls(&region, &patient).await {
        assert_no_canary("a status", status.message().as_bytes());
        assert_no_canary("the details of a status", status.details());
        assert_no_canary("the trailers of a status", format!("{:?}", status.metadata()).as_bytes());
    }
    until("everything to be read and published", async || {
        let status = region.status(A).await?;
        let is_done = status.pipeline_position == status.journal_size && status.outbox_batches == 0;
        if is_done { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    let mut node = NodeClient::new(region.node(A, A.folder));
    let held = node.held(pb::HeldRequest { limit: 100 }).await.unwrap().into_inner();
    assert!(held.results.len() >= 3, "{held:?}");
    assert_no_canary("the list of what is held", format!("{held:?}").as_bytes());
    region.end().await;
}

/// Sends messages with a patient in the wrong place, and gives the number of those that were refused.
async fn send_spoilt(region: &Region) -> usize {
    let patient = people::canary();
    let sound = Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message();
    let sound = String::from_utf8(sound).unwrap();
    let number = patient.number.as_str();
    let spoilt = [
        ("ORU^R01^ORU_R01", "金丝雀^CANARY"),
        ("2.5.1", "金丝雀"),
        ("UNICODE UTF-8", "520102198504120011"),
        ("PID|1|", "PIX|1|"),
        ("OBX|1|NM", "OBX|1|金丝雀"),
        ("OBR|1|K1|", "OBR|1|金丝雀|"),
        (number, "520102198504120012"),
        ("|19850412|", "|金丝雀|"),
        ("|19850412|M", "|19850413|F"),
        ("^^^GA^NI", "^^^金丝雀^520102198504120011"),
    ];
    let mut refused = 0;
    for (place, (from, to)) in spoilt.into_iter().enumerate() {
        assert!(sound.contains(from), "{from}");
        let message = sound.replace("|K1F|", &format!("|S{place}|")).replace(from, to);
        let mut sender = Sender::connect(region.mllp(A)).await.unwrap();
        let answer = sender.send(message.as_bytes()).await.unwrap();
        assert_no_canary("an acknowledgement", answer.own_words().as_bytes());
        refused += usize::from(answer.code != "AA");
    }
    // A frame that ends in the middle of a name, and a name without a frame.
    for broken in [&sound.as_bytes()[..sound.find("CANARY").unwrap() + 3], "金丝雀|CANARY\r".as_bytes()] {
        let mut stream = TcpStream::connect(region.mllp(A)).await.unwrap();
        stream.write_all(&[b"\x0b", broken].concat()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    refused
}

/// Makes calls with a patient where none belongs, and gives how each was refused.
async fn wrong_calls(region: &Region, patient: &Patient) -> Vec<Status> {
    let identifier = |kind: &str, value: &str| pb::Identifier {
        r#type: kind.to_owned(),
        authority: String::new(),
        value: value.to_owned(),
    };
    let person = |identifiers, birth_date: &str| pb::Patient {
        pseudonym: Bytes::new(),
        identifiers,
        sex: pb::Sex::Male.into(),
        birth_date: birth_date.to_owned(),
    };
    let number = || identifier("CN-ID", &patient.number);
    let check = |patient: pb::Patient, code: &str| pb::CheckRequest {
        check_key: "spoilt".to_owned(),
        patient: Some(patient),
        actor: Some(pb::Actor { practitioner: "D0001".to_owned(), department: String::new() }),
        visit: Some(pb::Visit {
            encounter: "E1".to_owned(),
            setting: pb::Setting::Outpatient.into(),
            ..Default::default()
        }),
        lines: vec![pb::OrderLine {
            line_id: "1".to_owned(),
            codes: vec![pb::Code { system: POTASSIUM.0.to_owned(), code: code.to_owned(), display: String::new() }],
            imaging: Vec::new(),
        }],
        language: pb::Language::Zh.into(),
        proofs: false,
    };
    let (node, hub) = (region.node(B, B.folder), region.hub(B.folder));
    let mut statuses = Vec::new();
    for wrong in [
        check(person(vec![identifier("CN-ID", "520102198504120012金丝雀")], "1985-04-12"), POTASSIUM.1),
        check(person(vec![identifier("金丝雀", &patient.number)], "1985-04-12"), POTASSIUM.1),
        check(person(vec![number()], "CANARY"), POTASSIUM.1),
        check(person(vec![number()], "1985-04-12"), &"金丝雀".repeat(100)),
        pb::CheckRequest { check_key: String::new(), ..check(person(vec![number()], "1985-04-12"), POTASSIUM.1) },
    ] {
        statuses.push(OrdersClient::new(node.clone()).check(wrong).await.err());
    }
    let direct = check(person(vec![number()], "1985-04-12"), POTASSIUM.1);
    statuses.push(OrdersClient::new(hub.clone()).check(direct).await.err());
    let crowd =
        pb::Person { identifiers: vec![number(); 9], birth_date: "金丝雀".to_owned(), ..pb::Person::default() };
    let wrong = pb::ResolveRequest { persons: vec![crowd] };
    statuses.push(IdentityClient::new(hub.clone()).resolve(wrong).await.err());
    let grant = format!("金丝雀{}", patient.number);
    let fetch = pb::FetchRequest { grant, digest: Bytes::from_static(&[7; 32]), offset: 0 };
    statuses.push(RetrievalClient::new(node).fetch(fetch.clone()).await.err());
    statuses.push(RetrievalClient::new(hub).fetch(fetch).await.err());
    // Another person's sex and birth date under the same number.
    let doctor = Doctor::at(region, B);
    doctor.order("sound", patient, POTASSIUM).await;
    let other = Patient { sex: "F", birth_date: "1990-01-01".to_owned(), ..patient.clone() };
    statuses.push(doctor.check("other", &other, POTASSIUM).await.err());
    let refused = statuses.into_iter().flatten().collect::<Vec<_>>();
    assert!(refused.len() >= 6, "{} calls were refused", refused.len());
    refused
}
