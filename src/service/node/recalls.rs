//! Recalls at a hospital: taken from the hub, kept in the journal before the hub is told that they are here, offered to
//! the hospital's own systems, and acknowledged here first, so that an absent hub keeps no doctor waiting.

use std::time::Duration;

use bytes::Bytes;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use super::core::{Core, blocking};
use super::error::NodeError;
use super::ledger::NodeRecord;
use super::{Node, backoff};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::{Pseudonym, RecallId};
use crate::domain::limits::RECALLS_TOLD_MAX;
use crate::domain::log::Sequence;
use crate::peer::hub::{CallError, HubClient};
use crate::ports::hub::{HubError, HubLink};
use crate::store::node::RecallKey;
use crate::wire::field::fixed;
use crate::wire::pb;

impl<L: HubLink> Node<L> {
    /// Takes a recall; it is durable when this returns. One that is known is not recorded again.
    ///
    /// # Errors
    /// [`NodeError`] when the journal fails, or the hub's message cannot be read.
    pub async fn take_recall(&self, recall: pb::Recall) -> Result<(), NodeError> {
        let id = key_of(&recall).ok_or(NodeError::Hub(HubError::Answer))?.id;
        let _one_at_a_time = self.core.turn(&doubled(id)).await;
        let known = blocking(&self.core, move |core| {
            core.catch_up()?;
            Ok(core.state.recall(id)?)
        });
        if known.await?.is_some() {
            return Ok(());
        }
        let received_at = Some(self.core.clock.now().into());
        let received = pb::RecallReceived { recall: Some(recall), received_at };
        self.append(NodeRecord::Recall(Box::new(received))).await
    }

    /// Lists a doctor's recalls that nobody has acknowledged, of one patient where one is given.
    ///
    /// # Errors
    /// [`NodeError`] when the journal or the projections fail.
    pub async fn open_recalls(
        &self,
        practitioner: &str,
        patient: Option<Pseudonym>,
    ) -> Result<Vec<pb::Recall>, NodeError> {
        let practitioner = practitioner.to_owned();
        blocking(&self.core, move |core| {
            let open = core.state.open_recalls(&practitioner, patient, RECALLS_TOLD_MAX)?;
            open.into_iter().map(|record| recall_at(core, record)).collect()
        })
        .await
    }

    /// Waits for recalls from the record `from` on that nobody has acknowledged, and gives them with the record that a
    /// stream goes on from.
    ///
    /// # Errors
    /// [`NodeError`] when the journal or the projections fail.
    pub async fn next_recalls(&self, from: Sequence) -> Result<(Vec<pb::Recall>, Sequence), NodeError> {
        let mut committed = self.core.journal.committed();
        loop {
            committed.mark_unchanged();
            let found = blocking(&self.core, move |core| {
                let open = core.state.recalls_from(from, RECALLS_TOLD_MAX)?;
                let next = open.last().map(|last| last.next());
                let recalls = open.into_iter().map(|record| recall_at(core, record)).collect::<Result<Vec<_>, _>>()?;
                Ok((recalls, next))
            });
            if let (recalls, Some(next)) = found.await? {
                return Ok((recalls, next));
            }
            committed.changed().await.map_err(|_| NodeError::Stopping)?;
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Records that somebody took note of a recall; durable when this returns, and told to the hub later. Gives false
    /// where this node has no such recall. Again changes nothing.
    ///
    /// # Errors
    /// [`NodeError`] when the journal fails.
    pub async fn note_recall(&self, id: RecallId, actor: pb::Actor) -> Result<bool, NodeError> {
        let _one_at_a_time = self.core.turn(&doubled(id)).await;
        let known = blocking(&self.core, move |core| Ok((core.state.recall(id)?, core.state.is_recall_open(id)?)));
        match known.await? {
            (None, _) => Ok(false),
            (Some(_), false) => Ok(true),
            (Some(record), true) => {
                let recall = blocking(&self.core, move |core| recall_at(core, record)).await?;
                let note = pb::RecallNoted {
                    recall_id: Bytes::copy_from_slice(id.as_bytes()),
                    practitioner: recall.practitioner,
                    patient: recall.patient,
                    result_name: recall.result_name,
                    actor: Some(actor),
                    at: Some(self.core.clock.now().into()),
                };
                self.append(NodeRecord::RecallNoted(note)).await?;
                Ok(true)
            }
        }
    }

    /// Takes recalls from one instance of the hub until `stop`: each is on the disk before the hub is told so.
    pub async fn keep_recalls(&self, hub: HubClient, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            match stop.run_until_cancelled(self.take_recalls(&hub)).await {
                None => return,
                // The hub ends streams from time to time.
                Some(Ok(taken)) => failures = if taken > 0 { 0 } else { failures + 1 },
                Some(Err(error)) => {
                    failures += 1;
                    tracing::info!(%error, failures, "the stream of recalls broke, and is opened again");
                }
            }
            if stop.run_until_cancelled(tokio::time::sleep(backoff(failures))).await.is_none() {
                return;
            }
        }
    }

    /// Tells the hub of acknowledgements until `stop`, and keeps them while it does not listen.
    pub async fn report_notes(&self, hub: HubClient, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let wait = match stop.run_until_cancelled(self.report_notes_once(&hub)).await {
                None => return,
                Some(Ok(())) => {
                    failures = 0;
                    LOOK_INTERVAL
                }
                Some(Err(error)) => {
                    failures += 1;
                    tracing::info!(%error, failures, "telling the hub of acknowledged recalls failed, and is tried again");
                    LOOK_INTERVAL + backoff(failures)
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Tells the hub once of the acknowledgements that it does not know.
    ///
    /// # Errors
    /// [`NodeError`]; they are told again.
    pub async fn report_notes_once(&self, hub: &HubClient) -> Result<(), NodeError> {
        let notes = blocking(&self.core, |core| {
            let untold = core.state.untold_notes(RECALLS_TOLD_MAX)?;
            untold.into_iter().map(|record| note_at(core, record)).collect::<Result<Vec<_>, _>>()
        });
        for note in notes.await? {
            let recall_id = note.recall_id.clone();
            let sent = pb::AcknowledgeRecallRequest { recall_id: note.recall_id, actor: note.actor };
            match hub.acknowledge_recall(sent).await {
                Ok(()) => {}
                // A hub that was restored knows it no more; there is nobody to tell.
                Err(error) if error.fault() == Fault::Missing => {
                    tracing::warn!("the hub does not know a recall that was acknowledged here");
                }
                Err(error) => return Err(HubError::from(error).into()),
            }
            self.append(NodeRecord::RecallNoteTold(pb::RecallNoteTold { recall_id })).await?;
        }
        Ok(())
    }

    async fn take_recalls(&self, hub: &HubClient) -> Result<u64, NodeError> {
        let mut recalls = hub.watch_recalls().await.map_err(HubError::from)?;
        let mut taken = 0;
        while let Some(recall) = recalls.next().await {
            let recall = recall.map_err(|status| HubError::from(CallError::from(status)))?;
            let recall_id = recall.recall_id.clone();
            self.take_recall(recall).await?;
            let sent = pb::ReceiveRecallsRequest { recall_ids: vec![recall_id] };
            hub.receive_recalls(sent).await.map_err(HubError::from)?;
            taken += 1;
        }
        Ok(taken)
    }
}

impl<L> Node<L> {
    /// Ends the streams of recalls, so that a stop does not wait for them.
    pub fn close_recalls(&self) {
        self.recalls_closed.cancel();
    }

    /// Waits until the streams of recalls are to end.
    pub async fn recalls_closed(&self) {
        self.recalls_closed.cancelled().await;
    }
}

/// Reads whom an acknowledged recall told and about what; nothing where it cannot be read.
pub(super) fn noted_key(note: &pb::RecallNoted) -> Option<RecallKey> {
    Some(RecallKey {
        id: fixed("recall_id", &note.recall_id).ok()?,
        practitioner: note.practitioner.clone(),
        patient: fixed("patient", &note.patient).ok()?,
        result: fixed("result_name", &note.result_name).ok()?,
    })
}

/// Reads whom a recall tells and about what; nothing where it cannot be read.
pub(super) fn key_of(recall: &pb::Recall) -> Option<RecallKey> {
    Some(RecallKey {
        id: fixed("recall_id", &recall.recall_id).ok()?,
        practitioner: recall.practitioner.clone(),
        patient: fixed("patient", &recall.patient).ok()?,
        result: fixed("result_name", &recall.result_name).ok()?,
    })
}

/// Reads a recall of the node's journal.
pub(super) fn recall_at(core: &Core, record: Sequence) -> Result<pb::Recall, NodeError> {
    let damaged = || NodeError::Record { sequence: record.0 };
    match read(core, record)? {
        NodeRecord::Recall(received) => received.recall.ok_or_else(damaged),
        _ => Err(damaged()),
    }
}

fn note_at(core: &Core, record: Sequence) -> Result<pb::RecallNoted, NodeError> {
    match read(core, record)? {
        NodeRecord::RecallNoted(note) => Ok(note),
        _ => Err(NodeError::Record { sequence: record.0 }),
    }
}

fn read(core: &Core, record: Sequence) -> Result<NodeRecord, NodeError> {
    let damaged = || NodeError::Record { sequence: record.0 };
    NodeRecord::decode(&core.journal.scan(record.0).next().transpose()?.ok_or_else(damaged)?)
}

fn doubled(id: RecallId) -> [u8; 32] {
    let mut doubled = [0; 32];
    doubled.iter_mut().zip(id.as_bytes().iter().cycle()).for_each(|(to, from)| *to = *from);
    doubled
}

/// How long a look waits for the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
