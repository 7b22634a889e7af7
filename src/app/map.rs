//! `concord map`: helps whoever keeps a hospital's table of local codes. It suggests and never maps.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::app::node::tools::{self, NodeAddress, ToolError, show_suggestions};
use crate::app::process;
use crate::doors::grpc::node_tools::named_or_coded;
use crate::sys::files::{self, FileError};
use crate::wire::pb;
use crate::wire::region::{RegionError, RegionFile, RegionFiles, load_region};

/// Helps to map a hospital's own codes to the region's catalogue.
#[derive(Debug, Args)]
pub struct MapArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: MapCommand,
}

/// What `concord map` can do.
#[derive(Debug, Subcommand)]
pub enum MapCommand {
    /// Lists the codes that arrived at the node and map to nothing, the most frequent first, with suggestions.
    #[command(after_help = "Example:\n  concord map unmapped --config /etc/concord/node.toml --limit 20")]
    Unmapped {
        /// Which node.
        #[command(flatten)]
        node: NodeAddress,
        /// At most this many, 1 to 1,000.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Suggests items for a table of local names, without a node. Columns: local_code, local_name; system, unit, item
    /// may be left out. Rows with an item are passed over.
    #[command(after_help = "Example:\n  concord map suggest --table lis-codes.csv --catalogue deploy/region --json")]
    Suggest {
        /// The table, CSV in UTF-8.
        #[arg(long)]
        table: PathBuf,
        /// The folder with the region's files.
        #[arg(long, default_value = "deploy/region")]
        catalogue: PathBuf,
        /// Writes JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// Why `concord map` did not do it; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The node.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The region's files.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The table.
    #[error("{path}: {source}", path = path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// Line and column.
        source: csv::Error,
    },
    /// The answer could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`MapError`], whose text says what to do next.
pub fn run(args: &MapArgs, out: &mut dyn Write) -> Result<(), MapError> {
    match &args.command {
        MapCommand::Unmapped { node, limit } => Ok(process::runtime()?.block_on(tools::unmapped(node, *limit, out))?),
        MapCommand::Suggest { table, catalogue, json } => suggest(table, catalogue, *json, out),
    }
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(default)]
    system: String,
    local_code: String,
    local_name: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    item: String,
}

fn suggest(table: &Path, folder: &Path, as_json: bool, out: &mut dyn Write) -> Result<(), MapError> {
    let read = |file: RegionFile| Ok((file.name(), files::read(&folder.join(file.name()))?));
    let content = RegionFile::ALL.into_iter().map(read).collect::<Result<Vec<_>, FileError>>()?;
    let find = |name: &str| content.iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes.as_slice());
    let (catalogue, _) = load_region(&RegionFiles::pick(find)?)?;
    let bytes = files::read(table)?;
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    for row in csv::Reader::from_reader(text).deserialize() {
        let row: Row = row.map_err(|source| MapError::Table { path: table.to_owned(), source })?;
        if row.item.is_empty() {
            let named = named_or_coded(&row.local_name, &row.local_code, &row.unit, &catalogue);
            let code = pb::Code { system: row.system, code: row.local_code, display: row.local_name };
            show_suggestions(out, as_json, (&code, &row.unit), 0, &named)?;
        }
    }
    Ok(())
}

/// What spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/region");

    fn suggested(table: &[u8]) -> Result<String, MapError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, table).unwrap();
        let mut out = Vec::new();
        suggest(&path, Path::new(REGION), true, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_name_in_a_spreadsheets_table_finds_its_item_first() {
        let table = "\u{FEFF}local_code,local_name,unit\nK1,钾,mmol/L\nX9,,\n";
        let lines = suggested(table.as_bytes()).unwrap();
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        let best = &first["suggestions"][0];
        assert_eq!(
            (best["item"].as_str(), best["score"].as_u64(), best["unit_fits"].as_bool()),
            (Some("L01001"), Some(100), Some(true))
        );
        assert_eq!(lines.lines().count(), 2);
    }

    #[test]
    fn mapped_rows_are_passed_over_and_a_missing_column_is_named() {
        assert_eq!(suggested(b"local_code,local_name,item\nK1,K,L01001\n").unwrap(), "");
        assert!(suggested(b"code,name\nK1,K\n").unwrap_err().to_string().contains("local_code"));
    }
}
