//! Who saw what: it is written down before it is seen, and can be told to whom it concerns.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tests::upstreams::sac::registry::population;
use tests::world::caller::Caller;
use tests::world::disk::SmallDisk;
use tests::world::gateway;
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};

const SOON: Duration = Duration::from_secs(20);
/// Longer than a reserve of one megabyte, and what is held beyond it, takes to be used up: some six thousand
/// reads.
const USED_UP_WITHIN: Duration = Duration::from_secs(120);
/// Reads that use it up at a time.
const READERS: usize = 16;
/// The disk of the full-disk test.
const MEGABYTES: u32 = 24;
/// The patient of every prescription of these tests.
const PATIENT: &str = "PNIMRA70A01H501P";

/// What `argine audit` prints, and how it ends, with `input` on its standard input.
fn audit(world: &World, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(gateway::binary())
        .arg("audit")
        .args(arguments)
        .arg("--config")
        .arg(world.config_file())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be run");
    let mut stdin = child.stdin.take().expect("its input is piped");
    // A command that refuses its arguments reads nothing.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().expect("the command ends");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn is_good(world: &World) {
    let (code, said, _) = audit(world, &["verify"], "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("good\n"), "{said}");
}

/// Every recorded access to `person`: organisation, action, why, outcome.
fn accesses(world: &World, person: &str) -> Vec<[String; 4]> {
    let arguments = ["export", "--json", "--reason", "asked for by the person"];
    let (code, list, error) = audit(world, &arguments, &format!("{person}\n"));
    assert_eq!(code, Some(0), "{error}");
    let list: Value = serde_json::from_str(&list).expect("the list is JSON");
    let found = list["accesses"].as_array().expect("a list").iter();
    let text = |access: &Value, name: &str| access[name].as_str().unwrap_or_default().to_owned();
    found
        .map(|access| {
            ["organization", "action", "reason", "outcome"].map(|name| text(access, name))
        })
        .collect()
}

async fn seen(world: &World, person: &str, count: usize) -> Vec<[String; 4]> {
    until("every access is recorded", SOON, async || {
        let found = accesses(world, person);
        let is_own = |access: &&[String; 4]| access[1] == "export-audit";
        let others = found.iter().filter(|access| !is_own(access)).count();
        (others >= count).then_some(found)
    })
    .await
}

#[tokio::test]
async fn a_person_hears_of_everybody_who_looked_and_of_nobody_else() {
    let mut world = World::start().await;
    let person = population::person(2);
    let practice = world.caller("practice-a");
    practice.search_person(&person).await.expect(200);
    // From memory.
    practice.search_person(&person).await.expect(200);
    practice.break_glass(&person, "emergency").await.expect(200);
    world.pharmacy().search_person(&person).await.expect(200);
    let other = population::person(3);
    world.pharmacy().search_person(&other).await.expect(200);
    let found = seen(&world, &person, 4).await;
    let access = |organization: &str, action: &str, reason: &str| {
        [organization, action, reason, "shown-fresh"].map(str::to_owned)
    };
    let looked: Vec<_> = found
        .iter()
        .filter(|access| access[1] != "export-audit")
        .cloned()
        .collect();
    assert_eq!(
        looked,
        [
            access("practice-a", "search-person", ""),
            access("practice-a", "search-person", ""),
            access("practice-a", "break-glass", "emergency"),
            access("pharmacy-a", "search-person", ""),
        ]
    );
    // That the list was asked for is in the list, with the reason.
    let asked = until("the export is recorded", SOON, async || {
        let found = accesses(&world, &person);
        found.into_iter().find(|access| access[1] == "export-audit")
    })
    .await;
    assert_eq!(asked[2], "asked for by the person");
    let (_, list, _) = audit(&world, &["export", "--reason", "r"], &person);
    assert!(
        list.contains("emergenza") && list.contains("farmacia"),
        "{list}"
    );
    world.terminate().await;
    is_good(&world);
    assert!(
        accesses(&world, &person).len() >= 4,
        "also of a gateway that is not running"
    );
    for file in fs::read_dir(world.store_dir().join("audit")).expect("segments") {
        let path = file.expect("a file").path();
        if path.is_file() {
            let bytes = fs::read(path).expect("a segment");
            let is_there = bytes.windows(16).any(|part| part == person.as_bytes());
            assert!(!is_there, "a code is in a segment");
        }
    }
}

#[tokio::test]
async fn what_is_done_about_prescriptions_is_told_to_their_patient() {
    let world = World::start().await;
    let practice = world.caller("practice-a");
    let written = practice.prescribe(&key(), &drug()).await.expect(201);
    let id = written.text("/id");
    practice.prescription(&id).await.expect(200);
    practice.get("/v1/prescriptions").await.expect(200);
    practice.reminder(&id).await.expect(200);
    practice
        .get(&format!("/v1/prescriptions/{id}/events"))
        .await
        .expect(200);
    let found = seen(&world, PATIENT, 5).await;
    let count = |action: &str| found.iter().filter(|access| access[1] == action).count();
    assert_eq!(count("write-prescription"), 1);
    assert_eq!(count("read-prescription"), 2, "alone, and in a list");
    assert_eq!((count("read-reminder"), count("read-events")), (1, 1));
    assert_eq!(accesses(&world, "RSSMRA80A01H501U").len(), 0);
}

/// Whoever repeats a key is shown the prescription, its number and its code: that is a read. A write that is
/// refused leaves a record too, and neither is written down twice.
#[tokio::test]
async fn a_repeated_key_and_a_refused_write_leave_a_record_each() {
    let mut world = World::start().await;
    let practice = world.caller("practice-a");
    let (key, body) = (key(), drug());
    let written = practice.prescribe(&key, &body).await.expect(201);
    let id = written.text("/id");
    practice.prescribe(&key, &body).await.expect(201);
    world
        .pharmacy()
        .about(&id, "cancel", None)
        .await
        .expect(403);
    practice.about(&id, "acknowledge", None).await.expect(409);
    let found = seen(&world, PATIENT, 3).await;
    let looked: Vec<_> = found
        .iter()
        .filter(|access| access[1] != "export-audit")
        .map(|[who, what, _, came]| [who, what, came].map(String::as_str))
        .collect();
    assert_eq!(
        looked,
        [
            ["practice-a", "write-prescription", "done"],
            ["practice-a", "read-prescription", "shown"],
            ["practice-a", "acknowledge-prescription", "refused"],
        ]
    );
    // Nobody was seen, and nobody is told of.
    let before = records(&world);
    practice.get("/v1/events?after=1000000").await.expect(200);
    world.terminate().await;
    let after = records(&world);
    assert!(
        after <= before + 3,
        "{before} {after}: only commands and the end"
    );
}

/// How many records the chain has.
fn records(world: &World) -> u64 {
    let (_, said, _) = audit(world, &["verify"], "");
    let line = said.lines().find_map(|line| line.strip_prefix("records"));
    let count = line.expect("it says how many").trim().parse();
    count.expect("a number")
}

/// A file that is put back into the inbox is told once.
#[tokio::test]
async fn what_a_command_left_is_told_once_however_often_it_is_put_there() {
    let mut world = World::start().await;
    world.terminate().await;
    accesses(&world, PATIENT);
    let inbox = world.store_dir().join("audit/inbox");
    let left: Vec<_> = fs::read_dir(&inbox)
        .expect("the gateway has made it")
        .map(|file| file.expect("a file").path())
        .collect();
    let kept: Vec<_> = left
        .iter()
        .map(|path| fs::read(path).expect("a record"))
        .collect();
    world.restart().await.expect("it starts");
    world.terminate().await;
    for (path, bytes) in left.iter().zip(&kept) {
        assert!(!path.exists(), "it was taken on");
        fs::write(path, bytes).expect("it can be put back");
    }
    world.restart().await.expect("it starts");
    world.terminate().await;
    is_good(&world);
    let found = accesses(&world, PATIENT);
    let asked = found.iter().filter(|access| access[1] == "export-audit");
    assert_eq!(asked.count(), 1, "{found:?}");
}

/// Killed wherever it is between a commit and its segment: every write is accounted for, once.
#[tokio::test]
async fn fault_58_a_killed_gateway_accounts_for_every_write_once() {
    let mut world = World::start().await;
    let mut written = 0;
    for _ in 0..5 {
        let caller = world.caller("practice-a");
        let one = async |caller: &Caller| {
            let reply = caller.prescribe(&key(), &drug()).await;
            assert!(matches!(reply.status, 201 | 202), "{}", reply.status);
        };
        tokio::join!(one(&caller), one(&caller), one(&caller));
        written += 3;
        world.kill().await;
        is_good(&world);
        world
            .restart()
            .await
            .expect("a killed gateway starts again");
    }
    world.terminate().await;
    is_good(&world);
    let found = accesses(&world, PATIENT);
    let writes = found
        .iter()
        .filter(|access| access[1] == "write-prescription");
    assert_eq!(writes.count(), written);
}

/// A record that is changed on disk ends the command with 1, and the line names it.
#[tokio::test]
async fn fault_58_a_changed_segment_is_named() {
    let mut world = World::start().await;
    world
        .caller("practice-a")
        .get("/v1/prescriptions")
        .await
        .expect(200);
    world.terminate().await;
    let segment = world.store_dir().join("audit/00000000000000000001.audit");
    let mut bytes = fs::read(&segment).expect("the first segment");
    bytes[170] ^= 1;
    fs::write(&segment, bytes).expect("it can be changed");
    let nowhere = format!("9999:{}", "ab".repeat(32));
    let (code, said, _) = audit(&world, &["verify", "--anchor", &nowhere], "");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("sequence 9999, offset 0: the chain does not have the anchor"));
    assert!(said.contains("BAD       segment 00000000000000000001.audit, sequence 1, offset 154"));
    // It serves all the same, says so, and goes on in a segment that says so too.
    world.restart().await.expect("it serves");
    world.logged(&["the audit is damaged"]).await;
    let (code, _, _) = audit(&world, &["verify"], "");
    assert_eq!(code, Some(1), "for ever");
}

#[tokio::test]
async fn a_list_is_made_for_a_reason_and_of_a_code() {
    let mut world = World::start().await;
    world.terminate().await;
    for (arguments, input) in [
        (&["export", "--reason", " "][..], PATIENT),
        (&["export", "--reason", "r"], "nobody"),
        (&["export", "--reason", "r", "--from", "yesterday"], PATIENT),
        (&["export", "--reason", "r", "--language", "fr"], PATIENT),
        (&["export"], PATIENT),
    ] {
        let (code, list, error) = audit(&world, arguments, input);
        assert_eq!(
            (code, list.as_str()),
            (Some(64), ""),
            "{arguments:?}: {error}"
        );
        assert!(!error.contains(PATIENT), "{error}");
    }
}

/// Full: reads go on as long as the reserve lasts, then nothing of a person is shown; how the gateway stands
/// is; and all of it comes back by itself.
#[tokio::test]
async fn a_full_disk_shows_nobody_once_the_reserve_is_used_up() {
    let disk = match SmallDisk::mount(MEGABYTES) {
        Ok(disk) => disk,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let world = World::with(Setup::default().store(&disk.path().join("store"))).await;
    let (caller, operator) = (world.caller("practice-a"), world.operator());
    let written = caller.prescribe(&key(), &drug()).await.expect(201);
    let id = written.text("/id");
    disk.fill();
    for _ in 0..50 {
        caller.prescription(&id).await.expect(200);
    }
    let refused = until("the reserve is used up", USED_UP_WITHIN, async || {
        let reads = (0..READERS).map(|_| caller.prescription(&id));
        let mut replies = join_all(reads).await.into_iter();
        replies.find(|reply| !matches!(reply.status, 200 | 429))
    })
    .await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "audit-unavailable".to_owned())
    );
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.at("/nre"), Value::Null);
    let looked = caller.search_person(&population::person(2)).await;
    assert_eq!(looked.code(), "audit-unavailable");
    let toggle = operator
        .toggle("sac.prescriptions.mode", "forced-open", "2h")
        .await;
    assert_eq!(toggle.code(), "audit-unavailable", "no audit, no change");
    assert_eq!(
        operator.policy_value("sac.prescriptions.mode").await,
        "\"auto\""
    );
    caller.get("/v1/status").await.expect(200);

    disk.free();
    until("reads are served again", SOON, async || {
        (caller.prescription(&id).await.status == 200).then_some(())
    })
    .await;
    is_good(&world);
}
