//! Prompts that somebody must follow up.

/// What a prompt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Any decision.
    Answer,
    /// The reason of a decline, which the policy demands.
    Reason,
}
