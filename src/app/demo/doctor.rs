//! A doctor of the story: orders, decides and opens originals through the hospital's own node.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tonic::transport::Channel;

use crate::app::demo::links::World;
use crate::app::demo::step::{StepError, patiently, same};
use crate::app::sample::cast::Patient;
use crate::wire::pb;
use crate::wire::pb::orders_client::OrdersClient;
use crate::wire::pb::retrieval_client::RetrievalClient;

/// A doctor at one hospital.
pub struct Doctor<'w> {
    world: &'w World,
    orders: OrdersClient<Channel>,
    retrieval: RetrievalClient<Channel>,
}

impl<'w> Doctor<'w> {
    /// Sits down at a hospital's order entry. It must be called in a runtime.
    ///
    /// # Errors
    /// [`StepError`] when the certificate cannot be used.
    pub fn at(world: &'w World, hospital: usize) -> Result<Self, StepError> {
        let channel = world.node(hospital)?;
        Ok(Self { world, orders: OrdersClient::new(channel.clone()), retrieval: RetrievalClient::new(channel) })
    }

    /// Waits until so many of a patient's results can be seen from here.
    ///
    /// # Errors
    /// [`StepError`] when they do not come.
    pub async fn wait_for(&self, patient: &Patient, results: usize) -> Result<(), StepError> {
        patiently(async || {
            let request = pb::RecentResultsRequest {
                patient: Some(person(patient)),
                actor: Some(actor()),
                visit: Some(self.visit("look")),
                hours: 8_760,
                limit: 0,
                language: self.world.language.into(),
            };
            let call = self.orders.clone().recent_results(request).await;
            let answer = call.map_err(StepError::refused("Orders.RecentResults"))?.into_inner();
            if answer.results.len() >= results {
                return Ok(());
            }
            let why = answer.degraded.map(|degraded| degraded.text).unwrap_or_default();
            Err(StepError::unexpected("recent results", results, format!("{} {why}", answer.results.len())))
        })
        .await
    }

    /// Orders something for an outpatient, and gives the answer to the one line of the order.
    ///
    /// # Errors
    /// [`StepError`] when the check is refused or not answered.
    pub async fn order(&self, step: &str, patient: &Patient, code: (&str, &str)) -> Result<pb::LineAnswer, StepError> {
        let (system, code) = (code.0.to_owned(), code.1.to_owned());
        let codes = vec![pb::Code { system, code, display: String::new() }];
        let request = pb::CheckRequest {
            check_key: self.world.key(step),
            patient: Some(person(patient)),
            actor: Some(actor()),
            visit: Some(self.visit(step)),
            lines: vec![pb::OrderLine { line_id: "1".to_owned(), codes, imaging: Vec::new() }],
            language: self.world.language.into(),
            proofs: false,
        };
        let call = self.orders.clone().check(request).await;
        let answer = call.map_err(StepError::refused("Orders.Check"))?.into_inner();
        if let Some(degraded) = answer.degraded {
            return Err(StepError::unexpected("the check", "an answer of the hub", degraded.text));
        }
        let [line] = answer.lines.as_slice() else {
            return Err(StepError::unexpected("lines answered", 1, answer.lines.len()));
        };
        Ok(line.clone())
    }

    /// Decides on a prompt.
    ///
    /// # Errors
    /// [`StepError`] when the decision is refused.
    pub async fn decide(
        &self,
        step: &str,
        prompt: &pb::Prompt,
        outcome: pb::decision::Outcome,
    ) -> Result<pb::DecideResponse, StepError> {
        let request = pb::DecideRequest {
            decision_key: self.world.key(step),
            actor: Some(actor()),
            decisions: vec![pb::Decision {
                prompt_id: prompt.prompt_id.clone(),
                outcome: Some(outcome),
                ..Default::default()
            }],
            language: self.world.language.into(),
            ..Default::default()
        };
        let call = self.orders.clone().decide(request).await;
        Ok(call.map_err(StepError::refused("Orders.Decide"))?.into_inner())
    }

    /// Accepts a prompt and gives the result with its grant.
    ///
    /// # Errors
    /// [`StepError`] when the decision is refused or brings no grant.
    pub async fn accept(
        &self,
        step: &str,
        prompt: &pb::Prompt,
    ) -> Result<(pb::ResultSummary, pb::Grant, u64), StepError> {
        let answer = self.decide(step, prompt, pb::decision::Outcome::Accept(pb::Accept {})).await?;
        let outcome = answer.outcomes.into_iter().next().unwrap_or_default();
        match (outcome.result, outcome.grant) {
            (Some(result), Some(grant)) => Ok((result, grant, answer.log_index)),
            _ => Err(StepError::unexpected("the accepted prompt", "a result and a grant", "less")),
        }
    }

    /// Fetches an original, and checks it against the digest that its hospital signed.
    ///
    /// # Errors
    /// [`StepError`] when it does not come whole and unchanged.
    pub async fn open(&self, grant: &pb::Grant, original: &pb::Original) -> Result<Bytes, StepError> {
        let request = pb::FetchRequest { grant: grant.token.clone(), digest: original.digest.clone(), offset: 0 };
        let refused = StepError::refused("Retrieval.Fetch");
        let mut stream = match self.retrieval.clone().fetch(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Err(refused(status)),
        };
        let mut whole = Vec::new();
        while let Some(chunk) = stream.message().await.map_err(StepError::refused("Retrieval.Fetch"))? {
            whole.extend_from_slice(&chunk.data);
        }
        same("size of the original", original.size_bytes, whole.len() as u64)?;
        same("digest of the original", hex::encode(&original.digest), hex::encode(Sha256::digest(&whole)))?;
        Ok(whole.into())
    }

    fn visit(&self, step: &str) -> pb::Visit {
        let setting = pb::Setting::Outpatient.into();
        pb::Visit { encounter: self.world.key(step), setting, ..pb::Visit::default() }
    }
}

/// Gives the one prompt of an answer.
///
/// # Errors
/// [`StepError`] when there is none, or more than one; it says why results were kept quiet.
pub fn only_prompt(line: &pb::LineAnswer) -> Result<&pb::Prompt, StepError> {
    match line.prompts.as_slice() {
        [prompt] => Ok(prompt),
        prompts => {
            let reasons = refusals(line).join(", ");
            Err(StepError::unexpected("prompts", 1, format!("{} ({reasons})", prompts.len())))
        }
    }
}

/// Gives the codes of the rules by which results of an answer were kept quiet.
pub fn refusals(line: &pb::LineAnswer) -> Vec<String> {
    line.quiet.iter().flat_map(|quiet| &quiet.refusals).map(|refusal| refusal.code.clone()).collect()
}

/// Names the doctor.
pub fn actor() -> pb::Actor {
    pb::Actor { practitioner: "D0001".to_owned(), department: "内科门诊".to_owned() }
}

/// Names a patient by citizen number, as hospitals and the patients' entrance do.
pub fn person(patient: &Patient) -> pb::Patient {
    let kind = crate::domain::identifier::IdentifierType::CITIZEN.to_owned();
    pb::Patient {
        pseudonym: Bytes::new(),
        identifiers: vec![pb::Identifier { r#type: kind, authority: String::new(), value: patient.number.to_owned() }],
        sex: if patient.sex == "M" { pb::Sex::Male } else { pb::Sex::Female }.into(),
        birth_date: patient.birth_date.to_owned(),
    }
}
