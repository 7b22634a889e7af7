//! The region comes to life: processes answer, strangers are refused, laboratories are qualified, reports come in.

use std::io;

use prost::Message;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::app::demo::links::World;
use crate::app::demo::mllp;
use crate::app::demo::reports::REPORTS;
use crate::app::demo::step::{Found, StepError, patiently, same, text};
use crate::app::demo::tell::Teller;
use crate::app::sample::cast::{
    CITY_CENTRE, GUIYANG, HONGHUA, HOSPITALS, NATIONAL_CENTRE, Office, PROVINCIAL_CENTRE, REGULATOR, ZUNYI,
};
use crate::pki::signing::{SigningDomain, SigningKey};
use crate::pki::trust::Trust;
use crate::sys::files;
use crate::wire::pb;
use crate::wire::pb::catalogue_client::CatalogueClient;
use crate::wire::pb::qualifications_client::QualificationsClient;
use crate::wire::statement::SIGNED_AS;

/// Tells the chapter.
pub async fn tell(world: &World, teller: &mut Teller<'_>) -> io::Result<()> {
    let title = text("平台与三家医院节点已启动", "The hub and three hospital nodes are up");
    teller.step("serving", title, serving(world)).await?;
    let title = text("吊销、过期及外地区证书均被拒绝", "Revoked, expired and foreign certificates are refused");
    teller.step("strangers", title, strangers(world)).await?;
    let title = text("质控中心签发室间质评结果", "QC centres sign EQA results");
    teller.step("qualifications", title, qualifications(world)).await?;
    let title = text("检验系统经 MLLP 报送结果", "Laboratory systems report over MLLP");
    teller.step("reports", title, reports(world)).await
}

async fn serving(world: &World) -> Result<Found, StepError> {
    let mut found = Found::default();
    patiently(async || serves(world.hub(REGULATOR.folder)?).await).await?;
    found = found.line(format!("平台 {}", world.settled.hub), format!("hub {}", world.settled.hub));
    for (place, hospital) in HOSPITALS.iter().enumerate() {
        let channel = world.node(place)?;
        patiently(async || serves(channel.clone()).await).await?;
        let ports = &world.settled.nodes[place];
        let addresses = format!("MLLP {}, DICOM {}, gRPC {}", ports.mllp, ports.dicom, ports.grpc);
        let (zh, en) = (format!("{} {addresses}", hospital.name_zh), format!("{} {addresses}", hospital.name_en));
        found = found.line(zh, en);
    }
    let call = CatalogueClient::new(world.hub(REGULATOR.folder)?).version(pb::VersionRequest::default()).await;
    let version = call.map_err(StepError::refused("Catalogue.Version"))?.into_inner().info.unwrap_or_default();
    let policy = version.policy_version;
    Ok(found.line(format!("规则版本 {policy}"), format!("policy {policy}")).fact("policy_version", policy))
}

async fn serves(channel: Channel) -> Result<(), StepError> {
    let call = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    let answer = call.map_err(StepError::refused("Health.Check"))?.into_inner();
    same("health", ServingStatus::Serving as i32, answer.status)
}

async fn strangers(world: &World) -> Result<Found, StepError> {
    for who in ["revoked", "expired", "foreign"] {
        let call = HealthClient::new(world.hub(who)?).check(HealthCheckRequest::default()).await;
        if call.is_ok() {
            return Err(StepError::unexpected(format!("a caller whose certificate is {who}"), "refused", "answered"));
        }
    }
    Ok(Found::default().fact("refused", json!(["revoked", "expired", "foreign"])))
}

/// Three rounds each, all passed; and a suspension of one laboratory that takes effect a month before the story.
async fn qualifications(world: &World) -> Result<Found, StepError> {
    let rounds = |laboratory: &'static str| {
        let results =
            ROUND_DAYS.iter().flat_map(move |days| ITEMS.iter().map(move |item| round(world, laboratory, item, *days)));
        pb::statement::Content::Rounds(pb::EqaRounds { results: results.collect() })
    };
    let evaluated = pb::statement::Content::Credentials(pb::Credentials {
        credentials: vec![pb::Credential {
            laboratory: GUIYANG.code.to_owned(),
            subject: "CT".to_owned(),
            valid_from: Some(world.began.plus_hours(-200 * 24).into()),
            valid_to: Some(world.began.plus_hours(165 * 24).into()),
            basis: "SAMPLE-CT-SITE-EVALUATION".to_owned(),
        }],
    });
    let suspension = pb::statement::Content::Suspension(pb::Suspension {
        laboratory: HONGHUA.code.to_owned(),
        subject: String::new(),
        effective_at: Some(world.began.plus_hours(-30 * 24).into()),
        reason: "on-site inspection".to_owned(),
    });
    submit(world, &NATIONAL_CENTRE, rounds(GUIYANG.code)).await?;
    submit(world, &CITY_CENTRE, rounds(ZUNYI.code)).await?;
    submit(world, &PROVINCIAL_CENTRE, rounds(HONGHUA.code)).await?;
    submit(world, &PROVINCIAL_CENTRE, evaluated).await?;
    submit(world, &PROVINCIAL_CENTRE, suspension).await?;

    let mut found = Found::default();
    for (hospital, state, mark) in
        [(GUIYANG, "QUALIFIED", "全国HR"), (ZUNYI, "QUALIFIED", "遵义市HR"), (HONGHUA, "SUSPENDED", "")]
    {
        let asked = pb::ExplainRequest {
            laboratory: hospital.code.to_owned(),
            item: ITEMS[0].to_owned(),
            ..pb::ExplainRequest::default()
        };
        let call = QualificationsClient::new(world.hub(REGULATOR.folder)?).explain(asked).await;
        let stood = call.map_err(StepError::refused("Qualifications.Explain"))?.into_inner();
        let standing = stood.standing.unwrap_or_default();
        same(hospital.name_en, (state, mark), (standing.state.as_str(), standing.mark.as_str()))?;
        let (zh, en) = (hospital.name_zh, hospital.name_en);
        found = found.line(format!("{zh}：{state} {mark}"), format!("{en}: {state} {mark}"));
        found = found.fact(hospital.code, json!({ "state": state, "mark": mark }));
    }
    Ok(found)
}

fn round(world: &World, laboratory: &str, item: &str, days_ago: i64) -> pb::EqaResult {
    let published = world.began.plus_hours(-days_ago * 24);
    let year = time::OffsetDateTime::from_unix_timestamp(published.unix_ms() / 1_000).map_or(2_000, |at| at.year());
    let place = ROUND_DAYS.iter().position(|days| *days == days_ago).unwrap_or(0);
    pb::EqaResult {
        programme: "SAMPLE-C-01".to_owned(),
        year: u32::try_from(year).unwrap_or(2_000),
        round: u32::try_from(place + 1).unwrap_or(1),
        laboratory: laboratory.to_owned(),
        item: item.to_owned(),
        method: String::new(),
        status: pb::EqaStatus::Scored.into(),
        score_percent: "100".to_owned(),
        sampled_at: Some(published.plus_hours(-30 * 24).into()),
        published_at: Some(published.into()),
    }
}

/// Signs a statement as its centre and hands it in. Said again, it is the same statement.
async fn submit(world: &World, centre: &Office, content: pb::statement::Content) -> Result<(), StepError> {
    let is_suspension = matches!(content, pb::statement::Content::Suspension(_));
    let issued_at = Some(world.began.into());
    let statement = pb::Statement { issuer: centre.code.to_owned(), issued_at, content: Some(content) }.encode_to_vec();
    let (folder, authority) = (world.layout.client(centre.folder), world.layout.authority());
    let unreadable = |error: &dyn std::fmt::Display| StepError::unexpected("the centre's key", "a key", error);
    let read = |path: std::path::PathBuf| files::read(&path).map_err(|error| unreadable(&error));
    let trust = Trust::parse(&read(authority.join("ca.pem"))?, &read(authority.join("crl.pem"))?);
    let trust = trust.map_err(|error| unreadable(&error))?;
    let secret = files::read_secret(&folder.join("signing.key")).map_err(|error| unreadable(&error))?;
    let certificate = read(folder.join("signing.pem"))?;
    let key = SigningKey::load(&secret, &certificate, &trust).map_err(|error| unreadable(&error))?;
    let der = CertificateDer::from_pem_slice(&certificate).map_err(|error| unreadable(&error))?;
    let request = pb::StatementRequest {
        signature: key.sign(SigningDomain(SIGNED_AS), &statement).to_vec().into(),
        statement: statement.into(),
        signing_certificate: der.to_vec().into(),
    };
    let mut client = QualificationsClient::new(world.hub(centre.folder)?);
    let call = if is_suspension { client.suspend(request).await } else { client.submit(request).await };
    call.map(drop).map_err(StepError::refused("Qualifications"))
}

async fn reports(world: &World) -> Result<Found, StepError> {
    let mut found = Found::default();
    for report in REPORTS {
        let address = world.settled.nodes[report.hospital].mllp;
        let code = patiently(async || mllp::send(address, &report.message(world.began)).await).await?;
        same("acknowledgement", "AA", code.as_str())?;
        let (hospital, order) = (&HOSPITALS[report.hospital], report.order);
        found = found.line(format!("{} {order} → AA", hospital.name_zh), format!("{} {order} → AA", hospital.name_en));
    }
    Ok(found.fact("acknowledged", REPORTS.len()))
}

/// Items of the rounds: potassium, sodium, chloride, calcium.
const ITEMS: [&str; 4] = ["L01001", "L01002", "L01003", "L01004"];
/// Days from the publication of each round to the beginning of the story.
const ROUND_DAYS: [i64; 3] = [420, 240, 60];
