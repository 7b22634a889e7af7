//! Whether results are shared at all, and for whom a patient acts.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Form, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::fault::Fault;
use crate::doors::http::pages::shown;
use crate::doors::http::patient::login::{Logins, Session, Visitor};
use crate::doors::http::patient::me::texts as say;
use crate::doors::http::patient::me::{Tab, Who, failed, hidden, not_ours, on_to, refused};
use crate::service::hub::consent::Acting;
use crate::wire::patient::patient_name;
use crate::wire::pb::{self, Language};

/// The choice to share.
#[derive(Debug, Deserialize)]
pub struct SharingForm {
    token: String,
    opted_out: String,
}

/// For whom the patient acts from now on; empty for nobody else.
#[derive(Debug, Deserialize)]
pub struct RelationForm {
    token: String,
    relation: String,
}

/// Shows the choice, and those for whom the patient acts.
pub async fn page(State(logins): State<Arc<Logins>>, Extension(visitor): Who) -> Response {
    let (gate, language) = (logins.gate(), visitor.session.language);
    let opted_out = match gate.hub().own_sharing(gate.gateway(), visitor.session.acting()).await {
        Ok(opted_out) => opted_out,
        Err(error) => return failed(language, &error),
    };
    let wards = match gate.hub().own_wards(gate.gateway(), visitor.session.patient.pseudonym).await {
        Ok(wards) => wards,
        Err(error) => return failed(language, &error),
    };
    let token = logins.form_token(&visitor);
    let content = html! {
        (choice(opted_out, &token, language))
        (relations(&wards, &visitor, &token, language))
    };
    super::page(&logins, &visitor, Tab::Sharing, say::SETTINGS, content)
}

/// Records the choice.
pub async fn set(
    State(logins): State<Arc<Logins>>,
    Extension(visitor): Who,
    Form(form): Form<SharingForm>,
) -> Result<Response, Response> {
    if !logins.wrote(&visitor, &form.token) {
        return Err(not_ours(&visitor));
    }
    let (gate, language) = (logins.gate(), visitor.session.language);
    let out = match form.opted_out.as_str() {
        "yes" => true,
        "no" => false,
        _ => return Err(refused(language, Fault::BadInput)),
    };
    let set = gate.hub().set_sharing(gate.gateway(), visitor.session.acting(), out).await;
    set.map_err(|error| failed(language, &error))?;
    Ok(on_to("/me/sharing"))
}

/// Lets the patient act for another, where a registered relation says so.
pub async fn act_for(
    State(logins): State<Arc<Logins>>,
    Extension(visitor): Who,
    Form(form): Form<RelationForm>,
) -> Result<Response, Response> {
    if !logins.wrote(&visitor, &form.token) {
        return Err(not_ours(&visitor));
    }
    let (hub, language) = (logins.gate().hub(), visitor.session.language);
    let ward = match form.relation.as_str() {
        "" => None,
        named => Some(patient_name(named).map_err(|_| refused(language, Fault::Missing))?),
    };
    if let Some(ward) = ward {
        let acting = Acting { patient: ward, guardian: Some(visitor.session.patient.pseudonym) };
        hub.must_act(acting, hub.now()).map_err(|error| failed(language, &error))?;
    }
    logins.change(&visitor, Session { ward, ..visitor.session.clone() });
    Ok(on_to("/me"))
}

fn choice(opted_out: bool, token: &str, language: Language) -> Markup {
    let (title, text, to, button) = match opted_out {
        false => (say::SHARING_ON, say::SHARING_ON_HOW, "yes", say::OPT_OUT),
        true => (say::SHARING_OFF, say::SHARING_OFF_HOW, "no", say::OPT_IN),
    };
    html! {
        section class="sheet" {
            div class="head" {
                h2 { (title.to(language)) }
                span class={ "switch" @if !opted_out { " on" } } aria-hidden="true" {}
            }
            div class="body" {
                p { (text.to(language)) }
                ul class="plainly" {
                    @for point in [say::STILL_EMERGENCY, say::STILL_OWN, say::STILL_CONSENT] { li { (point.to(language)) } }
                }
                form method="post" action="/me/sharing" {
                    (hidden(token))
                    button class=(if opted_out { "primary wide" } else { "danger wide" }) name="opted_out" value=(to) {
                        (button.to(language))
                    }
                }
            }
        }
    }
}

fn relations(wards: &[pb::Relation], visitor: &Visitor, token: &str, language: Language) -> Markup {
    let current = visitor.session.ward;
    html! {
        section class="sheet" {
            div class="head" { h2 { (say::WARDS.to(language)) } }
            div class="body" {
                @if wards.is_empty() { p class="soft" { (say::NO_WARDS.to(language)) } }
                @for (place, relation) in wards.iter().enumerate() {
                    form class="row ward" method="post" action="/me/for" {
                        (hidden(token))
                        span class="grow" {
                            (say::WARD.to(language)) " " (place + 1) " "
                            span class="soft small" { (say::UNTIL.to(language)) " " (shown::moment(relation.until.as_ref())) }
                        }
                        @if current.is_some_and(|ward| relation.ward == ward.as_bytes().as_slice()) {
                            span class="flag flag-normal" { (say::CURRENT.to(language)) }
                        } @else {
                            button name="relation" value=(hex::encode(&relation.ward)) { (say::ACT_FOR.to(language)) }
                        }
                    }
                }
            }
        }
    }
}
