//! Cases: results of which a doctor says that they are not the patient's, listed for their publisher, the doctor's own
//! hospital and regulators, and closed with what was found.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::domain::organisation::{Caller, Role};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::recalls::listed_max;
use crate::store::hub::KeptCase;
use crate::wire::pb;
use crate::wire::recall::closing;
use crate::wire::record::Record;

impl Hub {
    /// Lists cases, the newest first: a hospital's those of its own results and of its own doctors. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError`]; nothing is listed.
    pub fn cases(&self, caller: &Caller, sent: &pb::CasesRequest) -> Result<pb::CasesResponse, HubError> {
        let limit = listed_max(sent.limit);
        let (mut kept, mut truncated) = (Vec::new(), false);
        self.parts.state.read()?.cases(|case| {
            let wanted = concerns(caller, &case) && (sent.closed_too || case.closed.is_none());
            truncated = wanted && kept.len() == limit;
            if truncated {
                return ControlFlow::Break(());
            }
            kept.extend(wanted.then_some(case));
            ControlFlow::Continue(())
        })?;
        let cases = kept.iter().map(|case| self.case(case)).collect::<Result<_, _>>()?;
        Ok(pb::CasesResponse { cases, truncated })
    }

    /// Closes a case: its result's publisher, or a regulator. A right link is offered again from then on.
    ///
    /// # Errors
    /// [`HubError::NoCase`] when there is none that this caller may close.
    pub async fn close_case(
        &self,
        caller: &Caller,
        sent: &pb::CloseCaseRequest,
    ) -> Result<pb::CloseCaseResponse, HubError> {
        let (id, finding, reason) = closing(sent)?;
        let _turn = self.requests.wait((caller.organisation, format!("case {id}"))).await;
        let case = self.parts.state.read()?.case(id)?;
        let may_close = |case: &KeptCase| caller.role == Role::Regulator || case.publisher == caller.organisation;
        let case = case.filter(may_close).ok_or(HubError::NoCase)?;
        if case.closed.is_none() {
            self.record_one(Record::CaseClosed(pb::CaseClosedRecord {
                case_id: Bytes::copy_from_slice(id.as_bytes()),
                organisation: caller.organisation.to_string(),
                client: caller.name.clone(),
                finding: finding.into(),
                reason,
                at: Some(self.now().into()),
            }))
            .await?;
        }
        Ok(pb::CloseCaseResponse {})
    }

    fn case(&self, kept: &KeptCase) -> Result<pb::Case, HubError> {
        let closed = kept.closed.map(|(at, place)| Ok::<_, HubError>((at, self.parts.ledger.read(place)?)));
        let (closed_at, finding, reason, closed_by) = match closed.transpose()? {
            None => (None, pb::CaseFinding::Unspecified, String::new(), String::new()),
            Some((at, Record::CaseClosed(closed))) => {
                (Some(at.into()), closed.finding(), closed.reason.clone(), closed.organisation)
            }
            Some((at, _)) => (Some(at.into()), pb::CaseFinding::TakenBack, String::new(), kept.opened_by.to_string()),
        };
        Ok(pb::Case {
            case_id: Bytes::copy_from_slice(kept.id.as_bytes()),
            result_name: Bytes::copy_from_slice(kept.result.as_bytes()),
            report_id: Bytes::copy_from_slice(kept.report.as_bytes()),
            version: kept.version,
            publisher: kept.publisher.to_string(),
            opened_by: kept.opened_by.to_string(),
            opened_at: Some(kept.opened_at.into()),
            log_index: kept.opened.sequence.0,
            closed_at,
            finding: finding.into(),
            reason,
            closed_by,
        })
    }
}

fn concerns(caller: &Caller, case: &KeptCase) -> bool {
    caller.role == Role::Regulator || [case.publisher, case.opened_by].contains(&caller.organisation)
}
