//! Association negotiation: who may call, and in which classes and transfer syntaxes it may store.

use super::Settings;
use super::stream::{Link, LinkError, pdu_bytes};
use crate::wire::dicom::command::VERIFICATION;
use crate::wire::dicom::part10::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};
use crate::wire::dicom::{Uid, syntax};
use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult, AssociationRJServiceProviderASCEReason,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ,
    Pdu, PresentationContextProposed, PresentationContextResult, PresentationContextResultReason, UserVariableItem,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What was agreed.
#[derive(Debug)]
pub(super) struct Association {
    /// The AE title of the caller.
    pub(super) calling_ae_title: String,
    /// The transfer syntax of each accepted presentation context.
    pub(super) contexts: BTreeMap<u8, Uid>,
}

/// Receives an association request and answers it; nothing is agreed when it was refused. What is agreed holds a place.
pub(super) async fn establish(
    link: &mut Link,
    settings: &Settings,
    places: &Arc<Semaphore>,
) -> Result<Option<(Association, OwnedSemaphorePermit)>, LinkError> {
    let Pdu::AssociationRQ(request) = link.receive_request().await? else { return Err(LinkError::Unexpected) };
    let place = match admit(&request, settings).and_then(|()| place_in(places)) {
        Ok(place) => place,
        Err(refusal) => {
            link.send(&Pdu::AssociationRJ(refusal)).await?;
            return Ok(None);
        }
    };
    let results: Vec<_> = request.presentation_contexts.iter().map(choose).collect();
    let accepted = results.iter().filter(|result| result.reason == PresentationContextResultReason::Acceptance);
    let contexts = accepted.filter_map(|result| Some((result.id, Uid::parse(&result.transfer_syntax)?))).collect();
    let association = Association { calling_ae_title: request.calling_ae_title.trim().to_owned(), contexts };
    link.send(&Pdu::AssociationAC(AssociationAC {
        protocol_version: 1,
        calling_ae_title: request.calling_ae_title,
        called_ae_title: request.called_ae_title,
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables: vec![
            UserVariableItem::MaxLength(pdu_bytes(settings)),
            UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
            UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
        ],
    }))
    .await?;
    Ok(Some((association, place)))
}

/// Says whether the request is let in, else with which refusal it is answered.
///
/// Source: DICOM PS3.8, 9.3.4.
fn admit(request: &AssociationRQ, settings: &Settings) -> Result<(), AssociationRJ> {
    use AssociationRJServiceUserReason as User;
    let refuse = |source| Err(AssociationRJ { result: AssociationRJResult::Permanent, source });
    if request.protocol_version & 1 == 0 {
        let reason = AssociationRJServiceProviderASCEReason::ProtocolVersionNotSupported;
        return refuse(AssociationRJSource::ServiceProviderASCE(reason));
    }
    if request.application_context_name.trim_end_matches(['\0', ' ']) != APPLICATION_CONTEXT {
        return refuse(AssociationRJSource::ServiceUser(User::ApplicationContextNameNotSupported));
    }
    if request.called_ae_title.trim() != settings.ae_title {
        return refuse(AssociationRJSource::ServiceUser(User::CalledAETitleNotRecognized));
    }
    let calling = request.calling_ae_title.trim();
    if settings.calling_ae_titles.as_ref().is_some_and(|allowed| !allowed.iter().any(|title| title == calling)) {
        return refuse(AssociationRJSource::ServiceUser(User::CallingAETitleNotRecognized));
    }
    Ok(())
}

/// Takes a place for an association, else gives the refusal to try again later.
fn place_in(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, AssociationRJ> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        let reason = AssociationRJServiceProviderPresentationReason::LocalLimitExceeded;
        let source = AssociationRJSource::ServiceProviderPresentation(reason);
        AssociationRJ { result: AssociationRJResult::Transient, source }
    })
}

/// Accepts a context in the first transfer syntax that the caller proposed and the house can keep.
fn choose(proposed: &PresentationContextProposed) -> PresentationContextResult {
    let refused = |reason| PresentationContextResult {
        id: proposed.id,
        reason,
        transfer_syntax: syntax::IMPLICIT_LITTLE.to_owned(),
    };
    if !is_served(unpadded(&proposed.abstract_syntax)) {
        return refused(PresentationContextResultReason::AbstractSyntaxNotSupported);
    }
    match proposed.transfer_syntaxes.iter().map(|uid| unpadded(uid)).find(|uid| syntax::is_storable(uid)) {
        Some(uid) => PresentationContextResult {
            id: proposed.id,
            reason: PresentationContextResultReason::Acceptance,
            transfer_syntax: uid.to_owned(),
        },
        None => refused(PresentationContextResultReason::TransferSyntaxesNotSupported),
    }
}

/// Says whether the abstract syntax is verification or storage: every standard storage class, those to come too, and
/// every private class, for what else would a device propose to a store.
///
/// Source: DICOM PS3.4, B.5.
fn is_served(abstract_syntax: &str) -> bool {
    abstract_syntax == VERIFICATION
        || abstract_syntax.starts_with("1.2.840.10008.5.1.4.1.1.")
        || !abstract_syntax.starts_with("1.2.840.10008.") && Uid::parse(abstract_syntax).is_some()
}

fn unpadded(uid: &str) -> &str {
    uid.trim_end_matches(['\0', ' '])
}

const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
