//! One binary of black-box tests: the real gateway, real sockets, real TLS.

mod prescribing;
mod tidy;
