//! What is put beside a process holds together: alerts and dashboard name only metrics that are shown, every metric and
//! alert is explained, and units, container file and examples are what they should be.

use std::collections::BTreeSet;
use std::path::Path;

use concord::sys::meter::{Kind, table};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Gives the names of all series that a hub or a node may show.
fn series() -> BTreeSet<String> {
    let metrics = [table::BOTH, table::HUBS, table::NODES].concat();
    let named = metrics.iter().flat_map(|metric| match metric.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", metric.name)).to_vec(),
        Kind::Counter | Kind::Gauge => vec![metric.name.to_owned()],
    });
    named.chain(["up".to_owned()]).collect()
}

/// Finds the names of series in an expression: words before a brace, a bracket or an operator, that no function is.
fn named(expression: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !is_word(c));
    let named = words.filter(|word| word.starts_with("concord_") || word.starts_with("process_") || *word == "up");
    named.map(str::to_owned).collect()
}

#[test]
fn every_metric_is_explained_and_none_that_is_not_shown() {
    let text = read("docs/observability.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split_once('`'));
    let explained: Vec<&str> =
        rows.map(|(name, _)| name).filter(|name| name.contains("_") && !name.contains('.')).collect();
    let explained: BTreeSet<&str> =
        explained.into_iter().filter(|name| name.starts_with("concord_") || name.starts_with("process_")).collect();
    let shown = [table::BOTH, table::HUBS, table::NODES].concat();
    assert_eq!(explained, shown.iter().map(|metric| metric.name).collect());
}

#[test]
fn metrics_are_named_as_prometheus_wants_and_once() {
    let shown = [table::BOTH, table::HUBS, table::NODES].concat();
    let names: BTreeSet<&str> = shown.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), shown.len(), "a metric stands in the table twice");
    for metric in shown {
        assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.name);
    }
}

#[test]
fn alerts_name_shown_metrics_and_say_what_to_do() {
    let (alerts, text) = (read("deploy/prometheus/alerts.yml"), read("docs/observability.md"));
    let (known, mut told) = (series(), 0);
    let mut alert = "";
    for line in alerts.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alert = name;
            told += 1;
            assert!(
                text.contains(&format!("**{name}**")),
                "docs/observability.md does not say what to do about {name}"
            );
        }
        if let Some(expression) = line.strip_prefix("expr: ") {
            let names = named(expression);
            assert!(!names.is_empty(), "{alert} looks at nothing");
            assert!(names.is_subset(&known), "{alert} names {:?}", names.difference(&known));
            let depth = |open, close| expression.matches(open).count() == expression.matches(close).count();
            assert!(depth('(', ')') && depth('{', '}') && depth('[', ']'), "{alert}: {expression}");
        }
    }
    let of = |key: &str| alerts.lines().filter(|line| line.trim().starts_with(key)).count();
    assert_eq!((of("expr: "), of("labels: { severity: "), of("summary: ")), (told, told, told));
    let explained = text.matches("**Concord").count();
    assert_eq!(explained, told, "docs/observability.md speaks of alerts that are none");
}

#[test]
fn the_dashboard_draws_shown_metrics() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/grafana/concord.json")).unwrap();
    let (known, panels) = (series(), dashboard["panels"].as_array().unwrap());
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has another's id");
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let names = named(target["expr"].as_str().unwrap());
            assert!(!names.is_empty() && names.is_subset(&known), "{title}: {names:?}");
        }
    }
    assert!(panels.len() >= 20, "{} panels", panels.len());
}

#[test]
fn the_container_holds_the_binary_alone_and_runs_without_root() {
    let text = read("deploy/Containerfile").replace("\\\n", " ");
    let lines: Vec<(&str, &str)> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let stages: Vec<usize> = lines.iter().enumerate().filter(|(_, line)| line.0 == "FROM").map(|(at, _)| at).collect();
    let [build, last] = stages.as_slice() else { panic!("two stages are needed, there are {}", stages.len()) };
    assert!(lines[*build].1.starts_with("docker.io/library/rust:1.95-") && lines[*build].1.ends_with(" AS build"));
    assert!(
        lines[..*last].iter().any(|(word, rest)| *word == "RUN" && rest.contains("cargo build --release --locked"))
    );
    let shipped = &lines[*last..];
    let of = |word: &str| shipped.iter().filter(|line| line.0 == word).map(|line| line.1).collect::<Vec<_>>();
    assert!(of("FROM")[0].contains("distroless") && of("FROM")[0].ends_with(":nonroot"));
    assert!(of("RUN").is_empty() && of("ADD").is_empty(), "the last stage has no shell to run anything");
    assert!(of("COPY").iter().all(|copied| copied.starts_with("--from=build ")));
    assert!(of("USER")[0].split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "a number that is not root's");
    assert_eq!((of("ENTRYPOINT"), of("STOPSIGNAL")), (vec![r#"["/usr/bin/concord"]"#], vec!["SIGTERM"]));
    assert!(of("HEALTHCHECK")[0].contains(r#"CMD ["/usr/bin/concord", "probe","#));
}

#[test]
fn units_are_hardened_alike_and_wait_longer_than_a_stop_takes() {
    let needed = [
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateDevices=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "RestrictAddressFamilies=AF_INET AF_INET6",
        "MemoryDenyWriteExecute=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "UMask=0077",
        "LimitCORE=0",
        "Restart=on-failure",
        "TimeoutStopSec=60",
        "Environment=CONCORD_LOG_FORMAT=json",
    ];
    for unit in ["deploy/systemd/concord-hub.service", "deploy/systemd/concord-node.service"] {
        let text = read(unit);
        let missing: Vec<&str> = needed.into_iter().filter(|line| !text.lines().any(|found| found == *line)).collect();
        assert!(missing.is_empty(), "{unit} lacks {missing:?}");
        assert!(!text.contains("User=root"));
    }
}

#[test]
fn prometheus_is_told_of_the_alerts_and_the_jobs_that_they_name() {
    let text = read("deploy/prometheus/prometheus.yml");
    assert!(text.contains("- alerts.yml"));
    assert!(["concord-hub", "concord-node"].iter().all(|job| text.contains(&format!("job_name: {job}"))));
    for (example, port) in [("deploy/hub.example.toml", "9470"), ("deploy/node.example.toml", "9471")] {
        assert!(read(example).contains(&format!("listen = \"127.0.0.1:{port}\"")) && text.contains(port), "{example}");
    }
}
