//! Arguments of several subcommands. Those of one alone are in its own file.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use clap::{Args, ValueEnum};
use guardrails_aws::clients::Options;
use guardrails_model::config::StageAt;
use guardrails_model::ids::{ActionName, Place};
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

/// A name as it is shown.
fn shown_name(words: &str) -> Result<String, String> {
    let words = words.trim();
    if words.is_empty() { Err("expected a name that `status` or `plan` shows".to_owned()) } else { Ok(words.to_owned()) }
}

/// A stage as people name it: `100% actual`, or `100%` where only one stage has that percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    One(StageAt),
    Percentage([StageAt; 2]),
}

impl At {
    /// Does it name this stage?
    pub(crate) fn means(self, stage: StageAt) -> bool {
        match self {
            Self::One(at) => at == stage,
            Self::Percentage(both) => both.contains(&stage),
        }
    }
}

impl FromStr for At {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, String> {
        let read = |words: &str| words.parse::<StageAt>().map_err(|error| error.to_string());
        if words.ends_with('%') {
            return Ok(Self::Percentage([read(&format!("{words} actual"))?, read(&format!("{words} forecasted"))?]));
        }
        read(words).map(Self::One)
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(at) => write!(f, "{at}"),
            Self::Percentage([at, _]) => write!(f, "{}%", at.percent),
        }
    }
}

/// The options of all subcommands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// How results are printed on stdout.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Show names and ids whole, where a table would cut them or leave them out to fit the terminal.
    #[arg(long, global = true)]
    pub(crate) wide: bool,
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
    /// Only the changes of this name, as `status` and `plan` show it: an instance, a group, a policy, a Region, a facet, or the beginning of
    /// facets such as `instance-power/eu-west-1/`. May be given more than once.
    #[arg(long, value_name = "NAME", value_parser = shown_name)]
    pub(crate) only: Vec<String>,
    /// Only changes of this action; may be given more than once.
    #[arg(long)]
    pub(crate) action: Vec<ActionName>,
    /// Only changes in this Region; may be given more than once. (`--region` is where the stack is.)
    #[arg(long = "in", value_name = "REGION")]
    pub(crate) within: Vec<Place>,
}

impl Scope {
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
