//! The Qualifications service.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::domain::eqa::Subject;
use crate::domain::limits::KEY_BYTES_MAX;
use crate::domain::organisation::OrganisationCode;
use crate::domain::qualification::{Standing, Unqualified};
use crate::domain::verdict::RoundSummary;
use crate::doors::grpc::status::{bad_field, permit, refuse};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::qualifications::{Stood, Taking};
use crate::wire::field::{FieldError, optional, optional_moment, parsed};
use crate::wire::pb;
use crate::wire::pb::qualifications_server::Qualifications;
use crate::wire::statement::subject;

/// Serves Qualifications over a hub.
pub struct QualificationsDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Qualifications for QualificationsDoor {
    async fn submit(&self, request: Request<pb::StatementRequest>) -> Result<Response<pb::StatementResponse>, Status> {
        self.take(request, Taking::Evaluations).await
    }

    async fn suspend(&self, request: Request<pb::StatementRequest>) -> Result<Response<pb::StatementResponse>, Status> {
        self.take(request, Taking::Suspension).await
    }

    async fn restore(&self, request: Request<pb::StatementRequest>) -> Result<Response<pb::StatementResponse>, Status> {
        self.take(request, Taking::Restoration).await
    }

    async fn list(
        &self,
        request: Request<pb::ListQualificationsRequest>,
    ) -> Result<Response<pb::ListQualificationsResponse>, Status> {
        permit(&request)?;
        let (laboratory, subject) = listed(request.get_ref()).map_err(|error| bad_field(&error))?;
        let standings = self.0.standings(laboratory, subject.as_ref()).map_err(refuse)?;
        Ok(Response::new(pb::ListQualificationsResponse { standings: standings.into_iter().map(written).collect() }))
    }

    async fn explain(&self, request: Request<pb::ExplainRequest>) -> Result<Response<pb::ExplainResponse>, Status> {
        permit(&request)?;
        self.explained(request.get_ref()).map(Response::new).map_err(refuse)
    }
}

impl QualificationsDoor {
    async fn take(
        &self,
        request: Request<pb::StatementRequest>,
        taking: Taking,
    ) -> Result<Response<pb::StatementResponse>, Status> {
        let caller = permit(&request)?.caller;
        let taken = self.0.take_statement(&caller, taking, request.into_inner()).await.map_err(refuse)?;
        Ok(Response::new(pb::StatementResponse {
            log_index: taken.log_index.0,
            digest: taken.digest.as_bytes().to_vec().into(),
            applied: u32::try_from(taken.rows).unwrap_or(u32::MAX),
        }))
    }

    fn explained(&self, sent: &pb::ExplainRequest) -> Result<pb::ExplainResponse, HubError> {
        let laboratory = parsed("laboratory", &sent.laboratory, "organisation code")?;
        let item = parsed("item", &sent.item, "item code")?;
        let method = optional("method", &sent.method, KEY_BYTES_MAX)?;
        let at = optional_moment("at", sent.at.as_ref())?;
        let (stood, steps) = self.0.explain(laboratory, item, method.as_deref(), at)?;
        let english = sent.language() == pb::Language::En;
        let steps = steps.into_iter().map(|step| if english { step.en } else { step.zh }).collect();
        Ok(pb::ExplainResponse { standing: Some(written(stood)), steps })
    }
}

fn listed(sent: &pb::ListQualificationsRequest) -> Result<(OrganisationCode, Option<Subject>), FieldError> {
    let laboratory = parsed("laboratory", &sent.laboratory, "organisation code")?;
    let subject = (!sent.subject.is_empty()).then(|| subject("subject", &sent.subject)).transpose()?;
    Ok((laboratory, subject))
}

/// Writes where a laboratory stands as a message.
pub fn written(stood: Stood) -> pb::Standing {
    let mut sent = pb::Standing {
        laboratory: stood.laboratory.to_string(),
        subject: match stood.subject {
            Subject::Item(item) => item.to_string(),
            Subject::Modality(modality) => modality,
        },
        state: state(&stood.standing).to_owned(),
        mark: stood.mark.unwrap_or_default(),
        ..Default::default()
    };
    match stood.standing {
        Standing::Qualified(marks) => {
            if let Some(mark) = marks.into_iter().next() {
                sent.programme = mark.programme;
                sent.issuer = mark.issuer.to_string();
                sent.valid_from = Some(mark.valid_from.into());
                sent.valid_to = Some(mark.valid_to.into());
                sent.rounds = mark.rounds.iter().map(round).collect();
            }
        }
        Standing::Not(Unqualified::NotYet { from }) => sent.valid_from = Some(from.into()),
        Standing::Not(Unqualified::Expired { valid_to }) => sent.valid_to = Some(valid_to.into()),
        Standing::Not(_) => {}
    }
    sent
}

fn state(standing: &Standing) -> &'static str {
    match standing {
        Standing::Qualified(_) => "QUALIFIED",
        Standing::Not(fact) => match fact {
            Unqualified::InDoubt { .. } => "IN_DOUBT",
            Unqualified::Suspended { .. } | Unqualified::Sanctioned { .. } => "SUSPENDED",
            Unqualified::Withdrawn { .. } => "WITHDRAWN",
            Unqualified::Expired { .. } => "EXPIRED",
            Unqualified::NoRecord | Unqualified::MethodDiffers | Unqualified::NotYet { .. } => "NONE",
        },
    }
}

/// Writes a round as `2026-1 100%`.
fn round(summary: &RoundSummary) -> String {
    let score = summary.score_percent.map(|score| format!(" {}%", score.normalize())).unwrap_or_default();
    format!("{}-{}{score}", summary.year, summary.round)
}
