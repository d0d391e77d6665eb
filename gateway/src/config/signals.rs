//! What can be seen from outside: the page of metrics, and the collector of traces.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::pem;
use super::section::Section;
use crate::telemetry::is_endpoint;

/// What is shown, and to whom.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Where the metrics are served; nowhere, if it is not set.
    pub metrics_address: Option<SocketAddr>,
    /// Where traces go, if anywhere.
    pub traces: Option<Traces>,
}

/// How traces are exported.
#[derive(Debug, Clone)]
pub struct Traces {
    /// The collector, by OTLP over HTTP.
    pub url: String,
    /// Who may vouch for it.
    pub trust_file: Option<PathBuf>,
    /// The share of traces that are sampled where the caller has not decided.
    pub sample_share: f64,
    /// Spans that may wait.
    pub spans_max: usize,
    /// How long one export may take.
    pub export_within: Duration,
}

impl Signals {
    pub(super) fn read(section: &mut Section<'_>) -> Signals {
        let metrics_address = metrics_address(section);
        let url = otlp_url(section);
        let trust_file = section.checked_if_set("otlp_trust_file", |path| {
            pem::certificates(path).map(|_| ())
        });
        let sample_share = section.share("sample_share");
        let spans_max = section.count("spans_max", 512..=1_000_000);
        let export_within = section.duration("export_within", Duration::from_secs(60));
        if !section.has_problems()
            && trust_file.is_none()
            && url.as_ref().is_some_and(|url| url.starts_with("https://"))
        {
            section.refuse("otlp_trust_file", "must be set: otlp_url is https");
        }
        Signals {
            metrics_address,
            traces: url.map(|url| Traces {
                url,
                trust_file,
                sample_share,
                spans_max,
                export_within,
            }),
        }
    }
}

fn metrics_address(section: &mut Section<'_>) -> Option<SocketAddr> {
    let text = section.text("metrics_address");
    if text.is_empty() {
        return None;
    }
    let address = text.parse::<SocketAddr>().ok();
    if address.is_none_or(|address| address.ip().is_unspecified()) {
        section.refuse(
            "metrics_address",
            "must be an address and a port, as 127.0.0.1:9464; every address at once is not one: \
             the page asks nobody who they are",
        );
    }
    address
}

fn otlp_url(section: &mut Section<'_>) -> Option<String> {
    let text = section.text("otlp_url");
    if text.is_empty() {
        return None;
    }
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    if !is_http || !is_endpoint(&text) {
        section.refuse(
            "otlp_url",
            "must be a whole address, as http://127.0.0.1:4318/v1/traces",
        );
    }
    Some(text)
}
