//! The page has the metrics of the table, no other, in seconds.

use super::*;

#[test]
fn architecture_documents_every_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).unwrap();
    for row in markdown().lines() {
        assert!(text.contains(row), "ARCHITECTURE.md lacks this row:\n{row}");
    }
}

#[test]
fn every_metric_of_the_table_is_registered_and_no_other() {
    let metrics = Metrics::new();
    let word = ["word"; 3];
    metrics.request("/v1/status", "GET", "200", Duration::from_micros(1_500));
    metrics.call("lane", "op", "ok", Duration::from_secs(1));
    for counter in [&metrics.lookups, &metrics.settled] {
        counter.with_label_values(&word).inc();
    }
    metrics.accepted.with_label_values(&word[..2]).inc();
    for counter in [
        &metrics.audit_records,
        &metrics.spans,
        &metrics.connections_ended,
        &metrics.probing,
    ] {
        counter.with_label_values(&word[..1]).inc();
    }
    for gauge in [&metrics.gate_state, &metrics.gate_mode] {
        gauge.with_label_values(&word).set(1);
    }
    for gauge in [
        &metrics.calls_max,
        &metrics.calls_under_way,
        &metrics.entries,
        &metrics.certificate_days,
    ] {
        gauge.with_label_values(&word[..1]).set(1);
    }
    for gauge in [&metrics.numbers_left, &metrics.callbacks_waiting] {
        gauge.with_label_values(NONE).set(1);
    }
    metrics.callbacks.with_label_values(&word[..1]).inc();
    let text = metrics.text();
    let mut kinds: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    kinds.sort_unstable();
    let mut expected = ALL.map(|row| format!("{} {}", row.name, row.kind));
    expected.sort_unstable();
    assert_eq!(kinds, expected);
}

#[test]
fn a_latency_falls_between_bounds_in_seconds() {
    let metrics = Metrics::new();
    metrics.request("/v1/status", "GET", "200", Duration::from_micros(1_500));
    let text = metrics.text();
    let bucket = |bound: &str| {
        let series = format!(
            "argine_http_request_duration_seconds_bucket{{method=\"GET\",\
             route=\"/v1/status\",status=\"200\",le=\"{bound}\"}} "
        );
        let line = text.lines().find(|line| line.starts_with(&series));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    assert_eq!((bucket("0.001"), bucket("0.0025")), (Some(0), Some(1)));
    assert_eq!(bucket("30"), Some(1));
}
