//! Names of what is ordered, as the sender or the region's catalogue gives them.

use crate::domain::catalogue::{Catalogue, Item};
use crate::domain::item::{ItemCode, Loinc};
use crate::domain::panel::PanelCode;
use crate::wire::pb::{self, Language};

/// Names an order line: by the names sent with its codes, else by the catalogue's, else by the codes.
pub fn of_line(catalogue: &Catalogue, line: &pb::OrderLine, language: Language) -> String {
    let code = |code: &pb::Code| {
        let known = of_code(catalogue, code, language);
        let sent = Some(code.display.clone()).filter(|display| !display.is_empty());
        sent.or(known).unwrap_or_else(|| code.code.clone())
    };
    let image = |wanted: &pb::Coverage| format!("{} {}", wanted.modality, wanted.body_part);
    // Several codes of one line name one thing in several systems: the first that is known speaks for all.
    let named = line.codes.iter().find(|code| !code.display.is_empty() || of_code(catalogue, code, language).is_some());
    let first = named.or(line.codes.first()).map(code);
    let all: Vec<String> = first.into_iter().chain(line.imaging.iter().map(image)).collect();
    all.join(separator(language))
}

/// Names catalogue items, joined.
pub fn of_items(catalogue: &Catalogue, items: &[String], language: Language) -> String {
    let name = |code: &String| {
        let item = code.parse::<ItemCode>().ok().and_then(|code| catalogue.item(code));
        item.map_or_else(|| code.clone(), |item| of_item(item, language))
    };
    items.iter().map(name).collect::<Vec<_>>().join(separator(language))
}

fn of_code(catalogue: &Catalogue, code: &pb::Code, language: Language) -> Option<String> {
    let item = |item: ItemCode| catalogue.item(item).map(|item| of_item(item, language));
    let panel = |panel: &crate::domain::panel::Panel| pick(&panel.name_zh, &panel.name_en, language);
    match code.system.as_str() {
        "catalogue" => item(code.code.parse().ok()?),
        "panel" => catalogue.panels.get(&code.code.parse::<PanelCode>().ok()?).map(panel),
        "loinc" | "http://loinc.org" => {
            let loinc = code.code.parse::<Loinc>().ok()?;
            let named = catalogue.by_loinc.get(&loinc).and_then(|code| item(*code));
            named.or_else(|| catalogue.panel_by_loinc(loinc).map(panel))
        }
        _ => None,
    }
}

fn of_item(item: &Item, language: Language) -> String {
    pick(&item.name_zh, &item.name_en, language)
}

fn pick(zh: &str, en: &str, language: Language) -> String {
    if language == Language::En && !en.is_empty() { en.to_owned() } else { zh.to_owned() }
}

fn separator(language: Language) -> &'static str {
    if language == Language::En { ", " } else { "、" }
}
