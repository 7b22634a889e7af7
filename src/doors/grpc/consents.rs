//! The Consents service of a hub, for the patients' entrance, which vouches for who the patient is.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::domain::limits::HISTORY_PAGE_MAX;
use crate::domain::log::Sequence;
use crate::doors::grpc::status::{bad_field, permit, refuse};
use crate::service::hub::Hub;
use crate::service::hub::consent::Acting;
use crate::wire::field::{FieldError, Problem, fixed, moment};
use crate::wire::pb;
use crate::wire::pb::consents_server::Consents;

/// Serves Consents over a hub.
pub struct ConsentsDoor(pub Arc<Hub>);

impl ConsentsDoor {
    async fn acting(&self, sent: Option<&pb::Acting>) -> Result<Acting, Status> {
        self.0.acting(sent).await.map_err(refuse)
    }

    async fn related(
        &self,
        guardian: Option<&pb::Patient>,
        ward: Option<&pb::Patient>,
    ) -> Result<(crate::domain::id::Pseudonym, crate::domain::id::Pseudonym), Status> {
        let guardian = self.0.named_patient(guardian, "guardian").await.map_err(refuse)?;
        Ok((guardian, self.0.named_patient(ward, "ward").await.map_err(refuse)?))
    }
}

#[tonic::async_trait]
impl Consents for ConsentsDoor {
    async fn grant(
        &self,
        request: Request<pb::GrantConsentRequest>,
    ) -> Result<Response<pb::GrantConsentResponse>, Status> {
        let caller = permit(&request)?.caller;
        let sent = request.into_inner();
        let acting = self.acting(sent.acting.as_ref()).await?;
        self.0.grant_consent(&caller, acting, &sent).await.map(Response::new).map_err(refuse)
    }

    async fn revoke(
        &self,
        request: Request<pb::RevokeConsentRequest>,
    ) -> Result<Response<pb::RevokeConsentResponse>, Status> {
        let caller = permit(&request)?.caller;
        let sent = request.into_inner();
        let consent = fixed("consent_id", &sent.consent_id).map_err(|error| bad_field(&error))?;
        let acting = self.acting(sent.acting.as_ref()).await?;
        let place = self.0.revoke_consent(&caller, acting, consent).await.map_err(refuse)?;
        Ok(Response::new(pb::RevokeConsentResponse { log_index: place.sequence.0 }))
    }

    async fn list(
        &self,
        request: Request<pb::ListConsentsRequest>,
    ) -> Result<Response<pb::ListConsentsResponse>, Status> {
        let caller = permit(&request)?.caller;
        let acting = self.acting(request.get_ref().acting.as_ref()).await?;
        Ok(Response::new(pb::ListConsentsResponse {
            consents: self.0.own_consents(&caller, acting).await.map_err(refuse)?,
            opted_out: self.0.sharing(acting.patient).map_err(refuse)?.is_opted_out(),
            wards: self.0.wards(acting.patient).map_err(refuse)?,
        }))
    }

    async fn access_history(
        &self,
        request: Request<pb::AccessHistoryRequest>,
    ) -> Result<Response<pb::AccessHistoryResponse>, Status> {
        let caller = permit(&request)?.caller;
        let sent = request.get_ref();
        let limit = match usize::try_from(sent.limit).unwrap_or(usize::MAX) {
            0 => HISTORY_PAGE_USUAL,
            limit if limit <= HISTORY_PAGE_MAX => limit,
            _ => return Err(bad_field(&FieldError::new("limit", Problem::Form("number inside its range")))),
        };
        let acting = self.acting(sent.acting.as_ref()).await?;
        let before = (sent.before > 0).then_some(Sequence(sent.before));
        let history = self.0.own_history(&caller, acting, before, limit).await;
        let (accesses, next) = history.map_err(refuse)?;
        Ok(Response::new(pb::AccessHistoryResponse { accesses, next: next.map_or(0, |next| next.0) }))
    }

    async fn set_sharing(
        &self,
        request: Request<pb::SetSharingRequest>,
    ) -> Result<Response<pb::SetSharingResponse>, Status> {
        let caller = permit(&request)?.caller;
        let sent = request.into_inner();
        let acting = self.acting(sent.acting.as_ref()).await?;
        let place = self.0.set_sharing(&caller, acting, sent.opted_out).await.map_err(refuse)?;
        Ok(Response::new(pb::SetSharingResponse { log_index: place.sequence.0 }))
    }

    async fn relate(&self, request: Request<pb::RelateRequest>) -> Result<Response<pb::RelateResponse>, Status> {
        let caller = permit(&request)?.caller;
        let sent = request.into_inner();
        let until = moment("until", sent.until.as_ref()).map_err(|error| bad_field(&error))?;
        let related = self.related(sent.guardian.as_ref(), sent.ward.as_ref()).await?;
        let place = self.0.relate(&caller, related, until, &sent.evidence).await.map_err(refuse)?;
        Ok(Response::new(pb::RelateResponse { log_index: place.sequence.0 }))
    }

    async fn unrelate(&self, request: Request<pb::UnrelateRequest>) -> Result<Response<pb::UnrelateResponse>, Status> {
        let caller = permit(&request)?.caller;
        let sent = request.into_inner();
        let related = self.related(sent.guardian.as_ref(), sent.ward.as_ref()).await?;
        let place = self.0.relate(&caller, related, self.0.now(), "").await.map_err(refuse)?;
        Ok(Response::new(pb::UnrelateResponse { log_index: place.sequence.0 }))
    }
}

const HISTORY_PAGE_USUAL: usize = 100;
