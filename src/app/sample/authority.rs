//! The region's certificates: those of every process and organisation, and three that must be refused.

use std::io;

use crate::app::ca::{self, CaArgs, CaCommand, FolderArgument, IssueArguments, Kind, RevokeArguments, Which};
use crate::app::sample::SampleError;
use crate::app::sample::cast::{
    CITY_CENTRE, FORMER_HOSPITAL, GATEWAY, HOSPITALS, Hospital, NATIONAL_CENTRE, OPERATOR, Office, PROVINCIAL_CENTRE,
    REGION, REGULATOR,
};
use crate::app::sample::layout::Layout;
use crate::pki::register::Reason;
use crate::ports::clock::Clock;
use crate::sys::clock::ManualClock;

/// A client that a foreign program can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Folder of its certificate, among the clients.
    pub folder: &'static str,
    /// Code of its organisation.
    pub org: &'static str,
    /// Role, as certificates spell it.
    pub role: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

/// Folders of the hospitals' order entry clients, in the order of the cast.
pub const ORDER_ENTRY: [&str; 3] = ["emr-guiyang", "emr-zunyi", "emr-honghua"];
const REVOKED: &str = "revoked";
const EXPIRED: &str = "expired";
const FOREIGN: &str = "foreign";

/// Lists every client, those that are let in first.
pub fn clients() -> Vec<Client> {
    let emr = HOSPITALS.iter().zip(ORDER_ENTRY);
    let emr = emr.map(|(hospital, folder)| client(folder, hospital.code, "hospital", "order entry of the hospital"));
    let office = |office: &Office, purpose| client(office.folder, office.code, office.role, purpose);
    let offices = [
        office(&NATIONAL_CENTRE, "QC centre, national"),
        office(&PROVINCIAL_CENTRE, "QC centre of the province"),
        office(&CITY_CENTRE, "QC centre of Zunyi"),
        office(&REGULATOR, "figures"),
        office(&GATEWAY, "patients' entrance"),
        client("operator", OPERATOR.code, OPERATOR.role, "operator"),
    ];
    let refused = [(REVOKED, "revoked"), (EXPIRED, "expired"), (FOREIGN, "of an authority that nobody believes")];
    let refused = refused.map(|(folder, purpose)| client(folder, FORMER_HOSPITAL.code, FORMER_HOSPITAL.role, purpose));
    emr.chain(offices).chain(refused).collect()
}

/// Makes the authority and issues everything.
///
/// # Errors
/// [`SampleError`]; give another folder.
pub fn make(layout: &Layout, clock: &dyn Clock) -> Result<(), SampleError> {
    let desk = Desk { folder: layout.authority(), clock };
    desk.say(CaCommand::Init { folder: desk.folder(), region: region(), days: 3_650 })?;
    desk.issue(Issue { kind: Kind::Both, ..Issue::office(&OPERATOR) }, layout.hub().join("tls"))?;
    for (hospital, emr) in HOSPITALS.iter().zip(ORDER_ENTRY) {
        desk.issue(Issue::hospital(hospital, Kind::All), layout.node(hospital).join("tls"))?;
        desk.issue(Issue::hospital(hospital, Kind::Client), layout.client(emr))?;
    }
    for centre in [NATIONAL_CENTRE, PROVINCIAL_CENTRE, CITY_CENTRE] {
        desk.issue(Issue::office(&centre), layout.client(centre.folder))?;
    }
    let regulator = Issue { kind: Kind::Client, ..Issue::office(&REGULATOR) };
    desk.issue(regulator, layout.client(REGULATOR.folder))?;
    desk.issue(Issue { kind: Kind::Client, ..Issue::office(&OPERATOR) }, layout.client("operator"))?;
    desk.issue(Issue { kind: Kind::Client, ..Issue::office(&GATEWAY) }, layout.client(GATEWAY.folder))?;
    desk.issue(Issue { kind: Kind::Server, ..Issue::office(&GATEWAY) }, layout.issuer().join("tls"))?;
    make_refused(layout, &desk)
}

/// Publishes the revocation list anew, so that an old demo can be started again.
///
/// # Errors
/// [`SampleError`] when the authority's folder is damaged.
pub fn renew(layout: &Layout, clock: &dyn Clock) -> Result<(), SampleError> {
    let desk = Desk { folder: layout.authority(), clock };
    desk.say(CaCommand::Crl { folder: desk.folder(), days: 30 })
}

/// Makes the certificates of somebody who must not be let in.
fn make_refused(layout: &Layout, desk: &Desk<'_>) -> Result<(), SampleError> {
    let former = || Issue { kind: Kind::Client, ..Issue::office(&FORMER_HOSPITAL) };
    desk.issue(former(), layout.client(REVOKED))?;
    let which = Which { serial: None, file: Some(layout.client(REVOKED).join("tls.pem")), org: None };
    let reason = Reason::CessationOfOperation;
    desk.say(CaCommand::Revoke(RevokeArguments { folder: desk.folder(), which, reason, at: None }))?;

    let last_year = ManualClock::new(desk.clock.now().plus_hours(-400 * 24));
    let then = Desk { folder: layout.authority(), clock: &last_year };
    then.issue(Issue { days: 30, ..former() }, layout.client(EXPIRED))?;

    let foreign = Desk { folder: layout.foreign_authority(), clock: desk.clock };
    foreign.say(CaCommand::Init { folder: foreign.folder(), region: region(), days: 3_650 })?;
    foreign.issue(former(), layout.client(FOREIGN))
}

/// The authority's command, used as a person would.
struct Desk<'c> {
    folder: std::path::PathBuf,
    clock: &'c dyn Clock,
}

struct Issue {
    org: &'static str,
    role: &'static str,
    name: &'static str,
    kind: Kind,
    days: u32,
}

impl Issue {
    fn hospital(hospital: &Hospital, kind: Kind) -> Self {
        Self { org: hospital.code, role: "hospital", name: hospital.name_en, kind, days: 365 }
    }

    fn office(office: &Office) -> Self {
        Self { org: office.code, role: office.role, name: office.name_en, kind: Kind::All, days: 365 }
    }
}

impl Desk<'_> {
    fn folder(&self) -> FolderArgument {
        FolderArgument { path: self.folder.clone() }
    }

    fn say(&self, command: CaCommand) -> Result<(), SampleError> {
        Ok(ca::run(&CaArgs { json: false, command }, self.clock, &mut io::sink())?)
    }

    fn issue(&self, issue: Issue, out: std::path::PathBuf) -> Result<(), SampleError> {
        self.say(CaCommand::Issue(IssueArguments {
            folder: self.folder(),
            org: issue.org.parse().unwrap_or_else(|error| unreachable!("the cast is checked: {error}")),
            role: issue.role.parse().unwrap_or_else(|error| unreachable!("the cast is checked: {error}")),
            name: issue.name.to_owned(),
            kind: issue.kind,
            hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            days: issue.days,
            out,
        }))
    }
}

fn client(folder: &'static str, org: &'static str, role: &'static str, purpose: &'static str) -> Client {
    Client { folder, org, role, purpose }
}

fn region() -> crate::domain::adcode::Adcode {
    REGION.parse().unwrap_or_else(|error| unreachable!("the cast is checked: {error}"))
}
