//! What a prompt page shows and what has been decided on it, while it is open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::domain::catalogue::Catalogue;
use crate::domain::organisation::Caller;
use crate::wire::pb;
use crate::wire::ticket::Origin;

/// One prompt page, from the ticket until it ends.
pub struct Session {
    /// Names the session in the keys of its events and decisions; unpredictable, and not its capability.
    pub id: String,
    /// The organisation whose order screen asked.
    pub caller: Caller,
    /// What was asked.
    pub asked: pb::CheckRequest,
    /// What the exchange answered.
    pub answer: pb::CheckResponse,
    /// The catalogue, for names.
    pub catalogue: Arc<Catalogue>,
    /// The page that is told the outcome.
    pub origin: Option<Origin>,
    /// Capabilities under which originals are viewed, by prompt.
    pub links: BTreeMap<Bytes, String>,
    /// Whether the exchange knows that the prompts were on the screen.
    pub shown: AtomicBool,
    /// What was decided; locked while a decision is under way, so that a double click waits for the first.
    pub decided: Mutex<Decided>,
}

/// What was decided on a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    /// By prompt.
    pub prompts: BTreeMap<Bytes, Said>,
    /// Lines whose remaining items shall be ordered.
    pub rest: BTreeSet<usize>,
}

/// What was decided on one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The result is relied on.
    Accepted,
    /// The examination is done again, for the reason with this code.
    Declined(String),
}

/// What a doctor wants done with prompts of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Rely on them, and order nothing.
    Accept,
    /// Rely on them, and order what remains of the line.
    AcceptAndOrderRest,
    /// Examine again.
    Decline(pb::Decline),
}

/// How a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing answers it.
    None,
    /// A prompt waits.
    Open,
    /// Every prompt was accepted.
    Accepted,
    /// Every prompt was declined.
    Declined,
    /// Some were accepted and some declined.
    Mixed,
}

/// What is to be ordered of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToOrder {
    /// Not known before every prompt is decided.
    Undecided,
    /// Nothing.
    Nothing,
    /// The line as it was asked.
    All,
    /// These items alone.
    Items(Vec<String>),
}

impl Session {
    /// Gives the language of the page.
    pub fn language(&self) -> pb::Language {
        self.asked.language()
    }

    /// Writes the request that records `act` on prompts; the same act has the same key, however often it is sent.
    pub fn request(&self, line: usize, prompts: &[Bytes], act: &Act) -> pb::DecideRequest {
        let outcome = || match act {
            Act::Accept | Act::AcceptAndOrderRest => pb::decision::Outcome::Accept(pb::Accept {}),
            Act::Decline(decline) => pb::decision::Outcome::Decline(decline.clone()),
        };
        let decision =
            |prompt: &Bytes| pb::Decision { prompt_id: prompt.clone(), outcome: Some(outcome()), whole_line: false };
        let decisions: Vec<_> = prompts.iter().map(decision).collect();
        let mut hash = Sha256::new();
        for part in decisions.iter().map(prost::Message::encode_to_vec) {
            hash.update(u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
            hash.update(part);
        }
        pb::DecideRequest {
            decision_key: format!("prompt/{}/{line}/{}", self.id, hex::encode(hash.finalize())),
            actor: self.asked.actor.clone(),
            decisions,
            language: self.language().into(),
            ..Default::default()
        }
    }
}

impl Decided {
    /// Notes what was recorded.
    pub fn note(&mut self, line: usize, prompts: &[Bytes], act: &Act) {
        let said = match act {
            Act::Accept | Act::AcceptAndOrderRest => Said::Accepted,
            Act::Decline(decline) => Said::Declined(decline.reason.clone()),
        };
        self.prompts.extend(prompts.iter().map(|prompt| (prompt.clone(), said.clone())));
        if *act == Act::AcceptAndOrderRest {
            self.rest.insert(line);
        }
    }

    /// Says how a line stands.
    pub fn standing(&self, line: &pb::LineAnswer) -> Standing {
        let said = line.prompts.iter().map(|prompt| self.prompts.get(&prompt.prompt_id));
        let (mut accepted, mut declined) = (false, false);
        for said in said {
            match said {
                None => return Standing::Open,
                Some(Said::Accepted) => accepted = true,
                Some(Said::Declined(_)) => declined = true,
            }
        }
        match (accepted, declined) {
            (true, true) => Standing::Mixed,
            (true, false) => Standing::Accepted,
            (false, true) => Standing::Declined,
            (false, false) => Standing::None,
        }
    }

    /// Says what is to be ordered of the line at `place`: declined items always, and what nothing answers as the doctor
    /// chose.
    pub fn to_order(&self, place: usize, line: &pb::LineAnswer) -> ToOrder {
        match self.standing(line) {
            Standing::Open => ToOrder::Undecided,
            Standing::None | Standing::Declined => ToOrder::All,
            Standing::Accepted if !self.rest.contains(&place) => ToOrder::Nothing,
            Standing::Accepted | Standing::Mixed => {
                let declined = line
                    .prompts
                    .iter()
                    .filter(|prompt| matches!(self.prompts.get(&prompt.prompt_id), Some(Said::Declined(_))));
                let again = declined.flat_map(|prompt| &prompt.items);
                let rest = self.rest.contains(&place).then_some(&line.remaining_items);
                let items: BTreeSet<&String> = again.chain(rest.into_iter().flatten()).collect();
                if items.is_empty() { ToOrder::Nothing } else { ToOrder::Items(items.into_iter().cloned().collect()) }
            }
        }
    }
}
