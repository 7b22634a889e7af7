//! CSV and XLSX as rows of named cells. What the cells mean is read above.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{DataRef, Reader, Xlsx};

use super::{Column, TableError};
use crate::wire::csv_lines::Lines as Counted;
use crate::wire::field::Problem;

/// One row below the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Line of the file, or row of the sheet, from 1.
    pub(super) line: u64,
    cells: BTreeMap<&'static str, String>,
}

impl Row {
    /// Gives a cell, trimmed; empty where there is none.
    pub(super) fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

/// Lines with their cells, as they stand in the file.
type Lines = Vec<(u64, Vec<String>)>;

/// Reads the rows under the header, those without any text left out. Columns that nobody asks for are passed over.
pub(super) fn rows(bytes: &[u8], columns: &'static [Column]) -> Result<Vec<Row>, TableError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(TableError::TooLarge { what: "bytes", most: FILE_BYTES_MAX });
    }
    let lines = if bytes.starts_with(ZIP_MAGIC) { workbook(bytes)? } else { text(bytes)? };
    let mut lines = lines.into_iter().filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    let (_, header) = lines.next().ok_or(TableError::Empty)?;
    let places = places(&header, columns)?;
    let rows = lines.map(|(line, cells)| {
        let cells = places.iter().filter_map(|(name, place)| Some((*name, cells.get(*place)?.clone()))).collect();
        Row { line, cells }
    });
    Ok(rows.collect())
}

/// Finds the place of each column.
fn places(header: &[String], columns: &'static [Column]) -> Result<BTreeMap<&'static str, usize>, TableError> {
    let mut places = BTreeMap::new();
    for (column, others, needed) in columns {
        let found = header.iter().enumerate().filter(|(_, cell)| {
            let plain = cell.to_lowercase().replace([' ', '-'], "_");
            plain == *column || others.contains(&plain.as_str())
        });
        let found: Vec<usize> = found.map(|(place, _)| place).collect();
        match (found.as_slice(), needed) {
            ([place], _) => drop(places.insert(*column, *place)),
            ([], false) => {}
            ([], true) => return Err(TableError::Header { column, problem: Problem::Missing }),
            _ => return Err(TableError::Header { column, problem: Problem::Twice }),
        }
    }
    Ok(places)
}

fn text(bytes: &[u8]) -> Result<Lines, TableError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // What a Chinese Excel writes when it is asked for CSV.
        Err(_) => {
            encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes).ok_or(TableError::Form)?
        }
    };
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains('\t') && !first.contains(',') { b'\t' } else { b',' };
    let mut builder = csv::ReaderBuilder::new();
    let builder = builder.has_headers(false).flexible(true).trim(csv::Trim::All).delimiter(delimiter);
    let (mut lines, mut counted) = (Vec::new(), Counted::new(text.as_bytes()));
    for record in builder.from_reader(text.as_bytes()).records() {
        let record = record.map_err(|_| TableError::Form)?;
        if record.len() > COLUMNS_MAX {
            return Err(TableError::TooLarge { what: "columns", most: COLUMNS_MAX });
        }
        if lines.len() > ROWS_MAX {
            return Err(TableError::TooLarge { what: "rows", most: ROWS_MAX });
        }
        let line = record.position().map_or(0, |position| counted.line_of(position));
        lines.push((line, record.iter().map(str::to_owned).collect()));
    }
    Ok(lines)
}

/// Reads the first sheet of a workbook, cell by cell, so that a sheet that claims to be huge costs nothing.
fn workbook(bytes: &[u8]) -> Result<Lines, TableError> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| TableError::Form)?;
    let sheet = workbook.sheet_names().first().cloned().ok_or(TableError::Empty)?;
    let mut reader = workbook.worksheet_cells_reader(&sheet).map_err(|_| TableError::Form)?;
    let mut lines: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    while let Some(cell) = reader.next_cell().map_err(|_| TableError::Form)? {
        let (row, column) = cell.get_position();
        let written = written(cell.get_value());
        if written.is_empty() {
            continue;
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column >= COLUMNS_MAX {
            return Err(TableError::TooLarge { what: "columns", most: COLUMNS_MAX });
        }
        let cells = lines.entry(row).or_default();
        if cells.len() <= column {
            cells.resize(column + 1, String::new());
        }
        if let Some(place) = cells.get_mut(column) {
            *place = written;
        }
        if lines.len() > ROWS_MAX + 1 {
            return Err(TableError::TooLarge { what: "rows", most: ROWS_MAX });
        }
    }
    Ok(lines.into_iter().map(|(row, cells)| (u64::from(row) + 1, cells)).collect())
}

/// Writes a cell as a person would have typed it; one that holds an error is empty, and is then missing.
fn written(value: &DataRef<'_>) -> String {
    match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) => text.trim().to_owned(),
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::DateTime(at) if at.is_datetime() => {
            let (year, month, day, ..) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        DataRef::Bool(_) | DataRef::DateTime(_) | DataRef::DurationIso(_) => UNREADABLE.to_owned(),
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const FILE_BYTES_MAX: usize = 16 << 20;
const ROWS_MAX: usize = 50_000;
const COLUMNS_MAX: usize = 256;
/// Stands for a value that no column takes.
const UNREADABLE: &str = "?";
