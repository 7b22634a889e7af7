//! A doctor at one hospital: orders, decides and opens originals through the hospital's own node.

use bytes::Bytes;
use concord::wire::pb;
use concord::wire::pb::orders_client::OrdersClient;
use concord::wire::pb::retrieval_client::RetrievalClient;
use tonic::Status;
use tonic::transport::Channel;

use crate::patience::until;
use crate::people::Patient;
use crate::region::{Organisation, Region};

/// A doctor.
#[derive(Debug, Clone)]
pub struct Doctor {
    orders: OrdersClient<Channel>,
    retrieval: RetrievalClient<Channel>,
}

impl Doctor {
    /// Sits down at a hospital's order entry.
    pub fn at(region: &Region, hospital: Organisation) -> Self {
        let channel = region.node(hospital, hospital.folder);
        Self { orders: OrdersClient::new(channel.clone()), retrieval: RetrievalClient::new(channel) }
    }

    /// Orders something for an outpatient, and gives the whole answer.
    pub async fn check(&self, key: &str, patient: &Patient, code: (&str, &str)) -> Result<pb::CheckResponse, Status> {
        let (system, code) = (code.0.to_owned(), code.1.to_owned());
        let codes = vec![pb::Code { system, code, display: String::new() }];
        let request = pb::CheckRequest {
            check_key: key.to_owned(),
            patient: Some(person(patient)),
            actor: Some(actor()),
            visit: Some(visit()),
            lines: vec![pb::OrderLine { line_id: "1".to_owned(), codes, imaging: Vec::new() }],
            language: pb::Language::Zh.into(),
            proofs: false,
        };
        Ok(self.orders.clone().check(request).await?.into_inner())
    }

    /// Orders something, and gives the hub's answer to the one line.
    pub async fn order(&self, key: &str, patient: &Patient, code: (&str, &str)) -> pb::LineAnswer {
        let answer = self.check(key, patient, code).await.unwrap();
        assert_eq!(answer.degraded, None);
        let [line] = answer.lines.as_slice() else { panic!("{} lines", answer.lines.len()) };
        line.clone()
    }

    /// Lists a patient's results of the last year.
    pub async fn recent(&self, patient: &Patient) -> Result<Vec<pb::ResultSummary>, String> {
        let request = pb::RecentResultsRequest {
            patient: Some(person(patient)),
            actor: Some(actor()),
            visit: Some(visit()),
            hours: 8_760,
            limit: 0,
            language: pb::Language::Zh.into(),
        };
        let answer = self.orders.clone().recent_results(request).await.map_err(|status| status.to_string())?;
        let answer = answer.into_inner();
        match answer.degraded {
            None => Ok(answer.results),
            Some(degraded) => Err(format!("degraded: {degraded:?}")),
        }
    }

    /// Waits until so many of a patient's results can be seen.
    pub async fn wait_for(&self, patient: &Patient, results: usize) -> Vec<pb::ResultSummary> {
        self.wait_until(patient, |found| found.len() >= results).await
    }

    /// Waits until a patient's results are as they should be.
    pub async fn wait_until(
        &self,
        patient: &Patient,
        is_right: impl Fn(&[pb::ResultSummary]) -> bool,
    ) -> Vec<pb::ResultSummary> {
        until("the patient's results", async || {
            let found = self.recent(patient).await?;
            if is_right(&found) { Ok(found) } else { Err(format!("{found:?}")) }
        })
        .await
    }

    /// Accepts a prompt, and gives the result with the grant to open its originals.
    pub async fn accept(&self, key: &str, prompt: &pb::Prompt) -> (pb::ResultSummary, pb::Grant) {
        let outcome = Some(pb::decision::Outcome::Accept(pb::Accept {}));
        let request = pb::DecideRequest {
            decision_key: key.to_owned(),
            actor: Some(actor()),
            decisions: vec![pb::Decision { prompt_id: prompt.prompt_id.clone(), outcome, ..Default::default() }],
            language: pb::Language::Zh.into(),
            ..Default::default()
        };
        let answer = self.orders.clone().decide(request).await.unwrap().into_inner();
        let outcome = answer.outcomes.into_iter().next().unwrap();
        (outcome.result.unwrap(), outcome.grant.unwrap())
    }

    /// Fetches an original.
    pub async fn open(&self, grant: &pb::Grant, original: &pb::Original) -> Result<Vec<u8>, Status> {
        let request = pb::FetchRequest { grant: grant.token.clone(), digest: original.digest.clone(), offset: 0 };
        let mut chunks = self.retrieval.clone().fetch(request).await?.into_inner();
        let mut whole = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            assert_eq!(chunk.offset, whole.len() as u64);
            whole.extend_from_slice(&chunk.data);
        }
        Ok(whole)
    }
}

/// Gives the number that a prompt shows, with its unit.
pub fn value(prompt: &pb::Prompt) -> (String, String) {
    let result = prompt.result.clone().unwrap();
    match shown(&result) {
        Some(value) => value,
        None => panic!("the prompt shows no number: {result:?}"),
    }
}

/// Gives the number of a result, with its unit.
pub fn shown(result: &pb::ResultSummary) -> Option<(String, String)> {
    let Some(pb::result_summary::Content::LaboratoryResult(found)) = &result.content else { return None };
    let Some(pb::laboratory_result::Value::Quantity(quantity)) = &found.value else { return None };
    Some((quantity.number.clone(), quantity.unit.clone()))
}

/// Gives the codes of the rules by which results were kept quiet.
pub fn refusals(line: &pb::LineAnswer) -> Vec<&str> {
    line.quiet.iter().flat_map(|quiet| &quiet.refusals).map(|refusal| refusal.code.as_str()).collect()
}

/// Potassium, as an order names it.
pub const POTASSIUM: (&str, &str) = ("catalogue", "L01001");

/// Names the doctor.
pub fn actor() -> pb::Actor {
    pb::Actor { practitioner: "D0001".to_owned(), department: "内科门诊".to_owned() }
}

/// Names the visit.
pub fn visit() -> pb::Visit {
    pb::Visit { encounter: "E0001".to_owned(), setting: pb::Setting::Outpatient.into(), ..pb::Visit::default() }
}

/// Names a patient as a hospital knows them.
pub fn person(patient: &Patient) -> pb::Patient {
    let (kind, value) = ("CN-ID".to_owned(), patient.number.clone());
    pb::Patient {
        pseudonym: Bytes::new(),
        identifiers: vec![pb::Identifier { r#type: kind, authority: String::new(), value }],
        sex: if patient.sex == "M" { pb::Sex::Male } else { pb::Sex::Female }.into(),
        birth_date: patient.birth_date.clone(),
    }
}
