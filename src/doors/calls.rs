//! What is counted and logged of every call, by whatever door it comes: one line, one count, one time. The line names call,
//! organisation, trace, outcome and duration, and nothing of the request.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tonic::Code;
use tracing::Instrument;

use crate::domain::fault::Fault;
use crate::domain::limits::ORGANISATIONS_COUNTED_MAX;
use crate::domain::organisation::OrganisationCode;
use crate::domain::trace::{Outcome, TraceContext, TraceId};
use crate::doors::fault::reason;
use crate::ports::trace::{SpanKind, Tracer, Work};
use crate::sys::meter::page::{Page, number};
use crate::sys::meter::{Counter, Histogram, WAITS_S, table};

/// Counts the calls of a process; shared by its doors.
pub struct Calls {
    tracer: Tracer,
    methods: HashMap<&'static str, Method>,
    /// Calls of methods that are not in the table.
    unknown: Method,
    routes: RwLock<BTreeMap<String, Arc<Route>>>,
    organisations: RwLock<BTreeMap<OrganisationCode, Arc<Outcomes>>>,
    /// Of callers without a certificate, and of those beyond the most that are counted alone.
    others: Outcomes,
    under_way: AtomicI64,
}

/// What is counted of a gRPC method; one place a status code.
#[derive(Debug)]
struct Method {
    name: &'static str,
    codes: [Counter; CODES.len()],
    times: Histogram,
}

/// What is counted of a route of HTTPS.
#[derive(Debug)]
struct Route {
    path: &'static str,
    statuses: RwLock<BTreeMap<(&'static str, u16), u64>>,
    times: Histogram,
}

#[derive(Debug, Default)]
struct Outcomes([Counter; 3]);

/// A gRPC call under way; counted when it is dropped.
pub struct Rpc {
    calls: Arc<Calls>,
    path: &'static str,
    work: Option<Work>,
    began: Instant,
    /// What the status said; a call that ends without one was given up by its caller.
    code: Code,
}

/// By what a hospital's own systems send what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HL7 v2 over MLLP.
    Mllp,
    /// DICOM.
    Dicom,
}

/// Something that has arrived and is not answered yet.
pub struct Arrival {
    protocol: Protocol,
    work: Work,
    began: Instant,
}

impl Arrival {
    /// Does `work` as part of the arrival's span.
    pub async fn within<F: Future>(&self, work: F) -> F::Output {
        let span = tracing::info_span!("intake", trace = %self.work.context().trace);
        self.work.within(work).instrument(span).await
    }

    /// Gives the time since the arrival.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Logs what came of it: it was taken, or by whose fault it was not.
    pub fn end(self, fault: Option<Fault>) {
        let (code, outcome) = match fault {
            None => ("OK", Outcome::Done),
            Some(fault @ (Fault::Broken | Fault::Busy)) => (reason(fault), Outcome::Failed),
            Some(fault) => (reason(fault), Outcome::Refused),
        };
        let (organisation, trace, took) = (self.work.organisation(), self.work.context().trace, self.elapsed());
        let (protocol, call) = match self.protocol {
            Protocol::Mllp => ("MLLP", "message"),
            Protocol::Dicom => ("DICOM", "C-STORE"),
        };
        self.work.end(code, outcome);
        log(protocol, call, organisation, trace, (code, outcome), took);
    }
}

impl Calls {
    /// Begins the span of something that a hospital's own system sent.
    pub fn arrival(&self, protocol: Protocol, own: OrganisationCode) -> Arrival {
        let work = self.tracer.begin("intake", SpanKind::Server, None);
        work.is_for(own);
        Arrival { protocol, work, began: Instant::now() }
    }

    /// Makes the counters of a process with these gRPC methods.
    pub fn new(methods: impl Iterator<Item = &'static str>, tracer: Tracer) -> Self {
        Self {
            tracer,
            methods: methods.map(|path| (path, Method::new(named(path)))).collect(),
            unknown: Method::new(OTHER),
            routes: RwLock::default(),
            organisations: RwLock::default(),
            others: Outcomes::default(),
            under_way: AtomicI64::new(0),
        }
    }

    /// Makes the spans of this process.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Begins a gRPC call by its path.
    pub fn begin(
        self: &Arc<Self>,
        path: &str,
        organisation: Option<OrganisationCode>,
        parent: Option<TraceContext>,
    ) -> Rpc {
        let path = self.methods.get_key_value(path).map_or(OTHER, |(path, _)| *path);
        let work = self.tracer.begin(named(path), SpanKind::Server, parent);
        if let Some(organisation) = organisation {
            work.is_for(organisation);
        }
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Rpc { calls: Arc::clone(self), path, work: Some(work), began: Instant::now(), code: Code::Cancelled }
    }

    /// Counts and logs an HTTPS request that was answered. `path` is the route's pattern, never what stood in its places.
    pub fn answered(&self, path: &str, method: &'static str, status: u16, took: Duration, work: Work) {
        let route = self.counted_route(path);
        *route.statuses.write().unwrap_or_else(PoisonError::into_inner).entry((method, status)).or_default() += 1;
        route.times.observe(took);
        let outcome = match status {
            ..400 => Outcome::Done,
            500.. => Outcome::Failed,
            _ => Outcome::Refused,
        };
        let organisation = work.organisation();
        self.count(organisation, outcome);
        let trace = work.context().trace;
        work.end(http_code(status), outcome);
        log(method, route.path, organisation, trace, (http_code(status), outcome), took);
    }

    /// Gives the name that lives as long as the process for a route; routes are few.
    pub fn route_name(&self, path: &str) -> &'static str {
        self.counted_route(path).path
    }

    fn counted_route(&self, path: &str) -> Arc<Route> {
        if let Some(route) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Arc::clone(route);
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(path.to_owned()).or_insert_with(|| {
            let path = Box::leak(path.to_owned().into_boxed_str());
            Arc::new(Route { path, statuses: RwLock::default(), times: Histogram::new(WAITS_S) })
        }))
    }

    fn count(&self, organisation: Option<OrganisationCode>, outcome: Outcome) {
        let Some(organisation) = organisation else { return self.others.add(outcome) };
        if let Some(known) = self.organisations.read().unwrap_or_else(PoisonError::into_inner).get(&organisation) {
            return known.add(outcome);
        }
        let mut organisations = self.organisations.write().unwrap_or_else(PoisonError::into_inner);
        if organisations.len() < ORGANISATIONS_COUNTED_MAX {
            organisations.entry(organisation).or_default().add(outcome);
        } else {
            self.others.add(outcome);
        }
    }

    /// Writes what was counted.
    pub fn write(&self, page: &mut Page) {
        let methods: BTreeMap<&str, &Method> = self.methods.values().map(|method| (method.name, method)).collect();
        let methods = || methods.values().copied().chain([&self.unknown]).filter(|method| method.times.count() > 0);
        page.begin(table::RPCS);
        for method in methods() {
            for (code, counter) in CODES.iter().zip(&method.codes).filter(|(_, counter)| counter.value() > 0) {
                page.sample(&[("method", method.name), ("code", code)], number(counter.value()));
            }
        }
        page.begin(table::RPC_TIMES);
        for method in methods() {
            page.times(&[("method", method.name)], &method.times);
        }
        let now = u64::try_from(self.under_way.load(Ordering::Relaxed)).unwrap_or(0);
        page.one(table::RPCS_NOW, number(now));
        page.begin(table::HTTPS);
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        for (path, route) in routes.iter() {
            for ((method, status), count) in route.statuses.read().unwrap_or_else(PoisonError::into_inner).iter() {
                let labels = [("route", path.as_str()), ("method", method), ("status", http_code(*status))];
                page.sample(&labels, number(*count));
            }
        }
        page.begin(table::HTTPS_TIMES);
        for (path, route) in routes.iter() {
            page.times(&[("route", path.as_str())], &route.times);
        }
        page.begin(table::ORGANISATIONS);
        for (organisation, outcomes) in self.organisations.read().unwrap_or_else(PoisonError::into_inner).iter() {
            outcomes.write(organisation.as_str(), page);
        }
        self.others.write(OTHER, page);
    }
}

impl Method {
    fn new(name: &'static str) -> Self {
        Self { name, codes: std::array::from_fn(|_| Counter::default()), times: Histogram::new(WAITS_S) }
    }
}

impl Outcomes {
    fn add(&self, outcome: Outcome) {
        let [done, refused, failed] = &self.0;
        match outcome {
            Outcome::Done => done.add(1),
            Outcome::Refused => refused.add(1),
            Outcome::Failed => failed.add(1),
        }
    }

    fn write(&self, organisation: &str, page: &mut Page) {
        for (outcome, counter) in ["done", "refused", "failed"].into_iter().zip(&self.0) {
            page.sample(&[("organisation", organisation), ("outcome", outcome)], number(counter.value()));
        }
    }
}

impl Rpc {
    /// Gives the span of the call.
    pub fn work(&self) -> &Work {
        let Some(work) = &self.work else { unreachable!("it is taken when the call is dropped") };
        work
    }

    /// Gives the name of the method, as `concord.v1.Orders/Check`.
    pub fn name(&self) -> &'static str {
        named(self.path)
    }

    /// Says how the call ended.
    pub fn ended(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let (calls, took) = (&self.calls, self.began.elapsed());
        calls.under_way.fetch_sub(1, Ordering::Relaxed);
        let method = calls.methods.get(self.path).unwrap_or(&calls.unknown);
        let place = self.code as usize;
        if let Some(counter) = method.codes.get(place) {
            counter.add(1);
        }
        method.times.observe(took);
        let (organisation, outcome, trace) = (work.organisation(), outcome(self.code), work.context().trace);
        calls.count(organisation, outcome);
        let code = CODES.get(place).copied().unwrap_or(OTHER);
        work.end(code, outcome);
        log("gRPC", method.name, organisation, trace, (code, outcome), took);
    }
}

/// Writes the one line of a call. A failure of ours is told apart; the line that says why bears the same trace.
fn log(
    protocol: &'static str,
    call: &str,
    organisation: Option<OrganisationCode>,
    trace: TraceId,
    (code, outcome): (&'static str, Outcome),
    took: Duration,
) {
    let organisation = organisation.as_ref().map_or("", OrganisationCode::as_str);
    let duration_ms = took.as_secs_f64() * 1e3;
    if outcome == Outcome::Failed {
        tracing::warn!(target: TARGET, %trace, organisation, protocol, call, outcome = code, duration_ms, "call");
    } else {
        tracing::info!(target: TARGET, %trace, organisation, protocol, call, outcome = code, duration_ms, "call");
    }
}

/// Says of a status whose matter it is. Source: gRPC status codes.
fn outcome(code: Code) -> Outcome {
    match code {
        Code::Ok => Outcome::Done,
        Code::Unknown | Code::Internal | Code::DataLoss | Code::Unavailable | Code::DeadlineExceeded => Outcome::Failed,
        Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => Outcome::Refused,
    }
}

/// Shortens a path to `concord.v1.Orders/Check`.
fn named(path: &'static str) -> &'static str {
    path.trim_start_matches('/')
}

/// Writes the statuses that the doors give; whatever else there may be is one.
fn http_code(status: u16) -> &'static str {
    let known = HTTP_CODES.iter().find(|(code, _)| *code == status);
    known.map_or(OTHER, |(_, text)| text)
}

const HTTP_CODES: &[(u16, &str)] = &[
    (101, "101"),
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (206, "206"),
    (301, "301"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (307, "307"),
    (308, "308"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (409, "409"),
    (410, "410"),
    (412, "412"),
    (413, "413"),
    (415, "415"),
    (416, "416"),
    (422, "422"),
    (429, "429"),
    (431, "431"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

/// Names of the status codes, each at the place of its number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What `RUST_LOG` calls the lines of calls.
const TARGET: &str = "concord::calls";
const OTHER: &str = "other";
