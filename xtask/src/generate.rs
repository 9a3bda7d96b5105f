//! Writes the files that follow from the code: the actions' IAM policies for the example, the schema of `guardrails.yaml`, and the
//! reference pages. It lowers the list of texts that do not keep STYLE.md yet. `--check` names the files that are out of step, and writes
//! nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::{Catalog, CatalogError, Entry};
use guardrails_aws::{documents, grants};
use guardrails_cli::{reference, schemas};
use guardrails_model::config::Config;
use guardrails_model::contract;
use guardrails_model::report::history;
use guardrails_prose::debt::{self, Debt};
use guardrails_prose::survey::survey;
use serde_json::Value;

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

/// Every generated file, with its wanted content.
fn files(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let example = root.join("examples/all-actions.yaml");
    let text = std::fs::read_to_string(&example).with_context(|| format!("reading {}", example.display()))?;
    let config = CATALOG.parse("examples/all-actions.yaml", &text)?;
    let mut files = vec![
        (PathBuf::from("examples/guardrails.schema.json"), json(&serde_json::to_value(CATALOG.schema())?)?),
        (PathBuf::from("docs/history.schema.json"), json(&serde_json::to_value(history::schema())?)?),
        (PathBuf::from("docs/output.schema.json"), json(schemas::output().as_value())?),
        (PathBuf::from(debt::LIST), style_debt(root)?),
    ];
    for (name, schema) in contract::schemas() {
        files.push((PathBuf::from(format!("docs/contract/{name}.schema.json")), json(&serde_json::to_value(schema)?)?));
    }
    let pages = [
        ("actions", vec![("actions", documents::actions(&CATALOG))]),
        ("commands", vec![("commands", reference::commands())]),
        ("configuration", vec![("configuration", documents::configuration(&CATALOG))]),
        ("exit-codes", vec![("exit-codes", reference::exit_codes())]),
        ("permissions", vec![("permissions", documents::rights(&CATALOG, &config)?)]),
        ("services", vec![("services", documents::services(&CATALOG)), ("others", documents::unstoppable(&CATALOG))]),
        ("stop-all", vec![("stop-all", documents::stop_all(&CATALOG))]),
    ];
    for (name, parts) in pages {
        let file = format!("docs/{name}.md");
        files.push((PathBuf::from(&file), page(root, &file, &parts)?));
    }
    for (file, of) in [
        ("policies/operator.json", documents::operator as fn(&Catalog, &Config, &Value) -> Result<Value, CatalogError>),
        ("policies/plan.json", documents::planner),
    ] {
        let present = serde_json::from_str(&read(root, file)?).with_context(|| format!("reading {file}"))?;
        files.push((PathBuf::from(file), filled(&json(&of(&CATALOG, &config, &present)?)?)));
    }
    for action in CATALOG.entries() {
        files.push((PathBuf::from(format!("policies/{}.json", action.name)), policy(action, &config)?));
    }
    Ok(files)
}

/// The rights of the action's function for the file that asks for every action.
fn policy(action: &Entry, config: &Config) -> Result<String> {
    Ok(filled(&json(&grants::policy(&action.grants(config)?))?))
}

/// In an account and Region that stand for any.
fn filled(policy: &str) -> String {
    let filled = [
        ("${AWS::Partition}", "aws"),
        ("${AWS::Region}", "us-east-1"),
        ("${AWS::AccountId}", "123456789012"),
        ("${AWS::StackName}", "guardrails"),
    ];
    filled.iter().fold(policy.to_owned(), |policy, (parameter, value)| policy.replace(parameter, value))
}

/// The list of texts that do not keep STYLE.md yet, lowered. The texts are those before this run wrote any.
fn style_debt(root: &Path) -> Result<String> {
    let list = std::fs::read_to_string(root.join(debt::LIST)).with_context(|| format!("reading {}", debt::LIST))?;
    let survey = survey(root).with_context(|| format!("reading the texts under {}", root.display()))?;
    Ok(Debt::parse(&list).map_err(|error| anyhow!(error))?.lowered(&survey).list())
}

fn read(root: &Path, file: &str) -> Result<String> {
    std::fs::read_to_string(root.join(file)).with_context(|| format!("reading {file}"))
}

/// The page with each text between its marks.
fn page(root: &Path, file: &str, parts: &[(&str, String)]) -> Result<String> {
    parts.iter().try_fold(read(root, file)?, |page, (name, text)| between(&page, file, name, text))
}

fn between(page: &str, file: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}: written by `cargo xtask generate` -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin).ok_or_else(|| anyhow!("{file} lacks the line {}", begin.trim_end()))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| anyhow!("{file} lacks the line {end}"))?;
    Ok(format!("{before}{begin}\n{text}\n{end}{after}"))
}

fn json(value: &Value) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}
