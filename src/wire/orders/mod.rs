//! Requests of the Orders service, checked field by field. Codes are resolved against the catalogue by the service.

mod request;

pub use request::{
    Acknowledged, Asked, AskedLine, Asking, CodeReference, Decided, Listing, Opening, OpeningBasis, Outcome, Revoking,
    Subject, Visiting, asking, subject,
};
