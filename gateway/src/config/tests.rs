//! Settings from three places, and every mistake named.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// A directory with everything a configuration names, and `argine.toml` that names it.
struct Ground {
    directory: TempDir,
}

impl Ground {
    fn new() -> Ground {
        let ground = Ground {
            directory: tempfile::tempdir().unwrap(),
        };
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = authority.self_signed(&authority_key).unwrap();
        ground.write("ca.pem", &authority.pem());
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let server = rcgen::CertificateParams::new(names).unwrap();
        ground.write("server.pem", &server.self_signed(&key).unwrap().pem());
        ground.write("server.key", &key.serialize_pem());
        ground.write("store.key", &"ab".repeat(32));
        ground.write("signing.pem", &key.public_key_pem());
        let caller = format!(
            "[[caller]]\norganization = \"a\"\nprofiles = [\"practice\"]\nkey_id = \"a-1\"\n\
             certificate_sha256 = [\"{}\"]\nalgorithm = \"ES256\"\nkey_file = \"signing.pem\"\n",
            "ab".repeat(32)
        );
        ground.write("callers.toml", &caller);
        ground.write("pin-code", "1234567890");
        ground.write("argine.toml", GOOD);
        ground
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let pairs = environment.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(Some(&self.path("argine.toml")), pairs.collect::<Vec<_>>())
    }

    /// The keys of all problems.
    fn wrong(&self, environment: &[(&str, &str)]) -> Vec<String> {
        match self.load(environment) {
            Ok(_) => Vec::new(),
            Err(error) => error
                .problems
                .into_iter()
                .map(|problem| problem.key)
                .collect(),
        }
    }
}

const GOOD: &str = r#"
[listen]
address = "127.0.0.1:0"
certificate_file = "server.pem"
key_file = "server.key"
callers_ca_file = "ca.pem"
[store]
directory = "store"
key_file = "store.key"
[callers]
file = "callers.toml"
[sac]
prescriptions_url = "https://localhost:1"
lots_url = "https://localhost:2"
trust_file = "ca.pem"
certificate_file = "server.pem"
key_file = "server.key"
signing_certificate_file = "server.pem"
signing_key_file = "server.key"
sanitel_certificate_file = "server.pem"
pin_code_file = "pin-code"
region = "130"
"#;

#[test]
fn environment_stands_over_file_and_file_over_default() {
    let ground = Ground::new();
    let loaded = ground.load(&[
        ("ARGINE__LISTEN__WORKERS", "7"),
        ("ARGINE__LOG__LEVEL", "debug"),
        ("PATH", "/bin"),
        ("ARGINE_OTHER", "x"),
    ]);
    let loaded = loaded.unwrap();
    assert_eq!(loaded.config.listen.workers, 7);
    assert_eq!(loaded.config.listen.address.port(), 0);
    assert_eq!(loaded.config.listen.body.bytes_max, 256 << 10);
    assert_eq!(loaded.config.store.directory, ground.path("store"));
    let line = |key: &str| {
        let lines = loaded.effective.iter().map(ToString::to_string);
        lines
            .filter(|line| line.starts_with(key))
            .collect::<String>()
    };
    assert_eq!(
        line("listen.workers"),
        "listen.workers = \"7\"  # environment"
    );
    assert_eq!(
        line("listen.address"),
        "listen.address = \"127.0.0.1:0\"  # file"
    );
    assert_eq!(
        line("probing.window"),
        "probing.window = \"10m\"  # default"
    );
}

#[test]
fn a_good_configuration_needs_no_environment() {
    assert_eq!(Ground::new().wrong(&[]), Vec::<String>::new());
}

/// What must be set together.
const CALLBACKS: [&str; 5] = [
    "callbacks.trust_file",
    "callbacks.certificate_file",
    "callbacks.key_file",
    "callbacks.signing_certificate_file",
    "callbacks.signing_key_file",
];

#[test]
fn every_setting_is_read_and_checked() {
    let ground = Ground::new();
    let keys: Vec<String> = ground
        .load(&[])
        .unwrap()
        .effective
        .into_iter()
        .map(|setting| setting.key)
        .collect();
    assert!(keys.len() > 30, "{keys:?}");
    for key in keys {
        // A NUL is in no path, no number, no duration and no address.
        let name = format!("ARGINE__{}", key.to_ascii_uppercase().replace('.', "__"));
        let wrong = ground.wrong(&[(name.as_str(), "\0")]);
        let may_be_empty =
            ["policies.directory", "pdnd.issuer", "pdnd.audience"].contains(&key.as_str());
        let takes_any_text =
            may_be_empty || ["callers.audience", "store.directory"].contains(&key.as_str());
        let expected = if takes_any_text {
            Vec::new()
        } else {
            vec![key.clone()]
        };
        let expected = match key.as_str() {
            // With it come all the others.
            "callbacks.trust_file" => CALLBACKS.map(str::to_owned).to_vec(),
            _ => expected,
        };
        assert_eq!(wrong, expected, "{key}");
        // Without a directory there are the compiled-in policies, and without a url no PDND.
        if takes_any_text && !may_be_empty {
            assert_eq!(ground.wrong(&[(name.as_str(), "")]), [key]);
        }
    }
}

#[test]
fn all_problems_are_listed_each_with_key_value_and_rule() {
    let ground = Ground::new();
    let text = GOOD
        .replace("127.0.0.1:0", "here")
        .replace("\"130\"", "130")
        .replace("https://localhost:2", "http://localhost:2");
    ground.write(
        "argine.toml",
        &(text + "[listne]\nadress = \"x\"\n[shutdown]\ndrain = \"1s\"\n"),
    );
    let error = ground.load(&[("ARGINE__STORE__ENTRIES", "5")]).unwrap_err();
    let lines: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
    let expected = [
        "listne.adress = …: no such setting (from the file)",
        "store.entries = …: no such setting (from the environment)",
        "listen.address = \"here\": must be an address and a port, as 0.0.0.0:8443",
        "sac.lots_url = \"http://localhost:2\": must begin with https://",
        "sac.region = 130: must be a text in quotes",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let ground = Ground::new();
    let drain = ("ARGINE__SHUTDOWN__DRAIN", "29s");
    assert_eq!(ground.wrong(&[drain]), ["shutdown.drain"]);
    let answer = ("ARGINE__LISTEN__ANSWER_WITHIN", "10s");
    assert_eq!(ground.wrong(&[answer]), ["listen.answer_within"]);
    let header = ("ARGINE__LISTEN__HEADER_WITHIN", "999ms");
    assert_eq!(ground.wrong(&[header]), ["listen.header_within"]);
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let ground = Ground::new();
    let other = rcgen::KeyPair::generate().unwrap();
    ground.write("server.key", &other.serialize_pem());
    assert_eq!(ground.wrong(&[]), ["listen.key_file"]);
    ground.write("server.key", "no key");
    assert_eq!(ground.wrong(&[]), ["listen.key_file"]);
    ground.write("server.pem", "no certificate");
    assert_eq!(
        ground.wrong(&[]),
        ["listen.certificate_file", "listen.key_file"]
    );
}

#[test]
fn problems_of_the_callers_file_are_listed_among_the_rest() {
    let ground = Ground::new();
    ground.write("callers.toml", "[[caller]]\n");
    let log = ("ARGINE__LOG__LEVEL", "loud");
    let wrong = ground.wrong(&[log]);
    assert_eq!(wrong.len(), 2);
    assert!(wrong[0].ends_with("callers.toml"), "{wrong:?}");
    assert_eq!(wrong[1], "log.level");
}

#[test]
fn a_file_that_is_absent_or_no_toml_is_one_problem_with_its_line() {
    let ground = Ground::new();
    ground.write("argine.toml", "[listen]\naddress = \n");
    let problems = ground.load(&[]).unwrap_err().problems;
    assert_eq!(problems[0].key, "--config");
    assert!(problems[0].rule.contains("line 2"), "{}", problems[0].rule);
    let absent = load(Some(&ground.path("absent.toml")), Vec::new()).unwrap_err();
    assert_eq!(absent.problems[0].key, "--config");
}

#[test]
fn every_default_stands_below_a_comment() {
    let mut before = "";
    for line in layers::DEFAULTS.lines() {
        let is_setting = line.contains(" = ") && !line.starts_with('#');
        assert!(!is_setting || before.starts_with('#'), "{line}");
        before = line;
    }
}

#[test]
fn no_problem_repeats_what_may_be_a_secret() {
    let secret = "AbCdEf0123456789";
    let ground = Ground::new();
    let address = format!("http://region:{secret}@localhost:2");
    let settings = ground.load(&[]).unwrap().effective.into_iter();
    let mut keys: Vec<String> = settings.map(|setting| setting.key).collect();
    keys.retain(|key| key.ends_with("file"));
    assert!(keys.len() >= 12, "{keys:?}");
    let texts = keys.iter().map(|key| (key.as_str(), secret));
    let texts = texts.chain([
        ("sac.pin_code", secret),
        ("sac.prescriptions_url", address.as_str()),
    ]);
    for (key, text) in texts {
        let name = format!("ARGINE__{}", key.to_ascii_uppercase().replace('.', "__"));
        let error = ground.load(&[(name.as_str(), text)]).unwrap_err();
        let lines: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
        assert!(lines[0].starts_with(&format!("{key} = ")), "{lines:?}");
        assert!(!lines.concat().contains(secret), "{lines:?}");
    }
}

#[test]
fn metrics_are_served_on_a_named_address_and_traces_sent_to_a_whole_one() {
    let ground = Ground::new();
    let metrics = "ARGINE__SIGNALS__METRICS_ADDRESS";
    let url = "ARGINE__SIGNALS__OTLP_URL";
    for address in ["0.0.0.0:9464", "[::]:9464", "9464"] {
        assert_eq!(
            ground.wrong(&[(metrics, address)]),
            ["signals.metrics_address"]
        );
    }
    for text in [
        "127.0.0.1:4318",
        "http://",
        "ftp://collector",
        "http://a:b@collector",
    ] {
        assert_eq!(ground.wrong(&[(url, text)]), ["signals.otlp_url"], "{text}");
    }
    let share = ("ARGINE__SIGNALS__SAMPLE_SHARE", "1.1");
    assert_eq!(ground.wrong(&[share]), ["signals.sample_share"]);
    let secure = (url, "https://collector:4318/v1/traces");
    assert_eq!(ground.wrong(&[secure]), ["signals.otlp_trust_file"]);
    let trust = ("ARGINE__SIGNALS__OTLP_TRUST_FILE", "ca.pem");
    let loaded = ground
        .load(&[secure, trust, (metrics, "127.0.0.1:9464")])
        .unwrap();
    assert!(loaded.config.signals.traces.is_some());
    let nothing = ground.load(&[]).unwrap().config.signals;
    assert!(nothing.metrics_address.is_none() && nothing.traces.is_none());
}
