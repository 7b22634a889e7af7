//! One step of the story: what came out of it, or what should have and did not. Patience lives here too.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;
use tonic::Status;

use crate::app::demo::links::LinkError;
use crate::app::sample::scan::ScanError;

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// What a step found, all as it should be.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// For people.
    pub lines: Vec<Text>,
    /// For programs.
    pub facts: Map<String, Value>,
}

/// A step did not come out as it should.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Something else was found than expected.
    #[error("{what}: expected {expected}, found {found}")]
    Unexpected {
        /// What was looked at.
        what: String,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A call was refused.
    #[error("{call}: {code:?}: {message}", code = status.code(), message = status.message())]
    Refused {
        /// The call.
        call: &'static str,
        /// Its status.
        status: Box<Status>,
    },
    /// A connection broke.
    #[error("{what}: {source}")]
    Io {
        /// The protocol.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A study could not be sent.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// There is no answer over HTTPS.
    #[error("HTTPS: {0}")]
    Web(#[from] reqwest::Error),
    /// There is no way to a process.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// An earlier step did not come out, and this one rests on it.
    #[error("rests on a step that failed")]
    Unfounded,
}

/// Writes a text in both languages.
pub fn text(zh: impl Into<String>, en: impl Into<String>) -> Text {
    Text { zh: zh.into(), en: en.into() }
}

impl Found {
    /// Adds a line for people.
    pub fn line(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.lines.push(text(zh, en));
        self
    }

    /// Adds a fact for programs.
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

impl StepError {
    /// Makes the error of something that is not what it should be.
    pub fn unexpected(what: impl Display, expected: impl Display, found: impl Display) -> Self {
        Self::Unexpected { what: what.to_string(), expected: expected.to_string(), found: found.to_string() }
    }

    /// Makes the error of a call that was refused.
    pub fn refused(call: &'static str) -> impl FnOnce(Status) -> Self {
        move |status| Self::Refused { call, status: Box::new(status) }
    }
}

/// Insists that something is what it should be.
///
/// # Errors
/// [`StepError::Unexpected`] when it is not.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, found: T) -> Result<(), StepError> {
    if expected == found {
        return Ok(());
    }
    Err(StepError::unexpected(what, format!("{expected:?}"), format!("{found:?}")))
}

/// Looks again and again until something is as it should be, for at most 30 seconds.
///
/// # Errors
/// That of the last look.
pub async fn patiently<T>(mut look: impl AsyncFnMut() -> Result<T, StepError>) -> Result<T, StepError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
