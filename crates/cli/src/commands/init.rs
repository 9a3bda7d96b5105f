//! `guardrails init`: writes a first guardrails.yaml for this account, from its caller and its resources' tags. Only reads in AWS.

mod file;
mod tag;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use aws_config::SdkConfig;
use clap::Args;
use guardrails_aws::actions::CATALOG;
use guardrails_model::config::Amount;
use guardrails_model::ids::GuardrailName;
use schemars::JsonSchema;
use serde::Serialize;

use self::file::Draft;
use self::tag::Chosen;
use crate::args::Global;
use crate::deployment::{self, Caller};
use crate::exit::Exit;
use crate::operators::{self, Own};
use crate::{output, tagged};

/// A budget to begin with, which the file says to replace.
const AMOUNT: &str = "100 USD";

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The file to write; `-` is stdout.
    #[arg(long, short, default_value = "guardrails.yaml", env = "GUARDRAILS_FILE")]
    pub(crate) file: PathBuf,
    /// The tag of the project, such as `Project=Beta`. When left out, the tag that most resources carry which a stage can stop.
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag::pair)]
    pub(crate) tag: Option<(String, String)>,
    /// The budget of a month.
    #[arg(long, default_value = AMOUNT)]
    pub(crate) amount: Amount,
}

pub(crate) async fn run(global: &Global, args: &Init) -> Result<Exit> {
    let path = &args.file;
    if is_stdout(path) {
        let written = draft(global, args).await?;
        output::data(written.text.trim_end())?;
        return Ok(Exit::Done);
    }
    if path.exists() {
        output::tell(&taken(path));
        return Ok(Exit::BadInput);
    }
    let written = draft(global, args).await?;
    if !write(path, &written.text)? {
        output::tell(&taken(path));
        return Ok(Exit::BadInput);
    }
    let value = FirstFile {
        file: path,
        guardrail: &written.name,
        operators: written.operator.as_deref().into_iter().collect(),
        tag: BTreeMap::from([(written.tag.0.as_str(), written.tag.1.as_str())]),
        unread: &written.unread,
    };
    output::result(global, &value, &format!("wrote {}: guardrail {}", path.display(), written.name))?;
    output::tell(&format!(
        "next: read the file, and set the budget's amount; then `guardrails plan --file {}` shows what each stage would do",
        path.display()
    ));
    Ok(if written.unread.is_empty() { Exit::Done } else { Exit::NotChecked })
}

async fn draft(global: &Global, args: &Init) -> Result<Written> {
    let sdk = deployment::sdk(global).await?;
    let caller = deployment::caller(&sdk, global).await?;
    let written = written(&sdk, &caller, args.tag.clone(), &args.amount).await?;
    written.said.iter().for_each(|line| output::tell(line));
    written.unread.iter().for_each(|line| output::tell(&format!("could not be read: {line}")));
    Ok(written)
}

/// The file that was written, for programs.
#[derive(Serialize, JsonSchema)]
pub(crate) struct FirstFile<'a> {
    file: &'a Path,
    guardrail: &'a GuardrailName,
    operators: Vec<&'a str>,
    /// The tag of the budget, and of the stages.
    tag: BTreeMap<&'a str, &'a str>,
    /// The reads that failed, each with the reason.
    unread: &'a [String],
}

/// A first file, and the findings on the way.
pub(crate) struct Written {
    pub(crate) text: String,
    name: GuardrailName,
    operator: Option<String>,
    tag: (String, String),
    /// Words for people.
    pub(crate) said: Vec<String>,
    /// Reads that failed; in words.
    pub(crate) unread: Vec<String>,
}

/// The first file of an account: its text, the words for people, and the reads that failed.
///
/// # Errors
/// When the file would not pass `guardrails check`.
pub async fn first_file(sdk: &SdkConfig, arn: &str) -> Result<(String, Vec<String>, Vec<String>)> {
    let amount = AMOUNT.parse().map_err(|error| anyhow!("{error}"))?;
    let written = written(sdk, &Caller::of(arn), None, &amount).await?;
    Ok((written.text, written.said, written.unread))
}

async fn written(sdk: &SdkConfig, caller: &Caller, tag: Option<(String, String)>, amount: &Amount) -> Result<Written> {
    let (mut said, mut unread) = (Vec::new(), Vec::new());
    let (operator, note) = match operators::own(sdk, caller).await {
        Own::Named(arn, note) => (Some(arn), note),
        Own::Nobody(why) => {
            said.push(format!("WARNING: `operators` stays empty: {why}"));
            (None, None)
        }
    };
    said.extend(operator.iter().map(|arn| match &note {
        Some(note) => format!("operator: {arn} ({note})"),
        None => format!("operator: {arn}"),
    }));
    let (regions, why) = tagged::regions(sdk).await;
    unread.extend(why);
    let kinds: Vec<&str> = tagged::STOPPABLE.iter().map(|one| one.kind).collect();
    let found = tagged::list(sdk, &regions, &kinds, &guardrails_model::config::Tags::default()).await;
    unread.extend(found.unread);
    let chosen = Chosen::of(&found.resources, tag);
    said.extend(chosen.words(found.resources.len(), regions.len()));
    let name = file::name(&chosen.tag.1);
    let text = Draft { name: &name, operator: operator.as_deref(), note: note.as_deref(), chosen: &chosen, amount }.text();
    CATALOG.parse("the first file", &text).context("the file would not pass `guardrails check`, so it was not written")?;
    Ok(Written { text, name, operator, tag: chosen.tag, said, unread })
}

/// Writes a file that is not there yet; false where there is one.
fn write(path: &Path, text: &str) -> Result<bool> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(anyhow!("writing {}: {error}\nhint: --file names another path", path.display())),
    }
}

fn taken(path: &Path) -> String {
    let other = PathBuf::from("other.yaml");
    format!(
        "error: {} is there already, and `init` overwrites no file\nhint: `--file {}` writes beside it; `guardrails check {}` reads it",
        path.display(),
        other.display(),
        path.display()
    )
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}
