//! `cargo xtask soak`: many scenarios of chaos on the deployed stack. Each follows from its seed; a scenario that was not
//! survived is said with the seed that tries it again alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use guardrails_chaos::soak::{self, Plan, Report, Trial};
use guardrails_chaos::{Failed, Survived};
use guardrails_local_aws::programs;
use guardrails_model::clock::{Clock, SystemClock};

/// The options of the soak.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many scenarios.
    #[arg(long, default_value_t = 500)]
    scenarios: u64,
    /// The first one's seed; the others' are those after it. Drawn from the clock where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this one.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["scenarios", "seed"])]
    only: Option<u64>,
    /// How many histories of spend besides, each without faults. The first three days of a month take none.
    #[arg(long, default_value_t = 50)]
    histories: u64,
    /// Only this history.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["scenarios", "seed", "only"])]
    history: Option<String>,
    /// How many at a time, each on a stack of its own: most of a scenario's time is waiting.
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// A `guardrails` that is built already, with the functions beside it; otherwise cargo builds them.
    #[arg(long, value_name = "FILE")]
    command: Option<PathBuf>,
}

/// Carries the scenarios out, and shows what became of them.
///
/// # Errors
/// When no stack can be deployed, or a run without faults does not go as it should.
pub async fn run(args: &Args) -> Result<ExitCode> {
    let command = if let Some(command) = &args.command {
        command.canonicalize().context("finding the command")?
    } else {
        eprintln!("building the functions and the command");
        tokio::task::spawn_blocking(programs::build).await.context("building")??
    };
    let (seed, scenarios) = match (args.only, args.seed) {
        (Some(only), _) => (only, 1),
        (None, Some(seed)) => (seed, args.scenarios),
        (None, None) => (u64::try_from(SystemClock.now().as_second())?, args.scenarios),
    };
    let (scenarios, histories) = match &args.history {
        Some(_) => (0, 1),
        None => (scenarios, if args.only.is_some() { 0 } else { args.histories }),
    };
    eprintln!("seed {seed}, {scenarios} scenarios, {histories} histories, {} at a time", args.jobs);
    let began = Instant::now();
    let jobs = args.jobs.min(usize::try_from(scenarios + histories)?);
    let plan = Plan { command, seed, scenarios, histories, history: args.history.clone(), jobs };
    let report = Box::pin(soak::run(plan, Box::new(tell))).await?;
    show(&report, seed, (scenarios, histories), began.elapsed());
    // A round aims every sort of fault at every change: then each of them must have been met.
    let unmet = scenarios >= report.round as u64 && !report.never_met.is_empty();
    Ok(if report.failed.is_empty() && !unmet { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(trial: &Trial, outcome: &Result<Survived, Failed>) {
    match outcome {
        Ok(survived) => {
            let injected: u32 = survived.injected.iter().map(|(_, _, times)| times).sum();
            let seconds = survived.took.as_secs_f64();
            eprintln!("{seconds:>6.1} s  {}, {injected} injected: {trial}", survived.outcome);
        }
        Err(failed) => {
            eprintln!("FAILED: {trial}\n{failed}\nto try it again: cargo xtask soak {}", trial.again());
        }
    }
}

fn show(report: &Report, seed: u64, (scenarios, histories): (u64, u64), took: Duration) {
    let mut kinds: BTreeMap<(&str, &str), (u32, u32, u32)> = BTreeMap::new();
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["fault", "way", "at", "scenarios", "injected", "survived"]);
    for (row, tally) in &report.rows {
        let way = row.direction.as_str();
        let cells = [row.kind.to_owned(), way.to_owned(), row.aim.to_string()];
        let counts = [tally.scenarios, tally.injected, tally.survived];
        table.add_row(cells.into_iter().chain(counts.map(|count| count.to_string())));
        let sum = kinds.entry((row.kind, way)).or_default();
        *sum = (sum.0 + counts[0], sum.1 + counts[1], sum.2 + counts[2]);
    }
    println!("{table}\n");
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["fault", "way", "scenarios", "injected", "survived"]);
    for ((kind, way), counts) in kinds {
        let counts = [counts.0, counts.1, counts.2].map(|count| count.to_string());
        table.add_row([kind.to_owned(), way.to_owned()].into_iter().chain(counts));
    }
    println!("{table}\n");
    let survived: u32 = report.outcomes.values().sum();
    let all = format!("{scenarios} scenarios and {histories} histories");
    println!("seed {seed}: {survived} of {all} survived in {:.0} s", took.as_secs_f64());
    for (outcome, count) in &report.outcomes {
        println!("  {count}: {outcome}");
    }
    for (direction, call) in report.never_met.iter().filter(|_| scenarios >= report.round as u64) {
        println!("FAILED: no fault met {call} on the way of {}", direction.as_str());
    }
    for (trial, failed) in &report.failed {
        println!("FAILED {trial}: {}; cargo xtask soak {}", failed.why, trial.again());
    }
}
