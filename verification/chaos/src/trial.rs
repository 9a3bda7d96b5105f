//! One trial: alerts arrive and meet faults, the faults are lifted, held changes are rolled back once, and the world is as
//! before. On the way a stage that is not enforced is said loudly, and every claim is true.

mod checks;

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use guardrails_model::decide::Target;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, Run, RunState};
use rust_decimal::Decimal;

use crate::history::History;
use crate::proxy::{Fault, POLL};
use crate::scenario::{Catalogue, Scenario, Shape};
use crate::stack::{Stack, Told, World, text};

/// Within this everything must have come to rest, however long its callers ask again.
const REST_LIMIT: Duration = Duration::from_mins(4);
/// The runs whose history is shown: no scenario begins more, but for one after a rollback amid it.
const TOLD_OF: usize = 3;
/// A message of nobody's.
const NONSENSE: &str = "please stop everything";

/// A trial that was survived.
#[derive(Debug)]
pub struct Survived {
    /// Each fault, the way that it was for, and how often it happened.
    pub injected: Vec<(Direction, Fault, u32)>,
    /// The outcome of the alerts before the faults were lifted.
    pub outcome: &'static str,
    /// How long it took.
    pub took: Duration,
}

/// A trial that was not: the error, and the facts of how it came about.
#[derive(Debug)]
pub struct Failed {
    /// The error.
    pub why: String,
    /// The events, for people.
    pub history: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.why, self.history)
    }
}

/// The alerts of a trial, and their known facts so far.
struct Trial<'a> {
    stack: &'a Stack,
    scenario: &'a Scenario,
    before: World,
    targets: Vec<Target>,
    /// The run that each target had before.
    earlier: Vec<Option<RunId>>,
    told: Vec<Told>,
    dead: Vec<String>,
    injected: Vec<(Direction, Fault, u32)>,
}

/// Carries a scenario out.
///
/// # Errors
/// When it was not survived: the stack is then as it was left, and serves for no other trial.
pub async fn survive(stack: &Stack, scenario: &Scenario) -> Result<Survived, Failed> {
    let began = Instant::now();
    stack.proxy.log();
    match attempt(stack, scenario).await {
        Ok((outcome, injected)) => Ok(Survived { injected, outcome, took: began.elapsed() }),
        Err(error) => {
            let log = stack.proxy.log();
            let injected = stack.proxy.lift();
            let history = history(stack, log).await;
            let armed: Vec<String> = injected.iter().map(|(fault, times)| format!("{fault}: {times} times")).collect();
            Err(Failed { why: format!("{error:#}"), history: format!("armed: {armed:?}\n{history}") })
        }
    }
}

/// Plays a history of spend, without faults.
///
/// # Errors
/// When its outcome is not the one of its label: the stack is then as it was left, and serves for no other trial.
pub async fn play(stack: &Stack, told: &History) -> Result<Survived, Failed> {
    let began = Instant::now();
    stack.proxy.log();
    match Box::pin(told.play(stack)).await {
        Ok(outcome) => Ok(Survived { injected: Vec::new(), outcome, took: began.elapsed() }),
        Err(error) => Err(Failed { why: format!("{error:#}"), history: history(stack, stack.proxy.log()).await }),
    }
}

/// Makes the catalogue: runs without faults.
///
/// # Errors
/// When one of them does not go as it should.
pub async fn record(stack: &Stack) -> Result<Catalogue> {
    let mut catalogue = Catalogue::default();
    for shape in Shape::RECORDED {
        let (apply, rollback) = (Vec::new(), Vec::new());
        let scenario = Scenario { seed: 0, shape, simulated: true, again: false, impatient: false, apply, rollback };
        stack.proxy.seen();
        let mut trial = Trial::new(stack, &scenario).await?;
        if shape == Shape::Deploy {
            trial.deploy().await?;
        }
        trial.send().await?;
        trial.rest().await?;
        catalogue.add(shape, Direction::Apply, stack.proxy.seen());
        if shape != Shape::Deploy {
            trial.check_applied().await?;
            stack.call_unhealthy().await?;
        }
        trial.roll_back_for_good().await?;
        catalogue.add(shape, Direction::Rollback, stack.proxy.seen());
    }
    Ok(catalogue)
}

async fn attempt(stack: &Stack, scenario: &Scenario) -> Result<(&'static str, Vec<(Direction, Fault, u32)>)> {
    let mut trial = Trial::new(stack, scenario).await?;
    stack.proxy.arm(&scenario.apply);
    trial.send().await?;
    let outcome = if scenario.shape == Shape::Deploy {
        trial.deploy().await?
    } else if scenario.impatient {
        trial.until_struck().await?;
        trial.lift(Direction::Apply);
        trial.roll_back_amid().await?;
        "rolled back meanwhile"
    } else {
        trial.rest().await?;
        let outcome = trial.check_applied().await?;
        stack.call_unhealthy().await?;
        outcome
    };
    trial.lift(Direction::Apply);
    if !scenario.rollback.is_empty() {
        stack.proxy.arm(&scenario.rollback);
        let output = stack.roll_back().await;
        trial.rest().await?;
        trial.check_rolled_back(output).await?;
        trial.lift(Direction::Rollback);
    }
    if scenario.again {
        trial.ask_again().await?;
    }
    trial.roll_back_for_good().await?;
    Ok((outcome, trial.injected))
}

impl<'a> Trial<'a> {
    async fn new(stack: &'a Stack, scenario: &'a Scenario) -> Result<Self> {
        let targets = match scenario.shape {
            Shape::First(_) => vec![stack.target("100% actual", scenario.simulated).await?],
            Shape::Second(_) => vec![stack.target("150% actual", scenario.simulated).await?],
            Shape::Both { .. } => {
                vec![
                    stack.target("100% actual", scenario.simulated).await?,
                    stack.target("150% actual", scenario.simulated).await?,
                ]
            }
            Shape::Beside => vec![stack.target("100% actual", true).await?, stack.target("100% actual", false).await?],
            Shape::Unknown | Shape::Deploy => Vec::new(),
        };
        let mut earlier = Vec::new();
        for target in &targets {
            stack.rearm(target).await?;
            earlier.push(stack.ledger.stage_state(target).await?.map(|slot| slot.value.run));
        }
        stack.told().await?;
        stack.dead_letters().await?;
        let before = stack.world().await?;
        let (told, dead, injected) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { stack, scenario, before, targets, earlier, told, dead, injected })
    }

    /// The alerts arrive.
    async fn send(&self) -> Result<()> {
        match self.scenario.shape {
            Shape::First(times) | Shape::Second(times) => {
                let alerts = (0..times).map(|_| self.stack.alert(&self.targets[0]));
                futures::future::try_join_all(alerts).await.map(drop)
            }
            Shape::Both { reordered, at_once } => {
                let mut order: Vec<&Target> = self.targets.iter().collect();
                if reordered {
                    order.reverse();
                }
                for target in order {
                    self.stack.alert(target).await?;
                    if !at_once {
                        self.rest().await?;
                    }
                }
                Ok(())
            }
            Shape::Beside => {
                let alerts = self.targets.iter().map(|target| self.stack.alert(target));
                futures::future::try_join_all(alerts).await.map(drop)
            }
            Shape::Unknown => self.stack.publish(NONSENSE, false).await,
            Shape::Deploy => Ok(()),
        }
    }

    /// A deployment either makes the ledger and AWS Budgets agree, or fails; and once there is no fault left, it does.
    async fn deploy(&mut self) -> Result<&'static str> {
        let two = Decimal::TWO;
        let wanted = if self.stack.amounts().await?[0] == two { two + Decimal::ONE } else { two };
        let output = self.stack.deploy_amount(wanted).await?;
        self.lift(Direction::Apply);
        let first = self.stack.amounts().await?;
        let outcome = if output.status.success() { "deployed" } else { "not deployed" };
        anyhow::ensure!(!output.status.success() || first == [wanted; 2], "deployed, and the amounts are {first:?}");
        let output = self.stack.deploy_amount(wanted).await?;
        let said = || format!("{}{}", text(&output.stdout), text(&output.stderr));
        anyhow::ensure!(output.status.success(), "with no fault left, the deployment failed: {}", said());
        let amounts = self.stack.amounts().await?;
        anyhow::ensure!(amounts == [wanted; 2], "deployed again, and the amounts are {amounts:?}: {}", said());
        Ok(outcome)
    }

    async fn rest(&self) -> Result<()> {
        if self.stack.comes_to_rest(REST_LIMIT).await? {
            return Ok(());
        }
        let running = self.stack.running().await?;
        let names: Vec<&str> = running.iter().map(|execution| execution.name.as_str()).collect();
        let deliveries = self.stack.proxy.deliveries().await?;
        Err(anyhow!("after {REST_LIMIT:?} there still are {deliveries} deliveries and the executions {names:?}"))
    }

    /// Until a fault has happened and a run has begun, or nothing more will happen.
    async fn until_struck(&self) -> Result<()> {
        let struck = async {
            loop {
                let has_begun = self.stack.proxy.has_struck() && !self.runs().await?.is_empty();
                if has_begun || self.stack.comes_to_rest(POLL).await? {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(REST_LIMIT, struck).await.map_err(|_| anyhow!("it did not come to rest"))?
    }

    fn lift(&mut self, direction: Direction) {
        let lifted = self.stack.proxy.lift();
        self.injected.extend(lifted.into_iter().map(|(fault, times)| (direction, fault, times)));
    }

    /// The runs that the alerts began.
    async fn runs(&self) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for (target, earlier) in self.targets.iter().zip(&self.earlier) {
            runs.extend(self.run(target, earlier.as_ref()).await?);
        }
        Ok(runs)
    }

    async fn run(&self, target: &Target, earlier: Option<&RunId>) -> Result<Option<Run>> {
        let Some(slot) = self.stack.ledger.stage_state(target).await? else { return Ok(None) };
        if Some(&slot.value.run) == earlier {
            return Ok(None);
        }
        Ok(self.stack.ledger.run(&slot.value.run).await?.map(|run| run.value))
    }

    async fn hear(&mut self) -> Result<()> {
        self.told.extend(self.stack.told().await?);
        self.dead.extend(self.stack.dead_letters().await?);
        Ok(())
    }

    /// With no fault left, an alert that comes again is enforced.
    async fn ask_again(&mut self) -> Result<()> {
        let held: Vec<RunState> = self.runs().await?.iter().map(|run| run.state).collect();
        let asked_back =
            |state: &RunState| matches!(state, RunState::RollingBack | RunState::RollbackFailed | RunState::RolledBack);
        if held.iter().any(asked_back) {
            return Ok(());
        }
        for target in &self.targets {
            self.stack.alert(target).await?;
        }
        self.rest().await?;
        let runs = self.runs().await?;
        let states: Vec<&str> = runs.iter().map(|run| run.state.words()).collect();
        let all = runs.len() == self.targets.len() && runs.iter().all(|run| run.state == RunState::Enforced);
        anyhow::ensure!(all, "with no fault left, the alerts came again, and the runs are {states:?}");
        let world = self.stack.world().await?;
        let amiss: Vec<String> = self.targets.iter().flat_map(|target| self.stack.amiss(&world, target)).collect();
        anyhow::ensure!(amiss.is_empty(), "all is enforced, and {amiss:?}");
        Ok(())
    }

    /// A rollback while the runs are still at it. Alerts under way may begin others after it.
    async fn roll_back_amid(&mut self) -> Result<()> {
        let output = self.stack.roll_back().await?;
        self.rest().await?;
        let runs = self.runs().await?;
        let known: Vec<RunId> = runs.iter().filter(|run| run.state == RunState::RolledBack).map(|run| run.id.clone()).collect();
        anyhow::ensure!(
            output.status.success() || known.len() < runs.len(),
            "all is rolled back, and the command failed: {}",
            text(&output.stderr)
        );
        Ok(())
    }

    /// With no fault left, one rollback puts everything back.
    async fn roll_back_for_good(&mut self) -> Result<()> {
        let output = self.stack.roll_back().await?;
        anyhow::ensure!(
            output.status.success(),
            "with no fault left, the rollback failed: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        self.rest().await?;
        for run in self.runs().await? {
            anyhow::ensure!(run.state == RunState::RolledBack, "after the rollback run {} is {}", run.id, run.state.words());
            let steps = self.stack.ledger.all_steps(&run).await?;
            let ids: Vec<_> = steps.iter().map(|step| step.facet.clone()).collect();
            for facet in self.stack.ledger.facets(&ids).await?.values() {
                let holders: Vec<&String> = facet.value.holders.keys().collect();
                anyhow::ensure!(holders.is_empty(), "after the rollback {} is held by {holders:?}", facet.value.facet);
            }
        }
        self.as_before().await.context("after the rollback")
    }
}

/// The facts of how it came about: the calls, the newest runs and their steps, the local AWS's log.
async fn history(stack: &Stack, log: Vec<String>) -> String {
    let mut lines = vec!["the calls and what was injected:".to_owned()];
    lines.extend(log);
    for run in stack.ledger.runs(Some(TOLD_OF)).await.unwrap_or_default().into_iter().map(|run| run.value) {
        let (attempts, tries) = (run.attempts, run.tries);
        lines.push(format!("run {} ({}), attempts {attempts:?}, tries {tries:?}:", run.id, run.state.words()));
        lines.extend(run.events.iter().map(|event| format!("  {} {}: {}", event.at, event.by, event.what)));
        for step in stack.ledger.all_steps(&run).await.unwrap_or_default() {
            lines.push(format!("  {} {}: {} -> {}: {}", step.facet, step.label, step.present, step.wanted, step.phase));
            let events = step.events.iter();
            lines.extend(events.map(|e| format!("    {} {}: {} {}", e.at, e.by, e.phase, e.reason.as_deref().unwrap_or(""))));
        }
    }
    lines.push("the end of the local AWS's log:".to_owned());
    lines.push(stack.local.log_tail());
    lines.join("\n")
}
