//! DICOM files that arrive piece by piece: each is answered when it is durable, or with why it is not kept.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::domain::fault::Faulty;
use crate::doors::fault::reason;
use crate::ports::clock::Clock;
use crate::ports::hub::HubLink;
use crate::service::node::error::IntakeError;
use crate::service::node::{InstanceBytes, Node, Taken};
use crate::wire::dicom::{DicomError, InstanceFacts, part10, read_file};
use crate::wire::pb;

/// Takes file after file until the stream ends or breaks; a file that broke off is not kept.
pub(super) async fn take_all<L: HubLink>(
    node: Node<L>,
    clock: Arc<dyn Clock>,
    mut pieces: Streaming<pb::ImportRequest>,
    outcomes: mpsc::Sender<Result<pb::ImportResponse, Status>>,
) {
    let mut file = Arriving::default();
    loop {
        let piece = match pieces.message().await {
            Ok(None) => return,
            Ok(Some(piece)) => piece,
            Err(status) => {
                let _ = outcomes.send(Err(status)).await;
                return;
            }
        };
        let answer = match file.take(piece) {
            Err(status) => Err(status),
            Ok(false) => continue,
            Ok(true) => Ok(keep(&node, clock.as_ref(), std::mem::take(&mut file)).await),
        };
        let is_last = answer.is_err();
        if outcomes.send(answer).await.is_err() || is_last {
            return;
        }
    }
}

/// A file of which pieces have arrived.
#[derive(Default)]
struct Arriving {
    name: Option<String>,
    bytes: Vec<u8>,
    is_too_large: bool,
}

impl Arriving {
    /// Takes a piece, and says whether the file is whole.
    fn take(&mut self, piece: pb::ImportRequest) -> Result<bool, Status> {
        if piece.name.len() > NAME_BYTES_MAX || piece.data.len() > PIECE_BYTES_MAX {
            return Err(Status::invalid_argument("a name has at most 4,096 bytes, a piece at most 1 MiB"));
        }
        if self.name.get_or_insert_with(|| piece.name.clone()) != &piece.name {
            return Err(Status::invalid_argument("a file begins before the one before it has ended"));
        }
        self.is_too_large |= self.bytes.len() + piece.data.len() > IMPORT_BYTES_MAX;
        if self.is_too_large {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(&piece.data);
        }
        Ok(piece.last)
    }
}

async fn keep<L: HubLink>(node: &Node<L>, clock: &dyn Clock, file: Arriving) -> pb::ImportResponse {
    let name = file.name.unwrap_or_default();
    let told =
        |outcome: &str, reason: String| pb::ImportResponse { name: name.clone(), outcome: outcome.into(), reason };
    if file.is_too_large {
        return told("REFUSED", format!("larger than {} MiB; send it over the network", IMPORT_BYTES_MAX >> 20));
    }
    let read = tokio::task::spawn_blocking(move || read(&file.bytes)).await;
    let (facts, header, data_set) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(error @ (DicomError::NotDicom | DicomError::NotAnInstance))) => {
            return told("SKIPPED", error.to_string());
        }
        Ok(Err(error)) => return told("REFUSED", error.to_string()),
        Err(_) => return told("REFUSED", "the node is stopping".into()),
    };
    match node.take_instance(&facts, header, InstanceBytes::Whole(data_set), clock.now()).await {
        Ok(Taken::New) => told("STORED", String::new()),
        Ok(Taken::Again) => told("DUPLICATE", String::new()),
        Ok(Taken::Nothing) => told("SKIPPED", String::new()),
        Err(error @ IntakeError::OtherInstance) => told("REFUSED", error.to_string()),
        Err(error) => {
            tracing::error!(%error, "keep imported file");
            told("REFUSED", reason(error.fault()).to_owned())
        }
    }
}

fn read(bytes: &[u8]) -> Result<(InstanceFacts, Vec<u8>, Bytes), DicomError> {
    let instance = read_file(bytes)?;
    let facts = instance.facts;
    let header = part10::header(&instance.transfer_syntax, &facts.sop_class, &facts.sop_instance);
    Ok((facts, header, Bytes::copy_from_slice(instance.data_set)))
}

/// Longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 4_096;
const PIECE_BYTES_MAX: usize = 1 << 20;
/// Largest file taken this way, in bytes: it is held in memory.
const IMPORT_BYTES_MAX: usize = 512 << 20;
