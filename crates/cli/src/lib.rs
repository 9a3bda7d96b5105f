//! The `guardrails` command, by which people use Budget Guardrails without knowing DynamoDB or Step Functions. One file for each
//! subcommand, in `commands`.

mod args;
mod chosen;
pub mod cli;
mod commands;
mod deployment;
mod estimate;
pub mod exit;
mod first_call;
mod follow;
mod operation;
mod operators;
mod output;
mod paint;
mod prices;
pub mod reference;
pub mod schemas;
mod tagged;
mod watch;

pub use commands::init::first_file;
pub use commands::plan::goes_on::{Costly, GoesOn, goes_on as plan_goes_on, goes_on_words as plan_goes_on_words};
pub use commands::plan::{before_deployment as plan_before_deployment, words_of as plan_words};
pub use commands::prices::{Fetched as FetchedPrices, Question as PriceQuestion, fetched as fetch_prices};
pub use output::tell;
