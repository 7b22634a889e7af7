//! Consents: requests and records to values, and back.

use std::collections::BTreeSet;

use crate::domain::consent::{Consent, ConsentPurpose, Extent, Grantee, ResultClass};
use crate::domain::id::{ConsentId, Pseudonym, ResultId};
use crate::domain::limits::{CONSENT_DAYS_MAX, CONSENT_NAMES_MAX, CONSENT_USES_MAX};
use crate::domain::time::Moment;
use crate::wire::field::{FieldError, Problem, at_most, fixed, moment, optional_moment, parsed};
use crate::wire::pb;

/// What a patient consents to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// To whom.
    pub grantee: Grantee,
    /// How the link is used, where the grantee is its holder.
    pub link: Option<LinkTerms>,
    /// What is opened.
    pub extent: Extent,
    /// What for.
    pub purpose: ConsentPurpose,
    /// First instant.
    pub from: Moment,
    /// First instant after it.
    pub to: Moment,
    /// Most uses.
    pub uses_max: Option<u32>,
}

/// How a link is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkTerms {
    /// It leads straight to its file (flag U).
    pub direct: bool,
    /// The holder may ask again (flag L).
    pub long_term: bool,
    /// Language of the label.
    pub language: pb::Language,
}

impl Terms {
    /// Reads the terms of a consent that begins at `now` unless it says otherwise.
    ///
    /// # Errors
    /// [`FieldError`] naming the field; the caller must correct it.
    pub fn read(sent: &pb::ConsentTerms, now: Moment) -> Result<Self, FieldError> {
        use pb::consent_terms::Grantee as Sent;
        let (grantee, link) = match &sent.grantee {
            None => return Err(FieldError::new("grantee", Problem::Missing)),
            Some(Sent::Organisation(code)) => {
                (Grantee::Organisation(parsed("organisation", code, "organisation code")?), None)
            }
            Some(Sent::Link(link)) => {
                let (direct, long_term, language) = (link.direct, link.long_term, link.language());
                (Grantee::LinkHolder, Some(LinkTerms { direct, long_term, language }))
            }
        };
        let from = optional_moment("from", sent.from.as_ref())?.unwrap_or(now);
        let to = moment("to", sent.to.as_ref())?;
        if to.ms_since(from) <= 0 || to.ms_since(from) > CONSENT_DAYS_MAX * DAY_MS {
            return Err(FieldError::new("to", Problem::Form("end of the period, after its beginning")));
        }
        if sent.uses_max > CONSENT_USES_MAX {
            return Err(FieldError::new("uses_max", Problem::Form("number inside its range")));
        }
        let extent = sent.extent.as_ref().ok_or_else(|| FieldError::new("extent", Problem::Missing))?;
        Ok(Self {
            grantee,
            link,
            extent: Extent::try_from(extent).map_err(|error| error.under("extent"))?,
            purpose: purpose(sent.purpose())?,
            from,
            to,
            uses_max: (sent.uses_max > 0).then_some(sent.uses_max),
        })
    }
}

impl TryFrom<&pb::Extent> for Extent {
    type Error = FieldError;

    fn try_from(sent: &pb::Extent) -> Result<Self, FieldError> {
        at_most("classes", sent.classes.len(), CLASSES_MAX)?;
        at_most("items", sent.items.len(), CONSENT_NAMES_MAX)?;
        at_most("results", sent.results.len(), CONSENT_NAMES_MAX)?;
        let classes = sent.classes().map(|class| match class {
            pb::ResultClass::Unspecified => Err(FieldError::new("classes", Problem::Missing)),
            pb::ResultClass::Laboratory => Ok(ResultClass::Laboratory),
            pb::ResultClass::Imaging => Ok(ResultClass::Imaging),
        });
        let extent = Self {
            all: sent.all,
            classes: classes.collect::<Result<_, _>>()?,
            items: sent.items.iter().map(|item| parsed("items", item, "item code")).collect::<Result<_, _>>()?,
            results: sent
                .results
                .iter()
                .map(|name| fixed("results", name))
                .collect::<Result<BTreeSet<ResultId>, _>>()?,
            sensitive: sent.sensitive,
        };
        if extent.is_empty() {
            return Err(FieldError::new("all", Problem::Missing));
        }
        Ok(extent)
    }
}

impl From<&Terms> for pb::ConsentTerms {
    fn from(terms: &Terms) -> Self {
        use pb::consent_terms::Grantee as Sent;
        let grantee = match (terms.grantee, terms.link) {
            (Grantee::Organisation(code), _) => Sent::Organisation(code.to_string()),
            (Grantee::LinkHolder, link) => {
                let link = link.map(|link| pb::LinkTerms {
                    direct: link.direct,
                    long_term: link.long_term,
                    language: link.language.into(),
                });
                Sent::Link(link.unwrap_or_default())
            }
        };
        let extent = &terms.extent;
        let classes = extent.classes.iter().map(|class| match class {
            ResultClass::Laboratory => pb::ResultClass::Laboratory.into(),
            ResultClass::Imaging => pb::ResultClass::Imaging.into(),
        });
        Self {
            grantee: Some(grantee),
            extent: Some(pb::Extent {
                all: extent.all,
                classes: classes.collect(),
                items: extent.items.iter().map(ToString::to_string).collect(),
                results: extent.results.iter().map(|name| name.as_bytes().to_vec().into()).collect(),
                sensitive: extent.sensitive,
            }),
            purpose: match terms.purpose {
                ConsentPurpose::Treatment => pb::ConsentPurpose::Treatment,
                ConsentPurpose::SecondOpinion => pb::ConsentPurpose::SecondOpinion,
                ConsentPurpose::Insurance => pb::ConsentPurpose::Insurance,
                ConsentPurpose::Employment => pb::ConsentPurpose::Employment,
                ConsentPurpose::Personal => pb::ConsentPurpose::Personal,
            }
            .into(),
            from: Some(terms.from.into()),
            to: Some(terms.to.into()),
            uses_max: terms.uses_max.unwrap_or_default(),
        }
    }
}

/// Reads a consent back from its record; `revoked_at` says when it was ended, which another record holds.
///
/// # Errors
/// [`FieldError`] when a record that was checked before it was written cannot be read: the journal is damaged.
pub fn recorded(record: &pb::ConsentRecord, revoked_at: Option<Moment>) -> Result<(Consent, Terms), FieldError> {
    let granted_at = moment("at", record.at.as_ref())?;
    let sent = record.terms.as_ref().ok_or_else(|| FieldError::new("terms", Problem::Missing))?;
    let terms = Terms::read(sent, granted_at)?;
    let consent = Consent {
        id: fixed::<ConsentId>("consent_id", &record.consent_id)?,
        patient: fixed("patient", &record.patient)?,
        grantee: terms.grantee,
        extent: terms.extent.clone(),
        purpose: terms.purpose,
        from: terms.from,
        to: terms.to,
        uses_max: terms.uses_max,
        guardian: guardian(&record.guardian)?,
        granted_at,
        revoked_at,
    };
    Ok((consent, terms))
}

/// Reads a guardian that may be absent.
///
/// # Errors
/// [`FieldError`] when the length is wrong.
pub fn guardian(bytes: &[u8]) -> Result<Option<Pseudonym>, FieldError> {
    if bytes.is_empty() { Ok(None) } else { fixed("guardian", bytes).map(Some) }
}

fn purpose(sent: pb::ConsentPurpose) -> Result<ConsentPurpose, FieldError> {
    Ok(match sent {
        pb::ConsentPurpose::Unspecified => return Err(FieldError::new("purpose", Problem::Missing)),
        pb::ConsentPurpose::Treatment => ConsentPurpose::Treatment,
        pb::ConsentPurpose::SecondOpinion => ConsentPurpose::SecondOpinion,
        pb::ConsentPurpose::Insurance => ConsentPurpose::Insurance,
        pb::ConsentPurpose::Employment => ConsentPurpose::Employment,
        pb::ConsentPurpose::Personal => ConsentPurpose::Personal,
    })
}

const CLASSES_MAX: usize = 8;
const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_ms: i64) -> Moment {
        Moment::new(unix_ms, 480).unwrap()
    }

    fn terms() -> pb::ConsentTerms {
        pb::ConsentTerms {
            grantee: Some(pb::consent_terms::Grantee::Organisation("91350100M000100Y43".into())),
            extent: Some(pb::Extent {
                classes: vec![pb::ResultClass::Imaging.into()],
                items: vec!["L01001".into()],
                results: vec![vec![7; 16].into()],
                sensitive: true,
                ..Default::default()
            }),
            purpose: pb::ConsentPurpose::SecondOpinion.into(),
            from: Some(at(1_000).into()),
            to: Some(at(2_000).into()),
            uses_max: 3,
        }
    }

    #[test]
    fn terms_survive_their_record() {
        let read = Terms::read(&terms(), at(0)).unwrap();
        assert_eq!(pb::ConsentTerms::from(&read), terms());
        let mut link = terms();
        let how = pb::LinkTerms { direct: true, long_term: true, language: pb::Language::En.into() };
        link.grantee = Some(pb::consent_terms::Grantee::Link(how));
        let read = Terms::read(&link, at(0)).unwrap();
        assert_eq!((read.grantee, pb::ConsentTerms::from(&read)), (Grantee::LinkHolder, link));
    }

    #[test]
    fn a_consent_to_nothing_or_for_no_time_is_refused_by_its_field() {
        let field = |change: fn(&mut pb::ConsentTerms)| {
            let mut changed = terms();
            change(&mut changed);
            Terms::read(&changed, at(0)).unwrap_err().field
        };
        assert_eq!(field(|terms| terms.grantee = None), "grantee");
        assert_eq!(
            field(|terms| terms.extent = Some(pb::Extent { sensitive: true, ..Default::default() })),
            "extent.all"
        );
        assert_eq!(field(|terms| terms.to = terms.from), "to");
        assert_eq!(field(|terms| terms.to = Some(at(1_001 + CONSENT_DAYS_MAX * DAY_MS).into())), "to");
        assert_eq!(field(|terms| terms.uses_max = CONSENT_USES_MAX + 1), "uses_max");
        assert_eq!(field(|terms| terms.purpose = 0), "purpose");
        assert_eq!(Terms::read(&pb::ConsentTerms { from: None, ..terms() }, at(5)).unwrap().from, at(5));
    }
}
