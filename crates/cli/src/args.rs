//! What the subcommands take.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use guardrails_aws::clients::Options;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::StageAt;
use guardrails_model::ids::{ActionName, FacetId, GuardrailName, Place, RunId, Selector};
use guardrails_model::record::Scope as Steps;
use guardrails_template::artifacts::{self, Architecture, Artifact, Local};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

/// Runs of a list.
const RUNS: usize = 50;

fn at_least_one(words: &str) -> Result<usize, String> {
    words.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a number from 1 on".to_owned())
}

/// A moment, a day (in UTC), or so long ago.
fn moment(words: &str) -> Result<Timestamp, String> {
    let ago = |span: Span| SystemClock.now().to_zoned(TimeZone::UTC).checked_sub(span).ok().map(|at| at.timestamp());
    let day = |day: civil::Date| day.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let at = words.parse().ok().or_else(|| words.parse().ok().and_then(day));
    let at = at.or_else(|| words.parse().ok().and_then(ago));
    at.ok_or_else(|| {
        "expected a moment such as 2026-11-23T01:46:53Z, a day such as 2026-11-23, or so long ago: 24h, 7d".to_owned()
    })
}

/// A parameter of the template.
fn parameter(words: &str) -> Result<(String, String), String> {
    let parts = words.split_once('=').filter(|(name, _)| !name.is_empty());
    let owned = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.ok_or_else(|| "expected NAME=VALUE, such as LogRetentionDays=365".to_owned())
}

/// What all subcommands take.
#[derive(Debug, Args)]
pub struct Global {
    /// How results are printed on stdout.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// The CloudFormation stack. One that is made may have 29 letters.
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

#[derive(Debug, Args)]
pub(crate) struct File {
    /// The configuration.
    #[arg(long, default_value = "guardrails.yaml")]
    pub(crate) file: PathBuf,
}

/// The functions' program.
#[derive(Debug, Args)]
pub(crate) struct Programs {
    /// The folder with the functions' program; that of this program when left out.
    #[arg(long)]
    functions: Option<PathBuf>,
    /// The processor that the functions are for.
    #[arg(long, value_enum, default_value_t = Architecture::X86_64)]
    pub(crate) architecture: Architecture,
    /// What starts it. A program for this machine is not checked, and is refused where this command may reach AWS itself.
    #[arg(long, value_enum, default_value_t = Runtime::Lambda, env = "GUARDRAILS_RUNTIME", hide = true)]
    runtime: Runtime,
}

impl Programs {
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        self.functions.clone().map_or_else(artifacts::beside_this_program, Ok)
    }

    pub(crate) fn pack(&self) -> Result<Artifact> {
        let runtime = match self.runtime {
            Runtime::Lambda => artifacts::Runtime::Lambda(self.architecture),
            Runtime::ThisMachine => artifacts::Runtime::ThisMachine(Local::proven()?),
        };
        artifacts::pack(&self.folder()?, runtime)
    }
}

/// What starts the functions' program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Runtime {
    /// AWS Lambda.
    Lambda,
    /// A local AWS, with what was built here.
    ThisMachine,
}

#[derive(Debug, Args)]
pub(crate) struct Package {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) programs: Programs,
    /// Where to write.
    #[arg(long, default_value = "guardrails-package")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) programs: Programs,
    /// The bucket for the functions' code; `guardrails-<account>-<region>`, made when it is not there, when left out.
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// An e-mail address that is told of runs and failures.
    #[arg(long)]
    pub(crate) notify_email: Option<String>,
    /// Take the ledger that an earlier stack left: its table's name, as that stack's output `LedgerTable` had it.
    #[arg(long, value_name = "TABLE")]
    pub(crate) adopt_ledger: Option<String>,
    /// Another value for a parameter of the template: `EncryptTopics=false`, `LogRetentionDays=365`; may be given more than once, and stays
    /// at the next deployment.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
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
    /// Say what stops costing money, by this price list: YAML with US dollars an hour, `t3.micro: 0.0104` for every Region, or
    /// `us-east-1: {t3.micro: 0.0104, "m5.large Windows": 0.188}`.
    #[arg(long)]
    pub(crate) prices: Option<PathBuf>,
    /// Show each step and each person, however many there are.
    #[arg(long)]
    pub(crate) all: bool,
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
    /// Runs that are over, too; with `--run`, each of its steps.
    #[arg(long)]
    pub(crate) all: bool,
    /// With `--all`: how many runs, the newest first.
    #[arg(long, default_value_t = RUNS, value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Only this facet, as `--run RUN --output json` names it: what it was, who holds it, and what it waits for.
    #[arg(long, conflicts_with_all = ["guardrail", "run", "all"])]
    pub(crate) facet: Option<FacetId>,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// What is well, too.
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
    /// Of how many runs and alerts, the newest first.
    #[arg(long, default_value_t = RUNS, value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Only what happened since: a moment such as 2026-11-23T01:46:53Z, a day such as 2026-11-23, or so long ago: 24h, 7d.
    #[arg(long, value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
}

/// Which of a run's steps: what all of these name.
#[derive(Debug, Args)]
pub(crate) struct Scope {
    /// Only this facet, as `status --run RUN --output json` names it, or all that begin so, such as `instance-power/eu-west-1/`; may be
    /// given more than once.
    #[arg(long, value_name = "FACET")]
    pub(crate) only: Vec<Selector>,
    /// Only what this action changed; may be given more than once.
    #[arg(long)]
    pub(crate) action: Vec<ActionName>,
    /// Only what was changed in this Region; may be given more than once. (`--region` is where the stack is.)
    #[arg(long = "in", value_name = "REGION")]
    pub(crate) within: Vec<Place>,
}

impl Scope {
    pub(crate) fn of(&self) -> Steps<'_> {
        Steps { only: &self.only, actions: &self.action, places: &self.within }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.only.is_empty() && self.action.is_empty() && self.within.is_empty()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Abandon {
    /// The run.
    pub(crate) run: RunId,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Why, for the record.
    #[arg(long)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The guardrail: all its open runs, the newest first.
    pub(crate) guardrail: GuardrailName,
    /// Only this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    #[command(flatten)]
    pub(crate) scope: Scope,
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
pub(crate) struct Answer {
    /// The run that waits.
    pub(crate) run: RunId,
    /// Why, for the record.
    #[arg(long)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    pub(crate) answer: Answer,
    /// Release the stage for the rest of the period, also where only a figure is asked about.
    #[arg(long)]
    pub(crate) for_the_period: bool,
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
