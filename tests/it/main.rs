//! One binary of black-box tests: the real gateway, real sockets, real TLS.

// The attribute tells clippy that helpers in there are tests, too.
#[cfg(test)]
mod conformance;
mod tidy;
