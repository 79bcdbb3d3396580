//! The recorder behind the `metrics` macros, and its page in the text format of Prometheus.

use std::{sync::OnceLock, thread, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

/// Quantiles of the histograms without buckets, the ones that Notary's summaries have.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// How often observations that were not scraped are folded together, to keep memory bounded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Renders what was recorded.
#[derive(Clone)]
pub struct MetricsHandle {
    recorded: PrometheusHandle,
    process: Collector,
}

impl std::fmt::Debug for MetricsHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricsHandle").finish_non_exhaustive()
    }
}

impl MetricsHandle {
    /// All metrics, those of the process (`process_…`) included, in text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        without_labels(&self.recorded.render())
    }
}

/// What begins the part of a description that names the metric's labels, for
/// `docs/metrics.md`. On the page of metrics, each line shows its labels itself.
const LABELS: &str = " (labels: ";

/// `page`, whose lines of help do not name labels.
fn without_labels(page: &str) -> String {
    let mut without = String::with_capacity(page.len());
    for line in page.split_inclusive('\n') {
        match line.split_once(LABELS) {
            Some((help, _)) if line.starts_with("# HELP ") => {
                without.push_str(help);
                without.push('\n');
            }
            _ => without.push_str(line),
        }
    }
    without
}

/// Installs the recorder of this process. The histograms named in `buckets` are rendered with those
/// upper bounds, all others as summaries.
///
/// A process has one recorder: a second call answers a handle to the first, whatever its buckets.
#[must_use]
pub fn install_recorder(buckets: &[(&str, &[f64])]) -> MetricsHandle {
    static INSTALLED: OnceLock<MetricsHandle> = OnceLock::new();
    INSTALLED.get_or_init(|| install(buckets)).clone()
}

fn install(buckets: &[(&str, &[f64])]) -> MetricsHandle {
    let builder = PrometheusBuilder::new()
        .set_quantiles(&QUANTILES)
        .expect("there is at least one quantile");
    let builder = buckets.iter().fold(builder, |builder, (name, bounds)| {
        builder
            .set_buckets_for_metric(Matcher::Full((*name).to_owned()), bounds)
            .expect("a histogram is listed with at least one bound")
    });
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Fails only where a recorder was set without this function, which then keeps its place.
    let _ = metrics::set_global_recorder(recorder);
    let process = Collector::default();
    process.describe();
    keep_up(handle.clone());
    MetricsHandle {
        recorded: handle,
        process,
    }
}

/// Without this, observations pile up until the next scrape.
fn keep_up(recorded: PrometheusHandle) {
    let upkeep = move || {
        loop {
            thread::sleep(UPKEEP);
            recorded.run_upkeep();
        }
    };
    thread::Builder::new()
        .name("metrics-upkeep".to_owned())
        .spawn(upkeep)
        .expect("a program that starts can still have threads");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_histograms_have_buckets_and_all_others_quantiles() {
        let _first = install_recorder(&[("test_seconds", &[0.1, 1.0])]);
        let again = install_recorder(&[]);
        metrics::describe_histogram!("test_seconds", "Seconds of a test (labels: kind).");
        metrics::histogram!("test_seconds").record(0.5);
        metrics::histogram!("test_bytes").record(12.0);
        let page = again.render();
        assert!(page.contains("test_seconds_bucket{le=\"1\"} 1"), "{page}");
        for quantile in ["0.5", "0.9", "0.99"] {
            assert!(
                page.contains(&format!("test_bytes{{quantile=\"{quantile}\"}}")),
                "{page}"
            );
        }
        assert!(page.contains("process_resident_memory_bytes "), "{page}");
        assert!(
            page.contains("# HELP test_seconds Seconds of a test\n"),
            "{page}"
        );
    }
}
