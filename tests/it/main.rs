//! One binary of black-box tests: the real gateway, real sockets, real TLS.

mod access;
mod audit;
mod authentication;
mod backup;
mod bad_input;
mod bad_requests;
mod bench;
mod callbacks;
mod callers;
mod cancelling;
mod concurrency;
mod config;
// The attribute tells clippy that helpers in there are tests, too.
#[cfg(test)]
mod conformance;
mod crash;
mod crash_points;
mod crash_starts;
mod disk;
mod fault_table;
mod faults;
mod half_open;
mod hostile;
mod integrity;
mod keys;
mod lookups;
mod pdnd;
mod policies;
mod power_cut;
mod prescribing;
mod privacy;
mod red_recipe;
mod shutdown;
mod signals;
mod tidy;
mod toggles;
mod tokens;
mod watches;
