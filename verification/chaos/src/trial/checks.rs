//! The rules of a trial: a change that is not enforced or put back is said loudly, every claim is true, and in the end the world
//! is as before.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use aws_sdk_sfn::types::ExecutionStatus;
use guardrails_model::record::{Run, RunState};

use super::{NONSENSE, Trial};
use crate::proxy::{Aim, POLL};
use crate::scenario::Shape;
use crate::stack::World;

/// Within this a world that is at rest must look as it did: groups launch members after the call that asks for them.
const WORLD_LIMIT: Duration = Duration::from_secs(30);

impl Trial<'_> {
    /// Every alert is enforced, or it was said loudly that it is not. Every claim is true.
    pub(super) async fn check_applied(&mut self) -> Result<&'static str> {
        self.hear().await?;
        if self.scenario.shape == Shape::Unknown {
            let told = self.told.iter().any(|told| told.subject.contains("was not enforced") && told.text.contains(NONSENSE));
            anyhow::ensure!(told || !self.dead.is_empty(), "nobody was told of a message that nobody understands");
            anyhow::ensure!(self.stack.world().await? == self.before, "a message that nobody understands changed something");
            return Ok(if told { "told" } else { "dead letter" });
        }
        let world = self.stack.world().await?;
        let mut outcome = "enforced";
        for (target, earlier) in self.targets.iter().zip(&self.earlier) {
            let Some(run) = self.run(target, earlier.as_ref()).await? else {
                anyhow::ensure!(!self.dead.is_empty(), "an alert was lost: there is no run for it, and no dead letter");
                outcome = "dead letter";
                continue;
            };
            match run.state {
                RunState::Enforced => {
                    let amiss = self.stack.amiss(&world, target);
                    anyhow::ensure!(amiss.is_empty(), "run {} is enforced, and {amiss:?}", run.id);
                    self.loud_or_told(&run, "enforced").await?;
                }
                RunState::ApplyFailed => {
                    self.loud(&run).await?;
                    outcome = "failed loudly";
                }
                RunState::Opening | RunState::Applying => {
                    // Dead letters are alarmed upon; so is an execution that failed.
                    if self.dead.is_empty() {
                        self.loud(&run).await?;
                    }
                    outcome = "broke down loudly";
                }
                other => return Err(anyhow!("run {} is {} before anybody asked for a rollback", run.id, other.words())),
            }
        }
        Ok(outcome)
    }

    /// A change that is not put back is said loudly, and no run claims to be put back that is not.
    pub(super) async fn check_rolled_back(&mut self, output: Result<std::process::Output>) -> Result<()> {
        self.hear().await?;
        let failed = output.as_ref().map_or(true, |output| !output.status.success());
        let runs = self.runs().await?;
        if runs.iter().all(|run| run.state == RunState::RolledBack) {
            return self.as_before().await.context("every run claims to be rolled back");
        }
        for run in runs {
            match run.state {
                RunState::RolledBack => {}
                RunState::RollbackFailed => self.loud(&run).await?,
                // The person who asked was told by the command itself.
                _ => anyhow::ensure!(failed, "run {} is {}, and the command says all is well", run.id, run.state.words()),
            }
        }
        Ok(())
    }

    /// The run's last execution failed, which is alarmed upon, and people were told of it unless that failed too.
    async fn loud(&self, run: &Run) -> Result<()> {
        let Some((status, error)) = self.stack.execution(run).await? else {
            return Err(anyhow!("run {} is {}, and there is no execution that failed", run.id, run.state.words()));
        };
        anyhow::ensure!(
            status == ExecutionStatus::Failed,
            "run {} is {}, and its execution has {status}: nobody hears of it",
            run.id,
            run.state.words()
        );
        let told = self.told.iter().any(|told| told.text.contains(run.id.as_str()));
        anyhow::ensure!(
            told || self.notify_was_hit(),
            "run {} is {}, its execution failed with {error}, and nobody was told",
            run.id,
            run.state.words()
        );
        Ok(())
    }

    /// Did a fault keep people from being told?
    fn notify_was_hit(&self) -> bool {
        let hits = |aim: &Aim| match aim {
            Aim::At(call) => call.function == "notify",
            Aim::Service(_) => true,
        };
        self.scenario.apply.iter().chain(&self.scenario.rollback).any(|fault| hits(&fault.aim))
    }

    async fn loud_or_told(&self, run: &Run, what: &str) -> Result<()> {
        let told = self.told.iter().any(|told| told.subject.contains(what) && told.text.contains(run.id.as_str()));
        if told { Ok(()) } else { self.loud(run).await }
    }

    pub(super) async fn as_before(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let world = self.stack.world().await?;
            if world == self.before {
                return Ok(());
            }
            if began.elapsed() > WORLD_LIMIT {
                return Err(anyhow!("the world is not as before:\n{}", difference(&self.before, &world)));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The differences, line by line.
fn difference(before: &World, after: &World) -> String {
    let lines = |world: &World| -> Vec<String> { format!("{world:#?}").lines().map(str::to_owned).collect() };
    let (before, after) = (lines(before), lines(after));
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}
