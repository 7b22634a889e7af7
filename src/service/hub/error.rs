//! What can go wrong at the hub, by whose fault it is.

use crate::domain::fault::{Fault, Faulty};
use crate::pki::signing::SigningError;
use crate::ports::index::IndexError;
use crate::service::hub::grant::GrantError;
use crate::store::journal::JournalError;
use crate::store::projection::ProjectionError;
use crate::store::tiles::TileStoreError;
use crate::wire::field::FieldError;
use crate::wire::record::RecordError;

/// A request that the hub cannot or may not serve. Carries positions and codes, never content.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A field of the request is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A batch is signed for another organisation than the one that sends it.
    #[error("the batch header names another organisation than the client certificate")]
    Impostor,
    /// The batch's key is not known, and no certificate came with it.
    #[error("the signing key is not known; send its certificate")]
    KeyUnknown,
    /// The key was revoked, is not yet valid, or did not sign this.
    #[error("signature: {0}")]
    Signing(#[from] SigningError),
    /// The batch is not the next of its chain.
    #[error("batch {found} does not follow; the chain stands at {at}")]
    Gap {
        /// Number that was sent.
        found: u64,
        /// Last number taken.
        at: u64,
    },
    /// A batch with this number and another header was already taken: the publisher's history forks.
    #[error("batch {0} was already taken with another header")]
    Fork(u64),
    /// The header does not name the previous header.
    #[error("batch {0} does not name the batch before it")]
    Unchained(u64),
    /// The root in the header is not the root of the entries.
    #[error("batch {0}: the root is not the root of its entries")]
    Root(u64),
    /// The batch was sealed in the future, or before the one it follows.
    #[error("batch {0}: its time does not follow; correct the clock of the node")]
    SealedAt(u64),
    /// The organisation is not in the region's table.
    #[error("the organisation is not listed in the region")]
    Unlisted,
    /// No policy is in force yet.
    #[error("no policy is in force")]
    NoPolicy,
    /// A statement comes from, or is signed by, somebody else than the QC centre that calls.
    #[error("the statement is not the calling QC centre's own")]
    NotTheCentre,
    /// Figures of another organisation were asked for.
    #[error("this caller may see its own figures only")]
    OthersFigures,
    /// The prompt does not exist for this organisation.
    #[error("no such prompt")]
    NoPrompt,
    /// The prompt was decided already.
    #[error("the prompt is decided; revoke the decision first")]
    Decided,
    /// There is no decision to take back.
    #[error("the prompt is not decided")]
    Undecided,
    /// The key was used for another request.
    #[error("the key was already used for another request")]
    KeyReused,
    /// A decline lacks what its reason needs, or names none of the policy.
    #[error("decisions[{place}].decline.{field}: {problem}")]
    Reason {
        /// Place of the decision.
        place: usize,
        /// Field of the decline.
        field: &'static str,
        /// What is missing.
        problem: &'static str,
    },
    /// The grant does not open this.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The person cannot be linked in the region.
    #[error("the person cannot be linked: no strong identifier, or one that contradicts what is recorded")]
    Unlinked,
    /// No consent of the patient opens this for the caller, or it no longer does.
    #[error("the patient's consent does not open this")]
    NotPermitted,
    /// The policy allows nobody to break the glass.
    #[error("the region's policy does not allow break-glass")]
    BreakGlassDenied,
    /// The opening with this key is over.
    #[error("the opening is over; open again with another key")]
    OpeningOver,
    /// The patient has no such consent.
    #[error("no such consent")]
    NoConsent,
    /// The organisation has no such recall.
    #[error("no such recall")]
    NoRecall,
    /// There is no such case that the caller may close.
    #[error("no such case")]
    NoCase,
    /// The patient has no such result.
    #[error("no such result")]
    NoResult,
    /// Whoever acts is not registered as the patient's guardian, or no longer.
    #[error("no relation is registered that lets this person act for the patient")]
    NoRelation,
    /// The hub has no address that a link could lead to.
    #[error("this hub serves no HTTPS; it can give no links")]
    NoLinks,
    /// The original is not one of the result's.
    #[error("no such original")]
    NoOriginal,
    /// The hospital that keeps the original cannot be reached.
    #[error("the hospital that keeps the original is not connected")]
    Away,
    /// The bytes that came do not match what was signed.
    #[error("the original does not match its signed digest")]
    Mismatch,
    /// Too much is under way for this caller.
    #[error("too many requests at once")]
    Limited,
    /// The journal does not take records.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// A projection failed.
    #[error("projection: {0}")]
    Projection(#[from] ProjectionError),
    /// The index failed.
    #[error("index: {0}")]
    Index(#[from] IndexError),
    /// The log's tiles failed.
    #[error("tiles: {0}")]
    Tiles(#[from] TileStoreError),
    /// A record of the journal cannot be read.
    #[error("record: {0}")]
    Record(#[from] RecordError),
    /// The projections have stopped following the journal; the log says why.
    #[error("the hub is recovering; try again later")]
    Behind,
}

impl Faulty for HubError {
    fn fault(&self) -> Fault {
        match self {
            Self::Field(error) => error.fault(),
            Self::Signing(error) => error.fault(),
            Self::Grant(error) => error.fault(),
            Self::Journal(error) => error.fault(),
            Self::Projection(error) => error.fault(),
            Self::Index(error) => error.fault(),
            Self::Tiles(error) => error.fault(),
            Self::Record(error) => error.fault(),
            Self::Impostor | Self::Unlisted | Self::NotTheCentre | Self::OthersFigures => Fault::Denied,
            Self::Unlinked | Self::NotPermitted | Self::BreakGlassDenied | Self::NoRelation => Fault::Denied,
            Self::KeyUnknown => Fault::Unproven,
            Self::Root(_) | Self::SealedAt(_) | Self::Reason { .. } => Fault::BadInput,
            Self::Gap { .. } | Self::Fork(_) | Self::Unchained(_) => Fault::Conflict,
            Self::Decided | Self::Undecided | Self::KeyReused => Fault::Conflict,
            Self::OpeningOver | Self::NoLinks => Fault::Conflict,
            Self::NoPrompt | Self::NoOriginal | Self::NoConsent | Self::NoResult => Fault::Missing,
            Self::NoRecall | Self::NoCase => Fault::Missing,
            Self::Limited => Fault::Limited,
            Self::Mismatch => Fault::Broken,
            Self::NoPolicy | Self::Away | Self::Behind => Fault::Busy,
        }
    }
}
