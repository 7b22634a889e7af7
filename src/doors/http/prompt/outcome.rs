//! What the embedding order screen is told: how each line stands and what to order of it; never a value or a name.

use serde_json::{Map, Value, json};

use crate::doors::http::prompt::session::{Decided, Said, Session, Standing, ToOrder};
use crate::wire::pb;

/// Writes the message for `postMessage`, whole and anew after every step.
pub fn message(session: &Session, decided: &Decided) -> Value {
    let lines = &session.answer.lines;
    let standings: Vec<Standing> = lines.iter().map(|line| decided.standing(line)).collect();
    let outcome = match session.answer.degraded {
        Some(_) => "degraded",
        None if standings.contains(&Standing::Open) => "open",
        None if standings.iter().all(|standing| *standing == Standing::None) => "nothing",
        None => "decided",
    };
    let lines = lines.iter().zip(standings).enumerate();
    let lines: Vec<Value> = lines.map(|(place, (line, standing))| line_of(place, line, standing, decided)).collect();
    json!({ "type": "concord.prompt", "outcome": outcome, "lines": lines })
}

fn line_of(place: usize, line: &pb::LineAnswer, standing: Standing, decided: &Decided) -> Value {
    let mut said = Map::new();
    said.insert("line_id".to_owned(), json!(line.line_id));
    said.insert("outcome".to_owned(), json!(name(standing)));
    let (order, remaining) = match decided.to_order(place, line) {
        ToOrder::Undecided => ("undecided", Vec::new()),
        ToOrder::Nothing => ("nothing", Vec::new()),
        ToOrder::All => ("all", Vec::new()),
        ToOrder::Items(items) => ("remaining", items),
    };
    said.insert("order".to_owned(), json!(order));
    said.insert("remaining_items".to_owned(), json!(remaining));
    let prompts = line.prompts.iter().map(|prompt| {
        let id = hex::encode(&prompt.prompt_id);
        match decided.prompts.get(&prompt.prompt_id) {
            None => json!({ "prompt_id": id, "items": prompt.items, "outcome": "open" }),
            Some(Said::Accepted) => json!({ "prompt_id": id, "items": prompt.items, "outcome": "accepted" }),
            Some(Said::Declined(reason)) => {
                json!({ "prompt_id": id, "items": prompt.items, "outcome": "declined", "reason": reason })
            }
        }
    });
    said.insert("prompts".to_owned(), prompts.collect());
    Value::Object(said)
}

fn name(standing: Standing) -> &'static str {
    match standing {
        Standing::None => "none",
        Standing::Open => "open",
        Standing::Accepted => "accepted",
        Standing::Declined => "declined",
        Standing::Mixed => "mixed",
    }
}
