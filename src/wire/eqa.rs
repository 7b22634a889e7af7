//! EQA rounds and credentials as QC centres keep them, in CSV or XLSX tables with English or Chinese headers, to the
//! content of a statement. Every wrong cell is named, so that a table is corrected in one go.

mod sheet;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use rust_decimal::{Decimal, RoundingStrategy};

use self::sheet::Row;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::item::ItemCode;
use crate::domain::limits::KEY_BYTES_MAX;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::wire::field::{FieldError, Problem, named, optional, parsed};
use crate::wire::statement::subject;
use crate::wire::{day, pb};

/// What a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Results of EQA rounds: programme, year, round, laboratory, item, method, samples or score_percent, status,
    /// sampled_on, published_on.
    Rounds,
    /// Direct credentials: laboratory, subject, valid_from, valid_to, basis.
    Credentials,
}

/// A table cannot be taken; correct what is named, nothing of it is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The bytes are no table.
    #[error("the file is neither CSV in UTF-8 or GB 18030 nor an XLSX workbook")]
    Form,
    /// It is larger than a statement may be.
    #[error("the table has more than {most} {what}")]
    TooLarge {
        /// What there are too many of.
        what: &'static str,
        /// How many are allowed.
        most: usize,
    },
    /// The header lacks a column, or names it twice.
    #[error("column {column} {problem}")]
    Header {
        /// The column's English name.
        column: &'static str,
        /// What is wrong.
        problem: Problem,
    },
    /// There are no rows.
    #[error("the table has no rows")]
    Empty,
    /// These cells are wrong.
    #[error("{} cells are wrong", .0.len())]
    Cells(Vec<WrongCell>),
}

/// One wrong cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongCell {
    /// Line of the file, or row of the sheet, from 1.
    pub line: u64,
    /// The column's English name.
    pub column: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Faulty for TableError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

/// A table as a statement says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What the statement says.
    pub content: pb::statement::Content,
    /// The line of each of its rows, from 1.
    pub lines: Vec<u64>,
}

/// Reads a table; its days are days at `offset_minutes` east of UTC.
///
/// # Errors
/// [`TableError`]; nothing of the table may be sent.
pub fn read(bytes: &[u8], kind: TableKind, offset_minutes: i16) -> Result<Table, TableError> {
    let columns = match kind {
        TableKind::Rounds => ROUNDS,
        TableKind::Credentials => CREDENTIALS,
    };
    let rows = sheet::rows(bytes, columns)?;
    if rows.is_empty() {
        return Err(TableError::Empty);
    }
    let content = match kind {
        TableKind::Rounds => {
            let results = all(&rows, |cells| round(cells, offset_minutes))?;
            pb::statement::Content::Rounds(pb::EqaRounds { results })
        }
        TableKind::Credentials => {
            let credentials = all(&rows, |cells| credential(cells, offset_minutes))?;
            pb::statement::Content::Credentials(pb::Credentials { credentials })
        }
    };
    Ok(Table { content, lines: rows.iter().map(|row| row.line).collect() })
}

/// Reads every row, and then says what was wrong in all of them. No two rows may be about the same thing.
fn all<T>(rows: &[Row], mut read: impl FnMut(&mut Cells<'_>) -> Option<(T, String)>) -> Result<Vec<T>, TableError> {
    let mut values = Vec::with_capacity(rows.len());
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows {
        let mut cells = Cells { row, wrong: Vec::new() };
        let value = read(&mut cells);
        if let Some((value, name)) = value.filter(|_| cells.wrong.is_empty()) {
            if seen.insert(name) {
                values.push(value);
            } else {
                cells.blame(FieldError::new("row", Problem::Twice));
            }
        }
        wrong.append(&mut cells.wrong);
    }
    if wrong.is_empty() { Ok(values) } else { Err(TableError::Cells(wrong)) }
}

fn round(cells: &mut Cells<'_>, offset_minutes: i16) -> Option<(pb::EqaResult, String)> {
    let programme = cells.take("programme", |field, text| named(field, text, KEY_BYTES_MAX));
    let year = cells.take("year", |field, text| within(field, text, 2000..=2100));
    let number = cells.take("round", |field, text| within(field, text, 1..=12));
    let laboratory = cells.take("laboratory", laboratory);
    let item = cells.take("item", |field, text| parsed::<ItemCode>(field, text, "item code"));
    let method = cells.take("method", |field, text| optional(field, text, KEY_BYTES_MAX));
    let outcome = cells.outcome();
    let sampled_at = cells.take("sampled_on", |field, text| day::start(field, &plain_day(text), offset_minutes));
    let published_at = cells.take("published_on", |field, text| day::start(field, &plain_day(text), offset_minutes));
    if let (Some(sampled), Some(published)) = (sampled_at, published_at)
        && published.unix_ms() < sampled.unix_ms()
    {
        cells.blame(FieldError::new("published_on", Problem::Form("day that is not before sampled_on")));
    }
    let (status, score_percent) = outcome?;
    let result = pb::EqaResult {
        programme: programme?,
        year: year?,
        round: number?,
        laboratory: laboratory?.to_string(),
        item: item?.to_string(),
        method: method?.unwrap_or_default(),
        status: status.into(),
        score_percent,
        sampled_at: Some(sampled_at?.into()),
        published_at: Some(published_at?.into()),
    };
    let pb::EqaResult { programme, year, round, laboratory, item, method, .. } = &result;
    let name = format!("{programme}\n{year}\n{round}\n{laboratory}\n{item}\n{method}");
    Some((result, name))
}

fn credential(cells: &mut Cells<'_>, offset_minutes: i16) -> Option<(pb::Credential, String)> {
    let laboratory = cells.take("laboratory", laboratory);
    let subject = cells.take("subject", |field, text| subject(field, text).map(|_| text.to_owned()));
    let valid_from = cells.take("valid_from", |field, text| day::start(field, &plain_day(text), offset_minutes));
    let valid_to = cells.take("valid_to", |field, text| end_of_day(field, text, offset_minutes));
    let basis = cells.take("basis", |field, text| named(field, text, KEY_BYTES_MAX));
    if let (Some(from), Some(to)) = (valid_from, valid_to)
        && to.unix_ms() < from.unix_ms()
    {
        cells.blame(FieldError::new("valid_to", Problem::Form("day that is not before valid_from")));
    }
    let credential = pb::Credential {
        laboratory: laboratory?.to_string(),
        subject: subject?,
        valid_from: Some(valid_from?.into()),
        valid_to: Some(valid_to?.into()),
        basis: basis?,
    };
    let name = format!("{}\n{}\n{}", credential.laboratory, credential.subject, valid_from?.unix_ms());
    Some((credential, name))
}

/// The cells of one row, and what was found wrong in them.
struct Cells<'a> {
    row: &'a Row,
    wrong: Vec<WrongCell>,
}

impl Cells<'_> {
    fn take<T>(&mut self, column: &str, read: impl FnOnce(&str, &str) -> Result<T, FieldError>) -> Option<T> {
        match read(column, self.row.cell(column)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.blame(error);
                None
            }
        }
    }

    fn blame(&mut self, error: FieldError) {
        self.wrong.push(WrongCell { line: self.row.line, column: error.field, problem: error.problem });
    }

    /// Reads how a round went: from the samples where they are given, else from the score.
    fn outcome(&mut self) -> Option<(pb::EqaStatus, String)> {
        let samples = self.take("samples", samples)?;
        let written =
            self.take(
                "score_percent",
                |field, text| {
                    if text.is_empty() { Ok(None) } else { percent(field, text).map(Some) }
                },
            )?;
        let score = samples.or(written);
        let status = self.take("status", |field, text| status(field, text, score.is_some()))?;
        if status != pb::EqaStatus::Scored {
            if score.is_some_and(|score| !score.is_zero()) {
                self.blame(FieldError::new("status", Problem::Unwanted("the row has a score")));
                return None;
            }
            return Some((status, String::new()));
        }
        let Some(score) = score else {
            self.blame(FieldError::new("score_percent", Problem::Missing));
            return None;
        };
        if written.is_some_and(|written| (written - score).abs() >= Decimal::ONE) {
            self.blame(FieldError::new("score_percent", Problem::Unwanted("the samples give another score")));
            return None;
        }
        Some((status, score.normalize().to_string()))
    }
}

/// Reads pairs `reported/acceptable` of counts, one or several, and gives the percentage of acceptable samples.
fn samples(field: &str, text: &str) -> Result<Option<Decimal>, FieldError> {
    let form = || FieldError::new(field, Problem::Form("list of pairs reported/acceptable"));
    let (mut reported, mut acceptable) = (0_u32, 0_u32);
    for pair in text.split([';', '；', '|', ' ']).map(str::trim).filter(|pair| !pair.is_empty()) {
        let (of, good) = pair.split_once('/').ok_or_else(form)?;
        let (of, good): (u16, u16) = (of.trim().parse().map_err(|_| form())?, good.trim().parse().map_err(|_| form())?);
        if good > of {
            return Err(FieldError::new(field, Problem::Form("pair with no more acceptable than reported")));
        }
        reported = reported.saturating_add(of.into());
        acceptable = acceptable.saturating_add(good.into());
    }
    if text.is_empty() {
        return Ok(None);
    }
    if reported == 0 {
        return Err(form());
    }
    let score = Decimal::from(acceptable) * Decimal::ONE_HUNDRED / Decimal::from(reported);
    // Never rounded up to a pass.
    Ok(Some(score.round_dp_with_strategy(2, RoundingStrategy::ToZero)))
}

fn percent(field: &str, text: &str) -> Result<Decimal, FieldError> {
    let number = text.strip_suffix(['%', '％']).unwrap_or(text).trim();
    let score: Decimal = parsed(field, number, "decimal")?;
    if score.is_sign_negative() || score > Decimal::ONE_HUNDRED {
        return Err(FieldError::new(field, Problem::Form("percentage from 0 to 100")));
    }
    // A spreadsheet shows 92.5 % and holds 0.925: taken as written, a good laboratory would have failed.
    if !score.is_zero() && score <= Decimal::ONE {
        return Err(FieldError::new(field, Problem::Form("percentage; write 92.5 where the sheet holds 0.925")));
    }
    Ok(score)
}

fn status(field: &str, text: &str, scored: bool) -> Result<pb::EqaStatus, FieldError> {
    let plain = text.to_lowercase().replace([' ', '-'], "_");
    match plain.as_str() {
        "" if scored => Ok(pb::EqaStatus::Scored),
        "" => Err(FieldError::new(field, Problem::Missing)),
        "scored" | "评分" | "已评分" | "合格" | "不合格" => Ok(pb::EqaStatus::Scored),
        "not_reported" | "未回报" | "未上报" => Ok(pb::EqaStatus::NotReported),
        "excused" | "免评" | "豁免" => Ok(pb::EqaStatus::Excused),
        "not_graded" | "不评价" | "未评价" => Ok(pb::EqaStatus::NotGraded),
        _ => Err(FieldError::new(field, Problem::Form("status: scored, not_reported, excused or not_graded"))),
    }
}

fn laboratory(field: &str, text: &str) -> Result<OrganisationCode, FieldError> {
    parsed(field, text, "organisation code")
}

fn within(field: &str, text: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, FieldError> {
    let number: u32 = parsed(field, text, "number")?;
    if range.contains(&number) { Ok(number) } else { Err(FieldError::new(field, Problem::Form("number in range"))) }
}

/// Writes a day as spreadsheets do in China, `2026/5/4` or `2026年5月4日`, the exchange's way.
fn plain_day(text: &str) -> String {
    let dashed = text.trim_end_matches('日').replace(['/', '年', '月', '.'], "-");
    let parts: Vec<&str> = dashed.split('-').collect();
    match parts.as_slice() {
        [year, month, day] => format!("{year}-{month:0>2}-{day:0>2}"),
        _ => dashed,
    }
}

/// A credential holds to the end of its last day.
fn end_of_day(field: &str, text: &str, offset_minutes: i16) -> Result<Moment, FieldError> {
    let start = day::start(field, &plain_day(text), offset_minutes)?;
    let end = Moment::new(start.unix_ms() + MS_PER_DAY - 1, offset_minutes);
    end.map_err(|_| FieldError::new(field, Problem::Form("day, YYYY-MM-DD")))
}

/// A column's name, its other names, and whether a table must have it.
type Column = (&'static str, &'static [&'static str], bool);

const ROUNDS: &[Column] = &[
    ("programme", &["计划", "计划编号", "质评计划", "program"], true),
    ("year", &["年度", "年份", "年"], true),
    ("round", &["轮次", "次数", "次"], true),
    ("laboratory", &["实验室", "实验室代码", "机构代码", "统一社会信用代码"], true),
    ("item", &["项目编码", "项目代码", "项目"], true),
    ("method", &["方法", "方法学", "方法组"], false),
    ("samples", &["样本", "样本结果"], false),
    ("score_percent", &["成绩", "得分", "合格率", "score"], false),
    ("status", &["状态", "评价"], false),
    ("sampled_on", &["检测日期", "测定日期"], true),
    ("published_on", &["发布日期", "公布日期"], true),
];

const CREDENTIALS: &[Column] = &[
    ("laboratory", &["实验室", "实验室代码", "机构代码", "统一社会信用代码"], true),
    ("subject", &["项目编码", "检查类型", "项目", "对象"], true),
    ("valid_from", &["有效期起", "生效日期"], true),
    ("valid_to", &["有效期止", "失效日期"], true),
    ("basis", &["依据", "评价依据"], true),
];

const MS_PER_DAY: i64 = 86_400_000;
