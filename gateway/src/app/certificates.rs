//! The certificates of the process, and who may call it: replaced while it runs, and watched for their
//! ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::Clock;
use engine::stop::StopSwitch;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::callers::reload::reload;
use crate::config::{Config, Transport};
use crate::telemetry::Watcher;
use crate::tls::{expiry, rotation};

/// How long a file that is being read may take to be let go of.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Who follows the files, running.
pub(super) struct Certificates {
    switch: StopSwitch,
    tasks: Vec<JoinHandle<()>>,
}

impl Certificates {
    /// Follows the certificates and the callers that `config` names.
    pub(super) fn start(
        runtime: &Runtime,
        config: &Config,
        watcher: &Arc<Watcher>,
        clock: &Arc<dyn Clock>,
    ) -> Certificates {
        let (switch, stop) = StopSwitch::new();
        let (watcher, time) = (Arc::clone(watcher), Arc::clone(clock));
        let watching = expiry::watch(certificate_files(config), watcher, time, stop.clone());
        let (files, live) = (config.callers.files.clone(), config.callers.callers.clone());
        let reloading = reload(files, live, Arc::clone(clock), stop.clone());
        let mut tasks = vec![runtime.spawn(watching), runtime.spawn(reloading)];
        if let Transport::Tls { credentials, files } = &config.listen.transport {
            let (live, files) = (credentials.clone(), files.clone());
            let rotating = rotation::rotate(files, live, Arc::clone(clock), stop);
            tasks.push(runtime.spawn(rotating));
        }
        Certificates { switch, tasks }
    }

    /// Waits until nobody follows them any more.
    pub(super) async fn join(self) {
        self.switch.drain();
        for task in self.tasks {
            let stopping = task.abort_handle();
            if tokio::time::timeout(END_WITHIN, task).await.is_err() {
                stopping.abort();
            }
        }
    }
}

/// Every file with certificates of ours, or of those we trust.
pub(crate) fn certificate_files(config: &Config) -> Vec<expiry::Named> {
    let sac = &config.sac;
    let mut files: Vec<(&'static str, PathBuf)> = vec![
        ("sac.trust_file", sac.trust_file.clone()),
        ("sac.certificate_file", sac.certificate_file.clone()),
        (
            "sac.signing_certificate_file",
            sac.signing_certificate_file.clone(),
        ),
        (
            "sac.sanitel_certificate_file",
            sac.sanitel_certificate_file.clone(),
        ),
    ];
    if let Transport::Tls { files: ours, .. } = &config.listen.transport {
        files.push(("listen.certificate_file", ours.certificate.clone()));
        files.push(("listen.callers_ca_file", ours.authorities.clone()));
        let revoked = ours.revoked.clone();
        files.extend(revoked.map(|path| ("listen.callers_crl_file", path)));
    }
    files
}
