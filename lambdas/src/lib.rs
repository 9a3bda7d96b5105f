//! The functions. Each binary in `src/bin` is one function with a role of its own; here is what they do.

pub mod action;
mod alerts;
mod approvals;
pub mod budget;
pub mod fault;
pub mod master;
mod messages;
pub mod metrics;
pub mod notify;
mod orders;
pub mod reconcile;
pub mod runtime;
pub mod verify;
