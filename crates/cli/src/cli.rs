//! The command line.

use clap::{Parser, Subcommand};

use crate::args::{File, Global};
use crate::commands;
use crate::commands::abandon::Abandon;
use crate::commands::approve::{Answer, Reject, Word};
use crate::commands::deploy::Deploy;
use crate::commands::doctor::Doctor;
use crate::commands::explain::Explain;
use crate::commands::history::History;
use crate::commands::package::Package;
use crate::commands::plan::Plan;
use crate::commands::prices::Prices;
use crate::commands::rearm::Rearm;
use crate::commands::rollback::Rollback;
use crate::commands::simulate::Simulate;
use crate::commands::status::Status;
use crate::exit::Exit;

/// Budget Guardrails: freedom until the money is gone, and all of it back.
#[derive(Debug, Parser)]
#[command(
    name = "guardrails",
    version,
    about,
    after_help = "\
Exit codes: 0 done · 1 could not be done · 2 bad arguments or guardrails.yaml · 3 unknown alert (explain) · 4 ended with failed \
steps · 5 declined · 10 warnings, 11 failures, 12 not all could be checked (doctor) · 130 interrupted (the run goes on).
stdout is data, stderr is talk. Credentials, Region and endpoints come from where the AWS CLI takes them."
)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks guardrails.yaml, and says what it comes to.
    Check(File),
    /// Writes the CloudFormation template and the functions' zips.
    Package(Package),
    /// Deploys the stack: shows what changes, asks, and waits.
    Deploy(Deploy),
    /// Says what a stage would change now. Changes nothing, and writes nothing.
    Plan(Plan),
    /// Writes a price list, which `prices` in guardrails.yaml names.
    Prices(Prices),
    /// Sends an alert that is marked as simulated: what it leads to is real.
    Simulate(Simulate),
    /// Says how an alert is read: one line of JSON an alert.
    Explain(Explain),
    /// Says what is held, by whom, and how each step stands.
    Status(Status),
    /// Checks the deployment from outside: each finding with what to do. Changes nothing.
    Doctor(Doctor),
    /// Says what happened, in order.
    History(History),
    /// Says yes to a run that waits for a person: what it lists is done.
    Approve(Answer),
    /// Says no to a run that waits for a person: nothing is changed.
    Reject(Reject),
    /// Puts back what a guardrail changed.
    Rollback(Rollback),
    /// Lets go of what a person settled by hand. Changes nothing in the account.
    Abandon(Abandon),
    /// Lets alerts be enforced again after a rollback, before the period's end; tries failed runs again.
    Rearm(Rearm),
    /// Compares AWS Budgets with the ledger now, as the schedule does.
    Reconcile(commands::reconcile::Reconcile),
}

impl Cli {
    /// Does what the arguments say.
    ///
    /// # Errors
    /// When it cannot be done; the error says what to do next.
    pub async fn run(&self) -> anyhow::Result<Exit> {
        let global = &self.global;
        match &self.command {
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
            Command::Rollback(args) => commands::rollback::run(global, args).await,
            Command::Abandon(args) => commands::abandon::run(global, args).await,
            Command::Rearm(args) => commands::rearm::run(global, args).await,
            Command::Reconcile(args) => commands::reconcile::run(global, args).await,
        }
    }
}
