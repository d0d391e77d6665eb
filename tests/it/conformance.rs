//! The SAC simulator refuses what the SAC refuses: one test a rule, with its section.
//!
//! Driven by a client of its own ([`client`]) that writes its envelopes and signs its assertions by
//! hand. Nothing of the gateway is used, so that the simulator cannot agree with it by accident.
//!
//! Sections without a name are those of "Web services … ricetta dematerializzata, parte 1:
//! prescrizione" of 05/12/2024; "SF" is "Modalità di accesso tramite autenticazione forte", 1.1.

mod access;
mod assertion;
mod client;
mod control;
mod faults;
mod invio;
mod lots;
mod messages;
mod reads;
mod receipts;
mod registry;
mod rows;
mod schema;
mod substitutes;
