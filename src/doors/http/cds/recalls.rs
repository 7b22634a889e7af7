//! Cards for recalls: whatever is asked about a patient, the doctor first reads what no longer holds.

use tokio::time::Instant;

use super::Cds;
use crate::domain::organisation::Caller;
use crate::service::exchange::Exchange;
use crate::wire::cds::{HookRequest, Link, Prefetched, Shown, Words, recall_card};
use crate::wire::fhir::json::Json;
use crate::wire::pb;

impl<E: Exchange> Cds<E> {
    /// Writes a card for each recall of the doctor about the patient of which nobody has taken note, the last about each
    /// result: it covers the earlier ones. An urgent one is shown beside a later one that is not.
    pub(super) async fn recalls(
        &self,
        caller: &Caller,
        request: &HookRequest,
        words: Words,
        arrived: Instant,
    ) -> Vec<Json> {
        let Prefetched::Patient(patient) = &request.patient else { return Vec::new() };
        if patient.identifiers.is_empty() {
            return Vec::new();
        }
        let found = self.viewing.exchange().recalls(caller, &request.practitioner, patient, arrived).await;
        let mut last: Vec<pb::Recall> = Vec::new();
        for recall in found {
            last.retain(|earlier| earlier.result_name != recall.result_name || (earlier.urgent && !recall.urgent));
            last.push(recall);
        }
        last.sort_by_key(|recall| !recall.urgent);
        let shown = Shown { words, base_url: self.gate.base_url() };
        let cards = last.iter().take(CARDS_MAX).filter_map(|recall| {
            let link = self.earlier(caller, request, patient, recall, words);
            recall_card(recall, link.as_slice(), shown)
        });
        cards.collect()
    }

    /// Gives the link to what the doctor knew, which is marked there as it stands now.
    fn earlier(
        &self,
        caller: &Caller,
        request: &HookRequest,
        patient: &pb::Patient,
        recall: &pb::Recall,
        words: Words,
    ) -> Option<Link> {
        let old = recall.old.as_ref().filter(|old| old.content.is_some() && !recall.prompt_id.is_empty())?;
        Some(self.link(caller, request, patient, (old, None, recall.prompt_id.clone()), words))
    }
}

/// Most recalls shown at once.
const CARDS_MAX: usize = 8;
