//! What a policy may say, and how it is told that it may not.

use policies::rules::LegalBasis;

use super::*;

fn load_text(text: &str) -> Result<SacRules, Vec<String>> {
    let composed = Composer::new(None).compose(&Files::whole(text), &[]);
    composed.map(|composed| composed.rules)
}

#[test]
fn a_file_replaces_only_what_it_names() {
    let rules = load_text("[prescriptions]\nanswer_within = \"2s\"\n").unwrap();
    assert_eq!(rules.prescriptions.answer_within, Duration::from_secs(2));
    assert_eq!(rules.prescriptions.gate, compiled_in().prescriptions.gate);
}

#[test]
fn the_lane_answers_before_the_edge_gives_up() {
    let wait = compiled_in().prescriptions.answer_within;
    assert!(load(None, Some(wait + Duration::from_millis(1))).is_ok());
    let error = load(None, Some(wait)).unwrap_err();
    assert!(
        error.problems[0].contains("listen.answer_within"),
        "{error}"
    );
}

#[test]
fn a_look_up_is_answered_before_the_edge_gives_up() {
    let wait = compiled_in().prescriptions.answer_within;
    let file = format!(
        "[registry]\nanswer_within = \"{}ms\"\n",
        wait.as_millis() + 2
    );
    let compose = |edge: u64| {
        let edge = wait + Duration::from_millis(edge);
        Composer::new(Some(edge)).compose(&Files::whole(&file), &[])
    };
    assert!(compose(3).is_ok());
    let problems = compose(2).unwrap_err();
    assert!(
        problems[0].starts_with("sac.toml: registry.answer_within"),
        "{problems:?}"
    );
}

#[test]
fn a_law_is_leant_on_until_its_last_day() {
    let rules = |until: &str| {
        let mut rules = compiled_in();
        rules.prescriptions.fallback.legal_basis = Some(LegalBasis {
            act: "DL 1/2026".to_owned(),
            article: "3".to_owned(),
            valid_until: until.to_owned(),
        });
        rules
    };
    let at = |instant: &str| {
        let instant: jiff::Timestamp = instant.parse().unwrap();
        Timestamp(u64::try_from(instant.as_millisecond()).unwrap())
    };
    let noon = at("2026-11-22T12:00:00Z");
    assert_eq!(law_that_ended(&compiled_in(), noon), None);
    assert_eq!(law_that_ended(&rules("2026-11-22"), noon), None);
    let over = law_that_ended(&rules("2026-11-21"), noon).unwrap();
    assert!(over.contains("has passed"), "{over}");
    // The day ends where the law applies.
    let last = rules("2026-11-22");
    assert_eq!(law_that_ended(&last, at("2026-11-22T22:59:59Z")), None);
    assert!(law_that_ended(&last, at("2026-11-22T23:00:00Z")).is_some());
    for wrong in [
        "",
        "2026-02-30",
        "22/11/2999",
        "2999-1-1",
        "2999-01-01T00:00:00",
    ] {
        let refused = law_without_end(&rules(wrong)).unwrap();
        assert!(refused.contains("YYYY-MM-DD"), "{wrong}: {refused}");
    }
    assert_eq!(law_without_end(&last), None);
}

#[test]
fn every_problem_is_listed_with_its_key() {
    let text = "[lots]\nkind = 0\n[prescriptions.delivery]\nlease_for = \"1s\"\n";
    let problems = load_text(text).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0].contains("prescriptions.delivery.lease_for"),
        "{problems:?}"
    );
    assert!(problems[1].contains("lots.kind"), "{problems:?}");
}

#[test]
fn a_misspelt_key_and_a_wrong_type_are_refused() {
    assert!(load_text("[lots]\nblok = 1\n").unwrap_err()[0].contains("blok"));
    assert!(load_text("[prescriptions]\nanswer_within = 8\n").is_err());
    assert!(load_text("prescriptions = 3\n").is_err());
}

#[test]
fn a_wrong_type_names_its_key_and_not_its_value() {
    let problems = load_text("[prescriptions]\nanswer_within = 1234\n").unwrap_err();
    assert!(
        problems[0].starts_with("sac.toml: prescriptions.answer_within: must be "),
        "{problems:?}"
    );
    assert!(!problems[0].contains("1234"), "{problems:?}");
}

#[test]
fn a_file_that_does_not_parse_is_refused_with_its_line_and_nothing_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[lots]\npin = 1234567890 secret\n# end of policy\n";
    std::fs::write(directory.path().join(SAC_FILE), text).unwrap();
    let problem = load(Some(directory.path()), None)
        .unwrap_err()
        .problems
        .remove(0);
    assert!(
        problem.contains("/sac.toml: must be TOML: line 2"),
        "{problem}"
    );
    assert!(!problem.contains("1234567890"), "{problem}");
    assert!(!problem.contains("secret"), "{problem}");
}

#[test]
fn a_file_that_was_cut_short_is_refused_wherever_it_was_cut() {
    let text =
        "[prescriptions]\nchecks_off = [\"packs-per-row\"]\n[lots]\nblock = 17\n# end of policy\n";
    let whole = Composer::new(None).compose(&Files::of(text), &[]).unwrap();
    for length in 0..text.len() {
        let cut = Composer::new(None).compose(&Files::of(&text[..length]), &[]);
        match cut {
            Ok(cut) => assert_eq!(cut, whole, "only the last newline is missing"),
            Err(problems) => assert!(problems[0].contains("# end of policy"), "{problems:?}"),
        }
        assert!(length == text.len() - 1 || Files::of(&text[..length]).sac().is_err());
    }
}

#[test]
fn a_toggle_lies_over_the_file_and_the_file_holds_without_it() {
    let compose = |text: &str, key: &str, value: &str| {
        let toggled = [(key.to_owned(), typed(value))];
        Composer::new(Some(Duration::from_secs(30))).compose(&Files::whole(text), &toggled)
    };
    let file = "[prescriptions]\nanswer_within = \"7s\"\n";
    let composed = compose(file, "prescriptions.answer_within", "6s").unwrap();
    assert_eq!(
        composed.rules.prescriptions.answer_within,
        Duration::from_secs(6)
    );
    let set = composed.layers.get("prescriptions.answer_within").unwrap();
    assert_eq!(set.origin, Origin::Toggle);
    let problems = compose(file, "prescriptions.answer_within", "40s").unwrap_err();
    assert!(
        problems[0].starts_with("toggles: prescriptions.answer_within"),
        "{problems:?}"
    );
    let bad = "[prescriptions]\nanswer_within = \"40s\"\n";
    let problems = compose(bad, "prescriptions.answer_within", "6s").unwrap_err();
    assert!(
        problems[0].starts_with("sac.toml: prescriptions.answer_within"),
        "{problems:?}"
    );
}

#[test]
fn what_needs_a_restart_waits_for_it() {
    let compose = |composer: &Composer, text: &str| composer.compose(&Files::whole(text), &[]);
    let first = compose(
        &Composer::new(None),
        "[prescriptions.calls]\nqueue_max = 100\n",
    )
    .unwrap();
    let composer = Composer::new(None).begun_with(&first.layers);
    assert_eq!(first.pending, []);

    let both = "[prescriptions.calls]\nqueue_max = 200\ncalls_max = 90\n";
    let both = compose(&composer, both).unwrap();
    let calls = &both.rules.prescriptions.calls;
    assert_eq!((calls.queue_max, calls.calls_max), (100, 90));
    let pending: Vec<_> = both.pending.iter().map(ToString::to_string).collect();
    assert_eq!(
        pending,
        ["sac.prescriptions.calls.queue_max: 100 → 200  (restart)"]
    );

    // Good after a restart, and not before it: 150 calls do not fit into the queue of 100.
    let later = "[prescriptions.calls]\nqueue_max = 200\ncalls_max = 150\n";
    assert!(compose(&Composer::new(None), later).is_ok());
    let problems = compose(&composer, later).unwrap_err();
    assert!(problems[0].starts_with("until a restart"), "{problems:?}");
}

#[test]
fn only_checks_that_exist_are_switched_off() {
    let off = |ids: &str| load_text(&format!("[prescriptions]\nchecks_off = [{ids}]\n"));
    assert!(off(r#""packs-per-row""#).is_ok());
    let problems = off(r#""packs-per-row", "packs-per-raw", """#).unwrap_err();
    assert_eq!(
        problems,
        [2, 3].map(|number| format!(
            "sac.toml: prescriptions.checks_off: number {number} is not the id of a check"
        ))
    );
}
