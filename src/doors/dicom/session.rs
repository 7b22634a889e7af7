//! The messages of one association: puts fragments together, checks each instance, has it stored, then answers.

use super::negotiation::Association;
use super::spool::{InstanceBody, Spool, SpoolError};
use super::stream::{Link, LinkError};
use super::{House, InstanceSink, ReceivedInstance};
use crate::domain::fault::Faulty;
use crate::domain::limits::DICOM_COMMAND_BYTES_MAX;
use crate::doors::fault::dimse_status;
use crate::wire::dicom::command::{self, Command, Operation, Status};
use crate::wire::dicom::{DicomError, InstanceFacts, Label, Uid, read_labelled, syntax};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use std::net::SocketAddr;
use tracing::warn;

/// Answers the messages of an association until it is released, broken or the house stops.
pub(super) async fn run<S: InstanceSink>(
    house: &House<S>,
    link: &mut Link,
    association: &Association,
    peer: SocketAddr,
) -> Result<(), LinkError> {
    let mut session = Session { house, association, peer, arriving: Arriving::Nothing };
    loop {
        let is_idle = matches!(session.arriving, Arriving::Nothing);
        let pdu = tokio::select! {
            () = house.stop.cancelled(), if is_idle => {
                link.abort().await;
                return Ok(());
            }
            pdu = link.receive() => pdu?,
        };
        match pdu {
            Pdu::PData { data } => {
                for fragment in data {
                    session.take(link, fragment).await?;
                }
            }
            Pdu::ReleaseRQ => return link.send(&Pdu::ReleaseRP).await,
            Pdu::AbortRQ { .. } => return Ok(()),
            _ => return Err(LinkError::Unexpected),
        }
    }
}

struct Session<'a, S> {
    house: &'a House<S>,
    association: &'a Association,
    peer: SocketAddr,
    arriving: Arriving,
}

/// What of a message has arrived.
enum Arriving {
    Nothing,
    Command { context: u8, bytes: Vec<u8> },
    DataSet { context: u8, command: Command, spool: Result<Spool, Status> },
}

impl<S: InstanceSink> Session<'_, S> {
    async fn take(&mut self, link: &mut Link, fragment: PDataValue) -> Result<(), LinkError> {
        let context = fragment.presentation_context_id;
        if !self.association.contexts.contains_key(&context) {
            return Err(LinkError::Unexpected);
        }
        match (std::mem::replace(&mut self.arriving, Arriving::Nothing), &fragment.value_type) {
            (Arriving::Nothing, PDataValueType::Command) => {
                self.take_command(link, context, Vec::new(), fragment).await
            }
            (Arriving::Command { context: begun, bytes }, PDataValueType::Command) if begun == context => {
                self.take_command(link, context, bytes, fragment).await
            }
            (Arriving::DataSet { context: begun, command, spool }, PDataValueType::Data) if begun == context => {
                self.take_data(link, context, command, spool, fragment).await
            }
            _ => Err(LinkError::Unexpected),
        }
    }

    async fn take_command(
        &mut self,
        link: &mut Link,
        context: u8,
        mut bytes: Vec<u8>,
        fragment: PDataValue,
    ) -> Result<(), LinkError> {
        bytes.extend_from_slice(&fragment.data);
        if bytes.len() > DICOM_COMMAND_BYTES_MAX {
            return Err(LinkError::Unexpected);
        }
        if !fragment.is_last {
            self.arriving = Arriving::Command { context, bytes };
            return Ok(());
        }
        let command = command::decode(&bytes)?;
        if command.has_data_set {
            // Of anything but a store the data set is passed over, so that the answer comes in its turn.
            let spool = match command.operation {
                Operation::Store => Ok(Spool::new()),
                _ => Err(Status::UNRECOGNISED_OPERATION),
            };
            self.arriving = Arriving::DataSet { context, command, spool };
            return Ok(());
        }
        let status = match command.operation {
            Operation::Echo => Status::SUCCESS,
            Operation::Store => Status::CANNOT_UNDERSTAND,
            Operation::Cancel => return Ok(()),
            Operation::Other(_) if command.status.is_some() => return Err(LinkError::Unexpected),
            Operation::Other(_) => Status::UNRECOGNISED_OPERATION,
        };
        answer(link, context, &command, status).await
    }

    async fn take_data(
        &mut self,
        link: &mut Link,
        context: u8,
        command: Command,
        mut spool: Result<Spool, Status>,
        fragment: PDataValue,
    ) -> Result<(), LinkError> {
        if let Ok(open) = &mut spool
            && let Err(error) = open.write(&fragment.data, &self.house.settings.spool_folder).await
        {
            spool = Err(self.refuse_spool(&error));
        }
        if !fragment.is_last {
            self.arriving = Arriving::DataSet { context, command, spool };
            return Ok(());
        }
        let status = match spool {
            Ok(spool) => match spool.finish().await {
                Ok(body) => self.store(context, &command, body).await,
                Err(error) => self.refuse_spool(&error),
            },
            Err(status) => status,
        };
        answer(link, context, &command, status).await
    }

    fn refuse_spool(&self, error: &SpoolError) -> Status {
        warn!(peer = %self.peer, %error, "receive DICOM instance");
        Status::OUT_OF_RESOURCES
    }

    /// Checks the instance against its command and has it stored; gives the status to answer.
    async fn store(&self, context: u8, command: &Command, body: InstanceBody) -> Status {
        let Some(transfer_syntax) = self.association.contexts.get(&context) else {
            return Status::CLASS_NOT_SUPPORTED;
        };
        let (Some(sop_class), Some(sop_instance)) = (&command.sop_class, &command.sop_instance) else {
            return Status::INVALID_INSTANCE;
        };
        let (facts, body) = match self.check(transfer_syntax, command, body).await {
            Ok(checked) => checked,
            Err(error) => {
                warn!(peer = %self.peer, %error, "refuse DICOM instance");
                return error.status();
            }
        };
        if facts.sop_class != *sop_class || facts.sop_instance != *sop_instance {
            return Status::DATA_SET_DIFFERS;
        }
        let calling_ae_title = self.association.calling_ae_title.clone();
        let transfer_syntax = transfer_syntax.clone();
        let instance = ReceivedInstance { calling_ae_title, peer: self.peer, transfer_syntax, facts, body };
        match self.house.sink.store(instance).await {
            Ok(()) => Status::SUCCESS,
            Err(refusal) => dimse_status(refusal.fault()),
        }
    }

    /// Reads the facts: of a small instance at once, of another on a thread that may block; a large one waits for its turn.
    async fn check(
        &self,
        syntax: &Uid,
        command: &Command,
        body: InstanceBody,
    ) -> Result<(InstanceFacts, InstanceBody), CheckError> {
        let is_deflated = syntax::form(syntax.as_str())?.deflated;
        if let InstanceBody::Memory(bytes) = &body
            && bytes.len() <= AT_ONCE_BYTES
            && !is_deflated
        {
            let label = Label { sop_class: command.sop_class.as_ref(), sop_instance: command.sop_instance.as_ref() };
            return Ok((read_labelled(bytes, syntax.as_str(), label)?, body));
        }
        let is_large = matches!(body, InstanceBody::File(_)) || is_deflated;
        let turn = match is_large {
            true => self.house.large_checks.acquire().await.ok(),
            false => None,
        };
        let (syntax, sop_class, sop_instance) =
            (syntax.clone(), command.sop_class.clone(), command.sop_instance.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let label = Label { sop_class: sop_class.as_ref(), sop_instance: sop_instance.as_ref() };
            let facts = match &body {
                InstanceBody::Memory(bytes) => read_labelled(bytes, syntax.as_str(), label)?,
                InstanceBody::File(file) => read_labelled(&std::fs::read(file.path())?, syntax.as_str(), label)?,
            };
            Ok((facts, body))
        })
        .await;
        drop(turn);
        checked.unwrap_or(Err(CheckError::Broken))
    }
}

/// Why an instance was not read.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Instance(#[from] DicomError),
    #[error("read the spool: {0}")]
    Spool(#[from] std::io::Error),
    #[error("the check broke off")]
    Broken,
}

impl CheckError {
    fn status(&self) -> Status {
        match self {
            Self::Instance(error) => dimse_status(error.fault()),
            Self::Spool(_) => Status::OUT_OF_RESOURCES,
            Self::Broken => Status::PROCESSING_FAILURE,
        }
    }
}

/// Largest instance that is read where it arrives: some tens of microseconds, as long as it takes to hand it on.
const AT_ONCE_BYTES: usize = 64 << 10;

async fn answer(link: &mut Link, context: u8, command: &Command, status: Status) -> Result<(), LinkError> {
    let value = PDataValue {
        presentation_context_id: context,
        value_type: PDataValueType::Command,
        is_last: true,
        data: command::response(command, status),
    };
    link.send(&Pdu::PData { data: vec![value] }).await
}
