//! Everything that calls AWS: the clients, made in one place; the ledger on DynamoDB; the workflow on Step Functions; and
//! the actions, one file each.

pub mod actions;
pub mod budgets;
pub mod calls;
pub mod catalog;
pub mod clients;
pub mod context;
pub mod declared;
pub mod documents;
pub mod ec2;
pub mod error;
pub mod functions;
pub mod grants;
pub mod holds;
pub mod iam;
pub mod iam_verify;
mod items;
pub mod store;
pub mod switch;
pub mod workflow;
