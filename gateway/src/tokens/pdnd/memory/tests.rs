//! A clock that is turned, and what is known and asked for at each moment.

use super::*;

const LIFE: Life = Life {
    fresh_for: Duration::from_secs(3_600),
    stale_for: Duration::from_secs(86_400),
    ask_again: Duration::from_secs(10),
};

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000_000 + seconds * 1_000)
}

fn key() -> Arc<Key> {
    Arc::new(Key {
        key: DecodingKey::from_rsa_raw_components(&[1; 256], &[1, 0, 1]),
        algorithm: Algorithm::RS256,
        client: None,
    })
}

fn word(found: &Found) -> &'static str {
    match found {
        Found::Key(_) => "key",
        Found::Ask => "ask",
        Found::None => "none",
        Found::Unanswered => "unanswered",
    }
}

fn issuer(memory: &Memory, kid: &str, second: u64) -> [&'static str; 2] {
    [true, false].map(|may_ask| word(&memory.issuer_key(kid, at(second), may_ask)))
}

fn client(memory: &mut Memory, kid: &str, second: u64) -> [&'static str; 2] {
    [true, false].map(|may_ask| word(&memory.client_key("c", kid, at(second), may_ask)))
}

fn set(kid: &str) -> Option<HashMap<String, Arc<Key>>> {
    Some(HashMap::from([(kid.to_owned(), key())]))
}

#[test]
fn a_key_is_fresh_then_stale_only_in_an_outage_then_gone() {
    let mut memory = Memory::new(LIFE);
    assert_eq!(issuer(&memory, "p", 0), ["ask", "unanswered"]);
    memory.told_issuer(set("p"), at(0));
    assert_eq!(issuer(&memory, "p", 3_599), ["key", "key"]);
    assert_eq!(
        issuer(&memory, "p", 3_600),
        ["ask", "key"],
        "whoever asked in vain is served"
    );
    memory.told_issuer(None, at(3_600));
    assert_eq!(
        issuer(&memory, "p", 3_601),
        ["key", "key"],
        "nobody waits in an outage"
    );
    assert_eq!(issuer(&memory, "p", 3_610), ["ask", "key"]);
    memory.told_issuer(None, at(86_395));
    assert_eq!(issuer(&memory, "p", 86_399), ["key", "key"]);
    assert_eq!(issuer(&memory, "p", 86_400), ["unanswered", "unanswered"]);
}

#[test]
fn while_pdnd_is_away_every_key_that_is_known_serves_and_nobody_asks() {
    let mut memory = Memory::new(LIFE);
    memory.told_issuer(set("p"), at(0));
    for kid in ["k", "l"] {
        memory.told_client(kid, Some(Some(key())), at(0));
    }
    memory.told_client("gone", Some(None), at(3_595));
    memory.heard(true, at(3_600));
    assert_eq!(issuer(&memory, "p", 3_601), ["key", "key"]);
    assert_eq!(client(&mut memory, "k", 3_609), ["key", "key"]);
    assert_eq!(client(&mut memory, "l", 3_609), ["key", "key"]);
    for kid in ["gone", "never heard of"] {
        let found = client(&mut memory, kid, 3_609);
        assert_eq!(found, ["unanswered", "unanswered"], "{kid}");
    }
    assert_eq!(client(&mut memory, "l", 3_610), ["ask", "key"]);
    memory.heard(false, at(3_611));
    assert_eq!(client(&mut memory, "l", 3_611), ["ask", "key"]);
}

#[test]
fn who_was_not_answered_in_time_is_served_and_the_next_do_not_wait() {
    let mut memory = Memory::new(LIFE);
    memory.told_client("k", Some(Some(key())), at(0));
    assert_eq!(client(&mut memory, "k", 3_600), ["ask", "key"]);
    memory.gave_up(Some("k"), at(3_600), at(3_602));
    assert_eq!(client(&mut memory, "k", 3_603), ["key", "key"]);
    assert_eq!(client(&mut memory, "k", 3_612), ["ask", "key"]);
    // An answer that came meanwhile stands.
    memory.told_client("k", Some(None), at(3_613));
    memory.gave_up(Some("k"), at(3_612), at(3_614));
    assert_eq!(client(&mut memory, "k", 3_614), ["none", "none"]);
}

#[test]
fn many_requests_for_one_new_key_count_once() {
    let mut memory = Memory::new(LIFE);
    for _ in 0..100 {
        assert_eq!(word(&memory.client_key("c", "new", at(0), true)), "ask");
    }
    for kid in ["2", "3", "4"] {
        assert_eq!(word(&memory.client_key("c", kid, at(0), true)), "ask");
    }
    assert_eq!(word(&memory.client_key("c", "5", at(0), true)), "none");
    assert_eq!(word(&memory.client_key("c", "new", at(0), true)), "ask");
}

#[test]
fn an_unknown_key_of_pdnd_is_asked_for_once_in_a_while() {
    let mut memory = Memory::new(LIFE);
    memory.told_issuer(set("p"), at(0));
    assert_eq!(issuer(&memory, "q", 9), ["none", "none"]);
    assert_eq!(issuer(&memory, "q", 10), ["ask", "none"]);
    memory.told_issuer(set("q"), at(10));
    assert_eq!(issuer(&memory, "q", 11), ["key", "key"]);
    assert_eq!(
        issuer(&memory, "p", 11),
        ["none", "none"],
        "it was withdrawn"
    );
    memory.told_issuer(None, at(30));
    assert_eq!(issuer(&memory, "x", 31), ["unanswered", "unanswered"]);
}

#[test]
fn a_key_that_was_revoked_is_forgotten_with_the_answer() {
    let mut memory = Memory::new(LIFE);
    memory.told_client("k", Some(Some(key())), at(0));
    assert_eq!(client(&mut memory, "k", 1), ["key", "key"]);
    memory.told_client("k", Some(None), at(3_600));
    assert_eq!(client(&mut memory, "k", 3_601), ["none", "none"]);
    memory.told_client("k", None, at(3_620));
    assert_eq!(
        client(&mut memory, "k", 3_621),
        ["unanswered", "unanswered"]
    );
}

#[test]
fn invented_ids_are_soon_not_asked_for_any_more_and_others_are() {
    let mut memory = Memory::new(LIFE);
    memory.told_client("k", Some(Some(key())), at(0));
    let asked = |memory: &mut Memory, client: &str, second: u64| {
        let ask = |kid: u32| {
            matches!(
                memory.client_key(client, &format!("x{kid}"), at(second), true),
                Found::Ask
            )
        };
        (0..10_000).map(ask).filter(|is_asked| *is_asked).count()
    };
    assert_eq!(asked(&mut memory, "mad", 1), 4);
    for kid in 0..4 {
        memory.told_client(&format!("x{kid}"), Some(None), at(2));
    }
    assert_eq!(asked(&mut memory, "mad", 10), 0);
    assert_eq!(asked(&mut memory, "other", 10), 4);
    assert_eq!(asked(&mut memory, "mad", 11), 4);
    // What is known is asked for again, whatever its client has invented.
    assert_eq!(word(&memory.client_key("mad", "k", at(3_600), true)), "ask");
}

#[test]
fn what_was_asked_for_longest_ago_makes_room() {
    let mut memory = Memory::new(LIFE);
    for number in 0..=CLIENT_KEYS_MAX {
        memory.told_client(&number.to_string(), Some(Some(key())), at(number as u64));
    }
    assert_eq!(memory.clients.len(), CLIENT_KEYS_MAX);
    assert!(!memory.clients.contains_key("0"));
}
