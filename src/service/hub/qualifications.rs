//! Statements of QC centres: taken whole or not at all, and explained to whoever asks.

use crate::domain::eqa::{SanctionAct, Subject};
use crate::domain::id::Digest;
use crate::domain::item::ItemCode;
use crate::domain::log::Sequence;
use crate::domain::organisation::{Caller, OrganisationCode, Role};
use crate::domain::qualification::{Qualifications, Question, Standing};
use crate::domain::text::Bilingual;
use crate::domain::time::Moment;
use crate::pki::signing::{SigningDomain, VerifyingKeyRecord};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::registry::Version;
use crate::wire::field::{FieldError, Problem};
use crate::wire::pb;
use crate::wire::record::Record;
use crate::wire::statement::{Claim, SIGNED_AS, Statement, subject};

/// What a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// EQA rounds or credentials.
    Evaluations,
    /// A suspension.
    Suspension,
    /// A restoration.
    Restoration,
}

/// A statement that is recorded, and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its record.
    pub log_index: Sequence,
    /// SHA-256 of the statement.
    pub digest: Digest,
    /// Rows that count.
    pub rows: usize,
}

/// Where a laboratory stands for a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stood {
    /// The laboratory.
    pub laboratory: OrganisationCode,
    /// Item or modality.
    pub subject: Subject,
    /// Where it stands.
    pub standing: Standing,
    /// The mark as reports print it, where it is qualified.
    pub mark: Option<String>,
}

impl Hub {
    /// Takes a statement of the calling QC centre; when this returns, every check counts with it. The same statement
    /// again is answered as before.
    ///
    /// # Errors
    /// [`HubError::Field`] naming row and field, [`HubError::NotTheCentre`], or [`HubError::Signing`]; nothing of the
    /// statement is applied.
    pub async fn take_statement(
        &self,
        caller: &Caller,
        taking: Taking,
        sent: pb::StatementRequest,
    ) -> Result<Taken, HubError> {
        let statement = Statement::decode(&sent.statement)?;
        if statement.issuer != caller.organisation || caller.role != Role::QcCentre {
            return Err(HubError::NotTheCentre);
        }
        fits(taking, &statement)?;
        let _turn = self.requests.wait((caller.organisation, statement.digest.to_string())).await;
        let rows = statement.claims.len();
        if let Some(known) = self.parts.state.read()?.statement(statement.digest)? {
            return Ok(Taken { log_index: known.sequence, digest: statement.digest, rows });
        }
        let now = self.now();
        self.check_signature(&sent, &statement, now)?;
        check_rows(&statement, &self.registry().rules(now)?.version)?;
        let record = Record::Statement(pb::StatementRecord {
            statement: sent.statement,
            signature: sent.signature,
            signing_certificate: sent.signing_certificate,
            received_at: Some(now.into()),
        });
        let places = self.parts.ledger.record(&[record]).await?;
        let log_index = places.first().map(|place| place.sequence).ok_or(HubError::Behind)?;
        Ok(Taken { log_index, digest: statement.digest, rows })
    }

    /// Lists where a laboratory stands now for all that is on record, or for one subject.
    ///
    /// # Errors
    /// [`HubError::NoPolicy`] before any policy is in force.
    pub fn standings(&self, laboratory: OrganisationCode, wanted: Option<&Subject>) -> Result<Vec<Stood>, HubError> {
        let now = self.now();
        let version = self.registry().rules(now)?.version;
        let known = self.registry().qualifications();
        let subjects = match wanted {
            Some(subject) => [subject.clone()].into(),
            None => known.subjects(laboratory),
        };
        let stood = subjects.into_iter().map(|subject| {
            let standing = match &subject {
                Subject::Item(item) => known.at(&question(&version, laboratory, *item, None, now, now)),
                Subject::Modality(modality) => of_modality(&known, &version, laboratory, modality, now),
            };
            stood(&version, laboratory, subject, standing)
        });
        Ok(stood.collect())
    }

    /// Says where a laboratory stood for an item at an instant, and how that came about.
    ///
    /// # Errors
    /// [`HubError::NoPolicy`] before any policy is in force.
    pub fn explain(
        &self,
        laboratory: OrganisationCode,
        item: ItemCode,
        method: Option<&str>,
        at: Option<Moment>,
    ) -> Result<(Stood, Vec<Bilingual>), HubError> {
        let now = self.now();
        let version = self.registry().rules(now)?.version;
        let known = self.registry().qualifications();
        let question = question(&version, laboratory, item, method, at.unwrap_or(now), now);
        let standing = known.at(&question);
        let mut steps: Vec<Bilingual> = known.history(&question).iter().map(|step| step.text()).collect();
        steps.push(conclusion(&standing));
        Ok((stood(&version, laboratory, Subject::Item(item), standing), steps))
    }

    /// Checks that the centre's own key, certified and not revoked, signed the statement.
    fn check_signature(&self, sent: &pb::StatementRequest, said: &Statement, now: Moment) -> Result<(), HubError> {
        let key = VerifyingKeyRecord::from_der(&sent.signing_certificate, &self.registry().trust())?;
        if key.organisation != said.issuer || key.role != Role::QcCentre {
            return Err(HubError::NotTheCentre);
        }
        key.verify(SigningDomain(SIGNED_AS), &sent.statement, &sent.signature, now)?;
        if said.issued_at.ms_since(now) > CLOCK_DRIFT_MS_MAX {
            return Err(FieldError::new("issued_at", Problem::Form("moment that is not in the future")).into());
        }
        Ok(())
    }
}

/// Checks that a statement says what the call is for.
fn fits(taking: Taking, statement: &Statement) -> Result<(), FieldError> {
    let fits = |claim: &Claim| match claim {
        Claim::Round(_) | Claim::Credential(_) => taking == Taking::Evaluations,
        Claim::Sanction(_, SanctionAct::Suspend) => taking == Taking::Suspension,
        Claim::Sanction(_, SanctionAct::Restore) => taking == Taking::Restoration,
    };
    if statement.claims.iter().all(fits) {
        return Ok(());
    }
    Err(FieldError::new("content", Problem::Unwanted("this call takes another kind of statement")))
}

/// Checks every row against the region's organisations and catalogue.
fn check_rows(statement: &Statement, version: &Version) -> Result<(), FieldError> {
    for (row, claim) in statement.claims.iter().enumerate() {
        let (path, laboratory, subject_field, subject_text) = match claim {
            Claim::Round(sent) => (format!("rounds.results[{row}]"), &sent.laboratory, "item", &sent.item),
            Claim::Credential(sent) => {
                (format!("credentials.credentials[{row}]"), &sent.laboratory, "subject", &sent.subject)
            }
            Claim::Sanction(sent, SanctionAct::Suspend) => {
                ("suspension".to_owned(), &sent.laboratory, "subject", &sent.subject)
            }
            Claim::Sanction(sent, SanctionAct::Restore) => {
                ("restoration".to_owned(), &sent.laboratory, "subject", &sent.subject)
            }
        };
        let unlisted = |field: &str, kind| Err(FieldError::new(field, Problem::Form(kind)).under(&path));
        let listed = laboratory.parse().ok().and_then(|code: OrganisationCode| version.organisations.get(&code));
        if listed.is_none_or(|organisation| organisation.role != Role::Hospital) {
            return unlisted("laboratory", "laboratory of the region");
        }
        if !subject_text.is_empty() && !known_subject(subject_field, subject_text, version) {
            return unlisted(subject_field, "item or modality of the catalogue");
        }
    }
    Ok(())
}

fn known_subject(field: &str, text: &str, version: &Version) -> bool {
    match subject(field, text) {
        Ok(Subject::Item(item)) => version.catalogue.item(item).is_some(),
        Ok(Subject::Modality(modality)) => made_by(version, &modality).next().is_some(),
        Err(_) => false,
    }
}

/// Lists the items that a modality makes.
fn made_by<'a>(version: &'a Version, modality: &'a str) -> impl Iterator<Item = ItemCode> + 'a {
    use crate::domain::catalogue::ItemKind;
    version.catalogue.items.values().filter_map(move |item| match &item.kind {
        ItemKind::Imaging(imaging) if imaging.makes(modality) => Some(item.code),
        _ => None,
    })
}

fn question<'a>(
    version: &'a Version,
    laboratory: OrganisationCode,
    item: ItemCode,
    method: Option<&'a str>,
    collected_at: Moment,
    known_at: Moment,
) -> Question<'a> {
    use crate::domain::catalogue::ItemKind;
    let modality = version.catalogue.item(item).and_then(|item| match &item.kind {
        ItemKind::Imaging(imaging) => imaging.modalities.first().map(String::as_str),
        ItemKind::Laboratory(_) => None,
    });
    Question { laboratory, item, modality, method, collected_at, known_at }
}

/// A modality stands where the best of its items stands: a suspension of one item is not one of the site.
fn of_modality(
    known: &Qualifications,
    version: &Version,
    laboratory: OrganisationCode,
    modality: &str,
    now: Moment,
) -> Standing {
    let standings = made_by(version, modality).map(|item| {
        let question = question(version, laboratory, item, None, now, now);
        known.at(&Question { modality: Some(modality), ..question })
    });
    let best = standings.min_by_key(|standing| match standing {
        Standing::Qualified(_) => None,
        Standing::Not(fact) => Some(*fact),
    });
    best.unwrap_or(Standing::Not(crate::domain::qualification::Unqualified::NoRecord))
}

fn stood(version: &Version, laboratory: OrganisationCode, subject: Subject, standing: Standing) -> Stood {
    let mark = match &standing {
        Standing::Qualified(marks) => marks.first().map(|mark| version.policy.areas.mark(&mark.scope)),
        Standing::Not(_) => None,
    };
    Stood { laboratory, subject, standing, mark }
}

fn conclusion(standing: &Standing) -> Bilingual {
    match standing {
        Standing::Qualified(_) => Bilingual { zh: "合格，可互认".into(), en: "qualified".into() },
        Standing::Not(fact) => fact.text(),
    }
}

/// A centre's clock may be so far ahead, in milliseconds.
const CLOCK_DRIFT_MS_MAX: i64 = 5 * 60_000;

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::domain::fault::{Fault, Faulty};
    use crate::domain::qualification::Unqualified;
    use crate::service::hub::testing::{CENTRE, HOSPITAL, OTHER_HOSPITAL, Signer25519, World, caller, code};

    fn round(laboratory: &str, item: &str, score: &str, world: &World) -> pb::EqaResult {
        let now = world.clock.as_ref();
        let at = |hours| Some(crate::ports::clock::Clock::now(now).plus_hours(hours).into());
        pb::EqaResult {
            programme: "NCCL-C-01".into(),
            year: 2026,
            round: 1,
            laboratory: laboratory.into(),
            item: item.into(),
            method: String::new(),
            status: pb::EqaStatus::Scored.into(),
            score_percent: score.into(),
            sampled_at: at(-48),
            published_at: at(-24),
        }
    }

    fn rounds(results: Vec<pb::EqaResult>) -> pb::statement::Content {
        pb::statement::Content::Rounds(pb::EqaRounds { results })
    }

    fn signed(content: pb::statement::Content, signer: &Signer25519, world: &World) -> pb::StatementRequest {
        let issued_at = Some(world.hub.now().into());
        let bytes = pb::Statement { issuer: CENTRE.into(), issued_at, content: Some(content) }.encode_to_vec();
        pb::StatementRequest {
            signature: signer.key.sign(SigningDomain(SIGNED_AS), &bytes).to_vec().into(),
            statement: bytes.into(),
            signing_certificate: signer.certificate_der.clone().into(),
        }
    }

    fn centre() -> Caller {
        caller(CENTRE, Role::QcCentre)
    }

    #[tokio::test]
    async fn a_round_counts_as_soon_as_it_is_answered_and_a_suspension_ends_it() {
        let world = World::new().await;
        let signer = world.signer(CENTRE, Role::QcCentre, 2);
        let sent = signed(rounds(vec![round(HOSPITAL, "L01001", "100", &world)]), &signer, &world);
        let taken = world.hub.take_statement(&centre(), Taking::Evaluations, sent.clone()).await.unwrap();
        assert_eq!(taken.rows, 1);
        let standing = world.hub.standings(code(HOSPITAL), None).unwrap();
        assert_eq!(standing.len(), 1);
        assert_eq!(standing[0].mark.as_deref(), Some("贵州省HR"), "a provincial centre's word counts in its province");

        let again = world.hub.take_statement(&centre(), Taking::Evaluations, sent).await.unwrap();
        assert_eq!(again, taken);
        assert_eq!(world.journal.reader().next_sequence(), taken.log_index.0 + 1, "nothing was recorded twice");

        let suspension = pb::Suspension {
            laboratory: HOSPITAL.into(),
            subject: "L01001".into(),
            effective_at: Some(world.hub.now().into()),
            reason: "instrument failed".into(),
        };
        let sent = signed(pb::statement::Content::Suspension(suspension), &signer, &world);
        world.hub.take_statement(&centre(), Taking::Suspension, sent).await.unwrap();
        let (stood, steps) = world.hub.explain(code(HOSPITAL), "L01001".parse().unwrap(), None, None).unwrap();
        assert!(matches!(stood.standing, Standing::Not(Unqualified::Sanctioned { .. })));
        let english: Vec<&str> = steps.iter().map(|step| step.en.as_str()).collect();
        assert_eq!(
            english,
            [
                "2026-05-28 NCCL-C-01, round 1 of 2026: satisfactory 100%",
                "2026-05-29 suspended",
                "suspended since 2026-05-29"
            ]
        );
    }

    #[tokio::test]
    async fn a_wrong_row_is_named_and_nothing_is_applied() {
        let world = World::new().await;
        let signer = world.signer(CENTRE, Role::QcCentre, 2);
        let before = world.journal.reader().next_sequence();
        for (wrong, path) in [
            (round(CENTRE, "L01001", "100", &world), "rounds.results[1].laboratory"),
            (round("91330100MA27X5AX0C", "L01001", "100", &world), "rounds.results[1].laboratory"),
            (round(HOSPITAL, "L99999", "100", &world), "rounds.results[1].item"),
            (round(HOSPITAL, "L01001", "101", &world), "rounds.results[1].score_percent"),
        ] {
            let sent = signed(rounds(vec![round(HOSPITAL, "L01001", "100", &world), wrong]), &signer, &world);
            let refused = world.hub.take_statement(&centre(), Taking::Evaluations, sent).await.unwrap_err();
            let HubError::Field(error) = refused else { panic!("{refused}") };
            assert_eq!(error.field, path);
        }
        assert_eq!(world.journal.reader().next_sequence(), before);
        assert_eq!(world.hub.standings(code(HOSPITAL), None).unwrap(), []);
    }

    #[tokio::test]
    async fn only_the_centres_own_unrevoked_key_speaks_for_it() {
        let world = World::new().await;
        let own = world.signer(CENTRE, Role::QcCentre, 2);
        let content = || rounds(vec![round(OTHER_HOSPITAL, "L01001", "100", &world)]);
        let refuse = async |caller: Caller, sent, taking| {
            world.hub.take_statement(&caller, taking, sent).await.unwrap_err().fault()
        };
        let foreign = world.signer(HOSPITAL, Role::Hospital, 3);
        let hospital_key = world.signer(CENTRE, Role::Hospital, 4);
        let evaluations = Taking::Evaluations;
        for key in [&foreign, &hospital_key] {
            assert_eq!(refuse(centre(), signed(content(), key, &world), evaluations).await, Fault::Denied);
        }
        let hospital = caller(HOSPITAL, Role::Hospital);
        assert_eq!(refuse(hospital, signed(content(), &own, &world), evaluations).await, Fault::Denied);
        let suspending = Taking::Suspension;
        assert_eq!(refuse(centre(), signed(content(), &own, &world), suspending).await, Fault::BadInput);
        let mut bent = signed(content(), &own, &world);
        bent.signature = vec![0; 64].into();
        assert_eq!(refuse(centre(), bent, evaluations).await, Fault::Unproven);
        world.revoke(2);
        assert_eq!(refuse(centre(), signed(content(), &own, &world), evaluations).await, Fault::Unproven);
    }
}
