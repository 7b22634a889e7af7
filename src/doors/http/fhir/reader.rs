//! Who reads: an organisation of the region by its client certificate, a hospital's program by a token that it signs, or
//! a patient by a token of the patients' issuer.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Pseudonym;
use crate::domain::organisation::{Caller, Role};
use crate::doors::http::client::ClientGate;
use crate::doors::http::fhir::answer::Refusal;
use crate::doors::http::patient::gate::Gate;
use crate::doors::tls::Peer;
use crate::service::hub::reading::Viewer;
use crate::wire::pb;

/// Who reads, proven.
#[derive(Debug, Clone)]
pub enum Reader {
    /// An organisation.
    Organisation {
        /// The organisation and its role.
        caller: Arc<Caller>,
        /// Who acts there, as the organisation asserts.
        actor: Option<pb::Actor>,
        /// What for.
        purpose: String,
    },
    /// A patient.
    Patient {
        /// The patients' entrance.
        caller: Arc<Caller>,
        /// The patient.
        patient: Pseudonym,
    },
}

/// Finds out who reads.
pub struct Readers {
    revoked: Box<dyn Fn(&Caller) -> bool + Send + Sync>,
    programs: Option<Arc<ClientGate>>,
    patients: Option<Arc<Gate>>,
}

impl Readers {
    /// Believes client certificates of the region, unless `revoked` says otherwise.
    pub fn new(revoked: impl Fn(&Caller) -> bool + Send + Sync + 'static) -> Self {
        Self { revoked: Box::new(revoked), programs: None, patients: None }
    }

    /// Believes the tokens of hospitals' programs too.
    #[must_use]
    pub fn with_programs(self, gate: Arc<ClientGate>) -> Self {
        Self { programs: Some(gate), ..self }
    }

    /// Believes the tokens of patients too, where there is a gate for them.
    #[must_use]
    pub fn with_patients(self, gate: Option<Arc<Gate>>) -> Self {
        Self { patients: gate, ..self }
    }

    /// Gives who reads at `path`: whoever a token names where one is sent, otherwise the organisation of the
    /// certificate.
    ///
    /// # Errors
    /// [`Refusal`] 401 without detail for whoever proves nothing.
    pub async fn reader(&self, headers: &HeaderMap, peer: Option<Peer>, path: &str) -> Result<Reader, Refusal> {
        if !headers.contains_key(header::AUTHORIZATION) {
            let caller = peer.and_then(|peer| peer.caller).filter(|caller| !(self.revoked)(caller));
            return Reader::organisation(caller.ok_or_else(|| Refusal::of(Fault::Unproven, ""))?, headers);
        }
        // The two name different issuers, so that a token passes one gate at most.
        let program = self.programs.as_ref().and_then(|gate| gate.admit(peer.as_ref(), headers, path).ok());
        if let Some(caller) = program {
            return Reader::organisation(caller, headers);
        }
        let gate = self.patients.as_ref().ok_or_else(|| Refusal::of(Fault::Unproven, ""))?;
        let shown = gate.bearer(headers).await;
        let patient = shown.map_err(|error| Refusal::of(error.fault(), &error.to_string()))?;
        Ok(Reader::Patient { caller: Arc::new(gate.gateway().clone()), patient: patient.pseudonym })
    }
}

impl Reader {
    /// Reads who acts at an organisation, and what for, from the headers by which it asserts them.
    ///
    /// # Errors
    /// [`Refusal`] for a header that is too long or no plain text.
    pub fn organisation(caller: Arc<Caller>, headers: &HeaderMap) -> Result<Self, Refusal> {
        let practitioner = asserted(headers, PRACTITIONER)?;
        let department = asserted(headers, DEPARTMENT)?;
        let actor = (!practitioner.is_empty() || !department.is_empty())
            .then(|| pb::Actor { practitioner: practitioner.to_owned(), department: department.to_owned() });
        let purpose = match asserted(headers, PURPOSE)? {
            "" if caller.role == Role::Hospital => "treatment",
            "" => "oversight",
            purpose => purpose,
        };
        Ok(Self::Organisation { purpose: purpose.to_owned(), actor, caller })
    }

    /// Gives the organisation that calls.
    pub fn caller(&self) -> &Caller {
        match self {
            Self::Organisation { caller, .. } | Self::Patient { caller, .. } => caller,
        }
    }

    /// Gives what the hub has to know of the reader.
    pub fn viewer(&self) -> Viewer {
        match self {
            Self::Organisation { caller, .. } if OVERSEERS.contains(&caller.role) => Viewer::Overseer,
            Self::Organisation { caller, .. } => Viewer::Organisation(caller.organisation),
            Self::Patient { patient, .. } => Viewer::Patient(*patient),
        }
    }

    /// Says whether the reader may ask for a kind of resource at all.
    pub fn may_ask_for(&self, kind: &str) -> bool {
        match self {
            Self::Patient { .. } => true,
            Self::Organisation { caller, .. } => match caller.role {
                Role::Hospital => true,
                Role::Regulator | Role::QcCentre | Role::Operator => OVERSEEN.contains(&kind),
                Role::PatientGateway => kind == "Organization",
            },
        }
    }

    /// Gives who acts at an organisation.
    pub fn actor(&self) -> Option<pb::Actor> {
        match self {
            Self::Organisation { actor, .. } => actor.clone(),
            Self::Patient { .. } => None,
        }
    }

    /// Gives what for.
    pub fn purpose(&self) -> &str {
        match self {
            Self::Organisation { purpose, .. } => purpose,
            Self::Patient { .. } => "patient",
        }
    }

    /// Gives how an access is recorded.
    pub fn kind_of_access(&self) -> pb::AccessKind {
        match self {
            Self::Organisation { .. } => pb::AccessKind::FhirRead,
            Self::Patient { .. } => pb::AccessKind::PatientRead,
        }
    }
}

/// Reads a header that says who acts; nothing where it is absent.
fn asserted<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Refusal> {
    let Some(value) = headers.get(name) else { return Ok("") };
    let text = value.to_str().ok().filter(|text| text.len() <= ASSERTED_BYTES_MAX);
    text.ok_or_else(|| Refusal::of(Fault::BadInput, "a header that says who acts is plain text of at most 128 bytes"))
}

const PRACTITIONER: &str = "concord-practitioner";
const DEPARTMENT: &str = "concord-department";
const PURPOSE: &str = "concord-purpose";
const ASSERTED_BYTES_MAX: usize = 128;
/// Roles that oversee the exchange and treat nobody.
const OVERSEERS: [Role; 3] = [Role::Regulator, Role::QcCentre, Role::Operator];
/// What they may ask for: nothing that holds a value of a patient.
const OVERSEEN: [&str; 4] = ["Basic", "AuditEvent", "Provenance", "Organization"];
