//! A patient says who may see the results, through the patients' entrance, and reads who has looked.

use concord::wire::pb;
use concord::wire::pb::consents_client::ConsentsClient;
use concord::wire::pb::retrieval_client::RetrievalClient;
use concord::wire::shl::{self, Payload};
use pb::consent_terms::Grantee;
use pb::open_request::Basis;
use reqwest::{Certificate, Client, StatusCode};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::doctor::{self, Doctor};
use crate::laboratory::{Report, report};
use crate::patience::ANSWER_WAIT_MAX;
use crate::people::{self, Patient};
use crate::region::{A, B, Organisation, REGULATOR, Region};

/// The patients' entrance.
const GATEWAY: Organisation =
    Organisation { folder: "gateway", code: "12520000DEMXX4011H", role: "patient-gateway", division: "520000" };

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_opts_out_consents_shares_a_link_ends_it_and_reads_who_looked() {
    let region = Region::open().await;
    region.issue(GATEWAY, GATEWAY.folder, "");
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let message = Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message();
    report(region.mllp(A), &message).await;
    doctor.wait_for(&patient, 1).await;
    let mut consents = ConsentsClient::new(region.hub(GATEWAY.folder));
    let acting = Some(pb::Acting { patient: Some(doctor::person(&patient)), guardian: None });

    let sharing = pb::SetSharingRequest { acting: acting.clone(), opted_out: true };
    consents.set_sharing(sharing).await.unwrap();
    assert_eq!(doctor.recent(&patient).await.unwrap().len(), 0);
    let refused = open(&region, "open-1", &patient, Basis::ConsentId(Vec::new().into())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let to_b = Grantee::Organisation(B.code.to_owned());
    let granted = consents.grant(grant("consent-1", &acting, &region, to_b, "")).await.unwrap().into_inner();
    let opened = open(&region, "open-2", &patient, Basis::ConsentId(Vec::new().into())).await.unwrap();
    let [one] = opened.results.as_slice() else { panic!("{opened:?}") };
    let (result, leave) = (one.result.clone().unwrap(), one.grant.clone().unwrap());
    assert_eq!(doctor.open(&leave, &result.originals[0]).await.unwrap(), message);
    let consent_id = granted.consent.unwrap().consent_id;
    consents.revoke(pb::RevokeConsentRequest { acting: acting.clone(), consent_id }).await.unwrap();
    let refused = doctor.open(&leave, &result.originals[0]).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "the grant ends with its consent");

    let link = Grantee::Link(pb::LinkTerms { language: pb::Language::En.into(), ..Default::default() });
    let granted = consents.grant(grant("consent-2", &acting, &region, link, "letmein")).await.unwrap().into_inner();
    let link = Payload::decode(&granted.consent.unwrap().shlink).unwrap_or_else(|error| panic!("{error}"));
    let (status, told) = ask(&region, &link.url, json!({ "recipient": "Dr Who", "passcode": "letmeout" })).await;
    assert_eq!((status, told), (StatusCode::UNAUTHORIZED, json!({ "remainingAttempts": 9 })));
    let (status, told) = ask(&region, &link.url, json!({ "recipient": "Dr Who", "passcode": "letmein" })).await;
    assert_eq!(status, StatusCode::OK);
    let file = told["files"][0]["embedded"].as_str().unwrap();
    let (_, bundle) = shl::open(&link.key, file, 1 << 20).unwrap();
    assert!(String::from_utf8(bundle).unwrap().contains("\"value\":4.1"));

    let broken = open(&region, "open-3", &patient, Basis::BreakGlass("unconscious".to_owned())).await.unwrap();
    assert_eq!(broken.results.len(), 1);
    assert_eq!(region.figures(B).await.unwrap().break_glass, 1);
    let asked = pb::AccessHistoryRequest { acting, before: 0, limit: 0 };
    let told = consents.access_history(asked.clone()).await.unwrap().into_inner().accesses;
    let told: Vec<_> = told.iter().map(|access| (access.kind(), access.basis(), access.reason.as_str())).collect();
    assert_eq!(told[0], (pb::AccessKind::Opened, pb::AccessBasis::BreakGlass, "unconscious"));
    for kind in [pb::AccessKind::LinkUsed, pb::AccessKind::Fetched, pb::AccessKind::OptedOut, pb::AccessKind::Listed] {
        assert!(told.iter().any(|(found, ..)| *found == kind), "{kind:?} in {told:?}");
    }
    for folder in [B.folder, REGULATOR.folder] {
        let refused = ConsentsClient::new(region.hub(folder)).access_history(asked.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{folder} is no entrance for patients");
    }
    region.end().await;
}

fn grant(
    key: &str,
    acting: &Option<pb::Acting>,
    region: &Region,
    grantee: Grantee,
    passcode: &str,
) -> pb::GrantConsentRequest {
    pb::GrantConsentRequest {
        consent_key: key.to_owned(),
        acting: acting.clone(),
        terms: Some(pb::ConsentTerms {
            grantee: Some(grantee),
            extent: Some(pb::Extent { all: true, ..Default::default() }),
            purpose: pb::ConsentPurpose::Treatment.into(),
            to: Some(region.began.plus_hours(24).into()),
            ..Default::default()
        }),
        passcode: passcode.to_owned(),
    }
}

/// Opens a patient's results at hospital B's node, without an order.
async fn open(region: &Region, key: &str, patient: &Patient, basis: Basis) -> Result<pb::OpenResponse, Status> {
    let mut node: RetrievalClient<Channel> = RetrievalClient::new(region.node(B, B.folder));
    let request = pb::OpenRequest {
        open_key: key.to_owned(),
        patient: Some(doctor::person(patient)),
        actor: Some(doctor::actor()),
        visit: Some(doctor::visit()),
        basis: Some(basis),
        ..Default::default()
    };
    Ok(node.open(request).await?.into_inner())
}

/// Asks a link's address, as a viewer that nobody knows.
async fn ask(region: &Region, url: &str, body: Value) -> (StatusCode, Value) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = std::fs::read(region.path("ca/ca.pem")).unwrap();
    let client = Client::builder()
        .timeout(ANSWER_WAIT_MAX)
        .tls_certs_only([Certificate::from_pem(&authority).unwrap()])
        .build()
        .unwrap();
    let answer = client.post(url).json(&body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}
