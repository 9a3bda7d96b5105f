//! `cargo xtask flaky`: runs the deployed tests many times, to find those that fail at times. A round runs alone, beside a build, or
//! on one core, in an order that follows from its seed. Each round adds a line to the results, so a run that was interrupted
//! goes on where it stopped.

mod build;
mod results;
mod round;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use guardrails_local_aws::programs;
use guardrails_template::artifacts;

use results::{Load, Results, Round};

/// The tests that took longest, as many as are shown.
const SLOWEST: usize = 5;

/// The Python of the local AWS.
const LAUNCHER: &str = "verification/local-aws/launcher";

/// The arguments of the command.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rounds with nothing beside them.
    #[arg(long, default_value_t = 30, value_name = "ROUNDS")]
    alone: u32,
    /// Rounds beside a build that is as large as the product's.
    #[arg(long, default_value_t = 10, value_name = "ROUNDS")]
    beside_build: u32,
    /// Rounds on one core. Needs taskset, which is part of util-linux.
    #[arg(long, default_value_t = 10, value_name = "ROUNDS")]
    one_core: u32,
    /// Only tests whose name contains this text.
    #[arg(long, default_value = "deployed::", value_name = "TEXT")]
    filter: String,
    /// The file with a line for each round. Rounds of the same programs and the same filter are not run again.
    #[arg(long, default_value = "target/flaky/results.jsonl", value_name = "FILE")]
    results: PathBuf,
}

impl Args {
    /// The rounds of each load.
    fn rounds(&self) -> [(Load, u32); 3] {
        [(Load::Alone, self.alone), (Load::BesideBuild, self.beside_build), (Load::OneCore, self.one_core)]
    }
}

/// Runs the rounds that are missing, and shows the results of all. The exit code says whether a test failed in any of them.
///
/// # Errors
/// When the tests cannot be built or started, or the results cannot be read or written.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let command = programs::build()?;
    let tests = test_program(root)?;
    // The launcher of the local AWS is no program that cargo builds.
    let mut files = results::files(&root.join(LAUNCHER))?;
    files.extend([tests.clone(), command.clone(), command.with_file_name(artifacts::PROGRAM)]);
    let program = results::digest(&files)?;
    let mut results = Results::open(&root.join(&args.results), &program, &args.filter)?;
    for (load, wanted) in args.rounds() {
        for number in 1..=wanted {
            if results.has(load, number) {
                continue;
            }
            let plan = round::Plan { root, tests: &tests, filter: &args.filter, load, number };
            let round = round::run(&plan, &program)?;
            eprintln!("{}", words(&round));
            results.add(round)?;
        }
    }
    let rounds: Vec<&Round> = results.rounds.iter().filter(|round| counts(args, round)).collect();
    show(&rounds);
    println!("results: {}", root.join(&args.results).display());
    Ok(if rounds.iter().all(|round| round.is_passed()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Was this round asked for?
fn counts(args: &Args, round: &Round) -> bool {
    args.rounds().iter().any(|(load, wanted)| *load == round.load && round.seed <= *wanted)
}

/// Builds the tests. The path of their program.
fn test_program(root: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "test",
        "--package",
        "guardrails-tests",
        "--test",
        "all",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    programs::forget_caller(&mut cargo);
    let output = cargo.current_dir(root).stderr(std::process::Stdio::inherit()).output().context("running cargo")?;
    ensure!(output.status.success(), "cargo could not build the tests: {}", output.status);
    let lines =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let mut built =
        lines.filter(|line| line["target"]["name"] == "all").filter_map(|line| Some(line["executable"].as_str()?.into()));
    built.next_back().context("cargo built no tests")
}

fn words(round: &Round) -> String {
    let failed: Vec<&str> = round.failed.iter().map(String::as_str).collect();
    let outcome =
        if round.is_passed() { "passed".to_owned() } else { format!("FAILED ({}): {}", round.ended, failed.join(", ")) };
    format!("{} {}: {} tests in {:.0} s: {outcome}", round.load, round.seed, round.passed + failed.len(), round.seconds)
}

fn show(rounds: &[&Round]) {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["load", "rounds", "passed", "fastest (s)", "slowest (s)"]);
    for load in Load::ALL {
        let of_load: Vec<&&Round> = rounds.iter().filter(|round| round.load == load).collect();
        let seconds = || of_load.iter().map(|round| round.seconds);
        let passed = of_load.iter().filter(|round| round.is_passed()).count();
        if !of_load.is_empty() {
            let (fastest, slowest) = (seconds().fold(f64::INFINITY, f64::min), seconds().fold(0.0, f64::max));
            let cells = [of_load.len().to_string(), passed.to_string(), format!("{fastest:.0}"), format!("{slowest:.0}")];
            table.add_row(std::iter::once(load.to_string()).chain(cells));
        }
    }
    println!("{table}\n");
    let mut failed: BTreeMap<&str, Vec<&Round>> = BTreeMap::new();
    for round in rounds {
        round.failed.iter().for_each(|test| failed.entry(test).or_default().push(round));
    }
    for (test, rounds) in failed {
        println!("FAILED {} times: {test}", rounds.len());
        for round in rounds {
            println!("    {} {}: {}", round.load, round.seed, round.log.display());
        }
    }
    for round in rounds.iter().filter(|round| !round.is_passed() && round.failed.is_empty()) {
        println!("FAILED {} {}: {}: {}", round.load, round.seed, round.ended, round.log.display());
    }
    for (seconds, test) in slowest(rounds) {
        println!("slow: {seconds:.1} s at the most: {test}");
    }
}

/// The tests that took longest in any round, the longest first.
fn slowest<'a>(rounds: &[&'a Round]) -> Vec<(f64, &'a str)> {
    let mut most: BTreeMap<&str, f64> = BTreeMap::new();
    for (test, seconds) in rounds.iter().flat_map(|round| &round.times) {
        let known = most.entry(test).or_default();
        *known = known.max(*seconds);
    }
    let mut sorted: Vec<(f64, &str)> = most.into_iter().map(|(test, seconds)| (seconds, test)).collect();
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
    sorted.truncate(SLOWEST);
    sorted
}
