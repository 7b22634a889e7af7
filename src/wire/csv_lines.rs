//! On which line of a CSV file a record begins, as an editor shows it. The `csv` crate counts the end of a CRLF line,
//! and blank lines, with the record behind them.

use csv::{Position, StringRecord};

/// Counts lines along the bytes that a reader reads.
pub struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
    line: u64,
}

impl<'b> Lines<'b> {
    /// Begins at the first byte that the reader reads.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, line: 1 }
    }

    /// Gives the line of what a reader has found at this position, from 1. Positions come in their order.
    pub fn line_of(&mut self, position: &Position) -> u64 {
        let found = usize::try_from(position.byte()).unwrap_or(usize::MAX);
        while let Some(byte) = self.bytes.get(self.at) {
            let ends = *byte == b'\n' || (*byte == b'\r' && self.bytes.get(self.at + 1) != Some(&b'\n'));
            if self.at >= found && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(ends);
            self.at += 1;
        }
        self.line
    }

    /// Corrects the position that a record carries.
    pub fn place(&mut self, record: &mut StringRecord) {
        if let Some(mut position) = record.position().cloned() {
            position.set_line(self.line_of(&position));
            record.set_position(Some(position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(table: &str) -> Vec<(String, u64)> {
        let mut lines = Lines::new(table.as_bytes());
        let records = csv::ReaderBuilder::new().from_reader(table.as_bytes()).into_records();
        let placed = records.map(|record| {
            let mut record = record.unwrap();
            lines.place(&mut record);
            (record[0].to_owned(), record.position().unwrap().line())
        });
        placed.collect()
    }

    #[test]
    fn a_record_is_on_the_line_that_an_editor_shows() {
        let expected = [("a", 2), ("b", 5), ("c\nc", 6), ("d", 8)].map(|(cell, line)| (cell.to_owned(), line));
        let table = "head,x\na,1\n\n\nb,2\n\"c\nc\",3\nd,4\n";
        assert_eq!(lines(table), expected);
        assert_eq!(lines(&table.replace('\n', "\r\n").replace("c\r\nc", "c\nc")), expected);
        assert_eq!(lines(&table.replace('\n', "\r").replace("c\rc", "c\nc")), expected);
    }
}
