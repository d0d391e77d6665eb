//! What a newcomer can try while the demo is up.

use std::path::Path;
use std::time::Duration;

use tests::world::caller::Caller;
use tests::world::{World, prescription};

/// Who the newcomer acts for.
const PRACTICE: &str = "practice-a";
/// A token lasts five minutes; a new one is written well before.
const TOKEN_EVERY: Duration = Duration::from_secs(120);

/// Prints a command that works as it stands.
pub(crate) fn print(world: &World, directory: &Path) {
    let caller = world.caller(PRACTICE);
    write_token(&caller, directory);
    let body = serde_json::to_string_pretty(&prescription::drug()).expect("a body is JSON");
    std::fs::write(directory.join("prescription.json"), body).expect("the body can be written");
    let certs = world.certs_dir().display();
    println!(
        r#"
Try it yourself, now or during the outage (the token is renewed while the demo is up):

  curl --cacert {certs}/gateway-ca.pem \
       --cert {certs}/callers/{PRACTICE}.pem --key {certs}/callers/{PRACTICE}.key \
       -H "Authorization: Bearer $(cat {directory}/token)" \
       -H "Idempotency-Key: $(date +%s%N)" -H "Content-Type: application/json" \
       --data @{directory}/prescription.json https://{address}/v1/prescriptions

The same with https://{address}/v1/status or /v1/openapi.json, without the last four lines' data.
Faults of the simulated SAC: curl -X PUT http://{control}/faults \
       -d '[{{"operation":"*","fault":{{"kind":"refuse"}}}}]'   (DELETE lifts them)
"#,
        directory = directory.display(),
        address = world.address(),
        control = world.sac().control_address(),
    );
}

/// Keeps the token fresh until the newcomer has had enough.
pub(crate) async fn stay(world: &World, directory: &Path) {
    println!("The gateway stays up. Ctrl-C ends it.");
    let caller = world.caller(PRACTICE);
    loop {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => return drop(ended),
            () = tokio::time::sleep(TOKEN_EVERY) => write_token(&caller, directory),
        }
    }
}

fn write_token(caller: &Caller, directory: &Path) {
    std::fs::write(directory.join("token"), caller.signed()).expect("the token can be written");
}
