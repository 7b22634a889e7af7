//! The yardstick of the trade: a PostgreSQL with the table and the index that a vendor of hospital systems would make,
//! the same rows and the same questions. Spoken to through its own programs, psql and pgbench.

use std::fmt::Write as _;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::bench::data::{Shape, Visit, mixed};
use crate::app::bench::publish::ROWS;
use crate::app::bench::report::progress;
use crate::app::bench::{BenchArgs, BenchError};
use crate::domain::entry::{Content, Entry};
use crate::domain::time::Moment;
use crate::domain::value::Value;

/// A database that may be used.
pub struct Postgres {
    connection: String,
}

impl Postgres {
    /// Names the database by a connection string of psql.
    pub fn new(connection: &str) -> Self {
        Self { connection: connection.to_owned() }
    }

    /// Makes the table anew with the rows of a shape, if it does not hold as many already.
    ///
    /// # Errors
    /// [`BenchError`] when psql or the database refuses.
    pub fn load(&self, shape: &Shape, args: &BenchArgs) -> Result<(), BenchError> {
        let bar = progress(args, "loading PostgreSQL, visits", shape.visits());
        let mut psql = self.psql()?;
        let mut input = psql.stdin.take().ok_or(BenchError::Client)?;
        let mut write = || {
            input.write_all(TABLE.as_bytes())?;
            input.write_all(COPY.as_bytes())?;
            for number in 0..shape.visits() {
                let visit = shape.visit(number);
                input.write_all(rows(shape.entries_of(&visit)).as_bytes())?;
                bar.set_position(number + 1);
            }
            input.write_all(b"\\.\n")?;
            input.write_all(INDEX.as_bytes())
        };
        let written = write();
        drop(input);
        bar.finish_and_clear();
        ended(psql, "psql")?;
        written.map_err(BenchError::io("load PostgreSQL"))
    }

    /// Writes down questions like those that the checks ask.
    ///
    /// # Errors
    /// [`BenchError`] when psql or the database refuses.
    pub fn ask_about(&self, shape: &Shape, lines: usize) -> Result<(), BenchError> {
        let mut text = String::from(QUESTIONS);
        for number in 0..QUESTIONS_KEPT {
            let dice = mixed(1, number);
            let visit: Visit = shape.visit(dice % shape.visits());
            let items: Vec<String> =
                shape.ordered(dice, lines).into_iter().flat_map(|(_, code)| shape.expanded(&code)).collect();
            let _ = writeln!(text, "{number}\t{}\t{{{}}}", shape.pseudonym(visit.patient), items.join(","));
        }
        text += "\\.\nanalyze question;\n";
        self.tell(&text)
    }

    /// Asks prepared questions for a while, and gives those answered in a second.
    ///
    /// # Errors
    /// [`BenchError`] when pgbench or the database refuses.
    pub fn questions_per_second(&self, clients: usize, seconds: f64) -> Result<f64, BenchError> {
        let script = std::env::temp_dir().join(format!("concord-bench-{}.sql", std::process::id()));
        let text = format!("\\set id random(0, {})\n{QUESTION}", QUESTIONS_KEPT - 1);
        std::fs::write(&script, text).map_err(BenchError::io("write the question"))?;
        let output = Command::new("pgbench")
            .args(["-n", "-M", "prepared", "-j", "2", "-c", &clients.to_string()])
            .args(["-T", &(seconds.ceil() as u64).max(1).to_string(), "-f"])
            .arg(&script)
            .arg(&self.connection)
            .output();
        let _ = std::fs::remove_file(&script);
        let output = output.map_err(BenchError::io("run pgbench"))?;
        let told = String::from_utf8_lossy(&output.stdout);
        let rate = told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.ok_or_else(|| BenchError::Unexpected {
            what: "pgbench",
            found: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Copies new rows in transactions of a thousand, over as many connections as there are hospitals, and gives the rows
    /// of a second. The rows are written before the clock runs.
    ///
    /// # Errors
    /// [`BenchError`] when psql or the database refuses.
    pub fn copies_per_second(
        &self,
        shape: &Shape,
        hospitals: usize,
        each: usize,
        first: u64,
    ) -> Result<f64, BenchError> {
        let text = |place: usize| {
            let lots = (0..each).map(|number| first + (COPY_LOTS + place * each + number) as u64);
            let thousand = |lot: u64| format!("{COPY}{}\\.\n", rows(shape.thousand(lot, shape.publisher(place))));
            lots.map(thousand).collect::<String>()
        };
        let texts: Vec<String> = (0..hospitals).map(text).collect();
        let began = Instant::now();
        let mut running = Vec::with_capacity(hospitals);
        for text in texts {
            let mut psql = self.psql()?;
            let mut input = psql.stdin.take().ok_or(BenchError::Client)?;
            let fed = std::thread::spawn(move || input.write_all(text.as_bytes()));
            running.push((psql, fed));
        }
        for (psql, fed) in running {
            fed.join().map_err(|_| BenchError::Client)?.map_err(BenchError::io("copy to PostgreSQL"))?;
            ended(psql, "psql")?;
        }
        Ok((hospitals * each) as f64 * ROWS as f64 / began.elapsed().as_secs_f64())
    }

    fn tell(&self, text: &str) -> Result<(), BenchError> {
        let mut psql = self.psql()?;
        let written = psql.stdin.take().map_or(Ok(()), |mut input| input.write_all(text.as_bytes()));
        ended(psql, "psql")?;
        written.map_err(BenchError::io("speak to psql"))
    }

    fn psql(&self) -> Result<Child, BenchError> {
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.connection]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().map_err(BenchError::io("run psql"))
    }
}

fn ended(mut child: Child, what: &'static str) -> Result<(), BenchError> {
    let status = child.wait().map_err(BenchError::io("wait for psql"))?;
    if status.success() { Ok(()) } else { Err(BenchError::Unexpected { what, found: status.to_string() }) }
}

/// Writes entries as rows of the table, in the text form of COPY.
fn rows(entries: Vec<Entry>) -> String {
    let mut text = String::with_capacity(entries.len() * 400);
    for entry in entries {
        let item = entry.items.first().map(ToString::to_string).unwrap_or_default();
        let at = |moment: Moment| {
            let instant = OffsetDateTime::from_unix_timestamp_nanos(i128::from(moment.unix_ms()) * 1_000_000);
            instant.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
        };
        let (what, value, unit, range, flag) = match &entry.content {
            Content::Laboratory(result) => {
                let specimen = result.specimen.map_or("", |specimen| specimen.code());
                let what = format!("{}\t{}\t{specimen}", result.local.code, result.local.name);
                let (value, unit) = match &result.value {
                    Value::Quantity(quantity) => (quantity.number.to_string(), quantity.unit.clone()),
                    Value::Text(text) => (text.clone(), String::new()),
                    Value::Coded { .. } | Value::InOriginal => (String::new(), String::new()),
                };
                let (range, flag) = (result.reference_range.clone(), result.flag.clone());
                (what, value, unit, range.unwrap_or_default(), flag.unwrap_or_default())
            }
            Content::Imaging(study) => {
                let coverage = study.coverage.first().map_or("", |coverage| coverage.body_part.as_str());
                (format!("{coverage}\t\t"), study.study_uid.clone(), String::new(), String::new(), String::new())
            }
        };
        let digest = entry.originals.first().map(|original| original.digest.to_string()).unwrap_or_default();
        let _ = writeln!(
            text,
            "{}\t{}\tF\t{}\t{}\t{}\t{}\t{item}\t{}\t{}\t{what}\t{value}\t{unit}\t{range}\t{flag}\t{digest}",
            entry.result,
            entry.version,
            entry.publisher,
            entry.laboratory,
            entry.patient,
            entry.report,
            at(entry.times.collected),
            at(entry.times.reported),
        );
    }
    text
}

const TABLE: &str = "drop table if exists result;
create table result (
  result_id uuid primary key, version int not null, status char(1) not null, publisher char(18) not null,
  laboratory char(18) not null, patient uuid not null, report_id uuid not null, item char(6) not null,
  collected_at timestamptz not null, reported_at timestamptz not null, local_code text, local_name text, specimen text,
  value text, unit text, reference_range text, flag text, original_digest char(64));
";
const INDEX: &str = "create index on result (patient, item, collected_at desc);\nanalyze result;\n";
const COPY: &str = "copy result from stdin;\n";
const QUESTIONS: &str = "drop table if exists question;
create table question (id int primary key, patient uuid not null, items char(6)[] not null);
copy question from stdin;
";
/// What a check has to know: the results of the ordered items in the longest window, newest first.
const QUESTION: &str = "select result.* from question join result on result.patient = question.patient \
and result.item = any(question.items) and result.collected_at >= now() - interval '90 days' \
where question.id = :id order by result.collected_at desc;\n";
const QUESTIONS_KEPT: u64 = 20_000;
/// Thousands of rows that no batch of the exchange has.
const COPY_LOTS: usize = 1 << 20;
