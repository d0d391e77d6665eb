//! Every fault of the simulator, at the moment that it stands for, and what it leaves at the SAC.

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;

/// Longer than a caller waits, shorter than a call may take.
const TOO_LATE_FOR_THE_DESK_MS: u64 = 1_800;
/// Longer than any call waits.
const NEVER_MS: u64 = 60_000;
/// How long after its connection has died a request is applied: after the gateway has asked for it.
const APPLIED_AFTER_MS: u64 = 1_200;
/// More than the adapter reads.
const OVERSIZED: usize = 8 * 1024 * 1024;

/// When the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    BeforeSend,
    MidRequest,
    AppliedUnanswered,
    AppliedLate,
    AnsweredWithGarbage,
    Killed,
}

impl Moment {
    pub(super) const ALL: [Moment; 6] = [
        Moment::BeforeSend,
        Moment::MidRequest,
        Moment::AppliedUnanswered,
        Moment::AppliedLate,
        Moment::AnsweredWithGarbage,
        Moment::Killed,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Moment::BeforeSend => "before send",
            Moment::MidRequest => "mid-request",
            Moment::AppliedUnanswered => "applied but unanswered",
            Moment::AppliedLate => "applied late",
            Moment::AnsweredWithGarbage => "answered with garbage",
            Moment::Killed => "killed there",
        }
    }
}

/// What the struck request leaves at the SAC, and what the gateway can know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing, and the gateway knows.
    Unsent,
    /// Nothing, and nobody can know.
    Nothing,
    /// All of it, and nobody can know.
    Applied,
    /// All of it, later.
    Late,
    /// All of it, and the answer comes when the desk has gone.
    Answered,
    /// Nothing: the prescriber's authority is refused.
    Unauthorized,
    /// Nothing: the request is refused as malformed.
    Malformed,
    /// All of it, after someone dispensed what was there.
    Dispensed,
}

/// One row: a fault at its moment.
#[derive(Debug, Clone)]
pub(super) struct Strike {
    pub(super) moment: Moment,
    pub(super) fault: Fault,
    /// Where the fault leaves open whether the request takes effect.
    applied: Option<bool>,
    pub(super) effect: Effect,
}

impl Strike {
    /// The fault in the simulator's words.
    pub(super) fn kind(&self) -> String {
        let fault = serde_json::to_value(&self.fault).expect("a fault is JSON");
        fault["kind"].as_str().expect("it has a kind").to_owned()
    }

    /// The fault with what sets it apart from others of its kind.
    pub(super) fn name(&self) -> String {
        let kind = self.kind();
        match (&self.fault, self.applied) {
            (Fault::Status { status }, Some(true)) => format!("{kind} {status}, applied"),
            (Fault::Status { status }, _) => format!("{kind} {status}"),
            (Fault::LateCommit { hang: true, .. }, _) => format!("{kind}, hanging"),
            (Fault::Slow { .. }, _) if self.effect == Effect::Applied => {
                format!("{kind}, for ever")
            }
            (_, Some(true)) => format!("{kind}, applied"),
            _ => kind,
        }
    }

    /// It strikes connections, all of them, for as long as it lasts.
    pub(super) fn is_of_connections(&self) -> bool {
        self.effect == Effect::Unsent
    }

    /// The rules that make it strike the next call of `operation`.
    pub(super) fn rules(&self, operation: Operation) -> Vec<Rule> {
        if self.is_of_connections() {
            return vec![Rule::everywhere(self.fault.clone())];
        }
        let rule = Rule::on(operation, self.fault.clone()).times(1);
        vec![Rule {
            applied: self.applied,
            ..rule
        }]
    }
}

fn strike(moment: Moment, effect: Effect, fault: Fault) -> Strike {
    let leaves_open = matches!(
        fault,
        Fault::Hang | Fault::Status { .. } | Fault::MaintenancePage | Fault::Empty | Fault::Garbage
    );
    Strike {
        moment,
        fault,
        applied: leaves_open.then_some(effect == Effect::Applied),
        effect,
    }
}

/// Every row of the table.
pub(super) fn strikes() -> Vec<Strike> {
    let groups = [
        before_send(),
        mid_request(),
        unanswered(),
        late(),
        garbage(),
        killed(),
    ];
    groups.into_iter().flatten().collect()
}

fn before_send() -> Vec<Strike> {
    [
        Fault::Refuse,
        Fault::HandshakeReset,
        Fault::CertificateRefused,
    ]
    .map(|fault| strike(Moment::BeforeSend, Effect::Unsent, fault))
    .into()
}

fn mid_request() -> Vec<Strike> {
    let row = |effect, fault| strike(Moment::MidRequest, effect, fault);
    vec![
        row(Effect::Nothing, Fault::ResetBefore),
        row(Effect::Nothing, Fault::Hang),
        row(Effect::Nothing, Fault::Status { status: 502 }),
        row(Effect::Nothing, Fault::Status { status: 503 }),
        row(Effect::Nothing, Fault::Status { status: 504 }),
        row(Effect::Nothing, Fault::MaintenancePage),
        row(Effect::Unauthorized, Fault::AuthenticationFault),
        row(Effect::Unauthorized, Fault::PolicyFault),
        row(Effect::Malformed, Fault::SchemaFault),
        row(Effect::Dispensed, Fault::DispensedFirst),
    ]
}

fn slow(ms: u64) -> Fault {
    Fault::Slow {
        delay: Delay::Fixed { ms },
    }
}

fn unanswered() -> Vec<Strike> {
    let row = |effect, fault| strike(Moment::AppliedUnanswered, effect, fault);
    vec![
        row(Effect::Applied, Fault::ResetAfter),
        row(Effect::Applied, Fault::LostAnswer),
        row(Effect::Applied, Fault::HangHalfway),
        row(Effect::Applied, Fault::Trickle { every_ms: 200 }),
        row(Effect::Applied, Fault::Hang),
        row(Effect::Applied, Fault::Status { status: 504 }),
        row(Effect::Applied, slow(NEVER_MS)),
        row(Effect::Answered, slow(TOO_LATE_FOR_THE_DESK_MS)),
    ]
}

fn applied_after(hang: bool) -> Fault {
    Fault::LateCommit {
        after_ms: APPLIED_AFTER_MS,
        hang,
    }
}

fn late() -> Vec<Strike> {
    [false, true]
        .map(|hang| strike(Moment::AppliedLate, Effect::Late, applied_after(hang)))
        .into()
}

fn garbage() -> Vec<Strike> {
    let row = |effect, fault| strike(Moment::AnsweredWithGarbage, effect, fault);
    vec![
        row(Effect::Nothing, Fault::Garbage),
        row(Effect::Nothing, Fault::Empty),
        row(Effect::Applied, Fault::Garbage),
        row(Effect::Applied, Fault::Empty),
        row(Effect::Applied, Fault::MaintenancePage),
        row(Effect::Applied, Fault::Truncated),
        row(Effect::Applied, Fault::WrongNamespace),
        row(Effect::Applied, Fault::TrailingDocument),
        row(Effect::Applied, Fault::Oversized { bytes: OVERSIZED }),
        row(Effect::Applied, Fault::OtherNumber),
    ]
}

fn killed() -> Vec<Strike> {
    let row = |effect, fault| strike(Moment::Killed, effect, fault);
    vec![
        row(Effect::Unsent, Fault::Refuse),
        row(Effect::Nothing, Fault::Hang),
        row(Effect::Applied, Fault::HangHalfway),
        row(Effect::Late, applied_after(true)),
    ]
}
