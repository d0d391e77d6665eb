//! What operators do, over the wire and by their commands, whose arguments any user of the machine may see.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::world::gateway;
use tests::world::wait::until;

use super::scene::{AUTHOR, LISTED, REASON, Scene, diagnosed};

const SOON: Duration = Duration::from_secs(30);
/// Why a command is given, and by whom: written by the operator into its arguments, and shown there.
pub(super) const GIVEN: [&str; 2] = ["richiesta di Pellegrini", "ornella.quaranta"];
const MODE: &str = "sac.registry.mode";

/// A toggle with a reason and an author that name somebody.
pub(super) fn change() -> Value {
    json!({ "target": MODE, "value": "forced-closed", "expires_in": "1h", "reason": REASON, "author": AUTHOR })
}

/// The same taken back.
pub(super) fn withdrawal() -> Value {
    json!({ "target": MODE, "reason": REASON, "author": AUTHOR })
}

/// Every command that can be given beside a gateway that runs.
pub(super) fn command_everything(scene: &mut Scene) {
    let operator = scene.world.operator_file().display().to_string();
    let config = scene.world.config_file().display().to_string();
    let copy = copy(scene);
    let [why, who] = GIVEN;
    let commands: [&[&str]; 9] = [
        &["check", "--config", &config],
        &[
            "toggle",
            "set",
            "--operator",
            &operator,
            "--reason",
            why,
            "--author",
            who,
            "--for",
            "1h",
            MODE,
            "forced-open",
        ],
        &["toggle", "list", "--operator", &operator],
        &[
            "toggle",
            "withdraw",
            "--operator",
            &operator,
            "--reason",
            why,
            "--author",
            who,
            MODE,
        ],
        &["keys", "--operator", &operator, "rotate"],
        &["keys", "--operator", &operator, "show"],
        &["backup", "--config", &config, "--to", &copy],
        &["audit", "verify", "--config", &config],
        &["toggle", "list", "--operator", NOWHERE],
    ];
    for arguments in commands {
        let output = command(scene, arguments, "");
        let is_bad = arguments.contains(&NOWHERE);
        assert_eq!(
            output.status.success(),
            !is_bad,
            "{arguments:?}: {output:?}"
        );
        let asks = arguments.contains(&"list");
        let said = if asks {
            output.stderr
        } else {
            [output.stdout, output.stderr].concat()
        };
        scene.shown.keep(format!("said by {}", arguments[0]), said);
    }
}

/// A file that is not there.
const NOWHERE: &str = "/nonexistent/operator.conf";

/// Who looked at a person: the code comes in by standard input, and the list goes out by standard output.
pub(super) fn export(scene: &mut Scene) {
    let config = scene.world.config_file().display().to_string();
    let [why, who] = GIVEN;
    for form in ["--json", "--language=it"] {
        let arguments = [
            "audit", "export", "--config", &config, "--reason", why, "--author", who, form,
        ];
        let output = command(scene, &arguments, &format!("{LISTED}\n"));
        assert!(output.status.success(), "{output:?}");
        let list = String::from_utf8_lossy(&output.stdout).into_owned();
        // The list is what it is for: the other way round, it must hold who looked.
        for word in ["practice-a", "pharmacy-a"] {
            assert!(list.contains(word), "{list}");
        }
        scene.shown.keep("said by export", output.stderr);
    }
    // A code that is none is not repeated.
    let arguments = ["audit", "export", "--config", &config, "--reason", why];
    let output = command(scene, &arguments, "DBBLCU30C03G482N CASTRONUOVO\n");
    assert!(!output.status.success());
    scene
        .shown
        .keep("said by export", [output.stdout, output.stderr].concat());
}

/// Runs a command, and keeps what the system shows of it.
fn command(scene: &mut Scene, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(gateway::binary())
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be run");
    let directories = scene.directories();
    let certs = scene.world.certs_dir().to_owned();
    let searched: Vec<&Path> = directories
        .iter()
        .map(AsRef::as_ref)
        .chain([certs.as_path()])
        .collect();
    let what = format!("argine {}", arguments[0]);
    // One that asks for no input may be gone before it is looked at.
    let given = arguments.join("\0");
    scene.shown.keep(format!("{what} arguments"), given);
    scene.shown.keep_process(&what, child.id(), &searched);
    let mut stdin = child.stdin.take().expect("its input is piped");
    // A command that asks for nothing may have ended.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

/// Where the copy goes.
pub(super) fn copy(scene: &Scene) -> String {
    let directory = scene.world.directory().join("copy");
    directory.display().to_string()
}

/// Waits until the keys are rotated: nothing in between is left behind either.
pub(super) async fn rotated(scene: &Scene) {
    let operator = scene.world.operator();
    until("the rotation ends", SOON, async || {
        let said = operator.get("/ops/v1/keys").await;
        (said.at("/rotation/is_running") == false).then_some(())
    })
    .await;
}

/// A disk without room, and requests that find it so.
pub(super) async fn run_out_of_disk(scene: &mut Scene) {
    let Some(disk) = &scene.disk else {
        return;
    };
    disk.fill();
    let caller = scene.practice();
    let refused = until("a write is refused", SOON, async || {
        let reply = caller
            .prescribe(&tests::world::prescription::key(), &diagnosed())
            .await;
        (!matches!(reply.status, 201 | 202)).then_some(reply)
    })
    .await;
    caller.search_person(LISTED).await;
    scene.answered("a write on a full disk", &refused.expect(503));
    scene.look(true);
    scene.disk.as_ref().expect("it was there").free();
    until("writes are taken again", SOON, async || {
        let reply = caller
            .prescribe(&tests::world::prescription::key(), &diagnosed())
            .await;
        (reply.status == 201).then_some(())
    })
    .await;
}

/// Killed with entries that wait, and started again; copied, burnt, and restored.
pub(super) async fn die_and_come_back(scene: &mut Scene) {
    scene.world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    let key = scene.key();
    scene
        .practice()
        .prescribe(&key, &diagnosed())
        .await
        .expect(202);
    scene.look(true);
    scene.world.kill().await;
    scene.look(false);
    scene.world.burn();
    let config = scene.world.config_file().display().to_string();
    let from = copy(scene);
    let output = command(
        scene,
        &["restore", "--config", &config, "--from", &from],
        "",
    );
    assert!(output.status.success(), "{output:?}");
    scene
        .shown
        .keep("said by restore", [output.stdout, output.stderr].concat());
    scene.look(false);
    scene.world.recover();
    scene
        .world
        .restart()
        .await
        .expect("a restored store serves");
}
