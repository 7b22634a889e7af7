//! The region's organisations, `organisations.csv`: code, role, names, division, level.

use std::collections::BTreeMap;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::organisation::{Organisation, OrganisationCode};
use crate::wire::csv_lines::Lines;

/// A line of the table cannot be taken; correct it, nothing of the file is applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("organisations.csv, line {line}, {column}: {reason}")]
pub struct OrganisationsError {
    /// Line of the file, from 1.
    pub line: u64,
    /// Column at fault.
    pub column: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl Faulty for OrganisationsError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

/// Reads the table.
///
/// # Errors
/// [`OrganisationsError`] naming line and column; keep the table that is in force.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<OrganisationCode, Organisation>, OrganisationsError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let error = |line, column, reason: &str| OrganisationsError { line, column, reason: reason.to_owned() };
    let headers = reader.headers().map_err(|_| error(1, "header", "the file is not UTF-8 text"))?;
    if headers != COLUMNS.as_slice() {
        return Err(error(1, "header", &format!("the columns must be {}", COLUMNS.join(","))));
    }
    let (mut organisations, mut lines) = (BTreeMap::new(), Lines::new(bytes));
    for record in reader.records() {
        let position = record.as_ref().map_or_else(csv::Error::position, csv::StringRecord::position);
        let line = position.map_or(0, |position| lines.line_of(position));
        let record = record.map_err(|_| error(line, "line", "the line is not UTF-8 text"))?;
        let organisation = organisation(&record, line)?;
        if organisations.insert(organisation.code, organisation).is_some() {
            return Err(error(line, "code", "the organisation is listed twice"));
        }
    }
    Ok(organisations)
}

fn organisation(record: &csv::StringRecord, line: u64) -> Result<Organisation, OrganisationsError> {
    let cell = |place: usize| record.get(place).unwrap_or_default();
    let error = |place: usize, reason: String| OrganisationsError {
        line,
        column: COLUMNS.get(place).copied().unwrap_or("line"),
        reason,
    };
    if record.len() != COLUMNS.len() {
        return Err(error(COLUMNS.len(), format!("{} columns instead of {}", record.len(), COLUMNS.len())));
    }
    if cell(2).is_empty() {
        return Err(error(2, "a Chinese name is needed".into()));
    }
    Ok(Organisation {
        code: cell(0)
            .parse()
            .map_err(|failure: crate::domain::organisation::OrganisationError| error(0, failure.to_string()))?,
        role: cell(1)
            .parse()
            .map_err(|failure: crate::domain::organisation::OrganisationError| error(1, failure.to_string()))?,
        name_zh: cell(2).to_owned(),
        name_en: cell(3).to_owned(),
        region: cell(4).parse().map_err(|failure: crate::domain::adcode::AdcodeError| error(4, failure.to_string()))?,
        level: cell(5).to_owned(),
    })
}

const COLUMNS: [&str; 6] = ["code", "role", "name_zh", "name_en", "region", "level"];

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "code,role,name_zh,name_en,region,level\n";

    #[test]
    fn a_table_is_read() {
        let table = format!("{HEAD}91350100M000100Y43,hospital,某某医院,A hospital,350100,3A\n");
        let organisations = read(table.as_bytes()).unwrap();
        let organisation = &organisations[&"91350100M000100Y43".parse().unwrap()];
        assert_eq!((organisation.name_zh.as_str(), organisation.level.as_str()), ("某某医院", "3A"));
    }

    #[test]
    fn a_wrong_line_is_named_with_its_column() {
        for (line, column) in [
            ("91350100M000100Y44,hospital,甲,A,350100,3A", "code"),
            ("91350100M000100Y43,Hospital,甲,A,350100,3A", "role"),
            ("91350100M000100Y43,hospital,,A,350100,3A", "name_zh"),
            ("91350100M000100Y43,hospital,甲,A,35010,3A", "region"),
            ("91350100M000100Y43,hospital,甲,A,350100", "line"),
        ] {
            let table = format!("{HEAD}{line}\n");
            for table in [table.clone(), table.replace('\n', "\r\n")] {
                let error = read(table.as_bytes()).unwrap_err();
                assert_eq!((error.line, error.column), (2, column));
            }
        }
    }
}
