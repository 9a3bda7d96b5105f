//! The functions. All of them are one program, and each has a role of its own; their code is here.

pub mod action;
mod alerts;
mod approvals;
mod budget;
mod custom_resource;
pub mod fault;
pub mod master;
mod messages;
pub mod metrics;
pub mod notify;
mod open_runs;
mod orders;
pub mod part;
mod prices;
pub mod reconcile;
pub mod runtime;
pub mod verify;
