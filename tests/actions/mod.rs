//! The behaviour of each action of `crates/aws`, in an account in this process that answers as AWS does.

mod catalog;
mod clusters;
mod databases;
mod foreign_keys;
mod functions;
mod groups;
mod instances;
mod left_alone;
mod living;
mod properties;
mod regions;
mod restrictions;
mod run_function;
mod services;
pub mod size;
mod stop_all;
mod sweep;
mod switch;
mod switch_parts;
mod who_started;
mod worked_example;
