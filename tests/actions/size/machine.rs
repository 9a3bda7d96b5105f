//! The work of the state machine and its functions on a run, in virtual time. A run's executions come one after another, and the
//! parts of a wave run side by side. Each round is at its time, and hands its cursor on to the next.

use std::sync::Arc;

use guardrails_aws::actions::CATALOG;
use guardrails_aws::context::Context;
use guardrails_model::clock::Clock;
use guardrails_model::config::ActionSpec;
use guardrails_model::engine::{Cursor, Progress};
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, Part, Run};
use guardrails_model::runs::{Closed, Ended, Outcome, execution_name, input, waves};
use serde_json::json;

use super::history::{self, Rounds};
use crate::harness::Harness;
use crate::world::World;

/// One try of a run, carried out.
pub struct Machine<'a> {
    pub harness: &'a Harness,
    pub world: &'a Arc<World>,
    /// The changes that others make in the account after so many seconds.
    pub others: Option<&'a (dyn Fn(i64) + Sync)>,
    /// The execution is killed before this round of it.
    pub killed_at: Option<usize>,
    /// The most rounds of a part in one execution, where that is not the state machine's own number.
    pub most: Option<usize>,
}

/// The cost of carrying a run in one direction.
#[derive(Debug, Default)]
pub struct Took {
    pub seconds: i64,
    pub executions: usize,
    /// Of all executions.
    pub rounds: usize,
    /// Events in the histories of all executions, and in the longest.
    pub events: usize,
    pub longest: usize,
    /// Bytes of the largest state that was handed from one state to the next.
    pub state: usize,
    /// How the run stands; nothing when the execution was killed.
    pub closed: Option<Closed>,
}

/// Parts that are not finished, and where they were left.
type Unfinished = Vec<(usize, Option<Cursor>)>;

struct Turn {
    due: i64,
    part: usize,
    cursor: Option<Cursor>,
    rounds: usize,
}

impl Machine<'_> {
    /// Carries a run that is open, through as many executions as it takes.
    pub async fn execute(&self, direction: Direction, run: &RunId) -> Took {
        let began = self.harness.clock.now();
        let mut took = Took::default();
        loop {
            let present = self.harness.truth.run(run).await.unwrap().expect("the run").value;
            let name = execution_name(&present);
            took.executions += 1;
            let (events, unfinished) = self.one(&present, &mut took).await;
            took.events += events;
            took.longest = took.longest.max(events);
            took.seconds = (self.harness.clock.now() - began).get_seconds();
            self.harness.workflow.end(&name);
            let Some(unfinished) = unfinished else { return took };
            let ended = Ended { direction, try_number: Some(present.try_number()), failures: Vec::new(), unfinished };
            let closed = self.harness.runs().close(run, &ended).await.expect("it closes");
            if closed.outcome != Outcome::Continued {
                took.closed = Some(closed);
                return took;
            }
        }
    }

    /// One execution: its events, and where it left its unfinished parts; nothing when it was killed.
    async fn one(&self, run: &Run, took: &mut Took) -> (usize, Option<Unfinished>) {
        let input = input(run);
        let parts: usize = input.waves.iter().map(Vec::len).sum();
        let most = self.most.unwrap_or((2000 / parts.max(1)).clamp(5, 150));
        let mut rounds = Rounds { waves: Vec::new(), continued: false };
        let (mut done, mut unfinished) = (0, Vec::new());
        for wave in waves(run, Part::has_steps) {
            let mut waiting: Vec<Turn> =
                wave.iter().map(|part| Turn { due: 0, part: part.part, cursor: None, rounds: 0 }).collect();
            let (mut of_wave, mut now) = (Vec::new(), 0);
            while let Some(next) = waiting.iter().enumerate().min_by_key(|(_, turn)| turn.due).map(|(index, _)| index) {
                let mut turn = waiting.swap_remove(next);
                self.wait(turn.due - now).await;
                now = now.max(turn.due);
                if self.killed_at == Some(done) {
                    return (0, None);
                }
                done += 1;
                took.rounds += 1;
                turn.rounds += 1;
                let progress = self.invoke(run, turn.part, turn.cursor.take()).await;
                let state = json!({"run": run.id, "direction": run.direction, "part": turn.part, "action": "stop-instances",
                    "rounds": turn.rounds, "most": most, "status": "settling", "cursor": progress});
                took.state = took.state.max(state.to_string().len()).max(json!(input).to_string().len());
                match progress {
                    Progress::Settling { seconds, cursor, .. } if turn.rounds < most => {
                        waiting.push(Turn { due: now + seconds, cursor: Some(cursor), ..turn });
                    }
                    Progress::Settling { cursor, .. } => {
                        unfinished.push((turn.part, Some(cursor)));
                        of_wave.push(turn.rounds);
                    }
                    Progress::Done { .. } | Progress::Superseded => of_wave.push(turn.rounds),
                }
            }
            rounds.waves.push(of_wave);
        }
        rounds.continued = !unfinished.is_empty();
        (history::events(run.direction, &input, &rounds), Some(unfinished))
    }

    /// An invocation of the action's function.
    async fn invoke(&self, run: &Run, part: usize, cursor: Option<Cursor>) -> Progress {
        let of_run = &run.parts[part];
        let cursor = cursor.or_else(|| of_run.cursor.clone()).unwrap_or_default();
        let clock: Arc<dyn Clock> = self.harness.clock.clone();
        let config = self.world.config();
        let context = Context::new(&config, &run.operators, clock).at(of_run.place.as_ref());
        let context = context.paced(run.pace.clone(), cursor.levels.clone());
        let spec = ActionSpec { name: of_run.action.clone(), params: of_run.params.clone() };
        let action = CATALOG.make(&spec, &context).expect("an action of the catalog");
        let mut progress = loop {
            match self.harness.executor().advance(run.direction, &run.id, part, cursor.clone(), action.as_ref()).await {
                Err(error) if error.is_retryable() => self.wait(2).await,
                other => break other.expect("nothing breaks down here"),
            }
        };
        if let Progress::Settling { cursor, .. } = &mut progress {
            cursor.levels = context.pacer.levels();
        }
        progress
    }

    async fn wait(&self, seconds: i64) {
        self.harness.wait(seconds).await;
        if let Some(others) = self.others {
            others(seconds);
        }
    }
}
