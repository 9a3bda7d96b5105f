//! The functions. All of them are one program, and each has a role of its own; here is what they do.

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
pub mod part;
pub mod reconcile;
pub mod runtime;
pub mod verify;
