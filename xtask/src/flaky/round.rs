//! One round: all chosen tests, once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use guardrails_model::clock::{Clock, SystemClock};
use serde::Deserialize;

use super::build::Build;
use super::results::{Load, Round};

/// A round that is to be run.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) root: &'a Path,
    /// The tests' program.
    pub(super) tests: &'a Path,
    pub(super) filter: &'a str,
    pub(super) load: Load,
    pub(super) number: u32,
}

/// Runs it.
pub(super) fn run(plan: &Plan, program: &str) -> Result<Round> {
    let folder = plan.root.join("target/flaky");
    fs::create_dir_all(folder.join("logs")).context("making the folder of the logs")?;
    let log = folder.join(format!("logs/{program}-{}-{}.jsonl", plan.load, plan.number));
    let file = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
    let build = (plan.load == Load::BesideBuild).then(|| Build::start(plan.root, &folder.join("build")));
    let (at, began) = (SystemClock.now().to_string(), Instant::now());
    let mut command = command(plan);
    let status = command.stdin(Stdio::null()).stderr(file.try_clone()?).stdout(file).status();
    let status = status.with_context(|| format!("running {}", command.get_program().display()))?;
    let seconds = began.elapsed().as_secs_f64();
    build.map_or(Ok(()), Build::stop)?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let Seen { passed, failed, times } = Seen::read(&text);
    Ok(Round {
        program: program.to_owned(),
        filter: plan.filter.to_owned(),
        load: plan.load,
        seed: plan.number,
        at,
        seconds,
        passed,
        failed,
        ended: status.to_string(),
        times,
        log,
    })
}

/// As `cargo test` starts it: in the folder of its package. The order of the tests, their times and the format are unstable options
/// of the test harness, which a program of the stable compiler takes with this variable.
fn command(plan: &Plan) -> Command {
    let mut command = if plan.load == Load::OneCore {
        let mut pinned = Command::new("taskset");
        pinned.args(["--cpu-list", "0"]).arg(plan.tests);
        pinned
    } else {
        Command::new(plan.tests)
    };
    command.arg(plan.filter).args(["-Z", "unstable-options", "--format", "json", "--report-time"]);
    command.args(["--shuffle-seed", &plan.number.to_string()]);
    let package = plan.root.join("tests");
    command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_MANIFEST_DIR", &package).current_dir(package);
    command
}

/// A line of the test harness, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    exec_time: f64,
}

/// The tests as the output has them.
#[derive(Debug, PartialEq)]
struct Seen {
    passed: usize,
    failed: Vec<String>,
    times: BTreeMap<String, f64>,
}

impl Seen {
    /// A test that began and of which nothing more is said has failed: the program died.
    fn read(text: &str) -> Self {
        let (mut open, mut failed, mut times) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let mut passed = 0;
        for Line { name, event, exec_time, .. } in lines.filter(|line| line.kind == "test") {
            match event.as_str() {
                "started" => {
                    open.insert(name);
                }
                "ok" => {
                    open.remove(&name);
                    times.insert(name, exec_time);
                    passed += 1;
                }
                "failed" => {
                    open.remove(&name);
                    times.insert(name.clone(), exec_time);
                    failed.insert(name);
                }
                // One that takes long is still under way.
                _ => {}
            }
        }
        failed.extend(open);
        Self { passed, failed: failed.into_iter().collect(), times }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_tells_passed_failed_and_cut_off_tests_apart() {
        let text = r#"{ "type": "suite", "event": "started", "test_count": 3, "shuffle_seed": 1 }
{ "type": "test", "event": "started", "name": "a" }
{ "type": "test", "event": "started", "name": "b" }
{ "type": "test", "event": "timeout", "name": "b" }
{ "type": "test", "name": "a", "event": "ok", "exec_time": 1.5 }
something that a test printed
{ "type": "test", "event": "started", "name": "c" }
{ "type": "test", "name": "b", "event": "failed", "exec_time": 2.0, "stdout": "thread 'b' panicked" }
"#;
        let seen = Seen::read(text);
        assert_eq!((seen.passed, seen.failed), (1, vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!(seen.times, [("a".to_owned(), 1.5), ("b".to_owned(), 2.0)].into());
    }
}
