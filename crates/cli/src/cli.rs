//! The command line.

use std::fmt::Write as _;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use guardrails_model::verify::LIMITS;

use crate::args::{Configuration, Global};
use crate::commands;
use crate::commands::abandon::Abandon;
use crate::commands::approve::{Answer, Reject, Word};
use crate::commands::completions::Completions;
use crate::commands::contract::Contract;
use crate::commands::deploy::Deploy;
use crate::commands::doctor::Doctor;
use crate::commands::explain::Explain;
use crate::commands::history::History;
use crate::commands::init::Init;
use crate::commands::man::ManPages;
use crate::commands::package::Package;
use crate::commands::plan::Plan;
use crate::commands::prices::Prices;
use crate::commands::rearm::Rearm;
use crate::commands::remove::Remove;
use crate::commands::rollback::Rollback;
use crate::commands::simulate::Simulate;
use crate::commands::status::Status;
use crate::exit::{self, Exit};

/// The commands as `--help` groups them: in the order in which a person needs them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Set up", &["init", "check", "prices", "package", "deploy", "remove"]),
    ("Look", &["plan", "status", "history", "doctor", "explain"]),
    ("Act", &["simulate", "approve", "reject", "rollback", "abandon", "rearm", "reconcile"]),
    ("Other", &["contract", "completions", "man", "help"]),
];

/// The command line: its help names the commands in groups, and each command's help has the exit codes that it may end with.
#[must_use]
pub fn command() -> clap::Command {
    let command = Cli::command();
    let abouts: Vec<(String, String)> = command.get_subcommands().map(named).chain([help()]).collect();
    let command = command.help_template(help_template(&abouts)).mut_subcommands(|subcommand| {
        let codes = exit::help_of(subcommand.get_name());
        let is_asked = ["plan", "status"].contains(&subcommand.get_name());
        let limits = if is_asked { format!("Who can launch is {LIMITS}.\n\n") } else { String::new() };
        subcommand.after_help(limits + &codes)
    });
    command.after_help(format!(
        "{}\n\nstdout is data, stderr is talk. Credentials, Region and endpoints come from where the AWS CLI takes them.",
        exit::help()
    ))
}

/// The definition of the command line, with the global options in each subcommand.
#[must_use]
pub fn definition() -> clap::Command {
    let mut command = command();
    command.build();
    command
}

fn named(command: &clap::Command) -> (String, String) {
    (command.get_name().to_owned(), command.get_about().map(ToString::to_string).unwrap_or_default())
}

/// The command that clap itself adds.
fn help() -> (String, String) {
    ("help".to_owned(), "Prints this, or the help of a command".to_owned())
}

/// The help's template. A command that is in no group stands in the last one.
fn help_template(abouts: &[(String, String)]) -> String {
    let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (index, (title, names)) in GROUPS.iter().enumerate() {
        let is_last = index + 1 == GROUPS.len();
        let _ = writeln!(template, "\n{title}:");
        let of_group = names.iter().filter_map(|name| abouts.iter().find(|(known, _)| known == name));
        let others = abouts.iter().filter(|(name, _)| is_last && !grouped.contains(&name.as_str()));
        for (name, about) in of_group.chain(others) {
            let _ = writeln!(template, "  {name:<12} {about}");
        }
    }
    template + "\nOptions of every command:\n{options}{after-help}"
}

/// Budget Guardrails: freedom until the money is gone, and all of it back.
#[derive(Debug, Parser)]
#[command(name = "guardrails", version, about)]
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
    /// Prints the script by which a shell completes the words of `guardrails`.
    Completions(Completions),
    /// Writes the manual's pages, one for each command.
    Man(ManPages),
}

impl Cli {
    /// Reads the program's arguments. Ends the program where they are not as expected, or ask for help.
    #[must_use]
    pub fn read() -> Self {
        Self::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
    }

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
            Command::Completions(args) => commands::completions::run(args),
            Command::Man(args) => commands::man::run(global, args),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn help_has_each_command_once_in_its_group() {
        let definition = definition();
        let all: BTreeSet<&str> = definition.get_subcommands().map(clap::Command::get_name).collect();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), all);
        let help = command().render_help().to_string();
        for name in &grouped {
            let lines = help.lines().filter(|line| line.starts_with(&format!("  {name} ")));
            assert_eq!(lines.count(), 1, "{name} in:\n{help}");
        }
        assert!(help.contains("\nAct:\n  simulate     Sends an alert") && help.contains("Options of every command:"), "{help}");
    }

    #[test]
    fn help_of_a_command_has_its_own_exit_codes_only() {
        let mut command = command();
        let mut of = |name: &str| command.find_subcommand_mut(name).unwrap().render_help().to_string();
        let (explain, status) = (of("explain"), of("status"));
        assert!(explain.contains("\n  3   an alert is unknown") && !explain.contains("\n  6   "), "{explain}");
        assert!(status.contains("\n  0   done") && !status.contains("\n  3   "), "{status}");
    }
}
