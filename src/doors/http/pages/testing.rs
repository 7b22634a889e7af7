//! An exchange without a hub, for tests of pages: it answers what it was given and keeps what it was told.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::time::Instant;

use crate::domain::catalogue::Catalogue;
use crate::domain::fault::Fault;
use crate::domain::organisation::{Caller, Role};
use crate::service::exchange::{Chunks, Exchange, Refused};
use crate::wire::{pb, region};

/// The exchange; a cheap handle.
#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<State>>);

/// What it answers, and what it was told.
#[derive(Default)]
pub struct State {
    /// Answer to every check; refused where there is none.
    pub answer: Option<pb::CheckResponse>,
    /// Recent results; refused where there are none.
    pub recent: Option<Vec<pb::ResultSummary>>,
    /// Original that a fetch brings; away where there is none.
    pub original: Option<Bytes>,
    /// What stands of a prompted result: version and status.
    pub standing: (u32, pb::ResultStatus),
    /// Refuses decisions and events with this.
    pub refuses: Option<Fault>,
    /// Checks asked.
    pub checks: Vec<pb::CheckRequest>,
    /// Decisions made.
    pub decisions: Vec<pb::DecideRequest>,
    /// Events told.
    pub events: Vec<pb::AcknowledgeRequest>,
}

impl Fake {
    /// Gives a look at the state, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn refusal(&self) -> Result<(), Refused> {
        self.with(|state| state.refuses).map_or(Ok(()), |fault| Err(refused(fault)))
    }
}

impl Exchange for Fake {
    async fn check(&self, _: &Caller, sent: pb::CheckRequest, _: Instant) -> Result<pb::CheckResponse, Refused> {
        self.with(|state| {
            state.checks.push(sent);
            state.answer.clone().ok_or_else(|| refused(Fault::Denied))
        })
    }

    async fn recent_results(
        &self,
        _: &Caller,
        _: pb::RecentResultsRequest,
        _: Instant,
    ) -> Result<pb::RecentResultsResponse, Refused> {
        let results = self.with(|state| state.recent.clone()).ok_or_else(|| refused(Fault::Denied))?;
        Ok(pb::RecentResultsResponse { results, ..Default::default() })
    }

    async fn decide(&self, _: &Caller, sent: pb::DecideRequest) -> Result<pb::DecideResponse, Refused> {
        self.refusal()?;
        self.with(|state| state.decisions.push(sent));
        Ok(pb::DecideResponse::default())
    }

    async fn revoke(&self, _: &Caller, _: pb::RevokeRequest) -> Result<pb::RevokeResponse, Refused> {
        Err(refused(Fault::Denied))
    }

    async fn acknowledge(&self, _: &Caller, sent: pb::AcknowledgeRequest) -> Result<pb::AcknowledgeResponse, Refused> {
        self.refusal()?;
        self.with(|state| state.events.push(sent));
        let grant = Some(pb::Grant { token: "grant".into(), expires_unix_ms: i64::MAX });
        let (standing_version, status) = self.with(|state| state.standing);
        Ok(pb::AcknowledgeResponse { log_index: 1, grant, standing_version, standing_status: status.into() })
    }

    async fn open(&self, _: &Caller, _: pb::OpenRequest) -> Result<pb::OpenResponse, Refused> {
        Err(refused(Fault::Denied))
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::new(region::load_region(&region::sample()).unwrap().0)
    }

    async fn fetch(&self, _: &Caller, _: pb::FetchRequest) -> Result<Chunks, Refused> {
        let data = self.with(|state| state.original.clone()).ok_or_else(|| refused(Fault::Busy))?;
        let chunk = pb::Chunk { offset: 0, size_bytes: data.len() as u64, data };
        Ok(Box::pin(futures_util::stream::iter([Ok(chunk)])))
    }
}

/// The order screen of a hospital.
pub fn caller() -> Caller {
    Caller {
        region: "520000".parse().unwrap(),
        role: Role::Hospital,
        organisation: "91350100M000100Y43".parse().unwrap(),
        name: "emr".into(),
        serial: None,
    }
}

/// A laboratory result with an HL7 message behind it; its value may be anything.
pub fn result(item: &str, value: &str) -> pb::ResultSummary {
    let number = value.parse::<f64>().is_ok();
    let quantity = pb::Quantity { number: value.into(), unit: "mmol/L".into(), ..Default::default() };
    let text = pb::laboratory_result::Value::Text(value.into());
    let found = pb::LaboratoryResult {
        value: Some(if number { pb::laboratory_result::Value::Quantity(quantity) } else { text }),
        reference_range: "3.5-5.3".into(),
        flag: "H".into(),
        method: "ISE".into(),
        comparability: pb::Comparability::Comparable.into(),
        ..Default::default()
    };
    let digest = Bytes::from(vec![7; 32]);
    let media_type = "x-application/hl7-v2+er7".into();
    pb::ResultSummary {
        result_id: Bytes::from(vec![3; 16]),
        version: 1,
        status: pb::ResultStatus::Final.into(),
        organisation: "91110000600037341L".into(),
        organisation_name_zh: "甲医院".into(),
        organisation_name_en: "First Hospital".into(),
        organisation_level: "3A".into(),
        items: vec![item.into()],
        item_name_zh: "钾".into(),
        item_name_en: "Potassium".into(),
        collected_at: Some(pb::Moment { unix_ms: 1_780_000_000_000, offset_minutes: 480, date_only: false }),
        content: Some(pb::result_summary::Content::LaboratoryResult(found)),
        originals: vec![pb::Original { digest, size_bytes: 4, media_type, instance_uid: String::new() }],
        ..Default::default()
    }
}

fn refused(fault: Fault) -> Refused {
    Refused { fault, field: None, text: "not now".into() }
}
