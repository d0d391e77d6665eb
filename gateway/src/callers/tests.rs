//! A callers file with every mistake, and what is said about it.

use std::path::Path;

use super::files::Marking;
use super::*;
use crate::problem::Problem;

fn rules() -> TokenRules {
    TokenRules {
        audience: "https://argine.local/v1".to_owned(),
        clock_skew: Duration::from_secs(30),
        lifetime_max: Duration::from_secs(3600),
        one_time_lifetime_max: Duration::from_secs(300),
        citizen_authn_age_max: Duration::from_secs(1800),
    }
}

fn parse(path: &Path, text: &str) -> Result<Callers, Vec<Problem>> {
    Callers::parse(path, text, rules(), None, &mut Marking::default())
}

/// Reads `text` beside a P-256 key `good.pem`, a P-384 key `large.pem` and a text `bad.pem`.
fn read(text: &str) -> Result<Callers, Vec<(String, String)>> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        std::fs::write(directory.path().join(name), text).unwrap();
    };
    write(
        "good.pem",
        rcgen::KeyPair::generate().unwrap().public_key_pem(),
    );
    let large = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    write("large.pem", large.public_key_pem());
    write("bad.pem", "not a key".to_owned());
    let path = directory.path().join("callers.toml");
    parse(&path, text).map_err(|problems| {
        let pairs = problems.into_iter();
        pairs.map(|problem| (problem.key, problem.rule)).collect()
    })
}

fn caller(changes: &[(&str, &str)]) -> String {
    let certificate = format!("[\"{}\"]", "ab".repeat(32));
    let mut fields = [
        ("organization", "\"practice-a\""),
        ("profiles", "[\"practice\"]"),
        ("certificate_sha256", certificate.as_str()),
        ("pattern", "\"ID_AUTH_REST_02\""),
        ("key_id", "\"practice-a-1\""),
        ("algorithm", "\"ES256\""),
        ("key_file", "\"good.pem\""),
        ("stands_in_for_sha256", "[]"),
    ];
    for (name, value) in changes {
        let field = fields.iter_mut().find(|(known, _)| known == name).unwrap();
        field.1 = value;
    }
    let lines = fields
        .iter()
        .map(|(name, value)| format!("{name} = {value}\n"));
    format!("[[caller]]\n{}", lines.collect::<String>())
}

#[test]
fn a_good_file_is_read() {
    let callers = read(&caller(&[])).unwrap();
    let certificate = CertificateDigest([0xab; 32]);
    assert_eq!(callers.organization(certificate).unwrap().0, "practice-a");
    assert!(callers.keys.contains_key("practice-a-1"));
    assert!(!callers.keys.contains_key("practice-b-1"));
    let p384 = [("algorithm", "\"ES384\""), ("key_file", "\"large.pem\"")];
    assert!(read(&caller(&p384)).is_ok());
}

#[test]
fn an_organisation_may_sign_with_several_keys() {
    let text = caller(&[]) + &caller(&[("key_id", "\"practice-a-2\"")]);
    let callers = read(&text).unwrap();
    assert!(callers.keys.contains_key("practice-a-1") && callers.keys.contains_key("practice-a-2"));
}

#[test]
fn every_mistake_is_named_by_caller_and_field() {
    let cases = [
        (vec![("organization", "\"\"")], "organization"),
        (vec![("organization", "\"a b\"")], "organization"),
        (vec![("profiles", "[]")], "profiles"),
        (vec![("profiles", "[\"king\"]")], "profiles"),
        (vec![("certificate_sha256", "[]")], "certificate_sha256"),
        (
            vec![("certificate_sha256", "[\"ab\"]")],
            "certificate_sha256",
        ),
        (
            vec![("stands_in_for_sha256", "[\"RSSMRA80A01H501U\"]")],
            "stands_in_for_sha256",
        ),
        (vec![("algorithm", "\"HS256\"")], "algorithm"),
        (vec![("algorithm", "\"none\"")], "algorithm"),
        (vec![("key_file", "\"absent.pem\"")], "key_file"),
        (vec![("key_file", "\"bad.pem\"")], "key_file"),
        (vec![("key_file", "\"large.pem\"")], "key_file"),
        (vec![("algorithm", "\"RS256\"")], "key_file"),
        (vec![("pattern", "\"ID_AUTH_REST_03\"")], "pattern"),
        (vec![("pattern", "\"FSE\"")], "algorithm"),
        (
            vec![("pattern", "\"FSE\""), ("algorithm", "\"RS256\"")],
            "key_id",
        ),
    ];
    for (changes, field) in cases {
        let keys: Vec<_> = read(&caller(&changes))
            .unwrap_err()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, [format!("caller 1.{field}")], "{changes:?}");
    }
}

#[test]
fn all_mistakes_are_listed_not_only_the_first() {
    let first = caller(&[("profiles", "[\"king\"]"), ("key_file", "\"absent.pem\"")]);
    let second = caller(&[
        ("organization", "\"practice-b\""),
        ("algorithm", "\"none\""),
    ]);
    let keys: Vec<_> = read(&(first + &second))
        .unwrap_err()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let expected = [
        "caller 1.profiles",
        "caller 1.key_file",
        "caller 2.certificate_sha256",
        "caller 2.algorithm",
    ];
    assert_eq!(keys, expected, "a certificate belongs to one organisation");
}

#[test]
fn a_key_id_names_one_key() {
    let problems = read(&(caller(&[]) + &caller(&[]))).unwrap_err();
    assert_eq!(problems[0].0, "caller 2.key_id");
}

#[test]
fn what_is_no_list_of_callers_is_refused_whole() {
    for text in ["", "[[callers]]", "caller = 1", "[[caller]]\nname = 1", "{"] {
        assert_eq!(read(text).unwrap_err().len(), 1, "{text}");
    }
}

#[test]
fn no_problem_repeats_what_may_be_a_key() {
    let secret = "\"MHcCAQEE IBkg\"";
    let list = format!("[{secret}]");
    let fields = [
        ("organization", secret),
        ("key_id", secret),
        ("algorithm", secret),
        ("key_file", secret),
        ("profiles", list.as_str()),
        ("certificate_sha256", list.as_str()),
        ("profiles", secret),
    ];
    for change in fields {
        let path = Path::new("callers.toml");
        let problems = parse(path, &caller(&[change])).unwrap_err();
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(!lines.is_empty());
        assert!(!lines.concat().contains("MHcC"), "{lines:?}");
    }
}

/// A caller of pairs, whose signing certificates have these digests.
fn pairs(organization: &str, digests: &str) -> String {
    let certificate = "cd".repeat(32);
    format!(
        "[[caller]]\norganization = \"{organization}\"\nprofiles = [\"practice\"]\n\
         certificate_sha256 = [\"{certificate}\"]\npattern = \"FSE\"\nalgorithm = \"RS512\"\n\
         signing_certificate_sha256 = {digests}\n"
    )
}

#[test]
fn a_signing_certificate_needs_an_authority_and_belongs_to_one_caller() {
    let (one, two) = ("ef".repeat(32), "fe".repeat(32));
    let both = format!("[\"{one}\", \"{two}\"]");
    let read = |text: &str, is_trusting: bool| {
        let authorities = is_trusting.then(|| Authorities::of(&[]).unwrap());
        let path = Path::new("callers.toml");
        let read = Callers::parse(path, text, rules(), authorities, &mut Marking::default());
        read.map_err(|problems| problems.into_iter().map(|p| p.key).collect::<Vec<_>>())
    };
    let callers = read(&pairs("practice-a", &both), true).unwrap();
    let key = &callers.leaves[&CertificateDigest([0xfe; 32])];
    assert_eq!((key.name.as_str(), key.pattern), (&two[..16], Pattern::Fse));
    assert!(callers.keys.is_empty(), "no key id names it");
    let field = |number| format!("caller {number}.signing_certificate_sha256");
    let refused = read(&pairs("practice-a", &both), false).unwrap_err();
    assert_eq!(refused, [field(1)]);
    let twice = pairs("practice-a", &both) + &pairs("practice-a", &format!("[\"{one}\"]"));
    assert_eq!(read(&twice, true).unwrap_err(), [field(2)]);
    let short = read(&pairs("practice-a", "[\"ef\"]"), true).unwrap_err();
    assert_eq!(short, [field(1)]);
    let nothing = read(&pairs("practice-a", "[]"), true).unwrap_err();
    assert_eq!(nothing, ["caller 1.key_id"]);
}
