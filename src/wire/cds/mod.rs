//! CDS Hooks 2.0: calls of order screens read, and cards written. What is asked of the exchange, and by whom, is decided
//! elsewhere. Errors name a field's path and never its content; nothing empty or null is written.
//!
//! Source: CDS Hooks 2.0 (HL7 CDS Hooks specification, release 2).

mod card;
mod detail;
mod discovery;
mod feedback;
mod order;
mod part;
mod patient;
mod quiet;
mod recall;
mod request;
mod words;

pub use self::card::{Link, Shown, answer, card, overview};
pub use self::discovery::{ORDERS, RECENT, discovery};
pub use self::feedback::{Entry, NOBODY, feedback};
pub use self::order::DraftOrder;
pub use self::patient::{IdentifierName, IdentifierNames};
pub use self::quiet::Quiet;
pub use self::recall::{recall_card, recall_sentence};
pub use self::request::{Hook, HookRequest, Prefetched};
pub use self::words::Words;

#[cfg(test)]
mod tests;
