//! The deployed loop: the real template, the real functions, the real state machine and the real command, on the local AWS, with
//! IAM enforced. Each test has an AWS of its own.

mod alerts;
mod approvals;
mod budgets;
mod chaos;
mod closing;
mod commands;
mod doctor;
mod features;
mod fleets;
mod functions;
mod groups;
mod histories;
mod lab;
mod many;
mod one_program;
mod people;
mod reconcile;
mod remove;
mod restrictions;
mod rights;
mod rollbacks;
mod run_function;
mod saved;
mod shipping;
mod size;
mod switches;
mod upgrade;
mod verify;

pub use lab::{alert, guardrails};
