//! Many scenarios, some at a time, and their outcomes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use guardrails_model::record::Direction;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::history::{self, History};
use crate::proxy::{Aim, Call};
use crate::scenario::{Catalogue, Scenario};
use crate::stack::{Stack, today};
use crate::trial::{Failed, Survived, play, record, survive};

/// The size of a soak.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The command, beside which its functions are.
    pub command: PathBuf,
    /// The first scenario's seed; the others' follow it.
    pub seed: u64,
    /// How many.
    pub scenarios: u64,
    /// Histories of spend that are played after the scenarios: drawn by their seeds, which follow.
    pub histories: u64,
    /// Only this history.
    pub history: Option<String>,
    /// How many at a time, each on a stack of its own: most of a scenario's time is waiting.
    pub jobs: usize,
}

/// The outcome of all of them.
#[derive(Debug, Default)]
pub struct Report {
    /// By sort of fault, way, function and operation.
    pub rows: BTreeMap<Row, Tally>,
    /// Scenarios that were survived, by the outcome of their alerts.
    pub outcomes: BTreeMap<&'static str, u32>,
    /// Those that were not.
    pub failed: Vec<(Trial, Failed)>,
    /// Changes that no fault met.
    pub never_met: Vec<(Direction, Call)>,
    /// So many scenarios are needed for each sort of fault to be aimed at each change.
    pub round: usize,
    /// The time of the scenarios together.
    pub took: Duration,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The kind of the fault.
    pub kind: &'static str,
    /// The direction of the run.
    pub direction: Direction,
    /// The calls.
    pub aim: Aim,
}

/// How often.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Scenarios with such a fault.
    pub scenarios: u32,
    /// Calls that met it.
    pub injected: u32,
    /// Of the scenarios, those that were survived.
    pub survived: u32,
}

/// Shows people each trial as it ends.
pub type Tell = dyn Fn(&Trial, &Result<Survived, Failed>) + Send + Sync;

/// One of the trials.
#[derive(Debug, Clone)]
pub enum Trial {
    /// A scenario with faults.
    Scenario(Scenario),
    /// A history of spend.
    History(History),
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scenario(scenario) => write!(f, "{}: {scenario}", scenario.seed),
            Self::History(history) => write!(f, "{history}"),
        }
    }
}

impl Trial {
    /// The arguments of `cargo xtask soak` that try it again.
    #[must_use]
    pub fn again(&self) -> String {
        match self {
            Self::Scenario(scenario) => format!("--only {}", scenario.seed),
            Self::History(history) => format!("--history {}", history.name),
        }
    }
}

/// The data that all jobs share.
struct Shared {
    plan: Plan,
    catalogue: Catalogue,
    histories: Vec<History>,
    next: AtomicU64,
    report: Mutex<Report>,
    tell: Box<Tell>,
}

/// Carries the plan out.
///
/// # Errors
/// When no stack can be deployed, or a run without faults does not go as it should.
pub async fn run(plan: Plan, tell: Box<Tell>) -> Result<Report> {
    let early = "in a month's first three days figures are judged otherwise: --histories 0";
    anyhow::ensure!(plan.histories == 0 || today().day() > 3, early);
    let mut histories = history::all()?;
    if let Some(only) = &plan.history {
        histories.retain(|history| history.name == *only);
        anyhow::ensure!(!histories.is_empty(), "no history that can be played is called {only}");
    }
    let first = Box::pin(Stack::deploy(&plan.command)).await?;
    let catalogue = Box::pin(record(&first)).await?;
    let (jobs, next) = (plan.jobs.max(1), AtomicU64::new(0));
    let shared = Arc::new(Shared { plan, catalogue, histories, next, report: Mutex::default(), tell });
    let mut working = tokio::task::JoinSet::new();
    let mut first = Some(first);
    for _ in 0..jobs {
        working.spawn(job(Arc::clone(&shared), first.take()));
    }
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    let mut report = std::mem::take(&mut *shared.report.lock().unwrap_or_else(PoisonError::into_inner));
    let met = |(direction, call): &(Direction, Call)| {
        let mut rows = report.rows.iter().filter(|(_, tally)| tally.injected > 0).map(|(row, _)| row);
        rows.any(|row| row.direction == *direction && row.aim == Aim::At(call.clone()))
    };
    report.never_met = shared.catalogue.changes().into_iter().filter(|change| !met(change)).collect();
    report.round = shared.catalogue.round();
    Ok(report)
}

/// Takes one scenario after the other. One that was not survived leaves a stack that serves for no other.
async fn job(shared: Arc<Shared>, mut stack: Option<Stack>) -> Result<()> {
    loop {
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        let Some(trial) = shared.trial(number) else { return Ok(()) };
        let present = match stack.take() {
            Some(present) => present,
            None => Box::pin(Stack::deploy(&shared.plan.command)).await?,
        };
        let outcome = match &trial {
            Trial::Scenario(scenario) => Box::pin(survive(&present, scenario)).await,
            Trial::History(history) => Box::pin(play(&present, history)).await,
        };
        (shared.tell)(&trial, &outcome);
        if outcome.is_ok() {
            stack = Some(present);
        }
        shared.report.lock().unwrap_or_else(PoisonError::into_inner).add(trial, outcome);
    }
}

impl Shared {
    /// The trial of that number; none after the last.
    fn trial(&self, number: u64) -> Option<Trial> {
        let seed = self.plan.seed.wrapping_add(number);
        if number < self.plan.scenarios {
            return Some(Trial::Scenario(self.catalogue.scenario(seed)));
        }
        let drawn = self.histories.choose(&mut StdRng::seed_from_u64(seed));
        drawn.filter(|_| number - self.plan.scenarios < self.plan.histories).cloned().map(Trial::History)
    }
}

impl Report {
    fn add(&mut self, trial: Trial, outcome: Result<Survived, Failed>) {
        match outcome {
            Ok(survived) => {
                self.took += survived.took;
                *self.outcomes.entry(survived.outcome).or_default() += 1;
                for (direction, fault, times) in survived.injected {
                    let tally = self.row(fault.kind.name(), direction, fault.aim);
                    tally.injected += times;
                    tally.survived += 1;
                    tally.scenarios += 1;
                }
            }
            Err(failed) => {
                if let Trial::Scenario(scenario) = &trial {
                    for (direction, faults) in [(Direction::Apply, &scenario.apply), (Direction::Rollback, &scenario.rollback)] {
                        for fault in faults {
                            self.row(fault.kind.name(), direction, fault.aim.clone()).scenarios += 1;
                        }
                    }
                }
                self.failed.push((trial, failed));
            }
        }
    }

    fn row(&mut self, kind: &'static str, direction: Direction, aim: Aim) -> &mut Tally {
        self.rows.entry(Row { kind, direction, aim }).or_default()
    }
}
