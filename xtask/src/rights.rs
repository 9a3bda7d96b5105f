//! `cargo xtask rights`: are the calls that the deployed functions make those that they are granted, no fewer and no more? The
//! calls are those of the deployed tests, as the local AWS wrote them down; an evaluator that is not ours judges each of them by
//! the policies of the role that made it. A grant that no call used needs a reason, and a neighbour of a call must be refused.
//! The evaluator also judges a restricted user's ways to launch.

mod evaluator;
mod launches;
mod neighbours;
mod reasons;
mod recorded;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow};
use comfy_table::{Table, presets};
use guardrails_aws::actions::CATALOG;

use evaluator::{ALLOWED, Question};
use launches::Attempt;
use neighbours::Neighbour;
use reasons::Reasons;
use recorded::{Call, Recorded};

/// The evaluator's error where an ARN may be of two types, as an alias and a version of a function are.
const AMBIGUOUS: &str = "multiple.resource.types";

/// The options of the task.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to which `GUARDRAILS_CALLS` had the tests write their calls; without it the deployed tests are run first.
    #[arg(long, value_name = "FOLDER")]
    recorded: Option<PathBuf>,
}

/// Judges the calls, and says what does not agree.
///
/// # Errors
/// When there are no calls, or the evaluator cannot be installed or run.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let folder = args.recorded.clone().map_or_else(|| record(root), Ok)?;
    let mut recorded = Recorded::read(&folder)?;
    recorded.policies.extend(launches::policies()?);
    let evaluator = evaluator::install(root)?;

    let calls: Vec<&Call> = recorded.calls.iter().collect();
    let mut reasons = Reasons::of_the_stack()?;
    recorded.wide.iter().for_each(|(role, wide)| reasons.add_wide(role, wide));
    let neighbours: Vec<Neighbour> = neighbours::of(&recorded, &reasons);
    let attempts = launches::all();
    let questions = calls.iter().map(|call| Question::of(call)).chain(neighbours.iter().map(Neighbour::question));
    let questions: Vec<Question> = questions.chain(attempts.iter().map(Attempt::question)).collect();
    let mut verdicts = evaluator.judge(&recorded.policies, &questions)?.into_iter();

    let (mut wrong, mut unjudged) = (Vec::new(), 0);
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for (call, verdict) in calls.iter().zip(verdicts.by_ref()) {
        let row = rows.entry(&call.role).or_default();
        row.calls.insert(&call.action);
        if verdict.contains(AMBIGUOUS) {
            unjudged += 1;
            continue;
        }
        row.judged += 1;
        if (verdict == ALLOWED) != call.allowed {
            wrong.push(format!("{call}: the local AWS says {}, the evaluator {verdict}", words(call.allowed)));
        } else if !call.allowed && reasons::refused(&call.role, &call.action).is_none() {
            wrong.push(format!("{call}: it is refused, by both: grant it, or say which test has it refused"));
        }
    }
    for (neighbour, verdict) in neighbours.iter().zip(verdicts.by_ref()) {
        if verdict.contains(AMBIGUOUS) {
            unjudged += 1;
            continue;
        }
        rows.entry(neighbour.role()).or_default().refused += 1;
        if verdict == ALLOWED {
            wrong.push(format!("{neighbour} must be refused, and is allowed"));
        } else if verdict.starts_with("error") {
            wrong.push(format!("{neighbour} could not be judged: {verdict}"));
        }
    }
    println!("{unjudged} calls not judged: the evaluator cannot tell an alias of a function from a version");
    wrong.extend(attempts.iter().zip(verdicts).filter_map(|(attempt, verdict)| attempt.mistake(&verdict)));
    let mut grants = template::grants()?;
    for (role, granted) in recorded.grants() {
        grants.entry(role.to_owned()).or_default().extend(granted);
    }
    for action in CATALOG.entries() {
        let role = format!("{}Role", guardrails_aws::iam::of_stack::logical(action.name));
        if !rows.contains_key(role.as_str()) {
            wrong.push(format!("no test has a deployed `{}` make a call: add one to tests/deployed", action.name));
        }
    }
    for (role, granted) in &grants {
        let row = rows.entry(role).or_default();
        for action in granted {
            let used = row.calls.iter().any(|call| recorded::covers(action, call));
            match (used, reasons.unused(role, action)) {
                // A grant that only a race uses has its reason, and its use may be seen all the same.
                (true, _) => row.used += 1,
                (false, Some(_)) => row.with_reason += 1,
                (false, None) => wrong.push(format!("{role} is granted {action}, and no call used it: take it away, or say why")),
            }
        }
    }
    show(&rows);
    println!("{} attempts of a restricted user to launch, to look and to end what runs", attempts.len());
    for line in &wrong {
        eprintln!("{line}");
    }
    if wrong.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{} disagree", wrong.len());
    Ok(ExitCode::FAILURE)
}

fn words(allowed: bool) -> &'static str {
    if allowed { "it is allowed" } else { "it is refused" }
}

/// The findings on one role.
#[derive(Default)]
struct Row<'a> {
    calls: BTreeSet<&'a str>,
    judged: usize,
    used: usize,
    with_reason: usize,
    refused: usize,
}

fn show(rows: &BTreeMap<&str, Row<'_>>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["role", "kinds of call", "calls judged", "grants used", "unused, with a reason", "neighbours refused"]);
    for (role, row) in rows {
        let figures = [row.calls.len(), row.judged, row.used, row.with_reason, row.refused];
        table.add_row(std::iter::once((*role).to_owned()).chain(figures.map(|figure| figure.to_string())));
    }
    println!("{table}");
}

/// Runs the deployed tests, and has their calls written down.
fn record(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/calls");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    eprintln!("running the deployed tests: this takes some minutes");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tests = [
        "test",
        "--workspace",
        "--test",
        "all",
        "--",
        "deployed::",
        "worked_example::",
        "databases::rights::",
        "services::grants::",
        "run_function::grants::",
        "functions::grants::",
        "clusters::rights::",
    ];
    let status = Command::new(cargo).args(tests).current_dir(root).env("GUARDRAILS_CALLS", &folder).status();
    let status = status.context("running cargo test")?;
    if status.success() { Ok(folder) } else { Err(anyhow!("the deployed tests failed: {status}")) }
}
