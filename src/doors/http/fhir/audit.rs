//! Every access is a record of the hub before anything is shown; where it cannot be recorded, nothing is.

use std::collections::BTreeMap;

use crate::domain::id::{Pseudonym, ResultId};
use crate::doors::http::fhir::answer::Refusal;
use crate::doors::http::fhir::reader::Reader;
use crate::service::hub::Hub;
use crate::service::hub::access::Access;
use crate::service::hub::audience::Basis;
use crate::wire::pb;

/// A result that is about to be shown, and by what right.
pub type Touched = (ResultId, Option<Basis>);

/// Records that a reader is about to be shown something of a patient: one record for each right that is used.
///
/// `asked` says what was asked, without a value that could name anybody.
///
/// # Errors
/// [`Refusal`]; show nothing.
pub async fn record(
    hub: &Hub,
    reader: &Reader,
    patient: Pseudonym,
    asked: &str,
    touched: impl IntoIterator<Item = Touched>,
) -> Result<(), Refusal> {
    let mut by_basis: BTreeMap<Option<Basis>, Vec<ResultId>> = BTreeMap::new();
    for (name, basis) in touched {
        let names = by_basis.entry(basis).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if by_basis.is_empty() {
        by_basis.insert(None, Vec::new());
    }
    for (basis, results) in by_basis {
        let access = Access { basis, results, ..plain(reader, patient, asked, pb::AccessOutcome::Given) };
        hub.record_access(reader.caller(), &access).await?;
    }
    Ok(())
}

/// Records that a reader was refused something of a patient.
///
/// # Errors
/// [`Refusal`]; nothing is shown anyway.
pub async fn record_refusal(hub: &Hub, reader: &Reader, patient: Pseudonym, asked: &str) -> Result<(), Refusal> {
    let access = plain(reader, patient, asked, pb::AccessOutcome::Refused);
    hub.record_access(reader.caller(), &access).await?;
    Ok(())
}

fn plain(reader: &Reader, patient: Pseudonym, asked: &str, outcome: pb::AccessOutcome) -> Access {
    Access {
        patient,
        guardian: None,
        kind: reader.kind_of_access(),
        actor: reader.actor(),
        purpose: reader.purpose().to_owned(),
        basis: None,
        results: Vec::new(),
        outcome,
        reason: asked.to_owned(),
        recipient: String::new(),
    }
}
