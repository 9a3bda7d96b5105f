//! The parts that the actions over EC2 share. These are the instances as EC2 lists them, which of them are left alone and why,
//! and their power. The Auto Scaling groups of which they are members belong here too.

pub mod billing;
pub mod bystanders;
pub mod foreign_keys;
pub mod groups;
pub mod health;
pub mod instances;
pub mod limits;
pub mod long_running;
pub mod operators;
pub mod power;
pub mod regions;
pub mod standby;
pub mod starters;
