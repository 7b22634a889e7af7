//! What patients' programs send. Unknown members are refused: a limit that was mistyped must not be left out unseen.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{CLASSES, LANGUAGES, PURPOSES, Words, meant};
use crate::domain::id::{ConsentId, Digest, IdError, Pseudonym, ResultId};
use crate::domain::phi::Phi;
use crate::wire::field::{FieldError, Problem, at_most};
use crate::wire::pb;
use pb::consent_terms::Grantee;

/// A consent to be given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    to: GranteeBody,
    what: ExtentBody,
    purpose: String,
    from: Option<String>,
    until: String,
    #[serde(default)]
    uses_max: u32,
}

/// The choice to share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharingBody {
    /// Nothing is shared but by consents given later, and in emergencies.
    pub opted_out: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GranteeBody {
    organisation: Option<String>,
    link: Option<LinkBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkBody {
    passcode: Option<String>,
    #[serde(default)]
    direct: bool,
    #[serde(default)]
    long_term: bool,
    #[serde(default)]
    language: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtentBody {
    #[serde(default)]
    all: bool,
    #[serde(default)]
    classes: Vec<String>,
    #[serde(default)]
    items: Vec<String>,
    #[serde(default)]
    results: Vec<String>,
    #[serde(default)]
    sensitive: bool,
}

impl GrantBody {
    /// Reads the body into the request for a consent, which names nobody yet.
    ///
    /// # Errors
    /// [`FieldError`] naming the member at fault; correct it.
    pub fn request(&self, consent_key: String) -> Result<pb::GrantConsentRequest, FieldError> {
        let (grantee, passcode) = match (&self.to.organisation, &self.to.link) {
            (Some(code), None) => (Grantee::Organisation(code.clone()), String::new()),
            (None, Some(link)) => (Grantee::Link(link.terms()?), link.passcode.clone().unwrap_or_default()),
            (None, None) => return Err(FieldError::new("to", Problem::Missing)),
            (Some(_), Some(_)) => {
                return Err(FieldError::new("to", Problem::Unwanted("name an organisation or a link")));
            }
        };
        let terms = pb::ConsentTerms {
            grantee: Some(grantee),
            extent: Some(self.what.extent()?),
            purpose: spelt("purpose", PURPOSES, &self.purpose, "purpose")?.into(),
            from: self.from.as_deref().map(|text| instant("from", text)).transpose()?,
            to: Some(instant("until", &self.until)?),
            uses_max: self.uses_max,
        };
        Ok(pb::GrantConsentRequest { consent_key, acting: None, terms: Some(terms), passcode })
    }
}

impl LinkBody {
    fn terms(&self) -> Result<pb::LinkTerms, FieldError> {
        let language = match self.language.as_str() {
            "" => pb::Language::Zh,
            text => spelt("to.link.language", LANGUAGES, text, "language, zh or en")?,
        };
        Ok(pb::LinkTerms { direct: self.direct, long_term: self.long_term, language: language.into() })
    }
}

impl std::fmt::Debug for LinkBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let passcode = self.passcode.as_ref().map(Phi::new);
        formatter.debug_struct("LinkBody").field("passcode", &passcode).finish_non_exhaustive()
    }
}

impl ExtentBody {
    fn extent(&self) -> Result<pb::Extent, FieldError> {
        at_most("what.classes", self.classes.len(), EXTENT_PARTS_MAX)?;
        at_most("what.items", self.items.len(), EXTENT_PARTS_MAX)?;
        at_most("what.results", self.results.len(), EXTENT_PARTS_MAX)?;
        let classes = self.classes.iter().map(|text| spelt("what.classes", CLASSES, text, "class of results"));
        let results = self.results.iter().map(|text| {
            let name: ResultId = named("what.results", text)?;
            Ok(name.as_bytes().to_vec().into())
        });
        Ok(pb::Extent {
            all: self.all,
            classes: classes.map(|class| class.map(Into::into)).collect::<Result<_, _>>()?,
            items: self.items.clone(),
            results: results.collect::<Result<_, FieldError>>()?,
            sensitive: self.sensitive,
        })
    }
}

/// Reads the name of a result in a path.
///
/// # Errors
/// [`FieldError`]; there is no such result.
pub fn result_name(text: &str) -> Result<ResultId, FieldError> {
    named("result", text)
}

/// Reads the name of a consent in a path.
///
/// # Errors
/// [`FieldError`]; there is no such consent.
pub fn consent_name(text: &str) -> Result<ConsentId, FieldError> {
    named("consent", text)
}

/// Reads the name of a relation: that of the patient who is acted for.
///
/// # Errors
/// [`FieldError`]; there is no such relation.
pub fn patient_name(text: &str) -> Result<Pseudonym, FieldError> {
    named("relation", text)
}

/// Reads the digest of an original in a path.
///
/// # Errors
/// [`FieldError`]; there is no such original.
pub fn original_digest(text: &str) -> Result<Digest, FieldError> {
    named("digest", text)
}

fn named<T: for<'b> TryFrom<&'b [u8], Error = IdError>>(field: &str, text: &str) -> Result<T, FieldError> {
    let bad = || FieldError::new(field, Problem::Form("name, lower-case hexadecimal"));
    // One name is spelt one way.
    if text.len() > NAME_CHARACTERS_MAX || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(bad());
    }
    let bytes = hex::decode(text).map_err(|_| bad())?;
    T::try_from(&bytes).map_err(|_| bad())
}

fn spelt<E: Copy>(field: &str, words: Words<E>, text: &str, kind: &'static str) -> Result<E, FieldError> {
    meant(words, text).ok_or_else(|| FieldError::new(field, Problem::Form(kind)))
}

fn instant(field: &str, text: &str) -> Result<pb::Moment, FieldError> {
    let bad = || FieldError::new(field, Problem::Form("time, as 2026-11-25T20:00:00+08:00"));
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| bad())?;
    let unix_ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| bad())?;
    Ok(pb::Moment { unix_ms, offset_minutes: i32::from(at.offset().whole_minutes()), date_only: false })
}

const EXTENT_PARTS_MAX: usize = 256;
/// Those of a digest.
const NAME_CHARACTERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(change: impl FnOnce(&mut Value)) -> Result<pb::GrantConsentRequest, String> {
        let mut sent = json!({
            "to": { "link": { "passcode": "4711-0815", "language": "en" } },
            "what": { "classes": ["imaging"], "results": ["0a".repeat(16)] },
            "purpose": "second-opinion",
            "until": "2026-12-24T18:00:00+08:00",
        });
        change(&mut sent);
        let body: GrantBody = serde_json::from_value(sent).map_err(|error| error.to_string())?;
        body.request("key".to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_consent_is_read_whole() {
        let request = body(|_| {}).unwrap();
        let terms = request.terms.unwrap();
        let how = pb::LinkTerms { language: pb::Language::En.into(), ..Default::default() };
        assert_eq!((terms.grantee, request.passcode), (Some(Grantee::Link(how)), "4711-0815".to_owned()));
        let extent = terms.extent.unwrap();
        assert_eq!(
            (extent.classes, extent.results),
            (vec![pb::ResultClass::Imaging.into()], vec![vec![10; 16].into()])
        );
        assert_eq!(terms.to.map(|to| (to.unix_ms, to.offset_minutes)), Some((1_798_106_400_000, 480)));
    }

    #[test]
    fn a_limit_that_is_mistyped_is_refused() {
        let refused = |change: fn(&mut Value)| body(change).unwrap_err();
        assert!(refused(|sent| sent["uses_maximum"] = json!(1)).contains("unknown field"));
        assert!(refused(|sent| sent["until"] = json!("tomorrow")).starts_with("until"));
        assert!(refused(|sent| sent["what"]["results"] = json!(["0A0A"])).starts_with("what.results"));
        assert!(refused(|sent| sent["to"] = json!({})).starts_with("to: is missing"));
        assert!(refused(|sent| sent["purpose"] = json!("curiosity")).starts_with("purpose"));
    }

    #[test]
    fn a_passcode_is_not_written_to_a_log() {
        let link =
            LinkBody { passcode: Some("4711".to_owned()), direct: false, long_term: false, language: String::new() };
        assert!(!format!("{link:?}").contains("4711"));
    }
}
