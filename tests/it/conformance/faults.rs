//! Every fault, as a caller sees it and as the book has it.

use std::io;
use std::time::Duration;

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, interval, timeout};

use super::assertion::Assertion;
use super::client::{Call, DOCTOR, Reply, Sac, connect, region};
use super::messages::{Body, cancel, drug, lot, view};

/// Long enough to be sure that nothing comes, short enough to wait for it.
const SILENCE: Duration = Duration::from_millis(300);
const BOUND: Duration = Duration::from_secs(10);

fn good(body: &Body) -> Call {
    Call::new(body, &Assertion::of(DOCTOR, region()).signed())
}

/// Sends one prescription into this fault.
async fn sent_into(sac: &Sac, rule: Rule) -> io::Result<Reply> {
    sac.simulator.set_faults(vec![rule]);
    good(&drug(&sac.number())).send(sac).await
}

/// A prescription meets this fault: the answer, and how many prescriptions there are then.
async fn met(fault: Fault) -> (io::Result<Reply>, usize) {
    let sac = Sac::start();
    let reply = sent_into(&sac, Rule::on(Operation::Invio, fault)).await;
    let book = sac.simulator.book();
    assert_eq!(book.calls(Operation::Invio).faulted, 1);
    (reply, book.prescriptions.len())
}

async fn eventually(mut holds: impl FnMut() -> bool) {
    let mut ticks = interval(Duration::from_millis(5));
    let waited = timeout(BOUND, async {
        while !holds() {
            ticks.tick().await;
        }
    });
    waited.await.expect("it never came true");
}

#[tokio::test]
async fn refuse_closes_the_listener_and_keeps_the_port() {
    let sac = Sac::start();
    for _ in 0..3 {
        let error = sent_into(&sac, Rule::everywhere(Fault::Refuse))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        sac.simulator.clear_faults();
        sac.call(&drug(&sac.number())).await.assert_done();
    }
}

/// A connection of before the outage, or of before a change of certificates, takes no more calls.
#[tokio::test]
async fn idle_connections_end_with_a_fault_of_connections() {
    for fault in [
        Fault::Refuse,
        Fault::HandshakeReset,
        Fault::CertificateRefused,
    ] {
        let sac = Sac::start();
        let identity = region().join("region");
        let mut stream = connect(sac.simulator.address(), Some(&identity))
            .await
            .unwrap();
        for _ in 0..2 {
            stream
                .write_all(&good(&drug(&sac.number())).bytes())
                .await
                .unwrap();
            Reply::read(&mut stream).await.unwrap().assert_done();
        }
        sac.simulator
            .set_faults(vec![Rule::on(Operation::Annulla, fault)]);
        // Writing may still succeed: nobody reads it.
        stream
            .write_all(&good(&drug(&sac.number())).bytes())
            .await
            .ok();
        Reply::read(&mut stream).await.unwrap_err();
        assert_eq!(sac.simulator.book().calls(Operation::Invio).received, 2);
    }
}

/// Lots live on another host: with a listener of their own they go down alone.
#[tokio::test]
async fn lots_can_be_refused_alone() {
    let sac = Sac::with(|settings| settings.lots_listen = Some("127.0.0.1:0".parse().unwrap()));
    assert_ne!(sac.simulator.address(), sac.simulator.lots_address());
    sac.simulator
        .set_faults(vec![Rule::on(Operation::Lotto, Fault::Refuse)]);
    let identity = region().join("region");
    let lots = connect(sac.simulator.lots_address(), Some(&identity))
        .await
        .unwrap_err();
    assert_eq!(lots.kind(), io::ErrorKind::ConnectionRefused);
    sac.call(&drug(&sac.number())).await.assert_done();
    assert_eq!(sac.call(&lot("3", None)).await.text("CodEsito"), "00");
}

#[tokio::test]
async fn handshakes_fail_on_command() {
    let sac = Sac::start();
    let reset = sent_into(&sac, Rule::everywhere(Fault::HandshakeReset).times(1)).await;
    assert_eq!(reset.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let alert = sent_into(&sac, Rule::everywhere(Fault::CertificateRefused).times(1)).await;
    let alert = alert.unwrap_err().to_string();
    assert!(
        alert.contains("UnknownCA") || alert.contains("DecryptError"),
        "{alert}"
    );
    assert_eq!(sac.simulator.book().calls(Operation::Invio).received, 0);
    sac.call(&drug(&sac.number())).await.assert_done();
}

#[tokio::test]
async fn hang_never_answers() {
    for applied in [false, true] {
        let sac = Sac::start();
        let rule = Rule::on(Operation::Invio, Fault::Hang).applied(applied);
        timeout(SILENCE, sent_into(&sac, rule)).await.unwrap_err();
        assert_eq!(
            sac.simulator.book().prescriptions.len(),
            usize::from(applied)
        );
    }
}

#[tokio::test]
async fn hang_halfway_answers_half() {
    let sac = Sac::start();
    sac.simulator
        .set_faults(vec![Rule::everywhere(Fault::HangHalfway)]);
    let identity = region().join("region");
    let mut stream = connect(sac.simulator.address(), Some(&identity))
        .await
        .unwrap();
    stream
        .write_all(&good(&drug(&sac.number())).bytes())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    while timeout(SILENCE, stream.read_buf(&mut bytes))
        .await
        .is_ok_and(|read| read.unwrap() > 0)
    {}
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && !text.contains("</soapenv:Envelope>"),
        "{text}"
    );
    assert_eq!(sac.simulator.book().prescriptions.len(), 1);
}

#[tokio::test]
async fn trickle_answers_byte_by_byte() {
    let sac = Sac::start();
    sac.simulator
        .set_faults(vec![Rule::everywhere(Fault::Trickle { every_ms: 20 })]);
    let identity = region().join("region");
    let mut stream = connect(sac.simulator.address(), Some(&identity))
        .await
        .unwrap();
    stream
        .write_all(&good(&drug(&sac.number())).bytes())
        .await
        .unwrap();
    let mut bytes = [0; 64];
    for _ in 0..5 {
        assert_eq!(
            timeout(BOUND, stream.read(&mut bytes))
                .await
                .unwrap()
                .unwrap(),
            1
        );
    }
}

#[tokio::test]
async fn slow_answers_late_and_whole() {
    let shapes = [
        Delay::Fixed { ms: 150 },
        Delay::Uniform {
            from_ms: 150,
            until_ms: 200,
        },
        Delay::Lognormal {
            median_ms: 150,
            sigma: 0.0,
        },
    ];
    for delay in shapes {
        let sac = Sac::start();
        let begun = Instant::now();
        let reply = sent_into(&sac, Rule::everywhere(Fault::Slow { delay }))
            .await
            .unwrap();
        reply.assert_done();
        assert!(begun.elapsed() >= Duration::from_millis(150));
    }
}

#[tokio::test]
async fn a_front_end_answers_in_place_of_the_service() {
    for status in [502, 503, 504] {
        let (reply, prescriptions) = met(Fault::Status { status }).await;
        assert_eq!((reply.unwrap().status, prescriptions), (status, 0));
    }
    let sac = Sac::start();
    let rule = Rule::everywhere(Fault::Status { status: 504 }).applied(true);
    assert_eq!(sent_into(&sac, rule).await.unwrap().status, 504);
    assert_eq!(sac.simulator.book().prescriptions.len(), 1);
}

#[tokio::test]
async fn connections_die_before_and_after_the_commit() {
    let cases = [
        (Fault::ResetBefore, io::ErrorKind::ConnectionReset, 0),
        (Fault::ResetAfter, io::ErrorKind::ConnectionReset, 1),
        (Fault::LostAnswer, io::ErrorKind::UnexpectedEof, 1),
    ];
    for (fault, kind, prescriptions) in cases {
        let (reply, applied) = met(fault.clone()).await;
        assert_eq!(
            (reply.unwrap_err().kind(), applied),
            (kind, prescriptions),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_late_commit_comes_after_the_connection_has_died() {
    for hang in [false, true] {
        let sac = Sac::start();
        let number = sac.number();
        let fault = Fault::LateCommit {
            after_ms: 200,
            hang,
        };
        sac.simulator
            .set_faults(vec![Rule::on(Operation::Invio, fault)]);
        let call = good(&drug(&number));
        match timeout(SILENCE, call.send(&sac)).await {
            Err(_) => assert!(hang),
            Ok(reply) => {
                assert!(!hang);
                assert_eq!(reply.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            }
        }
        sac.call(&view(&number, DOCTOR))
            .await
            .assert_refused(&["5005"]);
        eventually(|| sac.simulator.book().prescription(&number).is_some()).await;
        sac.call(&view(&number, DOCTOR)).await.assert_done();
    }
}

#[tokio::test]
async fn it_is_dispensed_right_before_it_is_cancelled() {
    let sac = Sac::start();
    let number = sac.number();
    sac.call(&drug(&number)).await.assert_done();
    sac.simulator
        .set_faults(vec![Rule::on(Operation::Annulla, Fault::DispensedFirst)]);
    sac.call(&cancel(&number, DOCTOR))
        .await
        .assert_refused(&["1120"]);
    assert_eq!(sac.simulator.book().prescriptions[0].state, 8);
}

#[tokio::test]
async fn answers_are_no_answers() {
    let is_xml = |reply: &Reply| roxmltree::Document::parse(&reply.body).is_ok();
    for (fault, applied) in [
        (Fault::Truncated, 1),
        (Fault::Garbage, 0),
        (Fault::Empty, 0),
        (Fault::TrailingDocument, 1),
    ] {
        let (reply, prescriptions) = met(fault.clone()).await;
        let reply = reply.unwrap();
        assert!(reply.status == 200 && !is_xml(&reply), "{fault:?}");
        assert_eq!(prescriptions, applied, "{fault:?}");
    }
    let page = met(Fault::MaintenancePage).await.0.unwrap();
    assert!(page.status == 200 && page.body.contains("manutenzione"));
    let padded = met(Fault::Oversized { bytes: 3_000_000 }).await.0.unwrap();
    assert!(padded.body.len() == 3_000_000 && is_xml(&padded));
}

#[tokio::test]
async fn answers_speak_of_something_else() {
    let (reply, _) = met(Fault::WrongNamespace).await;
    let reply = reply.unwrap();
    assert_eq!(reply.outcome(), "0000");
    assert!(!reply.body.contains(Operation::Invio.receipt_namespace()));

    let sac = Sac::start();
    let number = sac.number();
    sac.call(&drug(&number)).await.assert_done();
    sac.simulator
        .set_faults(vec![Rule::everywhere(Fault::OtherNumber)]);
    let reply = sac.call(&view(&number, DOCTOR)).await;
    assert_eq!(reply.outcome(), "0000");
    assert_ne!(reply.text("nre"), number);
    assert_eq!(reply.text("nre").len(), number.len());
}

#[tokio::test]
async fn soap_faults_come_with_their_status() {
    let cases = [
        (
            Fault::AuthenticationFault,
            500,
            "Errore generico di autenticazione",
        ),
        (Fault::PolicyFault, 401, "Rejected by policy. (from client)"),
        (Fault::SchemaFault, 500, "cvc-"),
    ];
    for (fault, status, text) in cases {
        let (reply, prescriptions) = met(fault).await;
        reply.unwrap().assert_fault(status, text);
        assert_eq!(prescriptions, 0);
    }
}

#[tokio::test]
async fn a_rule_hits_its_operation_its_share_and_its_times() {
    let sac = Sac::start();
    let status = |operation, status| Rule::on(operation, Fault::Status { status });
    sac.simulator.set_faults(vec![
        status(Operation::Annulla, 502),
        status(Operation::Invio, 503).times(2),
        status(Operation::Invio, 504).share(0.5),
    ]);
    let mut seen = Vec::new();
    for _ in 0..40 {
        seen.push(sac.call(&drug(&sac.number())).await.status);
    }
    assert_eq!(seen[..2], [503, 503]);
    let share = seen[2..].iter().filter(|status| **status == 504).count();
    assert!(
        (8..=30).contains(&share) && !seen.contains(&502),
        "{share} of 38"
    );
    let book = sac.simulator.book();
    let calls = book.calls(Operation::Invio);
    assert_eq!(calls.received, 40);
    assert_eq!(calls.answered, u64::try_from(38 - share).unwrap());
    assert_eq!(calls.faulted, u64::try_from(share).unwrap() + 2);
}

/// The same seed, the same calls: the same faults.
#[tokio::test]
async fn chance_comes_from_the_seed() {
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let sac = Sac::with(|settings| settings.seed = seed);
        let rule = Rule::everywhere(Fault::Status { status: 503 }).share(0.5);
        sac.simulator.set_faults(vec![rule]);
        let mut run = Vec::new();
        for _ in 0..20 {
            run.push(sac.call(&drug(&sac.number())).await.status);
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

/// A delay and another fault add up.
#[tokio::test]
async fn faults_may_be_slow() {
    let sac = Sac::start();
    sac.simulator.set_faults(vec![
        Rule::everywhere(Fault::LostAnswer),
        Rule::everywhere(Fault::Slow {
            delay: Delay::Fixed { ms: 100 },
        }),
    ]);
    let begun = Instant::now();
    good(&drug(&sac.number())).send(&sac).await.unwrap_err();
    assert!(begun.elapsed() >= Duration::from_millis(100));
}
