//! Checks that are answered once they are durable, ahead of the tables. Whoever could miss one waits for it: a check under
//! the same key or in the same visit for the last such check, every other call for all of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::log::Sequence;
use crate::domain::organisation::OrganisationCode;

/// What a check may find of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// Its answer, under the key that a hospital gave it.
    Key(OrganisationCode, String),
    /// What it prompted in the visit, which has a hospital and a name.
    Visit(OrganisationCode, String),
}

/// How far the tables must have come before somebody is answered. All positions are those of the next record.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<Answered>);

#[derive(Debug, Default)]
struct Answered {
    by_topic: HashMap<Topic, Sequence>,
    all: Sequence,
}

impl Ahead {
    /// Notes that a check about `topics` is about to be answered, the records below `next` being durable; the tables have
    /// those below `projected`.
    pub(super) fn note(&self, topics: impl IntoIterator<Item = Topic>, next: Sequence, projected: Sequence) {
        let mut answered = self.answered();
        answered.all = answered.all.max(next);
        if answered.by_topic.len() >= SWEEP_AT {
            answered.by_topic.retain(|_, next| *next > projected);
        }
        for topic in topics {
            let last = answered.by_topic.entry(topic).or_default();
            *last = next.max(*last);
        }
    }

    /// Gives the position that the tables must reach before a check about `topics` is judged.
    pub(super) fn of(&self, topics: &[Topic]) -> Sequence {
        let answered = self.answered();
        topics.iter().filter_map(|topic| answered.by_topic.get(topic)).max().copied().unwrap_or_default()
    }

    /// Gives the position that the tables must reach before anything else is answered.
    pub(super) fn all(&self) -> Sequence {
        self.answered().all
    }

    fn answered(&self) -> MutexGuard<'_, Answered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most records by which an answered check is ahead of the tables: what a hub of two cores checks while its tables reach
/// the disk, on a slow one. Beyond it a check waits for them.
pub(super) const AHEAD_RECORDS_MAX: u64 = 2_048;
/// Topics at which those that the tables know are forgotten: twice as many as can be unknown to them.
const SWEEP_AT: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::hub::testing::HOSPITAL;

    fn visit(name: &str) -> Topic {
        Topic::Visit(HOSPITAL.parse().unwrap(), name.to_owned())
    }

    fn key(name: &str) -> Topic {
        Topic::Key(HOSPITAL.parse().unwrap(), name.to_owned())
    }

    #[test]
    fn the_same_key_and_the_same_visit_wait_and_others_do_not() {
        let ahead = Ahead::default();
        ahead.note([key("a"), visit("V1")], Sequence(8), Sequence(0));
        ahead.note([key("b"), visit("V2")], Sequence(7), Sequence(0));
        ahead.note([key("c"), visit("V1")], Sequence(5), Sequence(0));
        assert_eq!(ahead.of(&[key("a"), visit("V3")]), Sequence(8));
        assert_eq!(ahead.of(&[key("d"), visit("V1")]), Sequence(8), "an earlier record noted later changes nothing");
        assert_eq!(ahead.of(&[key("b"), visit("V1")]), Sequence(8), "the later of both");
        assert_eq!(ahead.of(&[key("d"), visit("V3")]), Sequence(0));
        assert_eq!(ahead.all(), Sequence(8));
    }

    #[test]
    fn what_the_tables_have_is_forgotten_and_nothing_else() {
        let ahead = Ahead::default();
        let count = SWEEP_AT as u64;
        for next in 1..=count {
            ahead.note([key(&next.to_string())], Sequence(next), Sequence(count - 10));
        }
        ahead.note([visit("V1")], Sequence(count + 1), Sequence(count - 10));
        assert_eq!(ahead.answered().by_topic.len(), 11);
        assert_eq!(ahead.of(&[key(&count.to_string())]), Sequence(count));
        assert_eq!(ahead.of(&[key("1")]), Sequence(0));
    }
}
