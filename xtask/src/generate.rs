//! Writes the files that follow from the code: the actions' IAM policies for the example, the schema of
//! `guardrails.yaml`, and the README's table. It lowers the list of texts that do not keep STYLE.md yet. `--check` names the files that
//! are out of step, and writes nothing.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use guardrails_aws::actions::{ALL, Any};
use guardrails_aws::grants;
use guardrails_model::config::{Config, file};
use guardrails_model::report::history;
use guardrails_prose::debt::{self, Debt};
use guardrails_prose::survey::survey;

/// Where the README's table stands.
const TABLE: (&str, &str) = ("<!-- actions: written by `cargo xtask generate` -->\n", "<!-- end of actions -->");
/// Where the table of rights stands in policies/README.md.
const RIGHTS: (&str, &str) = ("<!-- rights: written by `cargo xtask generate` -->\n", "<!-- end of rights -->");

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only say what is out of step.
    #[arg(long)]
    check: bool,
}

pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let mut stale = Vec::new();
    for (path, wanted) in files(root)? {
        let full = root.join(&path);
        if std::fs::read_to_string(&full).is_ok_and(|present| present == wanted) {
            continue;
        }
        if !args.check {
            full.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::write(&full, &wanted).with_context(|| format!("writing {}", full.display()))?;
            eprintln!("wrote {}", path.display());
        }
        stale.push(path);
    }
    if args.check && !stale.is_empty() {
        for path in &stale {
            eprintln!("{} is out of step with the code", path.display());
        }
        eprintln!("hint: cargo xtask generate");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Every generated file, with what it shall hold.
fn files(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let example = root.join("examples/guardrails.yaml");
    let text = std::fs::read_to_string(&example).with_context(|| format!("reading {}", example.display()))?;
    let config = file::parse::<Any>("examples/guardrails.yaml", &text)?;
    let mut files = vec![
        (PathBuf::from("examples/guardrails.schema.json"), json(&serde_json::to_value(file::schema::<Any>())?)?),
        (PathBuf::from("docs/history.schema.json"), json(&serde_json::to_value(history::schema())?)?),
        (PathBuf::from("README.md"), readme(root)?),
        (PathBuf::from("policies/README.md"), rights(root, &config)?),
        (PathBuf::from(debt::LIST), style_debt(root)?),
    ];
    for action in ALL {
        files.push((PathBuf::from(format!("policies/{}.json", action.name)), policy(action, &config)?));
    }
    Ok(files)
}

/// What the action's function may do for the example, in an account and Region that stand for any.
fn policy(action: &guardrails_aws::actions::Entry, config: &Config) -> Result<String> {
    let policy = json(&grants::policy(&action.grants(config)?))?;
    let filled = [
        ("${AWS::Partition}", "aws"),
        ("${AWS::Region}", "us-east-1"),
        ("${AWS::AccountId}", "123456789012"),
        ("${AWS::StackName}", "guardrails"),
    ];
    Ok(filled.iter().fold(policy, |policy, (parameter, value)| policy.replace(parameter, value)))
}

/// What each action's function may do, what for, and on what.
fn rights(root: &Path, config: &Config) -> Result<String> {
    let mut text = String::from("| action | used to | may call | on |\n| --- | --- | --- | --- |\n");
    for action in ALL {
        for grant in action.grants(config)? {
            let uses = grant.uses.iter().map(|used| format!("{used:?}").to_lowercase()).collect::<Vec<_>>().join(", ");
            let on = grant.why_any.map_or_else(|| grant.resources.join(" "), |why| format!("everything: {why}"));
            let under = if grant.condition.is_null() { String::new() } else { format!(", under `{}`", grant.condition) };
            writeln!(text, "| `{}` | {uses} | {} | {on}{under} |", action.name, grant.actions.join(" "))?;
        }
    }
    between(root, "policies/README.md", RIGHTS, &text)
}

/// The list of texts that do not keep STYLE.md yet, lowered. The texts are those before this run wrote any.
fn style_debt(root: &Path) -> Result<String> {
    let list = std::fs::read_to_string(root.join(debt::LIST)).with_context(|| format!("reading {}", debt::LIST))?;
    let survey = survey(root).with_context(|| format!("reading the texts under {}", root.display()))?;
    Ok(Debt::parse(&list).map_err(|error| anyhow!(error))?.lowered(&survey).list())
}

fn readme(root: &Path) -> Result<String> {
    let mut table = String::from("| action | what it does | what rollback puts back |\n| --- | --- | --- |\n");
    for action in ALL {
        let file = format!("crates/aws/src/actions/{}.rs", action.name.replace('-', "_"));
        writeln!(table, "| [`{}`]({file}) | {} | {} |", action.name, action.changes, action.puts_back)?;
    }
    between(root, "README.md", TABLE, &table)
}

/// The file with `text` where the marks stand.
fn between(root: &Path, file: &str, marks: (&str, &str), text: &str) -> Result<String> {
    let present = std::fs::read_to_string(root.join(file)).with_context(|| format!("reading {file}"))?;
    let (before, rest) = present.split_once(marks.0).ok_or_else(|| anyhow!("{file} lacks the line {}", marks.0.trim_end()))?;
    let (_, after) = rest.split_once(marks.1).ok_or_else(|| anyhow!("{file} lacks the line {}", marks.1))?;
    Ok(format!("{before}{}{text}{}{after}", marks.0, marks.1))
}

fn json(value: &serde_json::Value) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}
