//! Looking at results: a link names what it will open and nobody's data; following it records the view, brings a grant,
//! and from then on the originals. For doctors through [`Exchange`], and for patients at the hub.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_stream::StreamExt;

use crate::domain::fault::Fault;
use crate::domain::organisation::Caller;
use crate::service::capability::Capabilities;
use crate::service::exchange::{Exchange, Refused};
use crate::wire::pb;
use pb::acknowledge_request::Event;

/// What a link opens.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The organisation whose doctor, or whose patient, was given the link.
    pub caller: Caller,
    /// Who was given it.
    pub actor: pb::Actor,
    /// Whose result it is.
    pub patient: pb::Patient,
    /// The visit in which it was prompted.
    pub visit: pb::Visit,
    /// The result.
    pub result: pb::ResultSummary,
    /// Why it may be relied on; nothing where it was not prompted.
    pub evidence: Option<pb::Evidence>,
    /// The prompt that is recorded as viewed, 16 bytes; empty where the grant was given otherwise.
    pub prompt_id: Bytes,
    /// Leave for the originals; given when a prompt is viewed.
    pub grant: Option<pb::Grant>,
    /// What stands of a prompted result since it was viewed: version, and what its publisher says of that one.
    pub standing: Option<(u32, pb::ResultStatus)>,
    /// Language of the pages.
    pub language: pb::Language,
}

/// Opens links, and brings what stands behind them.
pub struct Viewing<E> {
    exchange: E,
    openings: Capabilities<Link>,
    random: fn() -> [u8; 32],
}

/// A link as it stands.
#[derive(Debug, Clone)]
struct Link {
    opening: Arc<Opening>,
    /// Nothing before it was followed.
    asked: Option<Asked>,
}

/// When the exchange said that a link may be opened.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// The minute since 1970 that names the record of the view.
    minute: i64,
    /// The last time, in milliseconds since 1970.
    at_unix_ms: i64,
}

impl<E: Exchange> Viewing<E> {
    /// Brings originals through `exchange`; `random` gives the secrets of links.
    pub fn new(exchange: E, random: fn() -> [u8; 32]) -> Self {
        Self { exchange, openings: Capabilities::new(LINK_LIFETIME, LINKS_MAX), random }
    }

    /// Gives the exchange that stands behind the links.
    pub fn exchange(&self) -> &E {
        &self.exchange
    }

    /// Makes the capability that opens something; it goes into the path of a URL and lasts an hour.
    pub fn link(&self, opening: Opening) -> String {
        self.openings.put((self.random)(), Link { opening: Arc::new(opening), asked: None })
    }

    /// Follows a link: the view is recorded, once for each grant, before anything is given. Whether it may be given is
    /// asked again every few seconds, so that what a patient takes back ends behind links that stand open.
    ///
    /// # Errors
    /// [`Refused`]; `Missing` where the link has ended or never was.
    pub async fn open(&self, capability: &str, now_unix_ms: i64) -> Result<Arc<Opening>, Refused> {
        let Link { opening, asked } = self.openings.find(capability).ok_or_else(ended)?;
        let (prompted, granted) = (!opening.prompt_id.is_empty(), opening.grant.as_ref());
        if !prompted && granted.is_some() {
            return Ok(opening);
        }
        let holds = |grant: &pb::Grant| grant.expires_unix_ms > now_unix_ms.saturating_add(GRANT_REST_MS);
        let asked = asked.filter(|_| !prompted || granted.is_some_and(holds));
        if asked.is_some_and(|asked| now_unix_ms.saturating_sub(asked.at_unix_ms) < ASK_AGAIN_MS) {
            return Ok(opening);
        }
        // The minute lets a view that lasts longer than its grant be recorded again, and a reload not.
        let minute = asked.map_or_else(|| now_unix_ms.div_euclid(60_000), |asked| asked.minute);
        let opened = if prompted {
            let viewed = self.viewed(&opening, view_key(capability, minute)).await?;
            let standing = Some((viewed.standing_version, viewed.standing_status()));
            let grant = granted.filter(|_| asked.is_some()).cloned().or(viewed.grant);
            Arc::new(Opening { grant, standing, ..(*opening).clone() })
        } else {
            self.still_listed(&opening).await?;
            opening
        };
        let asked = Some(Asked { minute, at_unix_ms: now_unix_ms });
        self.openings.replace(capability, Link { opening: Arc::clone(&opened), asked });
        Ok(opened)
    }

    async fn viewed(&self, opening: &Opening, event_key: String) -> Result<pb::AcknowledgeResponse, Refused> {
        let event = pb::AcknowledgeRequest {
            event_key,
            actor: Some(opening.actor.clone()),
            prompt_id: opening.prompt_id.clone(),
            event: Event::Viewed.into(),
        };
        self.exchange.acknowledge(&opening.caller, event).await
    }

    /// Finds a result that was listed, and not prompted, in a list that is recorded again.
    async fn still_listed(&self, opening: &Opening) -> Result<(), Refused> {
        let listed = self.results(opening).await?;
        if listed.degraded.is_some() {
            return Err(refused(Fault::Busy, "the exchange cannot be asked now; try again"));
        }
        let own = |other: &pb::ResultSummary| {
            (&other.organisation, &other.result_id) == (&opening.result.organisation, &opening.result.result_id)
        };
        if listed.results.iter().any(own) { Ok(()) } else { Err(ended()) }
    }

    /// Lists the results of a year of the patient whose result was opened.
    ///
    /// # Errors
    /// [`Refused`]; nothing may be listed.
    pub async fn results(&self, opening: &Opening) -> Result<pb::RecentResultsResponse, Refused> {
        let sent = pb::RecentResultsRequest {
            patient: Some(opening.patient.clone()),
            actor: Some(opening.actor.clone()),
            visit: Some(opening.visit.clone()),
            hours: YEAR_HOURS,
            limit: RESULTS_MAX,
            language: opening.language.into(),
        };
        self.exchange.recent_results(&opening.caller, sent, Instant::now()).await
    }

    /// Brings a whole original of what was opened, of at most `bytes_max`.
    ///
    /// # Errors
    /// [`Refused`]; `Missing` where the result has no such original, `Limited` where it is too large.
    pub async fn original(&self, opened: &Opening, digest: &Bytes, bytes_max: u64) -> Result<Bytes, Refused> {
        let original = opened.result.originals.iter().find(|original| original.digest == *digest);
        let original = original.ok_or_else(|| refused(Fault::Missing, "no such original"))?;
        if original.size_bytes > bytes_max {
            return Err(refused(Fault::Limited, "the original is too large to be shown; fetch it instead"));
        }
        let grant = opened.grant.as_ref().ok_or_else(|| refused(Fault::Denied, "open the result first"))?;
        let sent = pb::FetchRequest { grant: grant.token.clone(), digest: digest.clone(), offset: 0 };
        let mut chunks = self.exchange.fetch(&opened.caller, sent).await?;
        let mut whole = BytesMut::with_capacity(usize::try_from(original.size_bytes).unwrap_or_default());
        while let Some(chunk) = chunks.next().await {
            whole.extend_from_slice(&chunk?.data);
        }
        Ok(whole.freeze())
    }
}

/// Names a view without its capability, which would open the result to whoever reads the record.
fn view_key(capability: &str, minute: i64) -> String {
    format!("view/{}/{minute}", hex::encode(&Sha256::digest(capability)[..16]))
}

fn ended() -> Refused {
    refused(Fault::Missing, "this link has ended; open the result again where it was shown")
}

fn refused(fault: Fault, text: &str) -> Refused {
    Refused { fault, field: None, text: text.to_owned() }
}

const LINK_LIFETIME: Duration = Duration::from_secs(3_600);
const LINKS_MAX: usize = 100_000;
/// After this long it is asked again whether a link may be opened, in milliseconds.
const ASK_AGAIN_MS: i64 = 5_000;
const YEAR_HOURS: u32 = 8_760;
const RESULTS_MAX: u32 = 500;
/// A grant that ends sooner is not begun with, in milliseconds.
const GRANT_REST_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_a_view_does_not_hold_what_opens_it() {
        let capability = "vRoeUfIyQ3cPzq1f0Yk2m9s8t7u6v5w4x3y2z1a0b9c";
        let key = view_key(capability, 7);
        assert!(!key.contains(capability) && key.len() <= crate::domain::limits::KEY_BYTES_MAX);
        assert_eq!(key, view_key(capability, 7));
        assert_ne!(key, view_key(capability, 8));
        assert_ne!(key, view_key("another", 7));
    }
}
