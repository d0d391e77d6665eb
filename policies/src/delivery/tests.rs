//! Every role × state × event of delivery as tables, and the promises as properties.

mod cancel;
mod create;
mod desk;
mod promises;
mod watch;

use std::sync::LazyLock;

use super::*;
use crate::failure::{Code, Fault, Outcome, Retry, Stops};
use crate::operation::{LaneName, Late, Resend, Strategy as Serving};

const READS: &[OpName] = &[OpName("look"), OpName("list")];
const UNDO: OpName = OpName("undo");

const SEND: Operation = Operation {
    op: OpName("send"),
    lane: LaneName("lane"),
    strategy: Serving::WriteBehind,
    settle_by: READS,
    undo_by: Some(UNDO),
    resend: Resend::Same,
    late: Late::Watch,
};

/// What a cancel and a watch send.
const ANNUL: Operation = Operation {
    op: UNDO,
    settle_by: &[READS[0]],
    undo_by: None,
    late: Late::None,
    ..SEND
};

const NOW: Timestamp = Timestamp(1_000_000_000);
const DEADLINE: Timestamp = Timestamp(2_000_000_000);

const TERMS: Terms = Terms {
    fallback: Fallback::Hold,
    uncertain: Uncertain::Verify,
    deadline: DEADLINE,
    answer_within: Duration::from_secs(8),
    paper_within: Duration::from_secs(7200),
    look_after: Duration::from_secs(60),
    annul_consent: false,
};

/// The defaults, with two waits to tell apart and no jitter.
static RULES: LazyLock<WriteBehindRules> = LazyLock::new(|| {
    let defaults: crate::rules::SacRules =
        toml::from_str(crate::rules::SAC_DEFAULTS).expect("the compiled-in defaults parse");
    let mut rules = defaults.prescriptions;
    rules.delivery.resend_after = vec![Duration::from_secs(2), Duration::from_secs(60)];
    rules.delivery.verify_after = vec![Duration::from_secs(1), Duration::from_secs(5)];
    rules.delivery.jitter_share = 0.0;
    rules
});

fn sending(role: Role, sends: u32) -> Case {
    Case {
        role,
        state: State::Sending,
        sends,
        failures: 0,
        reason: None,
        terms: TERMS,
        accepted_at: NOW,
        recovered_at: Timestamp(0),
        absences: 0,
    }
}

fn verifying(role: Role, reason: Code) -> Case {
    Case {
        state: State::Verifying,
        reason: Some(reason),
        failures: 1,
        ..sending(role, 1)
    }
}

/// Past its deadline.
fn overdue(case: Case) -> Case {
    let terms = Terms {
        deadline: NOW,
        ..case.terms
    };
    Case { terms, ..case }
}

fn failure(outcome: Outcome, code: Code) -> Failure {
    Failure::upstream(code, outcome)
}

/// An answer, and a refusal: the upstream is well.
fn refused() -> Failure {
    Failure {
        stops: Stops::Nothing,
        retry: Retry::No,
        ..failure(Outcome::Rejected, Code::UpstreamRejected)
    }
}

fn authority_refused() -> Failure {
    Failure {
        stops: Stops::Identity,
        retry: Retry::No,
        ..failure(Outcome::NotDone, Code::AuthorityRefused)
    }
}

fn shutdown(outcome: Outcome) -> Failure {
    Failure::gateway(Code::ShuttingDown, outcome, Retry::After(Duration::ZERO))
}

fn take(operation: &Operation, case: Case, event: Event<'_>) -> (Case, Command) {
    step(operation, &RULES, case, event, NOW, 0.5)
}

fn settle(state: State, due_in: Option<u64>, reason: Option<Code>) -> Command {
    settle_number(state, due_in, reason, NumberFate::Kept)
}

fn settle_number(
    state: State,
    due_in: Option<u64>,
    reason: Option<Code>,
    number: NumberFate,
) -> Command {
    let due = due_in.map(|seconds| NOW + Duration::from_secs(seconds));
    Command::Settle {
        state,
        due,
        reason,
        number,
    }
}
