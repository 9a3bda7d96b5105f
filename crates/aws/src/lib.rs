//! Everything that calls AWS. The clients are made in one place. The ledger is on DynamoDB, and the workflow on Step Functions.
//! Each action has one file.

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
pub mod stop_all;
pub mod store;
pub mod switch;
pub mod unstoppable;
pub mod workflow;
