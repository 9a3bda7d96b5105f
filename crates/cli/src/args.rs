//! Arguments of several subcommands. Those of one alone are in its own file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use guardrails_aws::clients::Options;
use guardrails_model::ids::{ActionName, Place, Selector};
use guardrails_model::record::Scope as Steps;
use guardrails_template::artifacts::{self, Architecture, Artifact, Local};

/// Runs of a list.
pub(crate) const MOST_RUNS: usize = 50;

pub(crate) fn at_least_one(words: &str) -> Result<usize, String> {
    words.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a number from 1 on".to_owned())
}

/// A reason, for the record. One of blanks alone says nothing.
pub(crate) fn reason(words: &str) -> Result<String, String> {
    let words = words.trim();
    if words.is_empty() {
        Err("expected the reason in words: it is kept in the history".to_owned())
    } else {
        Ok(words.to_owned())
    }
}

/// The key of a signed zip.
fn signed_key(words: &str) -> Result<String, String> {
    let is_plain = words.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    let is_ours = words.starts_with(artifacts::PREFIX) && is_plain;
    is_ours.then(|| words.to_owned()).ok_or_else(|| {
        format!("expected a key of letters, digits and -_./ that begins with {}, which others may not write", artifacts::PREFIX)
    })
}

/// The options of all subcommands.
#[derive(Debug, Args)]
pub struct Global {
    /// How results are printed on stdout.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// The CloudFormation stack. One that is made may have 29 letters.
    #[arg(long, global = true, default_value = "budget-guardrails", env = "GUARDRAILS_STACK")]
    pub(crate) stack_name: String,
    /// A profile of the AWS configuration files. It wins over keys in the environment.
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
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

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
    /// The configuration; `-` is stdin.
    #[arg(long, short, default_value = "guardrails.yaml", env = "GUARDRAILS_FILE")]
    pub(crate) file: PathBuf,
}

/// The configuration, as an option or as an argument.
#[derive(Debug, Args)]
pub(crate) struct Configuration {
    /// The configuration, in place of `--file`.
    #[arg(value_name = "FILE")]
    path: Option<PathBuf>,
    #[command(flatten)]
    file: File,
}

impl Configuration {
    pub(crate) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(&self.file.file)
    }
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
    /// The key in the bucket of the zip that AWS Signer made of the functions' zip, for functions that take only signed code.
    #[arg(long, value_name = "KEY", value_parser = signed_key)]
    pub(crate) signed_code: Option<String>,
    /// The system that starts it. A program for this machine is not checked, and is refused where this command may reach AWS itself.
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

/// The system that starts the functions' program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Runtime {
    /// AWS Lambda.
    Lambda,
    /// A local AWS, with a program that was built here.
    ThisMachine,
}

/// A selection of a run's steps: those that all of these name.
#[derive(Debug, Args)]
pub(crate) struct Scope {
    /// Only this facet, as `status --run RUN --output json` names it, or all that begin so, such as `instance-power/eu-west-1/`; may be
    /// given more than once.
    #[arg(long, value_name = "FACET")]
    pub(crate) only: Vec<Selector>,
    /// Only changes of this action; may be given more than once.
    #[arg(long)]
    pub(crate) action: Vec<ActionName>,
    /// Only changes in this Region; may be given more than once. (`--region` is where the stack is.)
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
pub(crate) struct Consent {
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}
