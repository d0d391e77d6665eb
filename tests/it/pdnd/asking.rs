//! How often PDND is asked, and how long somebody waits for it.

use futures_util::future::join_all;
use tests::world::wait::passed;
use tokio::time::timeout;

use super::*;

/// Keys that are known when PDND begins to hang: asked for one after the other they would take forty seconds.
const KEYS: usize = 20;
/// One question that is not answered, and some more for a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Evidence under the key of this number, which is the same under another name.
fn under(vouched: &Vouched, number: usize) -> String {
    let token = vouched.world.caller("practice-b").token();
    let claims = [
        ("iss", json!(CLIENT)),
        ("aud", json!(AUDIENCE)),
        ("userID", json!("dott.rossi@practice-b")),
        ("userLocation", json!("desk 1")),
        ("LoA", json!("3")),
    ];
    let token = claims
        .into_iter()
        .fold(token, |token, (name, value)| token.with(name, value));
    let token = Token {
        key_id: format!("key-{number}"),
        ..token
    };
    let signed = token.sign(vouched.world.certs_dir(), "practice-b");
    signed.expect("a minted key signs")
}

fn publish_many(vouched: &Vouched) {
    let file = vouched
        .world
        .certs_dir()
        .join("callers/practice-b-signing.pem");
    let pem = fs::read_to_string(file).expect("it was minted");
    for number in 0..KEYS {
        vouched
            .pdnd
            .register(&format!("key-{number}"), CLIENT, &pem);
    }
}

/// All keys that are known serve while PDND hangs, stale as they are, and whoever waits waits once.
#[tokio::test]
async fn many_stale_keys_serve_while_pdnd_hangs() {
    let setup = Setup::default()
        .config("pdnd.fresh_for", "1s")
        .config("pdnd.ask_again", "1s");
    let vouched = Vouched::start(setup).await;
    publish_many(&vouched);
    let voucher = vouched.voucher(&json!({}));
    let known: Vec<String> = (0..KEYS).map(|number| under(&vouched, number)).collect();
    // Few at a time: one client may have four unknown ids asked for.
    for evidence in &known {
        until("the key is heard of", SOON, async || {
            (vouched.code(&voucher, evidence).await == RECOGNISED).then_some(())
        })
        .await;
    }
    // All keys are stale by now.
    passed(Duration::from_secs(2)).await;
    vouched.pdnd.set_fault(Some(Fault::Hang));
    let asked = known
        .iter()
        .map(|evidence| vouched.code(&voucher, evidence));
    let codes = timeout(WAIT_MAX, join_all(asked)).await;
    assert_eq!(codes.expect("none waits longer"), [RECOGNISED; KEYS]);
    for evidence in &known {
        assert_eq!(vouched.code(&voucher, evidence).await, RECOGNISED);
    }
    vouched.are_nowhere();
}

/// Of a crowd that comes with one new key all are recognised.
#[tokio::test]
async fn a_crowd_under_one_new_key_is_recognised() {
    let vouched = Vouched::start(Setup::default().config("pdnd.ask_again", "10m")).await;
    let (voucher, good) = (vouched.voucher(&json!({})), vouched.good());
    let codes = join_all((0..16).map(|_| vouched.code(&voucher, &good))).await;
    assert_eq!(codes, [RECOGNISED; 16]);
    let asked = vouched.pdnd.asked();
    let about = |kid: &str| asked.iter().filter(|path| path.ends_with(kid)).count();
    assert_eq!(about("practice-b-1"), 1, "{asked:?}");
}

/// Where nobody is asked who they are, PDND is asked nothing.
#[tokio::test]
async fn a_path_that_asks_for_no_caller_costs_pdnd_nothing() {
    let vouched = Vouched::start(Setup::default()).await;
    let (voucher, good) = (vouched.voucher(&json!({})), vouched.good());
    for (path, status) in [
        ("/v1/status", 200),
        ("/v1/openapi.json", 200),
        ("/v1/nowhere", 404),
    ] {
        let request = vouched.request(Method::GET, path, &voucher, &good);
        let reply = answer(request).await.expect("the gateway answers");
        assert_eq!(reply.status, status, "{path}");
    }
    assert_eq!(vouched.pdnd.asked(), [""; 0]);
}
