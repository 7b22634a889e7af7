//! Consents by link: whoever holds the link reads what it opens, as an encrypted file that only the link's key opens.
//!
//! Address and key of a link are made from the hub's secret and the consent's name, and a passcode is kept as a salted
//! keyed hash: nothing that opens a link is stored. Uses and guesses at a passcode are counted durably, a guess before it
//! is compared, and those of one link are served one after the other, so that neither limit is ever passed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::hmac;
use sha2::{Digest as _, Sha256};

use crate::domain::adcode::Adcode;
use crate::domain::consent::{Consent, Grantee, NotPermitted, Passcode, Standing};
use crate::domain::entry::ResultStatus;
use crate::domain::id::{ConsentId, Pseudonym};
use crate::domain::limits::{KEY_BYTES_MAX, LINK_ATTEMPTS_MAX, PASSCODE_CHARACTERS_MAX, PASSCODE_CHARACTERS_MIN};
use crate::domain::time::Moment;
use crate::service::capability::Capabilities;
use crate::service::hub::Hub;
use crate::service::hub::access::Access;
use crate::service::hub::answer::Speaker;
use crate::service::hub::audience::{Basis, Standed, covers, sharing, standed};
use crate::service::hub::candidates::Found;
use crate::service::hub::error::HubError;
use crate::service::hub::results::ResultFilter;
use crate::sys::random;
use crate::wire::consent::Terms;
use crate::wire::fhir::{Context, bundle_of};
use crate::wire::field::{FieldError, Problem, named};
use crate::wire::record::Record;
use crate::wire::shl::{self, Flags, Payload};
use crate::wire::{day, pb};

/// Makes and opens links.
pub struct Links {
    key: hmac::Key,
    /// Where the hub is reached, without a slash at the end; empty where it is not.
    base_url: String,
    region: Adcode,
    files: Capabilities<Arc<LinkFile>>,
    /// Requests of each link since the beginning of a minute.
    rates: Mutex<HashMap<ConsentId, (i64, u32)>>,
}

/// A file that waits to be asked for by its own address, once.
#[derive(Debug)]
struct LinkFile {
    consent: ConsentId,
    recipient: String,
    sealed: String,
}

/// What the holder of a link asks.
#[derive(Debug)]
pub struct LinkRequest {
    /// Whom the holder says to be, 1 to 128 bytes.
    pub recipient: String,
    /// The passcode, where one was given.
    pub passcode: Option<Passcode>,
    /// The longest file to be embedded, in characters, where the holder says so.
    pub embedded_max: Option<usize>,
}

/// A file of a link, as its manifest tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The encrypted file itself.
    Embedded(String),
    /// The address at which it is asked for, once and within ten minutes.
    Location(String),
}

/// A link does not open.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such link, or no longer, or too many wrong passcodes were tried: who asks is not told which.
    #[error("no such link")]
    Missing,
    /// The passcode is missing or wrong.
    #[error("the passcode is wrong; {left} attempts are left")]
    Passcode {
        /// Attempts that are left in the link's whole life.
        left: u32,
    },
    /// It is asked for too often.
    #[error("too many requests for this link")]
    TooOften,
    /// The hub cannot answer, or the request is malformed.
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl Links {
    /// Takes the hub's secret, the address at which the hub is reached from outside (empty where it is not), and its
    /// region. A new secret ends all links that were given under the old one.
    pub fn new(secret: &[u8; 32], base_url: &str, region: Adcode) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"concord/links/v1");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            base_url: base_url.trim_end_matches('/').to_owned(),
            region,
            files: Capabilities::new(FILE_LIFETIME, FILES_MAX),
            rates: Mutex::default(),
        }
    }

    /// Says whether a link with this passcode, or without where it is empty, can be given.
    ///
    /// # Errors
    /// [`HubError::NoLinks`], or [`HubError::Field`] for a passcode that is too short or too long.
    pub(super) fn check(&self, passcode: &str) -> Result<(), HubError> {
        let characters = passcode.chars().count();
        if self.base_url.is_empty() {
            return Err(HubError::NoLinks);
        }
        if characters == 0 || (PASSCODE_CHARACTERS_MIN..=PASSCODE_CHARACTERS_MAX).contains(&characters) {
            return Ok(());
        }
        Err(FieldError::new("passcode", Problem::Form("passcode of 6 to 64 characters")).into())
    }

    /// Makes what is kept of a link.
    pub(super) fn secrets(&self, consent: ConsentId, passcode: &str) -> pb::LinkSecrets {
        let id_hash = Bytes::copy_from_slice(&id_hash(&self.address(consent)));
        if passcode.is_empty() {
            return pb::LinkSecrets { id_hash, ..Default::default() };
        }
        let salt: [u8; SALT_BYTES] = random::bytes();
        let passcode_hash = Bytes::copy_from_slice(self.passcode_tag(&salt, passcode).as_ref());
        pb::LinkSecrets { id_hash, passcode_salt: Bytes::copy_from_slice(&salt), passcode_hash }
    }

    /// Says whether a recorded consent has this passcode, or none where it is empty.
    pub(super) fn matches(&self, record: &pb::ConsentRecord, passcode: &str) -> bool {
        match record.link.as_ref().filter(|link| !link.passcode_hash.is_empty()) {
            None => passcode.is_empty(),
            Some(link) => {
                hmac::verify(&self.key, &passcode_message(&link.passcode_salt, passcode), &link.passcode_hash).is_ok()
            }
        }
    }

    /// Writes the link of a consent, for its patient alone; nothing for a consent to an organisation.
    pub(super) fn shlink(&self, consent: &Consent, terms: &Terms, passcode: bool) -> Option<String> {
        let link = terms.link?;
        let address = self.address(consent.id);
        let until = day::written(consent.to.local_day());
        let label = match link.language {
            pb::Language::En => format!("Test results, until {until}"),
            pb::Language::Zh | pb::Language::Unspecified => format!("检验检查结果，有效至 {until}"),
        };
        let payload = Payload {
            url: format!("{}/shl/{}", self.base_url, URL_SAFE_NO_PAD.encode(address)),
            key: self.file_key(&address),
            expires_unix_s: Some(consent.to.unix_ms().div_euclid(1_000)),
            flags: Flags { long_term: link.long_term, passcode, direct: link.direct },
            label,
        };
        Some(payload.encode())
    }

    /// Gives the 32 bytes in a link's address.
    fn address(&self, consent: ConsentId) -> [u8; 32] {
        self.derived(b"address", consent.as_bytes())
    }

    /// Gives the key of a link's files.
    fn file_key(&self, address: &[u8; 32]) -> [u8; 32] {
        self.derived(b"file key", address)
    }

    fn derived(&self, label: &[u8], of: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [label, of] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut derived = [0; 32];
        derived.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        derived
    }

    fn passcode_tag(&self, salt: &[u8], passcode: &str) -> hmac::Tag {
        hmac::sign(&self.key, &passcode_message(salt, passcode))
    }

    /// Counts a request of a link in the minute of `now`, and says whether there may be so many.
    fn may_ask(&self, consent: ConsentId, now: Moment) -> bool {
        let minute = now.unix_ms().div_euclid(60_000);
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= RATES_SWEEP_AT {
            rates.retain(|_, (at, _)| *at == minute);
        }
        let (at, asked) = rates.entry(consent).or_insert((minute, 0));
        if *at != minute {
            (*at, *asked) = (minute, 0);
        }
        *asked = asked.saturating_add(1);
        *asked <= REQUESTS_PER_MINUTE_MAX
    }
}

impl Hub {
    /// Opens a link by its manifest, which counts as a use.
    ///
    /// # Errors
    /// [`LinkError`]; nothing is shown.
    pub async fn open_link(&self, address: &str, request: LinkRequest) -> Result<Told, LinkError> {
        let (consent, sealed) = self.use_link(address, &request, false).await?;
        if sealed.len() <= request.embedded_max.unwrap_or(EMBEDDED_CHARACTERS_MAX) {
            return Ok(Told::Embedded(sealed));
        }
        let file = Arc::new(LinkFile { consent, recipient: request.recipient, sealed });
        let name = self.parts.links.files.put(random::bytes(), file);
        Ok(Told::Location(format!("{}/shl/{address}/file/{name}", self.parts.links.base_url)))
    }

    /// Opens a link that leads straight to its file (flag U), which counts as a use.
    ///
    /// # Errors
    /// [`LinkError`]; nothing is shown.
    pub async fn open_link_directly(&self, address: &str, recipient: &str) -> Result<String, LinkError> {
        let request = LinkRequest { recipient: recipient.to_owned(), passcode: None, embedded_max: None };
        Ok(self.use_link(address, &request, true).await?.1)
    }

    /// Gives a file by the name that a manifest told, once; the link must still hold.
    ///
    /// # Errors
    /// [`LinkError`]; nothing is shown.
    pub async fn link_file(&self, address: &str, name: &str) -> Result<String, LinkError> {
        let (asked, _) = self.link_at(address)?;
        let file = self.parts.links.files.take(name).filter(|file| file.consent == asked);
        let file = file.ok_or(LinkError::Missing)?;
        let (_, standed) = self.link_at(address)?;
        self.must_hold(&standed, true)?;
        let access = self.link_access(&standed, &file.recipient, pb::AccessOutcome::Given);
        let record = self.access_record(None, &access)?;
        self.record_one(Record::Access(record)).await?;
        Ok(file.sealed.clone())
    }

    /// Finds the consent behind a link.
    fn link_at(&self, address: &str) -> Result<(ConsentId, Standed), LinkError> {
        let bytes: [u8; 32] =
            URL_SAFE_NO_PAD.decode(address).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(LinkError::Missing)?;
        let view = self.parts.state.read().map_err(HubError::from)?;
        let consent = view.consent_of_link(id_hash(&bytes)).map_err(HubError::from)?.ok_or(LinkError::Missing)?;
        let kept = view.consent(consent).map_err(HubError::from)?.ok_or(LinkError::Missing)?;
        Ok((consent, standed(kept)?))
    }

    /// Uses a link: checks it, counts, records and seals what it opens.
    async fn use_link(
        &self,
        address: &str,
        request: &LinkRequest,
        direct: bool,
    ) -> Result<(ConsentId, String), LinkError> {
        named("recipient", &request.recipient, KEY_BYTES_MAX).map_err(HubError::from)?;
        let (consent, _) = self.link_at(address)?;
        if !self.parts.links.may_ask(consent, self.now()) {
            return Err(LinkError::TooOften);
        }
        let _turn = self.consents.wait(consent).await;
        let (_, standed) = self.link_at(address)?;
        if standed.terms.link.is_none_or(|link| link.direct != direct) {
            return Err(LinkError::Missing);
        }
        self.must_hold(&standed, false)?;
        let passcode_right = self.must_know_passcode(&standed, request).await?;
        let found = self.opened_by(&standed)?;
        let mut access = self.link_access(&standed, &request.recipient, pb::AccessOutcome::Given);
        access.results = found.iter().map(Found::name).collect();
        let record = self.access_record(None, &access)?;
        let record = pb::AccessRecord { counts: true, passcode_right, ..record };
        let content = self.bundle(&standed, &found)?;
        self.record_one(Record::Access(record)).await?;
        let links = &self.parts.links;
        let key = links.file_key(&links.address(consent));
        Ok((consent, shl::seal(&key, random::bytes(), CONTENT_TYPE, content.as_bytes())))
    }

    /// Checks that a link's consent holds now; a use that was counted already is not counted against it.
    fn must_hold(&self, standed: &Standed, used: bool) -> Result<(), LinkError> {
        let view = self.parts.state.read().map_err(HubError::from)?;
        let sharing = sharing(&view, standed.consent.patient)?;
        let uses = if used { 0 } else { standed.kept.uses };
        match standed.consent.holds(self.now(), Standing { uses, sharing }) {
            Ok(()) if standed.consent.grantee == Grantee::LinkHolder => Ok(()),
            Ok(())
            | Err(
                NotPermitted::OtherPatient
                | NotPermitted::OtherGrantee
                | NotPermitted::Revoked
                | NotPermitted::OptedOut
                | NotPermitted::NotYet
                | NotPermitted::Expired
                | NotPermitted::UsedUp
                | NotPermitted::NotCovered
                | NotPermitted::Sensitive,
            ) => Err(LinkError::Missing),
        }
    }

    /// Compares the passcode where the link has one; the attempt is durably counted first. Says whether one was right.
    async fn must_know_passcode(&self, standed: &Standed, request: &LinkRequest) -> Result<bool, LinkError> {
        if standed.record.link.as_ref().is_none_or(|link| link.passcode_hash.is_empty()) {
            return Ok(false);
        }
        let left = LINK_ATTEMPTS_MAX.saturating_sub(standed.kept.attempts);
        if left == 0 {
            return Err(LinkError::Missing);
        }
        // A request without one is no guess.
        let Some(passcode) = &request.passcode else { return Err(LinkError::Passcode { left }) };
        let attempt = pb::AttemptRecord {
            consent_id: Bytes::copy_from_slice(standed.consent.id.as_bytes()),
            at: Some(self.now().into()),
        };
        self.record_one(Record::Attempt(attempt)).await?;
        if self.parts.links.matches(&standed.record, passcode.as_str()) {
            return Ok(true);
        }
        let access = self.link_access(standed, &request.recipient, pb::AccessOutcome::WrongPasscode);
        let record = self.access_record(None, &access)?;
        self.record_one(Record::Access(record)).await?;
        Err(LinkError::Passcode { left: left - 1 })
    }

    /// Finds what a link opens now; results that were taken out of use are left out.
    fn opened_by(&self, standed: &Standed) -> Result<Vec<Found>, HubError> {
        let version = self.parts.registry.rules(self.now())?.version;
        let filter = ResultFilter {
            since: None,
            before: None,
            items: BTreeSet::new(),
            classes: BTreeSet::new(),
            include_sensitive: standed.consent.extent.sensitive,
            limit: crate::domain::limits::CANDIDATES_MAX,
        };
        let mut found = self.results_of(standed.consent.patient, &filter)?.found;
        found.retain(|found| {
            found.entry.status != ResultStatus::Withdrawn && covers(&standed.consent.extent, &found.entry, &version)
        });
        found.truncate(LINK_RESULTS_MAX);
        Ok(found)
    }

    /// Writes what a link opens: a FHIR collection of the patient's results.
    fn bundle(&self, standed: &Standed, found: &[Found]) -> Result<String, HubError> {
        let version = self.parts.registry.rules(self.now())?.version;
        let language = standed.terms.link.map(|link| link.language).unwrap_or_default();
        let speaker = Speaker { version: &version, language };
        let results: Vec<_> = found.iter().map(|found| speaker.result(found)).collect();
        let base = format!("{}/fhir/r4", self.parts.links.base_url);
        let context = Context { region: self.parts.links.region, base: &base };
        // Two who compare what they were given do not learn that it is of one patient.
        let alias = Pseudonym::new(first_half(&self.parts.links.derived(b"alias", standed.consent.id.as_bytes())));
        Ok(bundle_of(&context, alias, &results, self.now())?.to_string())
    }

    fn link_access(&self, standed: &Standed, recipient: &str, outcome: pb::AccessOutcome) -> Access {
        let consent = &standed.consent;
        Access {
            purpose: consent.purpose.as_str().to_owned(),
            outcome,
            recipient: recipient.to_owned(),
            ..Access::given(consent.patient, pb::AccessKind::LinkUsed, Basis::Consent(consent.id))
        }
    }
}

/// Gives what stands for a link's address in the tables.
fn id_hash(address: &[u8; 32]) -> [u8; 16] {
    first_half(&Sha256::digest(address).into())
}

fn first_half(whole: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(whole).for_each(|(to, from)| *to = *from);
    half
}

fn passcode_message(salt: &[u8], passcode: &str) -> Vec<u8> {
    [b"passcode".as_slice(), salt, passcode.as_bytes()].concat()
}

/// Media type of a link's files.
pub const CONTENT_TYPE: &str = "application/fhir+json";
const SALT_BYTES: usize = 16;
/// How long a file waits for its reader. Source: SMART Health Links 1.0.0, at most an hour.
const FILE_LIFETIME: Duration = Duration::from_secs(600);
const FILES_MAX: usize = 1_000;
/// Longest file that is embedded where the holder does not say.
const EMBEDDED_CHARACTERS_MAX: usize = 256 << 10;
const LINK_RESULTS_MAX: usize = 500;
const REQUESTS_PER_MINUTE_MAX: u32 = 60;
const RATES_SWEEP_AT: usize = 10_000;

#[cfg(test)]
mod tests;
