//! What the actions over EC2 share: instances as EC2 lists them, which of them are left alone and why, their power, and the
//! Auto Scaling groups that they are members of.

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
