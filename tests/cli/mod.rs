//! The output and the arguments of `crates/cli`, where it needs no AWS.

mod command;
mod contract;
mod files;
mod first_hour;
mod goes_on;
mod hand;
pub mod outputs;
mod prices;
mod terminal;
