//! The login page of the demo's issuer: one button for each sample patient, and a banner that says what this is.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::app::demo::issuer::provider::Asked;
use crate::app::demo::issuer::{STRONG, SamplePatient, WEAK};

/// What the page may load: nothing, and its own style.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// Shows whoever can log in.
pub fn login(asked: &Asked, patients: &[SamplePatient]) -> Markup {
    let english = asked.ui_locales.split(' ').next().is_some_and(|first| first.starts_with("en"));
    let say = |zh: &'static str, en: &'static str| if english { en } else { zh };
    html! {
        (DOCTYPE)
        html lang=(if english { "en" } else { "zh-CN" }) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (say("演示登录", "Demonstration login")) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    p.banner {
                        (say("仅供演示：以下均为虚构的样例患者，不核验任何身份。",
                             "For demonstration only: these sample patients are invented, and nobody is checked."))
                    }
                    h1 { (say("以谁的身份登录？", "Log in as whom?")) }
                    @for patient in patients {
                        section {
                            div { strong { (patient.name) } span { (patient.birth_date) " · " (patient.part) } }
                            (button(asked, patient, STRONG, say("刷脸登录", "Log in by face"), "strong"))
                            (button(asked, patient, WEAK, say("仅凭姓名和证件号", "Name and number only"), "weak"))
                        }
                    }
                    p.note {
                        (say("真实环境中，这里是当地的实名认证平台。", "In a region this is the citizens' identity service."))
                    }
                }
            }
        }
    }
}

fn button(asked: &Asked, patient: &SamplePatient, acr: &str, text: &str, class: &str) -> Markup {
    let kept = [
        ("response_type", &asked.response_type),
        ("client_id", &asked.client_id),
        ("redirect_uri", &asked.redirect_uri),
        ("scope", &asked.scope),
        ("state", &asked.state),
        ("nonce", &asked.nonce),
        ("code_challenge", &asked.code_challenge),
        ("code_challenge_method", &asked.code_challenge_method),
    ];
    html! {
        form method="post" action="/authorize" {
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
            input type="hidden" name="acr" value=(acr);
            button class=(class) name="subject" value=(patient.subject) { (text) }
        }
    }
}

const STYLE: &str = "
*{box-sizing:border-box}
body{margin:0;font:16px/1.6 -apple-system,'Segoe UI','Noto Sans CJK SC','Noto Sans SC','PingFang SC','Microsoft YaHei',sans-serif;color:#1c2733;background:#f3f5f7}
main{max-width:32rem;margin:0 auto;padding:1.5rem 1rem 3rem}
.banner{margin:0 0 1.5rem;padding:.75rem 1rem;border-radius:10px;background:#fff4d6;color:#6b4a00;font-size:.9rem}
h1{font-size:1.4rem;margin:0 0 1rem}
section{display:flex;flex-wrap:wrap;gap:.6rem;align-items:center;padding:.9rem 1rem;margin:0 0 .7rem;background:#fff;border:1px solid #e1e6ea;border-radius:12px}
section div{flex:1 0 100%}
section span{display:block;color:#5c6b78;font-size:.875rem}
form{margin:0}
button{min-height:44px;padding:0 1.1rem;border-radius:22px;border:1px solid #0b6e69;font:inherit;cursor:pointer}
.strong{background:#0b6e69;color:#fff}
.weak{background:#fff;color:#5c6b78;border-color:#c6ced5}
button:focus-visible{outline:3px solid #7cc4bf;outline-offset:2px}
.note{color:#5c6b78;font-size:.875rem}
";
