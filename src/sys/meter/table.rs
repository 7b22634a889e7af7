//! Every metric that a hub or a node shows. `docs/observability.md` explains each; a test compares the two, and what a
//! running process shows, with this table.

use super::{Kind, Metric};

macro_rules! metrics {
    ($($(#[$doc:meta])* $constant:ident: $kind:ident = $name:literal, $help:literal;)*) => {
        $($(#[$doc])* pub const $constant: Metric = Metric { name: $name, kind: Kind::$kind, help: $help };)*
    };
}

metrics! {
    /// Which version runs.
    BUILD: Gauge = "concord_build_info", "Always 1; the label tells the version.";
    /// The name is Prometheus's own.
    STARTED: Gauge = "process_start_time_seconds", "When the process started, in seconds since 1970.";
    /// The name is Prometheus's own.
    MEMORY: Gauge = "process_resident_memory_bytes", "Memory that the process holds.";
    /// The name is Prometheus's own.
    FILES: Gauge = "process_open_fds", "Files and connections that the process has open.";
    /// As `/readyz` says.
    READY: Gauge = "concord_ready", "1 while the process takes requests, 0 while it does not.";
    /// As `/readyz` says of each check.
    HEALTH: Gauge = "concord_health_check", "1 where a check of readiness is well, 0.5 where it is degraded, 0 where it fails.";
    /// Calls by method and code.
    RPCS: Counter = "concord_rpc_requests_total", "gRPC calls that have ended, by method and status code.";
    /// Duration of calls.
    RPC_TIMES: Histogram = "concord_rpc_duration_seconds", "Time from a gRPC call to the end of its answer; a stream counts when it ends.";
    /// Calls under way.
    RPCS_NOW: Gauge = "concord_rpc_in_flight", "gRPC calls under way, streams included.";
    /// Requests by route and status.
    HTTPS: Counter = "concord_http_requests_total", "HTTPS requests that were answered, by route, method and status.";
    /// Duration of requests.
    HTTPS_TIMES: Histogram = "concord_http_duration_seconds", "Time from an HTTPS request to the beginning of its answer.";
    /// Requests by organisation.
    ORGANISATIONS: Counter = "concord_organisation_requests_total", "gRPC calls and HTTPS requests by the organisation that made them and what came of them: done, refused, failed.";
    /// Certificates and lists.
    EXPIRY: Gauge = "concord_certificate_expiry_seconds", "Time until a certificate or the revocation list runs out; negative once it has.";
    /// Size of the journal.
    JOURNAL_RECORDS: Gauge = "concord_journal_records", "Durable records of the journal.";
    /// Size of the journal.
    JOURNAL_BYTES: Gauge = "concord_journal_bytes", "Length of the journal's files.";
    /// Room on the disk.
    DISK_FREE: Gauge = "concord_disk_free_bytes", "Room left on the disk that holds the data.";
    /// Room on the disk.
    DISK_SIZE: Gauge = "concord_disk_size_bytes", "Size of the disk that holds the data.";
    /// What follows the journal.
    LAG: Gauge = "concord_projection_lag_records", "Durable records that what follows the journal has not reached yet.";
    /// Spans given to the collector.
    SPANS: Counter = "concord_trace_spans_total", "Spans by what became of them: exported, dropped.";

    /// Recalls that are open.
    RECALLS: Gauge = "concord_recalls_open", "Recalls of which nobody has taken note, at a hub by the organisation whose doctors are told.";
    /// How long they have been.
    RECALLS_AGE: Gauge = "concord_recalls_open_age_seconds", "Time since the oldest recall was made of which nobody has taken note, as above.";

    /// The public log.
    CHECKPOINT_AGE: Gauge = "concord_checkpoint_age_seconds", "Time since the public log's checkpoint was last signed.";
    /// Batches taken.
    BATCHES: Counter = "concord_publication_batches_total", "Batches that were taken, by publisher.";
    /// Entries taken.
    ENTRIES: Counter = "concord_publication_entries_total", "Entries of batches that were taken, by publisher.";
    /// Entries not indexed.
    REJECTIONS: Counter = "concord_publication_rejections_total", "Entries that were kept and not indexed, by publisher.";
    /// Publication delay.
    DELAYS: Histogram = "concord_publication_delay_seconds", "Time from a result's report to its arrival here, by publisher.";
    /// Publication delay of the newest batch.
    LAST_DELAY: Gauge = "concord_publication_last_delay_seconds", "Delay of the newest entry of the last batch, by publisher.";
    /// Silence of a publisher.
    LAST_AGE: Gauge = "concord_publication_last_age_seconds", "Time since the last batch, by publisher; only publishers heard since the start.";
    /// Tunnels.
    TUNNELS: Gauge = "concord_tunnel_connections", "Tunnels that are open, by hospital.";
    /// Checks answered.
    CHECKS: Counter = "concord_checks_total", "Checks that were answered, by answer: prompt, quiet.";
    /// Prompts.
    PROMPTS: Counter = "concord_prompts_total", "Results that checks offered.";
    /// Decisions.
    DECISIONS: Counter = "concord_decisions_total", "Decisions on prompts, by outcome: accepted, declined.";
    /// Misses that nodes told of.
    TOLD_MISSES: Counter = "concord_misses_told_total", "Checks answered without this hub, as nodes told of them later.";
    /// Versions of the region.
    POLICIES: Gauge = "concord_policy_versions", "Policy versions that are recorded.";
    /// Organisations of the region.
    LISTED: Gauge = "concord_region_organisations", "Organisations of the version in force; 0 where none is.";

    /// What arrived.
    INTAKE: Counter = "concord_intake_total", "Messages and instances that arrived, by kind and outcome: taken, duplicate, refused.";
    /// How long senders wait.
    INTAKE_TIMES: Histogram = "concord_intake_duration_seconds", "Time that a sender waits for its acknowledgement, by kind.";
    /// Entries sealed.
    PUBLISHED: Counter = "concord_results_published_total", "Entries that were sealed into batches.";
    /// Things held.
    HELD_SINCE: Counter = "concord_results_held_total", "Results that were held for somebody.";
    /// Things held now.
    HELD: Gauge = "concord_results_held", "Results that are held for somebody now.";
    /// Observations by whether the table knew their code.
    OBSERVATIONS: Counter = "concord_observations_total", "Observations that were read, by whether the hospital's table knew their code: mapped, unmapped.";
    /// Share of them.
    COVERAGE: Gauge = "concord_mapping_coverage_ratio", "Share of the observations read since the start whose code was mapped; 1 before the first.";
    /// Codes that map to nothing.
    UNMAPPED: Gauge = "concord_unmapped_codes", "Local codes that map to nothing.";
    /// Outbox length.
    OUTBOX: Gauge = "concord_outbox_batches", "Batches without a receipt.";
    /// Outbox age.
    OUTBOX_AGE: Gauge = "concord_outbox_age_seconds", "Age of the oldest batch without a receipt; 0 where there is none.";
    /// Receipts.
    RECEIPTS: Counter = "concord_receipts_total", "Receipts of the hub, by whether they held: believed, refused.";
    /// Times that a node did not believe the hub's log.
    LOG_REFUSED: Counter = "concord_log_refused_total", "Times that the hub's log did not extend what this node has seen.";
    /// Cosignatures of a node.
    COSIGNATURES: Counter = "concord_cosignatures_total", "Checkpoints of the hub that this node has cosigned.";
    /// Tunnels of a node.
    HUB: Gauge = "concord_hub_connected", "1 while the tunnel to an instance of the hub is open, 0 while it is not, by instance of the hub.";
    /// Misses.
    MISSES: Counter = "concord_misses_total", "Checks answered without the hub, by cause: timeout, unreachable, unresolved, refused.";
    /// Misses that the hub does not know of.
    MISSES_WAITING: Gauge = "concord_misses_waiting", "Missed checks of which the hub was not told yet, up to 1,000.";
    /// The catalogue.
    ITEMS: Gauge = "concord_catalogue_items", "Items of the catalogue in use; 0 before the first.";
}

/// What both kinds of processes show.
pub const BOTH: &[Metric] = &[
    BUILD,
    STARTED,
    MEMORY,
    FILES,
    READY,
    HEALTH,
    RPCS,
    RPC_TIMES,
    RPCS_NOW,
    HTTPS,
    HTTPS_TIMES,
    ORGANISATIONS,
    EXPIRY,
    JOURNAL_RECORDS,
    JOURNAL_BYTES,
    DISK_FREE,
    DISK_SIZE,
    LAG,
    SPANS,
    RECALLS,
    RECALLS_AGE,
];

/// What a hub shows beside that.
pub const HUBS: &[Metric] = &[
    CHECKPOINT_AGE,
    BATCHES,
    ENTRIES,
    REJECTIONS,
    DELAYS,
    LAST_DELAY,
    LAST_AGE,
    TUNNELS,
    CHECKS,
    PROMPTS,
    DECISIONS,
    TOLD_MISSES,
    POLICIES,
    LISTED,
];

/// What a node shows beside that.
pub const NODES: &[Metric] = &[
    INTAKE,
    INTAKE_TIMES,
    PUBLISHED,
    HELD_SINCE,
    HELD,
    OBSERVATIONS,
    COVERAGE,
    UNMAPPED,
    OUTBOX,
    OUTBOX_AGE,
    RECEIPTS,
    LOG_REFUSED,
    COSIGNATURES,
    HUB,
    MISSES,
    MISSES_WAITING,
    ITEMS,
];
