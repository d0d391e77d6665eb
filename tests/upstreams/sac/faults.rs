//! What can go wrong with a call, and the drawing of lots that decides which ones it hits.
//!
//! # Invariants
//!
//! 1. The same seed, the same rules and the same calls in the same order give the same faults.
//! 2. Several rules may fit a call: delays add up, and of the rest the first that is drawn counts.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::operation::Operation;

/// No call waits longer, whatever a distribution draws.
pub const DELAY_MAX: Duration = Duration::from_secs(300);

const GARBAGE_LEN: usize = 512;

/// One way of failing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Connections are refused. It is the listener that closes, so neither share nor times count,
    /// and one operation refused takes along those of the same listener.
    Refuse,
    /// The handshake is cut by a reset. Drawn per connection, for every operation; connections that
    /// idle when it is set are closed.
    HandshakeReset,
    /// The handshake trusts another authority: our certificate is refused by an alert.
    CertificateRefused,
    /// Accepted, and never answered.
    Hang,
    /// The answer stops half-way, and the connection stays.
    HangHalfway,
    /// The answer comes a byte at a time.
    Trickle {
        /// Milliseconds from one byte to the next.
        #[serde(default = "one_second")]
        every_ms: u64,
    },
    /// The answer is whole and late.
    Slow {
        /// How late.
        delay: Delay,
    },
    /// A front end answers in place of the service.
    Status {
        /// 502, 503, 504, or any other.
        status: u16,
    },
    /// The connection is reset before the request is looked at.
    ResetBefore,
    /// The request is applied and the connection reset.
    ResetAfter,
    /// The request is applied and the connection closed without a byte.
    LostAnswer,
    /// The connection dies unanswered, and the request is applied some time later.
    LateCommit {
        /// Milliseconds after the death of the connection.
        after_ms: u64,
        /// Whether the caller is left waiting until it gives up, instead of being cut off.
        #[serde(default)]
        hang: bool,
    },
    /// Someone dispenses the prescription right before the request is applied.
    DispensedFirst,
    /// The answer's document ends half-way, the HTTP message does not.
    Truncated,
    /// Random bytes, called XML.
    Garbage,
    /// 200 without a body.
    Empty,
    /// 200 with an HTML page of courtesy.
    MaintenancePage,
    /// The answer is in a namespace of another service.
    WrongNamespace,
    /// A second document follows the answer.
    TrailingDocument,
    /// The answer is padded to this size.
    Oversized {
        /// The size of the body.
        bytes: usize,
    },
    /// The answer speaks of another number, or of another person.
    OtherNumber,
    /// "Errore generico di autenticazione", 500.
    AuthenticationFault,
    /// "Rejected by policy. (from client)", 401.
    PolicyFault,
    /// A `cvc-…` fault, 500.
    SchemaFault,
}

fn one_second() -> u64 {
    1_000
}

impl Fault {
    /// Whether the request takes effect; none where a rule may say, and nothing is the default.
    fn applies(&self) -> Option<bool> {
        match self {
            Fault::Hang
            | Fault::Status { .. }
            | Fault::MaintenancePage
            | Fault::Empty
            | Fault::Garbage
            | Fault::AuthenticationFault
            | Fault::PolicyFault
            | Fault::SchemaFault => None,
            Fault::Refuse
            | Fault::HandshakeReset
            | Fault::CertificateRefused
            | Fault::ResetBefore
            | Fault::LateCommit { .. } => Some(false),
            Fault::HangHalfway
            | Fault::Trickle { .. }
            | Fault::Slow { .. }
            | Fault::ResetAfter
            | Fault::LostAnswer
            | Fault::DispensedFirst
            | Fault::Truncated
            | Fault::WrongNamespace
            | Fault::TrailingDocument
            | Fault::Oversized { .. }
            | Fault::OtherNumber => Some(true),
        }
    }

    /// Whether it hits connections, and not requests.
    pub(super) fn is_of_connections(&self) -> bool {
        matches!(
            self,
            Fault::Refuse | Fault::HandshakeReset | Fault::CertificateRefused
        )
    }
}

/// How long an answer waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Delay {
    /// Always this long.
    Fixed {
        /// Milliseconds.
        ms: u64,
    },
    /// Anything between, equally.
    Uniform {
        /// Milliseconds.
        from_ms: u64,
        /// Milliseconds.
        until_ms: u64,
    },
    /// Half of them below the median, with a long tail.
    Lognormal {
        /// Milliseconds.
        median_ms: u64,
        /// The spread of the logarithm.
        sigma: f64,
    },
}

impl Delay {
    fn draw(&self, rng: &mut StdRng) -> Duration {
        let drawn = match *self {
            Delay::Fixed { ms } => Duration::from_millis(ms),
            Delay::Uniform { from_ms, until_ms } => {
                Duration::from_millis(rng.random_range(from_ms..=until_ms.max(from_ms)))
            }
            Delay::Lognormal { median_ms, sigma } => {
                // Box and Muller, kept away from the logarithm of zero.
                let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
                let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
                let seconds =
                    Duration::from_millis(median_ms).as_secs_f64() * (sigma * normal).exp();
                Duration::from_secs_f64(seconds.clamp(0.0, DELAY_MAX.as_secs_f64()))
            }
        };
        drawn.min(DELAY_MAX)
    }
}

/// Whom a rule hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// One operation.
    One(Operation),
    /// Every operation, written `*`.
    Every(Star),
}

/// `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Star {
    /// `*`.
    #[serde(rename = "*")]
    Star,
}

impl Target {
    /// Every operation.
    pub const EVERY: Target = Target::Every(Star::Star);

    /// Whether it hits this operation.
    pub fn hits(self, operation: Operation) -> bool {
        match self {
            Target::One(one) => one == operation,
            Target::Every(Star::Star) => true,
        }
    }
}

/// A fault, whom it hits, how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whom it hits.
    pub operation: Target,
    /// What happens.
    pub fault: Fault,
    /// The share of calls, from 0 to 1.
    #[serde(default = "always")]
    pub share: f64,
    /// How many times at most; no number means no end.
    #[serde(default)]
    pub times: Option<u64>,
    /// Whether the request takes effect, where the fault leaves it open: a hang, a status, a page,
    /// nothing, garbage, a SOAP fault.
    #[serde(default)]
    pub applied: Option<bool>,
}

fn always() -> f64 {
    1.0
}

impl Rule {
    /// This fault for every call of `operation`.
    pub fn on(operation: Operation, fault: Fault) -> Rule {
        Rule {
            operation: Target::One(operation),
            ..Rule::everywhere(fault)
        }
    }

    /// This fault for every call.
    pub fn everywhere(fault: Fault) -> Rule {
        Rule {
            operation: Target::EVERY,
            fault,
            share: 1.0,
            times: None,
            applied: None,
        }
    }

    /// Only for this share of the calls.
    #[must_use]
    pub fn share(self, share: f64) -> Rule {
        Rule { share, ..self }
    }

    /// Only so many times.
    #[must_use]
    pub fn times(self, times: u64) -> Rule {
        Rule {
            times: Some(times),
            ..self
        }
    }

    /// Whether the request takes effect all the same.
    #[must_use]
    pub fn applied(self, applied: bool) -> Rule {
        Rule {
            applied: Some(applied),
            ..self
        }
    }
}

/// What one call meets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawn {
    /// How long it waits.
    pub delay: Duration,
    /// What happens, and whether the request takes effect.
    pub fault: Option<(Fault, bool)>,
}

/// The rules in force and the source of chance.
#[derive(Debug)]
pub struct Faults {
    rules: Vec<Rule>,
    rng: StdRng,
}

impl Faults {
    /// No rules, and chance from this seed.
    pub fn new(seed: u64) -> Faults {
        Faults {
            rules: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Replaces every rule.
    pub fn replace(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
    }

    /// The rules with the times that are left.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a rule makes no sense, and why.
    pub fn problem(rules: &[Rule]) -> Option<&'static str> {
        rules.iter().find_map(|rule| {
            if !(0.0..=1.0).contains(&rule.share) {
                return Some("share is from 0 to 1");
            }
            let partial = rule.share < 1.0 || rule.times.is_some();
            (rule.fault == Fault::Refuse && partial).then_some("refuse is all or nothing")
        })
    }

    /// Random bytes.
    pub fn garbage(&mut self) -> Vec<u8> {
        (0..GARBAGE_LEN).map(|_| self.rng.random()).collect()
    }

    /// Whether connections for one of these operations are refused.
    pub fn refuse(&self, operations: &[Operation]) -> bool {
        self.rules.iter().any(|rule| {
            rule.fault == Fault::Refuse && operations.iter().any(|o| rule.operation.hits(*o))
        })
    }

    /// Draws what a call of `operation` meets.
    pub fn draw(&mut self, operation: Operation) -> Drawn {
        let mut drawn = Drawn::default();
        for at in 0..self.rules.len() {
            let rule = &self.rules[at];
            let slow = matches!(rule.fault, Fault::Slow { .. });
            let wanted = rule.operation.hits(operation)
                && !rule.fault.is_of_connections()
                && (slow || drawn.fault.is_none());
            if !wanted || !self.hits(at) {
                continue;
            }
            let rule = &self.rules[at];
            match &rule.fault {
                Fault::Slow { delay } => drawn.delay += delay.draw(&mut self.rng),
                fault => {
                    let applied = fault.applies().or(rule.applied).unwrap_or(false);
                    drawn.fault = Some((fault.clone(), applied));
                }
            }
        }
        drawn.delay = drawn.delay.min(DELAY_MAX);
        drawn
    }

    /// Draws what a new connection meets, if anything.
    pub fn draw_connection(&mut self) -> Option<Fault> {
        let at = (0..self.rules.len()).find(|at| {
            let fault = &self.rules[*at].fault;
            fault.is_of_connections() && *fault != Fault::Refuse && self.hits(*at)
        })?;
        Some(self.rules[at].fault.clone())
    }

    fn hits(&mut self, at: usize) -> bool {
        let rule = &mut self.rules[at];
        if rule.times == Some(0) || self.rng.random::<f64>() >= rule.share {
            return false;
        }
        if let Some(left) = &mut rule.times {
            *left -= 1;
        }
        true
    }
}
