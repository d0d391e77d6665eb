//! One binary of black-box tests: the real gateway, real sockets, real TLS.

mod bad_input;
mod bad_requests;
mod bench;
mod callers;
mod concurrency;
mod config;
// The attribute tells clippy that helpers in there are tests, too.
#[cfg(test)]
mod conformance;
mod crash;
mod crash_points;
mod crash_starts;
mod disk;
mod faults;
mod half_open;
mod power_cut;
mod prescribing;
mod privacy;
mod shutdown;
mod tidy;
