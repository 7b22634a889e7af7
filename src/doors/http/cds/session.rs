//! What an order session was told: a practitioner, a patient and a visit. What was answered while orders were chosen is
//! answered from here when they are signed, so that nothing is asked, counted and shown twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::domain::organisation::OrganisationCode;
use crate::wire::cds::Link;
use crate::wire::pb;

/// Order sessions in memory; a restart forgets them, and what they held is asked again.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<SessionKey, Session>>);

/// Names an order session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// Whose order screen.
    pub organisation: OrganisationCode,
    /// Who works.
    pub practitioner: String,
    /// The patient's id at the order screen.
    pub patient_id: String,
    /// The visit's id there, or empty.
    pub encounter: String,
}

/// One line that was answered.
pub struct Answered {
    /// The answer.
    pub line: pb::LineAnswer,
    /// Links of its card.
    pub links: Vec<Link>,
    /// The check that was answered.
    pub check: Arc<pb::CheckRequest>,
    at: Instant,
    shown: AtomicBool,
}

/// What a line asked: a digest of all that its answer rests on.
pub type Question = [u8; 32];

struct Session {
    until: Instant,
    answered: HashMap<Question, Arc<Answered>>,
}

impl Answered {
    /// Keeps an answer of a check with the links of its card.
    pub fn new(line: pb::LineAnswer, links: Vec<Link>, check: Arc<pb::CheckRequest>) -> Self {
        Self { line, links, check, at: Instant::now(), shown: AtomicBool::new(false) }
    }

    /// Says whether the check should be asked once more: the patient may have taken back since what it rests on.
    pub fn is_stale(&self) -> bool {
        self.at.elapsed() >= FRESH
    }

    /// Says whether a result of it has no proof: it was not asked for, or there was none yet.
    pub fn lacks_proofs(&self) -> bool {
        self.line.prompts.iter().any(|prompt| prompt.proof.is_empty())
    }

    /// Puts what the check answers now in the place of what it answered; nothing where it answers no more.
    pub fn renewed(&self, line: Option<pb::LineAnswer>, check: Arc<pb::CheckRequest>) -> Self {
        let line = line.unwrap_or_else(|| pb::LineAnswer { line_id: self.line.line_id.clone(), ..Default::default() });
        let kept = |link: &pb::Prompt| line.prompts.iter().any(|prompt| prompt.prompt_id == link.prompt_id);
        let links = self.line.prompts.iter().zip(&self.links).filter(|(prompt, _)| kept(prompt));
        let links = links.map(|(_, link)| link.clone()).collect();
        let shown = AtomicBool::new(self.shown.load(Ordering::Relaxed));
        Self { line, links, check, at: Instant::now(), shown }
    }

    /// Notes that its card is shown; gives its prompts the first time, for that to be recorded.
    pub fn show(&self) -> impl Iterator<Item = Bytes> + use<'_> {
        let first = !self.shown.swap(true, Ordering::Relaxed);
        self.line.prompts.iter().filter(move |_| first).map(|prompt| prompt.prompt_id.clone())
    }

    fn is_card(&self, card: &[u8; 16]) -> bool {
        self.line.prompts.first().is_some_and(|prompt| prompt.prompt_id == card.as_slice())
    }
}

impl Sessions {
    /// Gives what was answered before.
    pub fn recall(&self, key: &SessionKey, question: &Question) -> Option<Arc<Answered>> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(key).filter(|session| session.until > Instant::now())?;
        session.answered.get(question).cloned()
    }

    /// Keeps an answer. The session begins with its first, and ends ten minutes later.
    pub fn keep(&self, key: &SessionKey, question: Question, answered: Arc<Answered>) {
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS_MAX && !sessions.contains_key(key) {
            sessions.retain(|_, session| session.until > now);
        }
        if sessions.len() >= SESSIONS_MAX && !sessions.contains_key(key) {
            let first = sessions.iter().min_by_key(|(_, session)| session.until).map(|(key, _)| key.clone());
            first.and_then(|key| sessions.remove(&key));
        }
        let begun = || Session { until: now + SESSION_LIFETIME, answered: HashMap::new() };
        let session = sessions.entry(key.clone()).or_insert_with(begun);
        if session.until <= now {
            *session = begun();
        }
        if session.answered.len() < ANSWERS_MAX {
            session.answered.insert(question, answered);
        }
    }

    /// Forgets a card that was decided, and gives who worked in its session.
    pub fn decided(&self, organisation: OrganisationCode, card: &[u8; 16]) -> Option<String> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = sessions.iter_mut().filter(|(key, _)| key.organisation == organisation);
        own.find_map(|(key, session)| {
            let question = session.answered.iter().find(|(_, answered)| answered.is_card(card));
            let question = question.map(|(question, _)| *question)?;
            session.answered.remove(&question);
            Some(key.practitioner.clone())
        })
    }
}

/// A consent that ends is to be felt within ten seconds.
const FRESH: Duration = Duration::from_secs(5);
const SESSION_LIFETIME: Duration = Duration::from_secs(600);
const SESSIONS_MAX: usize = 10_000;
const ANSWERS_MAX: usize = 128;
