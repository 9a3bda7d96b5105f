//! The command line.

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::args::{Configuration, Global};
use crate::commands;
use crate::commands::abandon::Abandon;
use crate::commands::approve::{Answer, Reject, Word};
use crate::commands::contract::Contract;
use crate::commands::deploy::Deploy;
use crate::commands::doctor::Doctor;
use crate::commands::explain::Explain;
use crate::commands::history::History;
use crate::commands::init::Init;
use crate::commands::package::Package;
use crate::commands::plan::Plan;
use crate::commands::prices::Prices;
use crate::commands::rearm::Rearm;
use crate::commands::remove::Remove;
use crate::commands::rollback::Rollback;
use crate::commands::simulate::Simulate;
use crate::commands::status::Status;
use crate::exit::{self, Exit};

/// The definition of the command line, with the global options in each subcommand.
#[must_use]
pub fn definition() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// The end of the help.
fn after_help() -> String {
    format!(
        "{}\n\nstdout is data, stderr is talk. Credentials, Region and endpoints come from where the AWS CLI takes them.",
        exit::help()
    )
}

/// Budget Guardrails: freedom until the money is gone, and all of it back.
#[derive(Debug, Parser)]
#[command(
    name = "guardrails",
    version,
    about,
    after_help = after_help()
)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a first guardrails.yaml for this account. Only reads in AWS, and overwrites no file.
    Init(Init),
    /// Checks guardrails.yaml, and shows its guardrails and stages.
    Check(Configuration),
    /// Writes the CloudFormation template and the functions' zip.
    Package(Package),
    /// Deploys the stack: shows what changes, asks, and waits.
    Deploy(Deploy),
    /// Shows the changes that a stage would make now. Changes nothing, and writes nothing.
    Plan(Plan),
    /// Writes a price list, which `prices` in guardrails.yaml names.
    Prices(Prices),
    /// Sends an alert that is marked as simulated. The changes that follow are real.
    Simulate(Simulate),
    /// Shows how alerts are read: one line of JSON for each.
    Explain(Explain),
    /// Shows the held changes, their runs, and the state of each step.
    Status(Status),
    /// Checks the deployment from outside: each finding with its remedy. Changes nothing.
    Doctor(Doctor),
    /// Shows all events in order.
    History(History),
    /// Approves a run that waits for a person: the changes on its list are made.
    Approve(Answer),
    /// Rejects a run that waits for a person: nothing is changed.
    Reject(Reject),
    /// Removes the stack: refuses while anything is held, asks, and says what is left. Keeps the ledger.
    Remove(Remove),
    /// Rolls back the changes of a guardrail.
    Rollback(Rollback),
    /// Ends the hold on targets that a person settled by hand. Changes nothing in the account.
    Abandon(Abandon),
    /// Lets alerts be enforced again after a rollback, before the period's end; tries failed runs again.
    Rearm(Rearm),
    /// Tries out a program of `run-function`, and prints which points of its contract hold. Changes nothing without `--change`.
    Contract(Contract),
    /// Compares AWS Budgets with the ledger now, as the schedule does.
    Reconcile(commands::reconcile::Reconcile),
}

impl Cli {
    /// Carries out the arguments.
    ///
    /// # Errors
    /// When it cannot be done; the error says what to do next.
    pub async fn run(&self) -> anyhow::Result<Exit> {
        let global = &self.global;
        match &self.command {
            Command::Init(args) => commands::init::run(global, args).await,
            Command::Check(args) => commands::check::run(global, args),
            Command::Package(args) => commands::package::run(global, args),
            Command::Deploy(args) => commands::deploy::run(global, args).await,
            Command::Plan(args) => commands::plan::run(global, args).await,
            Command::Prices(args) => commands::prices::run(global, args).await,
            Command::Simulate(args) => commands::simulate::run(global, args).await,
            Command::Explain(args) => commands::explain::run(args),
            Command::Status(args) => commands::status::run(global, args).await,
            Command::Doctor(args) => commands::doctor::run(global, args).await,
            Command::History(args) => commands::history::run(global, args).await,
            Command::Approve(args) => commands::approve::run(global, args, Word::Yes).await,
            Command::Reject(args) => {
                commands::approve::run(global, &args.answer, Word::No { for_the_period: args.for_the_period }).await
            }
            Command::Remove(args) => commands::remove::run(global, args).await,
            Command::Rollback(args) => commands::rollback::run(global, args).await,
            Command::Abandon(args) => commands::abandon::run(global, args).await,
            Command::Rearm(args) => commands::rearm::run(global, args).await,
            Command::Contract(args) => commands::contract::run(global, args).await,
            Command::Reconcile(args) => commands::reconcile::run(global, args).await,
        }
    }
}
