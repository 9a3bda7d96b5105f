//! The model of Budget Guardrails: alerts, runs, and how each change is made so that the way back is never lost. It has no AWS
//! and no I/O. Every judgement is made here, and it builds in seconds.

pub mod action;
pub mod alert;
pub mod belief;
pub mod census;
pub mod clock;
pub mod condition;
pub mod config;
pub mod contract;
pub mod cursor;
pub mod decide;
pub mod direction;
pub mod engine;
pub mod envelope;
pub mod glob;
pub mod ids;
pub mod ledger;
pub mod near;
mod omit;
pub mod pace;
pub mod partition;
pub mod phase;
pub mod prices;
pub mod principal;
pub mod receipt;
pub mod reconcile;
pub mod record;
pub mod rehearsals;
pub mod report;
pub mod runs;
pub mod spend;
pub mod verdict;
pub mod verify;
pub mod wire;
