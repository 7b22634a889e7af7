//! Cases are read whole, and what is mistyped is named.

use super::*;
use crate::domain::entry::Content;
use crate::domain::rule::LineCoverage;
use crate::domain::scope::Scope;
use crate::domain::value::Value;
use crate::wire::region::{load_region, sample};

const LINE: &str = r#"{"id":"a-1","category":"plain","at":"2026-08-15T12:30:47.225+08:00",
"organisations":[{"code":"12520000138010885J","region":"520000","role":"qc-centre"}],
"issuers":[{"code":"12520000138010885J","scope":"jing-jin-ji"}],"order":{"items":["L01001"]},
"visit":{"hospital":"12520102138010228M","region":"520102","setting":"inpatient","methods":{},"serial":true},
"candidates":[{"id":"c1","patient":"same","link":"strong","key":"valid","publisher":"12520302138010893R",
"laboratory":"12522301138011239M","versions":[{"version":2,"status":"final","items":["L01001"],
"collected":"2026-08-14+08:00","reported":"2026-08-14T10:00:00.001-05:30","sensitivity":"unclassified",
"specimen":"SER","value":"4100","unit":"umol/L","method":""}]}],
"quality":{"rounds":[],"credentials":[{"issuer":"12520000138010885J","issued":"2026-01-01T00:00:00Z",
"laboratory":"12522301138011239M","subject":"CT","valid_from":"2026-01-01T00:00:00Z",
"valid_to":"2026-12-31T00:00:00Z","basis":"visit"}],"suspensions":[],"restorations":[]},
"label":{"coverage":"partial","prompts":[],"legal":[{"candidate":"c1","items":["L01001"]}],"remaining":["L01001"],
"because":"A6"}}"#;

fn case(line: &str) -> Result<Case, CaseError> {
    let (catalogue, policy) = load_region(&sample()).unwrap();
    read(line, &catalogue, &policy)
}

#[test]
fn a_case_is_read_with_its_times_units_and_scope() {
    let case = case(LINE).unwrap();
    let [found] = case.results.as_slice() else { panic!("one version") };
    assert_eq!(found.entry.times.collected, Moment::new(1_786_636_800_000, 480).unwrap().to_the_day());
    assert_eq!(found.entry.times.reported, Moment::new(1_786_721_400_001, -330).unwrap());
    assert_eq!(found.entry.sensitivity, crate::domain::entry::Sensitivity::Sensitive);
    let Content::Laboratory(result) = &found.entry.content else { panic!("a laboratory result") };
    let Value::Quantity(quantity) = &result.value else { panic!("a number") };
    assert_eq!((quantity.number.to_string().as_str(), quantity.unit.as_str()), ("4.1", "mmol/L"));
    assert_eq!(case.quality.credentials[0].provenance.scope, Scope::Agreement("jing-jin-ji".to_owned()));
    assert!(case.context.serial && !case.context.neonate);
    assert_eq!(case.label.coverage, LineCoverage::Partial);
    assert_eq!(case.label.legal.len(), 1);
}

#[test]
fn what_is_mistyped_is_named_and_never_passed_over() {
    let fault = |from: &str, to: &str| case(&LINE.replace(from, to)).unwrap_err().to_string();
    assert!(fault("\"serial\"", "\"searial\"").contains("searial"));
    assert!(fault("2026-08-14+08:00", "2026-08-14").starts_with("candidates[0].versions[0].collected"));
    assert!(fault("\"strong\"", "\"weak\"").starts_with("candidates[0].link"));
    assert!(fault("jing-jin-ji", "nowhere").starts_with("quality.credentials[0].issuers.scope"));
    assert!(fault("\"inpatient\"", "\"ward\"").starts_with("visit.setting"));
}
