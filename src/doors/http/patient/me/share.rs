//! To share: what, with whom and how, on one page; then the link. Three steps, and a script for none of them.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::organisation::Role;
use crate::domain::time::Moment;
use crate::doors::http::pages::texts::Text;
use crate::doors::http::patient::login::{Logins, Visitor};
use crate::doors::http::patient::me::texts as say;
use crate::doors::http::patient::me::{Queried, Tab, Who, failed, hidden, not_ours, on_to, page};
use crate::wire::patient::result_name;
use crate::wire::pb::{self, Language};
use pb::consent_terms::Grantee;

/// What is preselected.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chosen {
    result: String,
}

/// The form as it was filled in.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ShareForm {
    token: String,
    key: String,
    /// When the form was shown, in milliseconds since 1970: the period counts from then, however often it is sent.
    shown_at: String,
    what: String,
    result: String,
    sensitive: String,
    whom: String,
    hospital: String,
    purpose: String,
    hours: String,
    once: String,
    passcode: String,
}

/// Shows the form.
pub async fn form(State(logins): State<Arc<Logins>>, Extension(visitor): Who, chosen: Queried<Chosen>) -> Response {
    let chosen = chosen.map(|Query(chosen)| chosen).unwrap_or_default();
    let result = result_name(&chosen.result).map(|name| name.to_string()).unwrap_or_default();
    let what = if result.is_empty() { "laboratory" } else { "result" };
    let whom = "link".to_owned();
    let filled = ShareForm { what: what.to_owned(), result, whom, hours: "24".to_owned(), ..ShareForm::default() };
    asked(&logins, &visitor, &filled, None)
}

/// Gives the consent, and shows its link.
pub async fn give(
    State(logins): State<Arc<Logins>>,
    Extension(visitor): Who,
    Form(form): Form<ShareForm>,
) -> Result<Response, Response> {
    if !logins.wrote(&visitor, &form.token) {
        return Err(not_ours(&visitor));
    }
    let (gate, session) = (logins.gate(), &visitor.session);
    let sent = form.request(gate.hub().now(), session.language);
    let given = gate.hub().grant_consent(gate.gateway(), session.acting(), &sent).await;
    match given {
        Ok(given) => {
            let consent = given.consent.unwrap_or_default();
            Ok(on_to(&format!("/me/shares/{}", hex::encode(&consent.consent_id))))
        }
        Err(error) if error.fault() == Fault::BadInput => {
            let field = error.to_string();
            let wrong = if field.starts_with("passcode") { say::WRONG_PASSCODE_FORM } else { say::WRONG_FORM };
            Ok(asked(&logins, &visitor, &form, Some(wrong)))
        }
        Err(error) => Err(failed(session.language, &error)),
    }
}

impl ShareForm {
    fn request(&self, now: Moment, language: Language) -> pb::GrantConsentRequest {
        let by_link = self.whom == "link";
        let how = pb::LinkTerms { direct: false, long_term: false, language: language.into() };
        let hours = self.hours.parse().ok().filter(|hours| PERIODS.iter().any(|(known, _)| known == hours));
        let uses = if by_link && !self.once.is_empty() { 1 } else { 0 };
        let class = |class: pb::ResultClass| vec![class.into()];
        let mut extent = pb::Extent { sensitive: !self.sensitive.is_empty(), ..Default::default() };
        match self.what.as_str() {
            "all" => extent.all = true,
            "laboratory" => extent.classes = class(pb::ResultClass::Laboratory),
            "imaging" => extent.classes = class(pb::ResultClass::Imaging),
            _ => {
                extent.results =
                    result_name(&self.result).map(|name| name.as_bytes().to_vec().into()).into_iter().collect()
            }
        }
        let terms = pb::ConsentTerms {
            grantee: Some(match by_link {
                true => Grantee::Link(how),
                false => Grantee::Organisation(self.hospital.clone()),
            }),
            extent: Some(extent),
            purpose: purposes()
                .find(|(word, _)| *word == self.purpose)
                .map_or(PURPOSE_USUAL, |(_, known)| known)
                .into(),
            from: None,
            to: Some(self.shown(now).plus_hours(hours.unwrap_or(HOURS_USUAL)).into()),
            uses_max: uses,
        };
        let passcode = if by_link { self.passcode.trim().to_owned() } else { String::new() };
        pb::GrantConsentRequest { consent_key: self.key.clone(), acting: None, terms: Some(terms), passcode }
    }
}

impl ShareForm {
    /// Gives when the form was shown; now, where it does not say, or says what no session can have seen.
    fn shown(&self, now: Moment) -> Moment {
        let said = self.shown_at.parse().ok().and_then(|unix_ms| Moment::new(unix_ms, now.offset_minutes()).ok());
        said.filter(|said| (0..=SHOWN_MS_MAX).contains(&now.ms_since(*said))).unwrap_or(now)
    }
}

fn asked(logins: &Logins, visitor: &Visitor, filled: &ShareForm, wrong: Option<Text>) -> Response {
    let language = visitor.session.language;
    let key = if filled.key.is_empty() { logins.fresh_key() } else { filled.key.clone() };
    let content = html! {
        @if let Some(wrong) = wrong { p class="banner loud" role="alert" { (wrong.to(language)) } }
        form class="steps" method="post" action="/me/share" autocomplete="off" {
            (hidden(&logins.form_token(visitor)))
            input type="hidden" name="key" value=(key);
            input type="hidden" name="shown_at" value=(filled.shown(logins.gate().hub().now()).unix_ms());
            input type="hidden" name="result" value=(filled.result);
            (what(filled, language))
            (whom(logins, filled, language))
            (how(filled, language))
            button class="primary wide" { (say::GIVE.to(language)) }
            p class="small soft" { (say::GIVE_HOW.to(language)) }
        }
    };
    let mut response = page(logins, visitor, Tab::Shares, say::SHARE, content);
    if wrong.is_some() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

fn what(filled: &ShareForm, language: Language) -> Markup {
    let kinds = [("laboratory", say::ALL_LABORATORY), ("imaging", say::ALL_IMAGING), ("all", say::EVERYTHING)];
    html! {
        fieldset class="sheet" {
            legend { span class="step" { "1" } (say::STEP_WHAT.to(language)) }
            @if !filled.result.is_empty() { (choice("what", "result", say::THIS_RESULT, &filled.what, language)) }
            @for (value, text) in kinds { (choice("what", value, text, &filled.what, language)) }
            label class="choice extra" {
                input type="checkbox" name="sensitive" value="1" checked[!filled.sensitive.is_empty()];
                span { (say::SENSITIVE.to(language)) small class="soft" { (say::SENSITIVE_HOW.to(language)) } }
            }
        }
    }
}

fn whom(logins: &Logins, filled: &ShareForm, language: Language) -> Markup {
    html! {
        fieldset class="sheet whom" {
            legend { span class="step" { "2" } (say::STEP_WHOM.to(language)) }
            input type="radio" id="whom-link" name="whom" value="link" checked[filled.whom == "link"];
            label class="choice" for="whom-link" {
                span { (say::WITH_LINK.to(language)) small class="soft" { (say::WITH_LINK_HOW.to(language)) } }
            }
            div class="of-link" {
                label for="passcode" { (say::PASSCODE.to(language)) }
                input type="text" id="passcode" name="passcode" maxlength="64" inputmode="text" value=(filled.passcode);
                p class="small soft" { (say::PASSCODE_WHY.to(language)) }
                label class="choice" {
                    input type="checkbox" name="once" value="1" checked[!filled.once.is_empty()];
                    span { (say::ONCE.to(language)) }
                }
            }
            input type="radio" id="whom-hospital" name="whom" value="hospital" checked[filled.whom == "hospital"];
            label class="choice" for="whom-hospital" {
                span { (say::WITH_HOSPITAL.to(language)) small class="soft" { (say::WITH_HOSPITAL_HOW.to(language)) } }
            }
            div class="of-hospital" {
                label for="hospital" { (say::HOSPITAL.to(language)) }
                select id="hospital" name="hospital" {
                    @for (code, name) in hospitals(logins, language) {
                        option value=(code) selected[code == filled.hospital] { (name) }
                    }
                }
            }
        }
    }
}

fn how(filled: &ShareForm, language: Language) -> Markup {
    html! {
        fieldset class="sheet" {
            legend { span class="step" { "3" } (say::STEP_HOW.to(language)) }
            div class="periods" {
                @for (hours, text) in PERIODS {
                    label class="period" {
                        input type="radio" name="hours" value=(hours) checked[filled.hours == hours.to_string()];
                        span { (text.to(language)) }
                    }
                }
            }
            div class="field" {
                label for="purpose" { (say::FOR_WHAT.to(language)) }
                select id="purpose" name="purpose" {
                    @for (word, purpose) in purposes() {
                        option value=(word) selected[word == filled.purpose] { (say::purpose(purpose).to(language)) }
                    }
                }
            }
        }
    }
}

fn choice(name: &str, value: &str, text: Text, chosen: &str, language: Language) -> Markup {
    html! {
        label class="choice" {
            input type="radio" name=(name) value=(value) checked[value == chosen];
            span { (text.to(language)) }
        }
    }
}

fn hospitals(logins: &Logins, language: Language) -> Vec<(String, String)> {
    let hub = logins.gate().hub();
    let Ok(rules) = hub.registry().rules(hub.now()) else { return Vec::new() };
    let listed = rules.version.organisations.values().filter(|listed| listed.role == Role::Hospital);
    let named = listed.map(|listed| {
        let name = if language == Language::En { &listed.name_en } else { &listed.name_zh };
        (listed.code.to_string(), name.clone())
    });
    named.collect()
}

fn purposes() -> impl Iterator<Item = (&'static str, pb::ConsentPurpose)> {
    use pb::ConsentPurpose as Purpose;
    [
        ("treatment", Purpose::Treatment),
        ("second-opinion", Purpose::SecondOpinion),
        ("insurance", Purpose::Insurance),
        ("employment", Purpose::Employment),
        ("personal", Purpose::Personal),
    ]
    .into_iter()
}

const PURPOSE_USUAL: pb::ConsentPurpose = pb::ConsentPurpose::Treatment;
/// As long as a session.
const SHOWN_MS_MAX: i64 = 1_800_000;
const HOURS_USUAL: i64 = 24;
const PERIODS: [(i64, Text); 4] = [
    (1, Text::new("1 小时", "1 hour")),
    (24, Text::new("1 天", "1 day")),
    (24 * 7, Text::new("7 天", "7 days")),
    (24 * 30, Text::new("30 天", "30 days")),
];
