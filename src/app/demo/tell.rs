//! Tells the story in the terminal: each step as it comes out, in one language, or as one JSON object a line.

use std::io::{self, Write};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::app::demo::step::{Found, StepError, Text};

/// The language of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Language {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

/// How the story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// One JSON object a step.
    Json,
    /// For people.
    Words(Language),
}

/// Tells steps and counts those that failed.
pub struct Teller<'o> {
    voice: Voice,
    out: &'o mut dyn Write,
    told: usize,
    failed: usize,
}

impl<'o> Teller<'o> {
    /// Begins a story.
    pub fn new(voice: Voice, out: &'o mut dyn Write) -> Self {
        Self { voice, out, told: 0, failed: 0 }
    }

    /// Says how many steps did not come out as they should.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Lives through one step and tells what came of it.
    ///
    /// # Errors
    /// When nothing can be written any more.
    pub async fn step(
        &mut self,
        name: &str,
        title: Text,
        lived: impl Future<Output = Result<Found, StepError>>,
    ) -> io::Result<()> {
        let waiting = self.spinner(&title);
        let outcome = lived.await;
        waiting.finish_and_clear();
        self.told += 1;
        self.failed += usize::from(outcome.is_err());
        match self.voice {
            Voice::Json => self.tell_json(name, &title, outcome),
            Voice::Words(language) => self.tell_words(language, &title, outcome),
        }
    }

    /// Says something beside the steps; nothing where programs listen.
    ///
    /// # Errors
    /// When nothing can be written any more.
    pub fn aside(&mut self, text: &Text) -> io::Result<()> {
        match self.voice {
            Voice::Json => Ok(()),
            Voice::Words(language) => writeln!(self.out, "{}", said(text, language)),
        }
    }

    fn tell_json(&mut self, name: &str, title: &Text, outcome: Result<Found, StepError>) -> io::Result<()> {
        let mut object = json!({ "step": name, "title": title.zh, "title_en": title.en, "ok": outcome.is_ok() });
        let facts = match outcome {
            Ok(found) => found.facts.into_iter().collect(),
            Err(error) => vec![("error".to_owned(), Value::from(error.to_string()))],
        };
        facts.into_iter().for_each(|(fact, value)| object[fact] = value);
        writeln!(self.out, "{object}")?;
        self.out.flush()
    }

    fn tell_words(&mut self, language: Language, title: &Text, outcome: Result<Found, StepError>) -> io::Result<()> {
        let mark = if outcome.is_ok() { "✓" } else { "✗" };
        writeln!(self.out, "{mark} {}. {}", self.told, said(title, language))?;
        match outcome {
            Ok(found) => found.lines.iter().try_for_each(|line| writeln!(self.out, "     {}", said(line, language)))?,
            Err(error) => writeln!(self.out, "     {error}")?,
        }
        self.out.flush()
    }

    /// Shows that something is going on, where somebody looks at a terminal.
    fn spinner(&self, title: &Text) -> ProgressBar {
        let Voice::Words(language) = self.voice else { return ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        let spinner = ProgressBar::new_spinner().with_message(said(title, language).to_owned());
        let spinner = match style {
            Ok(style) => spinner.with_style(style),
            Err(error) => unreachable!("the template is ours: {error}"),
        };
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }
}

fn said(text: &Text, language: Language) -> &str {
    match language {
        Language::Zh => &text.zh,
        Language::En => &text.en,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::demo::step::text;

    async fn told(voice: Voice) -> (String, usize) {
        let mut out = Vec::new();
        let mut teller = Teller::new(voice, &mut out);
        let good = async { Ok(Found::default().line("钾 4.1", "potassium 4.1").fact("value", "4.1")) };
        teller.step("prompt", text("提示", "Prompt"), good).await.unwrap();
        let bad = async { Err(StepError::unexpected("prompts", 0, 1)) };
        teller.step("expired", text("过期", "Expired"), bad).await.unwrap();
        let failed = teller.failed();
        (String::from_utf8(out).unwrap(), failed)
    }

    #[tokio::test]
    async fn programs_get_one_object_a_step() {
        let (said, failed) = told(Voice::Json).await;
        let steps: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((steps.len(), failed), (2, 1));
        assert_eq!(
            (&steps[0]["step"], &steps[0]["ok"], &steps[0]["value"]),
            (&json!("prompt"), &json!(true), &json!("4.1"))
        );
        assert_eq!((&steps[1]["ok"], &steps[1]["error"]), (&json!(false), &json!("prompts: expected 0, found 1")));
    }

    #[tokio::test]
    async fn people_get_one_language() {
        let (said, _) = told(Voice::Words(Language::En)).await;
        assert_eq!(said, "✓ 1. Prompt\n     potassium 4.1\n✗ 2. Expired\n     prompts: expected 0, found 1\n");
    }
}
