//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use guardrails_aws::clients::Options;
use guardrails_model::config::StageAt;
use guardrails_model::ids::{FacetId, GuardrailName, RunId};

use crate::commands;
use crate::exit::Exit;

/// Budget Guardrails: freedom until the money is gone, and all of it back.
#[derive(Debug, Parser)]
#[command(
    name = "guardrails",
    version,
    about,
    after_help = "\
Exit codes: 0 done · 1 could not be done · 2 bad arguments or guardrails.yaml · 3 unknown alert (explain) · 4 ended with failed \
steps · 5 declined.
stdout is data, stderr is talk. Credentials, Region and endpoints come from where the AWS CLI takes them."
)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What all subcommands take.
#[derive(Debug, Args)]
pub struct Global {
    /// How results are printed on stdout.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// The CloudFormation stack.
    #[arg(long, global = true, default_value = "budget-guardrails", env = "GUARDRAILS_STACK")]
    pub(crate) stack_name: String,
    /// A profile of the AWS configuration files.
    #[arg(long, global = true)]
    profile: Option<String>,
    /// The AWS Region.
    #[arg(long, global = true)]
    region: Option<String>,
    /// One endpoint for all AWS services, instead of AWS's own.
    #[arg(long, global = true)]
    endpoint_url: Option<String>,
}

impl Global {
    pub(crate) fn options(&self) -> Options {
        Options { region: self.region.clone(), profile: self.profile.clone(), endpoint_url: self.endpoint_url.clone() }
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
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
    /// Sends an alert that is marked as simulated: what it leads to is real.
    Simulate(Simulate),
    /// Says how an alert is read: one line of JSON an alert.
    Explain(Explain),
    /// Says what is held, by whom, and how each step stands.
    Status(Status),
    /// Says what happened, in order.
    History(History),
    /// Puts back what a guardrail changed.
    Rollback(Rollback),
    /// Lets alerts be enforced again after a rollback, before the period's end; tries failed runs again.
    Rearm(Rearm),
}

#[derive(Debug, Args)]
pub(crate) struct File {
    /// The configuration.
    #[arg(long, default_value = "guardrails.yaml")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Package {
    #[command(flatten)]
    pub(crate) file: File,
    /// Where the functions' programs are; beside this program when left out.
    #[arg(long)]
    pub(crate) functions: Option<PathBuf>,
    /// Where to write.
    #[arg(long, default_value = "guardrails-package")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) file: File,
    /// Where the functions' programs are; beside this program when left out.
    #[arg(long)]
    pub(crate) functions: Option<PathBuf>,
    /// The bucket for the functions' code; `guardrails-<account>-<region>`, made when it is not there, when left out.
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// An e-mail address that is told of runs and failures.
    #[arg(long)]
    pub(crate) notify_email: Option<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The guardrail.
    pub(crate) guardrail: GuardrailName,
    /// The stage, such as `100% actual`; the first that changes anything when left out.
    #[arg(long)]
    pub(crate) at: Option<StageAt>,
    /// Plan by this file, deployed or not; by what is deployed when left out.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The guardrail.
    pub(crate) guardrail: GuardrailName,
    /// The stage, such as `100% actual`; the first that changes anything when left out.
    #[arg(long)]
    pub(crate) at: Option<StageAt>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A raw body, an SNS envelope, a Lambda event of SNS, or one wrapped by SQS; stdin for `-` or when left out.
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this guardrail.
    pub(crate) guardrail: Option<GuardrailName>,
    /// Only this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// Runs that are over, too.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// Only this guardrail.
    pub(crate) guardrail: Option<GuardrailName>,
    /// Only this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The guardrail: all its open runs, the newest first.
    pub(crate) guardrail: GuardrailName,
    /// Only this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// Only this facet, as `status --output json` names it; may be given more than once.
    #[arg(long)]
    pub(crate) only: Vec<FacetId>,
    /// Put back also what somebody changed meanwhile.
    #[arg(long)]
    pub(crate) force: bool,
    /// Why, for the record.
    #[arg(long, default_value = "no reason given")]
    pub(crate) why: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Rearm {
    /// The guardrail.
    pub(crate) guardrail: GuardrailName,
    /// Only this stage.
    #[arg(long)]
    pub(crate) at: Option<StageAt>,
}

#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
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
            Command::Simulate(args) => commands::simulate::run(global, args).await,
            Command::Explain(args) => commands::explain::run(args),
            Command::Status(args) => commands::status::run(global, args).await,
            Command::History(args) => commands::history::run(global, args).await,
            Command::Rollback(args) => commands::rollback::run(global, args).await,
            Command::Rearm(args) => commands::rearm::run(global, args).await,
        }
    }
}
