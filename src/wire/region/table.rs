//! A CSV file as rows of named cells. A header that is not exactly the expected one is refused.

use std::num::NonZeroU64;
use std::str::FromStr;

use csv::{ReaderBuilder, StringRecord};

use super::{RegionError, RegionFault, RegionFile};
use crate::wire::csv_lines::Lines;

/// Reads a file whose columns are `columns`, in that order.
pub(super) fn rows(file: RegionFile, columns: &'static [&'static str], bytes: &[u8]) -> Result<Vec<Row>, RegionError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let (mut reader, mut lines) = (ReaderBuilder::new().from_reader(bytes), Lines::new(bytes));
    let broken = |line: u64| RegionError { line: NonZeroU64::new(line), ..file.fault(RegionFault::Form) };
    let header = reader.headers().map_err(|_| broken(1))?;
    let wrong = |column: &str, reason| RegionError {
        line: NonZeroU64::new(1),
        column: column.to_owned(),
        ..file.fault(reason)
    };
    if let Some(unknown) = header.iter().find(|name| !columns.contains(name)) {
        return Err(wrong(unknown, RegionFault::ColumnUnknown));
    }
    for (place, column) in columns.iter().enumerate() {
        match header.iter().position(|name| name == *column) {
            Some(found) if found == place => {}
            Some(_) => return Err(wrong(column, RegionFault::Form)),
            None => return Err(wrong(column, RegionFault::ColumnMissing)),
        }
    }
    if header.len() != columns.len() {
        return Err(wrong(header.get(columns.len()).unwrap_or_default(), RegionFault::Twice));
    }
    let rows = reader.into_records().map(|record| {
        let mut record = record.map_err(|error| broken(error.position().map_or(0, |place| lines.line_of(place))))?;
        lines.place(&mut record);
        Ok(Row { file, columns, record })
    });
    rows.collect()
}

/// One row.
pub(super) struct Row {
    file: RegionFile,
    columns: &'static [&'static str],
    record: StringRecord,
}

impl Row {
    /// Gives a cell, trimmed; empty if it is.
    pub(super) fn text(&self, column: &str) -> &str {
        let place = self.columns.iter().position(|name| *name == column);
        place.and_then(|place| self.record.get(place)).unwrap_or_default().trim()
    }

    /// Gives a cell that must not be empty.
    pub(super) fn required(&self, column: &str) -> Result<&str, RegionError> {
        match self.text(column) {
            "" => Err(self.wrong(column, RegionFault::Empty)),
            text => Ok(text),
        }
    }

    /// Reads a cell that must not be empty.
    pub(super) fn parse<T: FromStr>(&self, column: &str) -> Result<T, RegionError> {
        self.required(column)?.parse().map_err(|_| self.wrong(column, RegionFault::Value))
    }

    /// Reads a cell that may be empty.
    pub(super) fn maybe<T: FromStr>(&self, column: &str) -> Result<Option<T>, RegionError> {
        if self.text(column).is_empty() { Ok(None) } else { self.parse(column).map(Some) }
    }

    /// Reads `yes` or `no`.
    pub(super) fn flag(&self, column: &str) -> Result<bool, RegionError> {
        self.choice(column, &[("yes", true), ("no", false)])
    }

    /// Reads one of some words.
    pub(super) fn choice<T: Copy>(&self, column: &str, words: &[(&str, T)]) -> Result<T, RegionError> {
        let text = self.required(column)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| self.wrong(column, RegionFault::Value))
    }

    /// Gives the parts of a cell, which `|` separates.
    pub(super) fn list(&self, column: &str) -> impl Iterator<Item = &str> {
        self.text(column).split('|').map(str::trim).filter(|part| !part.is_empty())
    }

    /// Reads every part of a cell.
    pub(super) fn parse_list<T: FromStr, C: FromIterator<T>>(&self, column: &str) -> Result<C, RegionError> {
        self.list(column).map(|part| part.parse().map_err(|_| self.wrong(column, RegionFault::Value))).collect()
    }

    /// Blames a cell.
    pub(super) fn wrong(&self, column: &str, reason: RegionFault) -> RegionError {
        RegionError {
            line: self.record.position().and_then(|place| NonZeroU64::new(place.line())),
            column: column.to_owned(),
            ..self.file.fault(reason)
        }
    }

    /// Refuses a row in which one of these cells is filled.
    pub(super) fn none_of(&self, columns: &[&str]) -> Result<(), RegionError> {
        match columns.iter().find(|column| !self.text(column).is_empty()) {
            Some(column) => Err(self.wrong(column, RegionFault::Misplaced)),
            None => Ok(()),
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
