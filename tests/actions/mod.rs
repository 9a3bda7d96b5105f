//! What each action of `crates/aws` does, in an account in this process that answers as AWS does.

mod catalog;
mod groups;
mod instances;
mod properties;
mod regions;
mod restrictions;
pub mod size;
mod sweep;
mod worked_example;
