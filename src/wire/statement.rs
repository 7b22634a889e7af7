//! What a QC centre signs: EQA rounds, credentials, suspensions and restorations.

use std::collections::BTreeMap;

use prost::Message;
use rust_decimal::Decimal;

use crate::domain::eqa::{Credential, EqaOutcome, EqaRound, Provenance, Sanction, SanctionAct, Subject};
use crate::domain::id::Digest;
use crate::domain::limits::KEY_BYTES_MAX;
use crate::domain::organisation::OrganisationCode;
use crate::domain::qualification::Qualifications;
use crate::domain::scope::Scope;
use crate::domain::time::Moment;
use crate::wire::batch::digest;
use crate::wire::field::{FieldError, Problem, at_most, moment, named, optional, parsed};
use crate::wire::pb;

/// Domain of the signature: these characters and a zero byte stand before the statement when it is signed.
pub const SIGNED_AS: &str = "concord/statement/v1";

/// A statement, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// SHA-256 of its bytes: its name.
    pub digest: Digest,
    /// Who says it.
    pub issuer: OrganisationCode,
    /// When it was said.
    pub issued_at: Moment,
    /// What is said, one element a row.
    pub claims: Vec<Claim>,
}

/// One thing that a statement says.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// A laboratory's result in an EQA round.
    Round(pb::EqaResult),
    /// A direct credential.
    Credential(pb::Credential),
    /// A suspension or restoration.
    Sanction(pb::Suspension, SanctionAct),
}

/// The facts of a statement, for the derivation of qualifications.
#[derive(Debug, Default)]
pub struct Facts {
    rounds: Vec<EqaRound>,
    credentials: Vec<Credential>,
    sanctions: Vec<Sanction>,
}

impl Statement {
    /// Reads a statement and checks every row.
    ///
    /// # Errors
    /// [`FieldError`] naming the row and field; nothing of the statement is applied.
    pub fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        use pb::statement::Content;
        let sent = pb::Statement::decode(bytes).map_err(|_| FieldError::new("statement", Problem::Undecodable))?;
        let issuer = parsed("issuer", &sent.issuer, "organisation code")?;
        let issued_at = moment("issued_at", sent.issued_at.as_ref())?;
        let (list, claims): (&str, Vec<Claim>) = match sent.content {
            None => return Err(FieldError::new("content", Problem::Missing)),
            Some(Content::Rounds(rounds)) => ("rounds.results", rounds.results.into_iter().map(Claim::Round).collect()),
            Some(Content::Credentials(credentials)) => {
                ("credentials.credentials", credentials.credentials.into_iter().map(Claim::Credential).collect())
            }
            Some(Content::Suspension(suspension)) => {
                ("suspension", vec![Claim::Sanction(suspension, SanctionAct::Suspend)])
            }
            Some(Content::Restoration(restoration)) => {
                let pb::Restoration { laboratory, subject, effective_at, reason } = restoration;
                let same = pb::Suspension { laboratory, subject, effective_at, reason };
                ("restoration", vec![Claim::Sanction(same, SanctionAct::Restore)])
            }
        };
        at_most(list, claims.len(), CLAIMS_MAX)?;
        if claims.is_empty() {
            return Err(FieldError::new(list, Problem::Missing));
        }
        let statement = Self { digest: digest(bytes), issuer, issued_at, claims };
        let anyone = statement.provenance(issued_at, Scope::National);
        let mut facts = Facts::default();
        for (row, claim) in statement.claims.iter().enumerate() {
            facts.add(claim, &anyone).map_err(|error| error.under(&format!("{list}[{row}]")))?;
        }
        Ok(statement)
    }

    /// Gives the facts, as learned at `learned_at` from an issuer whose word counts in `scope`.
    pub fn facts(&self, learned_at: Moment, scope: Scope) -> Facts {
        let provenance = self.provenance(learned_at, scope);
        let mut facts = Facts::default();
        for claim in &self.claims {
            facts.add(claim, &provenance).unwrap_or_else(|error| unreachable!("checked when it was read: {error}"));
        }
        facts
    }

    /// Lists the laboratories of whose past the statement says something, each with the first instant concerned:
    /// suspensions and their ends, and rounds that may have failed, since their samples were tested.
    ///
    /// # Errors
    /// None for a statement that was read by [`Statement::decode`].
    pub fn reaches_back(&self) -> Result<BTreeMap<OrganisationCode, Moment>, FieldError> {
        let mut from: BTreeMap<OrganisationCode, Moment> = BTreeMap::new();
        let anyone = self.provenance(self.issued_at, Scope::National);
        for claim in &self.claims {
            let (laboratory, at) = match claim {
                Claim::Credential(_) => continue,
                Claim::Round(sent) => {
                    let round = round(sent, anyone.clone())?;
                    match round.outcome {
                        EqaOutcome::Scored(score) if score >= Decimal::ONE_HUNDRED => continue,
                        EqaOutcome::Excused | EqaOutcome::NotGraded => continue,
                        EqaOutcome::Scored(_) | EqaOutcome::NotReported => (round.laboratory, round.sampled_at),
                    }
                }
                Claim::Sanction(sent, act) => {
                    let sanction = sanction(sent, *act, anyone.clone())?;
                    (sanction.laboratory, sanction.effective_at)
                }
            };
            let first = from.entry(laboratory).or_insert(at);
            if at.unix_ms() < first.unix_ms() {
                *first = at;
            }
        }
        Ok(from)
    }

    fn provenance(&self, learned_at: Moment, scope: Scope) -> Provenance {
        Provenance { statement: self.digest, issuer: self.issuer, scope, learned_at }
    }
}

impl Facts {
    /// Adds the facts to what is known.
    pub fn add_to(self, qualifications: &mut Qualifications) {
        self.rounds.into_iter().for_each(|round| qualifications.add_round(round));
        self.credentials.into_iter().for_each(|credential| qualifications.add_credential(credential));
        self.sanctions.into_iter().for_each(|sanction| qualifications.add_sanction(sanction));
    }

    fn add(&mut self, claim: &Claim, provenance: &Provenance) -> Result<(), FieldError> {
        match claim {
            Claim::Round(sent) => self.rounds.push(round(sent, provenance.clone())?),
            Claim::Credential(sent) => self.credentials.push(credential(sent, provenance.clone())?),
            Claim::Sanction(sent, act) => self.sanctions.push(sanction(sent, *act, provenance.clone())?),
        }
        Ok(())
    }
}

fn round(sent: &pb::EqaResult, provenance: Provenance) -> Result<EqaRound, FieldError> {
    let (sampled_at, published_at) =
        (moment("sampled_at", sent.sampled_at.as_ref())?, moment("published_at", sent.published_at.as_ref())?);
    if published_at.unix_ms() < sampled_at.unix_ms() {
        return Err(FieldError::new("published_at", Problem::Form("moment after sampled_at")));
    }
    if !(2000..=2100).contains(&sent.year) || !(1..=12).contains(&sent.round) {
        return Err(FieldError::new("round", Problem::Form("year and number of a round")));
    }
    Ok(EqaRound {
        provenance,
        programme: named("programme", &sent.programme, KEY_BYTES_MAX)?,
        year: sent.year,
        round: sent.round,
        laboratory: parsed("laboratory", &sent.laboratory, "organisation code")?,
        item: parsed("item", &sent.item, "item code")?,
        method: optional("method", &sent.method, KEY_BYTES_MAX)?,
        outcome: match sent.status() {
            pb::EqaStatus::Unspecified => return Err(FieldError::new("status", Problem::Missing)),
            pb::EqaStatus::Scored => EqaOutcome::Scored(percent("score_percent", &sent.score_percent)?),
            pb::EqaStatus::NotReported => EqaOutcome::NotReported,
            pb::EqaStatus::Excused => EqaOutcome::Excused,
            pb::EqaStatus::NotGraded => EqaOutcome::NotGraded,
        },
        sampled_at,
        published_at,
        next_due_at: None,
    })
}

fn percent(field: &str, text: &str) -> Result<Decimal, FieldError> {
    let score: Decimal = parsed(field, text, "decimal")?;
    if score.is_sign_negative() || score > Decimal::ONE_HUNDRED {
        return Err(FieldError::new(field, Problem::Form("percentage from 0 to 100")));
    }
    Ok(score)
}

fn credential(sent: &pb::Credential, provenance: Provenance) -> Result<Credential, FieldError> {
    let (valid_from, valid_to) =
        (moment("valid_from", sent.valid_from.as_ref())?, moment("valid_to", sent.valid_to.as_ref())?);
    if valid_to.unix_ms() <= valid_from.unix_ms() {
        return Err(FieldError::new("valid_to", Problem::Form("moment after valid_from")));
    }
    Ok(Credential {
        provenance,
        laboratory: parsed("laboratory", &sent.laboratory, "organisation code")?,
        subject: subject("subject", &sent.subject)?,
        method: None,
        valid_from,
        valid_to,
        basis: named("basis", &sent.basis, KEY_BYTES_MAX)?,
    })
}

fn sanction(sent: &pb::Suspension, act: SanctionAct, provenance: Provenance) -> Result<Sanction, FieldError> {
    Ok(Sanction {
        provenance,
        laboratory: parsed("laboratory", &sent.laboratory, "organisation code")?,
        subject: (!sent.subject.is_empty()).then(|| subject("subject", &sent.subject)).transpose()?,
        act,
        effective_at: moment("effective_at", sent.effective_at.as_ref())?,
    })
}

/// Reads a catalogue item or a modality. Source: DICOM PS3.3, C.7.3.1.1.1 for modalities.
///
/// # Errors
/// [`FieldError`]; the centre must correct the row.
pub fn subject(field: &str, text: &str) -> Result<Subject, FieldError> {
    if let Ok(item) = text.parse() {
        return Ok(Subject::Item(item));
    }
    let modality = (2..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase());
    modality.then(|| Subject::Modality(text.to_owned())).ok_or_else(|| {
        FieldError::new(field, if text.is_empty() { Problem::Missing } else { Problem::Form("item code or modality") })
    })
}

const CLAIMS_MAX: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Option<pb::Moment> {
        Some(Moment::new(1_780_000_000_000, 480).unwrap().plus_hours(hours).into())
    }

    fn result() -> pb::EqaResult {
        pb::EqaResult {
            programme: "NCCL-C-01".into(),
            year: 2026,
            round: 1,
            laboratory: "91350100M000100Y43".into(),
            item: "L01001".into(),
            method: String::new(),
            status: pb::EqaStatus::Scored.into(),
            score_percent: "100".into(),
            sampled_at: at(0),
            published_at: at(24),
        }
    }

    fn statement(results: Vec<pb::EqaResult>) -> Vec<u8> {
        pb::Statement {
            issuer: "12100000400000624D".into(),
            issued_at: at(25),
            content: Some(pb::statement::Content::Rounds(pb::EqaRounds { results })),
        }
        .encode_to_vec()
    }

    #[test]
    fn a_statement_is_named_by_its_bytes() {
        let bytes = statement(vec![result()]);
        let read = Statement::decode(&bytes).unwrap();
        assert_eq!((read.digest, read.claims.len()), (digest(&bytes), 1));
    }

    #[test]
    fn a_wrong_row_is_named() {
        for (field, wrong) in [
            ("score_percent", pb::EqaResult { score_percent: "101".into(), ..result() }),
            ("item", pb::EqaResult { item: "K".into(), ..result() }),
            ("laboratory", pb::EqaResult { laboratory: "91350100M000100Y44".into(), ..result() }),
            ("published_at", pb::EqaResult { published_at: at(-1), ..result() }),
            ("round", pb::EqaResult { round: 0, ..result() }),
        ] {
            let error = Statement::decode(&statement(vec![result(), wrong])).unwrap_err();
            assert_eq!(error.field, format!("rounds.results[1].{field}"));
        }
    }
}
