//! Whose fault an error is. `doors/fault.rs` alone turns a [`Fault`] into the codes of a protocol.

/// Says whose fault an error is, and so what the caller should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The caller sent something that can never be accepted; correct it before sending it again.
    BadInput,
    /// The caller has not proved who it is.
    Unproven,
    /// The caller is known, and may not do this.
    Denied,
    /// What was asked for does not exist, or not for this caller.
    Missing,
    /// The request contradicts what is already recorded.
    Conflict,
    /// A limit was reached; slow down, then send it again.
    Limited,
    /// We are at fault; somebody is told. Sending it again will not help before it is repaired.
    Broken,
    /// We cannot do it now; send it again later.
    Busy,
}

/// Gives every error of the house its [`Fault`].
pub trait Faulty: std::error::Error {
    /// Names whose fault the error is.
    fn fault(&self) -> Fault;
}
