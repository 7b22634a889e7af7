//! `concord ca`: a region's authority on one machine. What certificates say is decided in `pki`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::ca_folder::{Folder, fresh_serial};
use crate::domain::adcode::Adcode;
use crate::domain::organisation::{CertificateSerial, OrganisationCode, Role};
use crate::domain::time::Moment;
use crate::pki::authority::{Authority, AuthorityError, Issued, Request, TlsEnd, Validity};
use crate::pki::identity::{self, Identity, IdentityError, Purpose};
use crate::pki::register::{Entry, Reason, Register, RegisterError, Revocation, Selection};
use crate::ports::clock::Clock;
use crate::sys::files::{self, FileError};
use crate::sys::random;

/// Runs a region's certificate authority: certificates per organisation and role, and their revocation.
#[derive(Debug, Args)]
#[command(
    after_help = "A hub honours a new crl.pem within seconds of its being copied into place; nothing is restarted."
)]
pub struct CaArgs {
    /// Writes JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: CaCommand,
}

/// What `concord ca` can do.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Makes a region's authority: ca.pem, ca.key (keep it secret, back it up), index.json, crl.pem.
    #[command(after_help = "Example:\n  concord ca init --dir certs/ca --region 520000")]
    Init {
        /// Where the authority lives.
        #[command(flatten)]
        folder: FolderArgument,
        /// The region's division code, six digits (GB/T 2260).
        #[arg(long)]
        region: Adcode,
        /// Days the authority's own certificate holds.
        #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=10_950))]
        days: u32,
    },
    /// Issues certificates to an organisation: tls.pem with tls.key, and signing.pem with signing.key.
    #[command(after_help = "Examples:\n  \
        concord ca issue --org 91350100M000100Y43 --role hospital --name 'First Hospital' --out certs/first\n  \
        concord ca issue --org 12100000400000624D --role operator --name hub --dns hub.example.cn --out certs/hub\n  \
        concord ca issue --org 91350100M000100Y43 --role hospital --name 'Order entry' --kind client --out certs/emr")]
    Issue(IssueArguments),
    /// Revokes certificates and publishes a new revocation list.
    #[command(after_help = "Examples:\n  \
        concord ca revoke --file certs/first/tls.pem --reason key-compromise\n  \
        concord ca revoke --org 91350100M000100Y43 --reason cessation-of-operation")]
    Revoke(RevokeArguments),
    /// Lists what was issued.
    #[command(after_help = "Example:\n  concord ca list --json")]
    List {
        /// Where the authority lives.
        #[command(flatten)]
        folder: FolderArgument,
    },
    /// Publishes the revocation list anew, before it runs out; run it weekly.
    #[command(after_help = "Example:\n  concord ca crl --days 30")]
    Crl {
        /// Where the authority lives.
        #[command(flatten)]
        folder: FolderArgument,
        /// Days the list holds; when it has run out, every connection is refused.
        #[arg(long, default_value_t = LIST_DAYS, value_parser = clap::value_parser!(u32).range(1..=365))]
        days: u32,
    },
}

/// Where the authority lives.
#[derive(Debug, Args)]
pub struct FolderArgument {
    /// The authority's folder.
    #[arg(long = "dir", default_value = "certs/ca", env = "CONCORD_CA_DIR")]
    pub path: PathBuf,
}

/// Whom to issue what.
#[derive(Debug, Args)]
pub struct IssueArguments {
    /// Where the authority lives.
    #[command(flatten)]
    pub folder: FolderArgument,
    /// The organisation's unified social credit code, 18 characters.
    #[arg(long)]
    pub org: OrganisationCode,
    /// The part it plays: hospital, qc-centre, regulator, patient-gateway or operator.
    #[arg(long)]
    pub role: Role,
    /// A label for logs and people.
    #[arg(long)]
    pub name: String,
    /// What to issue; by default a TLS certificate for both ends and a signing certificate.
    #[arg(long, value_enum, default_value_t = Kind::All)]
    pub kind: Kind,
    /// A DNS name or address the server answers at; may be repeated.
    #[arg(long = "dns", default_values = ["localhost", "127.0.0.1"])]
    pub hosts: Vec<String>,
    /// Days the certificates hold.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,
    /// The folder to write to; files of the same names are replaced.
    #[arg(long)]
    pub out: PathBuf,
}

/// Which certificates to revoke, and why.
#[derive(Debug, Args)]
pub struct RevokeArguments {
    /// Where the authority lives.
    #[command(flatten)]
    pub folder: FolderArgument,
    /// Which certificates.
    #[command(flatten)]
    pub which: Which,
    /// Why: unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation or privilege-withdrawn.
    #[arg(long, default_value = "unspecified")]
    pub reason: Reason,
    /// From when on the key is not to be believed (RFC 3339, not in the future); by default, now.
    #[arg(long)]
    pub at: Option<String>,
}

/// Names the certificates to revoke in one of three ways.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The certificate of this serial number.
    #[arg(long)]
    pub serial: Option<CertificateSerial>,
    /// The certificate in this file.
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Every certificate of this organisation.
    #[arg(long)]
    pub org: Option<OrganisationCode>,
}

/// What `concord ca issue` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// TLS for both ends, and signing.
    All,
    /// TLS for the end that calls.
    Client,
    /// TLS for the end that listens.
    Server,
    /// TLS for both ends.
    Both,
    /// Signing only.
    Signing,
}

/// Why `concord ca` did not do it; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// There is no authority in the folder.
    #[error("there is no authority in {path}; make one with: concord ca init --dir {path} --region <adcode>", path = .0.display())]
    Absent(PathBuf),
    /// There is one already.
    #[error("there is an authority in {path} already; give another --dir, nothing was changed", path = .0.display())]
    Exists(PathBuf),
    /// A folder cannot be made or locked.
    #[error("open {path}: {source}", path = path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The time of revocation cannot be.
    #[error("--at is a time such as 2026-03-01T08:00:00+08:00 that is not in the future")]
    Time,
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The authority refused.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The register refused.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The certificate to revoke cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// The answer could not be written out.
    #[error("write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`CaError`], whose text says what to do next.
pub fn run(args: &CaArgs, clock: &dyn Clock, out: &mut dyn Write) -> Result<(), CaError> {
    let now = clock.now();
    match &args.command {
        CaCommand::Init { folder, region, days } => init(&folder.path, *region, *days, now, args.json, out),
        CaCommand::Issue(arguments) => issue(arguments, now, args.json, out),
        CaCommand::Revoke(arguments) => revoke(arguments, now, args.json, out),
        CaCommand::List { folder } => list(&Folder::open(&folder.path)?.register, now, args.json, out),
        CaCommand::Crl { folder, days } => {
            let path = Folder::open(&folder.path)?.publish_list(now, *days)?;
            answer(args.json, out, &json!({ "crl": path }), &format!("wrote {}, good for {days} days", path.display()))
        }
    }
}

fn init(path: &Path, region: Adcode, days: u32, now: Moment, json: bool, out: &mut dyn Write) -> Result<(), CaError> {
    let authority = Authority::create(region, &fresh_serial(), validity(now, days))?;
    Folder::create(path, authority, Register::new(region))?.publish_list(now, LIST_DAYS)?;
    let text = format!("made the authority of region {region} in {}; back up ca.key and index.json", path.display());
    answer(json, out, &json!({ "dir": path, "region": region.to_string() }), &text)
}

fn issue(arguments: &IssueArguments, now: Moment, json: bool, out: &mut dyn Write) -> Result<(), CaError> {
    let mut folder = Folder::open(&arguments.folder.path)?;
    let end = match arguments.kind {
        Kind::All | Kind::Both => Some(TlsEnd::Both),
        Kind::Client => Some(TlsEnd::Client),
        Kind::Server => Some(TlsEnd::Server),
        Kind::Signing => None,
    };
    let mut made = Vec::new();
    if let Some(end) = end {
        let request = request(arguments, Purpose::Tls, folder.register.region, now);
        // A name on a certificate that cannot stand at a server's end would say nothing.
        let hosts = if end == TlsEnd::Client { &[] } else { arguments.hosts.as_slice() };
        made.push(("tls", folder.authority.issue_tls(&request, end, hosts)?, request));
    }
    if matches!(arguments.kind, Kind::All | Kind::Signing) {
        let request = request(arguments, Purpose::Signing, folder.register.region, now);
        let seed = Zeroizing::new(random::bytes());
        made.push(("signing", folder.authority.issue_signing(&request, &seed)?, request));
    }
    folder.register.entries.extend(made.iter().map(|(_, _, request)| Entry {
        serial: request.serial.clone(),
        identity: request.identity,
        name: request.name.clone(),
        validity: request.validity,
        revoked: None,
    }));
    folder.save()?;
    let target = &arguments.out;
    std::fs::create_dir_all(target).map_err(|source| CaError::Folder { path: target.clone(), source })?;
    for (stem, issued, request) in &made {
        let path = write_pair(target, stem, issued)?;
        let record = json!({ "certificate": path, "serial": request.serial.to_string() });
        answer(json, out, &record, &format!("wrote {}, serial {}", path.display(), request.serial))?;
    }
    Ok(())
}

fn revoke(arguments: &RevokeArguments, now: Moment, json: bool, out: &mut dyn Write) -> Result<(), CaError> {
    let mut folder = Folder::open(&arguments.folder.path)?;
    let at = arguments.at.as_deref().map_or(Ok(now), past_moment(now))?;
    let selection = match &arguments.which {
        Which { serial: Some(serial), .. } => Selection::Serial(serial.clone()),
        Which { org: Some(code), .. } => Selection::Organisation(*code),
        Which { file, .. } => Selection::Serial(serial_in(file.as_deref().unwrap_or(Path::new("")))?),
    };
    let marked = folder.register.revoke(&selection, Revocation { at, reason: arguments.reason })?;
    let list = folder.publish_list(now, LIST_DAYS)?;
    let serials: Vec<String> = marked.iter().map(ToString::to_string).collect();
    let text = match serials.as_slice() {
        [] => format!("revoked before; wrote {} anew", list.display()),
        _ => format!("revoked {}; copy {} to every hub and node", serials.join(", "), list.display()),
    };
    answer(json, out, &json!({ "revoked": serials, "crl": list }), &text)
}

fn list(register: &Register, now: Moment, json: bool, out: &mut dyn Write) -> Result<(), CaError> {
    for entry in &register.entries {
        let state = match entry.revoked {
            Some(_) => "revoked",
            None if now.unix_ms() > entry.validity.not_after.unix_ms() => "expired",
            None => "valid",
        };
        let until = written(entry.validity.not_after);
        let record = json!({
            "serial": entry.serial.to_string(), "state": state, "identity": entry.identity.to_string(),
            "name": entry.name, "not_before": written(entry.validity.not_before), "not_after": until,
            "revoked_at": entry.revoked.map(|revocation| written(revocation.at)),
            "reason": entry.revoked.map(|revocation| revocation.reason),
        });
        let text = format!("{} {state:<7} {until} {} {}", entry.serial, entry.identity, entry.name);
        answer(json, out, &record, &text)?;
    }
    Ok(())
}

fn request(arguments: &IssueArguments, purpose: Purpose, region: Adcode, now: Moment) -> Request {
    Request {
        identity: Identity { region, role: arguments.role, organisation: arguments.org, purpose },
        name: arguments.name.clone(),
        serial: fresh_serial(),
        validity: validity(now, arguments.days),
    }
}

/// Begins an hour early, for machines whose clocks are behind.
fn validity(now: Moment, days: u32) -> Validity {
    Validity { not_before: now.plus_hours(-1), not_after: now.plus_hours(i64::from(days) * 24) }
}

/// Writes the key first: a certificate without its key would be taken for a finished pair.
fn write_pair(folder: &Path, stem: &str, issued: &Issued) -> Result<PathBuf, CaError> {
    files::write_secret(&folder.join(format!("{stem}.key")), issued.key_pem.as_bytes())?;
    let path = folder.join(format!("{stem}.pem"));
    files::write(&path, issued.certificate_pem.as_bytes())?;
    Ok(path)
}

fn serial_in(path: &Path) -> Result<CertificateSerial, CaError> {
    let failed = |source| CaError::Certificate { path: path.to_owned(), source };
    let bytes = files::read(path)?;
    identity::serial_in_pem(&bytes).map_err(failed)
}

fn past_moment(now: Moment) -> impl Fn(&str) -> Result<Moment, CaError> {
    move |text| {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| CaError::Time)?;
        let moment = Moment::new(at.unix_timestamp().saturating_mul(1_000), 0).map_err(|_| CaError::Time)?;
        if moment.unix_ms() > now.unix_ms() { Err(CaError::Time) } else { Ok(moment) }
    }
}

fn written(at: Moment) -> String {
    let seconds = at.unix_ms().div_euclid(1_000);
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Writes one line, of JSON or of text.
fn answer(json: bool, out: &mut dyn Write, record: &serde_json::Value, text: &str) -> Result<(), CaError> {
    if json {
        writeln!(out, "{record}")?
    } else {
        writeln!(out, "{text}")?
    }
    Ok(())
}

const LIST_DAYS: u32 = 30;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::pki::signing::{SigningDomain, SigningError, SigningKey, VerifyingKeyRecord};
    use crate::pki::trust::Trust;
    use crate::sys::clock::ManualClock;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CaArgs,
    }

    const ORG: &str = "91350100M000100Y43";
    const DOMAIN: SigningDomain = SigningDomain("CONCORD-TEST-V1");

    /// A folder with an authority, and a clock that stands at 2026-01-01.
    struct Desk {
        folder: tempfile::TempDir,
        clock: ManualClock,
    }

    impl Desk {
        fn new() -> Self {
            let clock = ManualClock::new(Moment::new(1_767_225_600_000, 480).unwrap());
            let desk = Self { folder: tempfile::tempdir().unwrap(), clock };
            desk.say("init --region 520000").unwrap();
            desk
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn say(&self, line: &str) -> Result<String, CaError> {
            let path = self.folder.path().display();
            let words = format!("ca {line} --dir {path}").replace('@', &path.to_string());
            let args = Line::try_parse_from(words.split(' ')).unwrap_or_else(|error| panic!("{error}")).args;
            let mut out = Vec::new();
            run(&args, &self.clock, &mut out).map(|()| String::from_utf8(out).unwrap())
        }

        fn issue(&self) {
            self.say(&format!("issue --org {ORG} --role hospital --name First --out @/first")).unwrap();
        }

        fn trust(&self) -> Trust {
            let read = |name| std::fs::read(self.path(name)).unwrap();
            Trust::parse(&read("ca.pem"), &read("crl.pem")).unwrap()
        }

        fn signing_record(&self) -> VerifyingKeyRecord {
            let pem = std::fs::read(self.path("first/signing.pem")).unwrap();
            VerifyingKeyRecord::from_pem(&pem, &self.trust()).unwrap()
        }
    }

    #[test]
    fn what_is_issued_is_listed_until_it_is_revoked() {
        let desk = Desk::new();
        desk.issue();
        let listed = desk.say("list").unwrap();
        assert_eq!(listed.matches(" valid ").count(), 2, "{listed}");
        assert!(listed.contains(&format!("spiffe://520000.concord/hospital/{ORG}/signing")), "{listed}");
        let said = desk.say("revoke --file @/first/tls.pem --reason key-compromise").unwrap();
        assert!(said.contains("copy"), "{said}");
        let listed = desk.say("list --json").unwrap();
        let first: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
        assert_eq!((&first["state"], &first["reason"]), (&json!("revoked"), &json!("key-compromise")));
        let serial = identity::serial_in_pem(&std::fs::read(desk.path("first/tls.pem")).unwrap()).unwrap();
        assert!(desk.trust().revoked_since(&serial).is_some());
        assert_eq!(desk.say(&format!("revoke --org {ORG}")).unwrap().matches(", ").count(), 0, "one was left");
    }

    #[test]
    fn a_signing_key_signs_and_what_it_signed_in_time_stays_good() {
        let desk = Desk::new();
        desk.issue();
        let read = |name| std::fs::read(desk.path(name)).unwrap();
        let key = SigningKey::load(&read("first/signing.key"), &read("first/signing.pem"), &desk.trust()).unwrap();
        let signed_at = desk.clock.now();
        let signature = key.sign(DOMAIN, b"batch");
        let record = key.record().clone();
        assert_eq!(record.verify(DOMAIN, b"batch", &signature, signed_at), Ok(()));
        assert_eq!(record.verify(DOMAIN, b"other", &signature, signed_at), Err(SigningError::Signature));
        let other = SigningDomain("CONCORD-TEST-V2");
        assert_eq!(record.verify(other, b"batch", &signature, signed_at), Err(SigningError::Signature));
        let year_after = signed_at.plus_hours(366 * 24);
        assert_eq!(record.verify(DOMAIN, b"batch", &signature, year_after), Err(SigningError::Period));

        desk.clock.advance(60_000);
        desk.say(&format!("revoke --org {ORG} --reason key-compromise")).unwrap();
        let record = desk.signing_record();
        assert_eq!(record.verify(DOMAIN, b"batch", &signature, signed_at), Ok(()));
        assert_eq!(record.verify(DOMAIN, b"batch", &signature, desk.clock.now()), Err(SigningError::Revoked));
    }

    #[test]
    fn a_compromise_found_late_reaches_back() {
        let desk = Desk::new();
        desk.issue();
        desk.clock.advance(3_600_000);
        assert!(matches!(desk.say("revoke --serial 01 --at 2027-01-01T00:00:00Z"), Err(CaError::Time)));
        desk.say(&format!("revoke --org {ORG} --at 2026-01-01T00:30:00Z")).unwrap();
        let since = desk.signing_record().revoked_since.unwrap();
        assert_eq!(desk.clock.now().ms_since(since), 1_800_000);
    }

    #[test]
    fn certificates_of_another_use_or_authority_sign_nothing() {
        let (desk, stranger) = (Desk::new(), Desk::new());
        desk.issue();
        stranger.issue();
        let tls = std::fs::read(desk.path("first/tls.pem")).unwrap();
        assert_eq!(VerifyingKeyRecord::from_pem(&tls, &desk.trust()), Err(SigningError::Usage));
        let foreign = std::fs::read(stranger.path("first/signing.pem")).unwrap();
        assert_eq!(VerifyingKeyRecord::from_pem(&foreign, &desk.trust()), Err(SigningError::Issuer));
        let key = std::fs::read(stranger.path("first/signing.key")).unwrap();
        let own = std::fs::read(desk.path("first/signing.pem")).unwrap();
        assert_eq!(SigningKey::load(&key, &own, &desk.trust()).err(), Some(SigningError::WrongKey));
    }

    #[test]
    fn mistakes_are_answered_with_the_way_out() {
        let desk = Desk::new();
        assert!(matches!(desk.say("init --region 520000"), Err(CaError::Exists(_))));
        let unknown = desk.say("revoke --serial 01").unwrap_err().to_string();
        assert!(unknown.contains("concord ca list"), "{unknown}");
        std::fs::remove_file(desk.path("ca.pem")).unwrap();
        let absent = desk.say("list").unwrap_err().to_string();
        assert!(absent.contains("concord ca init"), "{absent}");
    }

    #[test]
    fn a_revocation_list_of_another_authority_is_not_believed() {
        let (desk, stranger) = (Desk::new(), Desk::new());
        let authority = std::fs::read(desk.path("ca.pem")).unwrap();
        let list = std::fs::read(stranger.path("crl.pem")).unwrap();
        let error = Trust::parse(&authority, &list).unwrap_err();
        assert_eq!(error, crate::pki::trust::TrustError::ListSignature);
    }
}
