//! Credentials that are replaced while callers connect.

use super::*;

#[actix_web::test]
async fn fault_29_a_thousand_swaps_under_load_fail_no_request() {
    const SWAPS: u64 = 1_000;
    let served = serve_as(1_000_000, |_| {});
    let (live, address) = (served.credentials.clone(), served.address);
    let others = served.directory.path().join("others");
    std::fs::create_dir(&others).unwrap();
    let texts = [
        served.files.read(),
        served.authority.serve_from(&others).read(),
    ];
    let swaps = actix_web::rt::task::spawn_blocking(move || {
        for number in 2..2 + SWAPS {
            let texts = &texts[usize::try_from(number % 2).unwrap()];
            live.replace(Arc::new(Credentials::compose(texts, number).unwrap()));
        }
    });
    let (fresh, kept) = (
        client(&served, served.practice()),
        client(&served, served.practice()),
    );
    let asking = actix_web::rt::task::spawn_blocking(move || {
        let request = STATUS.replace("Connection: close\r\n", "");
        let mut kept = connect(address, kept).unwrap();
        let (mut asked, mut certificates) = (0, std::collections::BTreeSet::new());
        while !swaps.is_finished() {
            // One connection through all swaps, and a new one each time.
            kept.write_all(request.as_bytes()).unwrap();
            let mut head = [0; 15];
            kept.read_exact(&mut head).unwrap();
            assert_eq!(&head, b"HTTP/1.1 200 OK");
            let (mut rest, mut length) = ([0; 16 << 10], 0);
            while !rest[..length].ends_with(b"}") {
                length = kept.read(&mut rest).unwrap();
            }
            let mut new = connect(address, fresh.clone()).unwrap();
            new.write_all(STATUS.as_bytes()).unwrap();
            let mut answer = Vec::new();
            // Its end may be cut off: what matters came before.
            drop(new.read_to_end(&mut answer));
            assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{asked}");
            let shown = new.conn.peer_certificates().unwrap_or_default();
            certificates.extend(shown.first().map(|leaf| leaf.to_vec()));
            asked += 1;
        }
        (asked, certificates.len())
    });
    let (asked, certificates) = asking.await.unwrap();
    assert!(asked > 1, "{asked}");
    assert_eq!(certificates, 2, "both were shown in {asked} handshakes");
    served.handle.stop(false).await;
}
