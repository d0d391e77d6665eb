//! What a newcomer can try while the demo is up.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tests::upstreams::sac::registry::population;
use tests::world::caller::Caller;
use tests::world::{World, prescription};

/// Who the newcomer acts for.
pub(crate) const PRACTICE: &str = "practice-a";
/// A person on the list of the doctor whom the newcomer acts for.
const LISTED: usize = 2;
/// A token lasts five minutes; a new one is written well before.
const TOKEN_EVERY: Duration = Duration::from_secs(120);

/// Prints a command that works as it stands.
pub(crate) fn print(world: &World, directory: &Path) {
    let caller = world.caller(PRACTICE);
    write_token(&caller, directory);
    let body = serde_json::to_string_pretty(&prescription::drug()).expect("a body is JSON");
    std::fs::write(directory.join("prescription.json"), body).expect("the body can be written");
    let person = json!({ "tax_code": population::person(LISTED) });
    std::fs::write(directory.join("person.json"), person.to_string()).expect("it can be written");
    let (certs, token) = (world.certs_dir().display(), directory.join("token"));
    let as_practice = format!(
        "curl --cacert {certs}/gateway-ca.pem \\
       --cert {certs}/callers/{PRACTICE}.pem --key {certs}/callers/{PRACTICE}.key \\
       -H \"Authorization: Bearer $(cat {})\"",
        token.display()
    );
    println!(
        r#"
Try it yourself, now or during the outage. A prescription, under a new key each time:

  {as_practice} \
       -H "Idempotency-Key: $(date +%s%N)" -H "Content-Type: application/json" \
       --data @{body} https://{address}/v1/prescriptions

A person on the doctor's list, known since yesterday; during the outage with "stale":true:

  {as_practice} \
       -H "Content-Type: application/json" \
       --data @{person} https://{address}/v1/assisted-persons/search

How the gateway stands; /v1/prescriptions, /v1/events and /v1/openapi.json are read the same way:

  {as_practice} \
       https://{address}/v1/status

An outage of your own, and its end:

  curl -X PUT http://{control}/faults -d '[{{"operation":"*","fault":{{"kind":"refuse"}}}}]'
  curl -X DELETE http://{control}/faults
"#,
        body = directory.join("prescription.json").display(),
        person = directory.join("person.json").display(),
        address = world.address(),
        control = world.sac().control_address(),
    );
}

/// Keeps the token fresh for as long as the demo is up.
pub(crate) async fn keep_token_fresh(caller: Caller, directory: &Path) {
    loop {
        tokio::time::sleep(TOKEN_EVERY).await;
        write_token(&caller, directory);
    }
}

fn write_token(caller: &Caller, directory: &Path) {
    std::fs::write(directory.join("token"), caller.signed()).expect("the token can be written");
}
