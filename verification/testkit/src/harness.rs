//! Carries a run in tests, as the state machine and its functions do in an account. It begins runs, plans, opens, invokes an
//! engine again and again as it asks for, and closes. Time passes only where the engine asks to wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use guardrails_model::action::{Action, ActionError};
use guardrails_model::clock::Clock;
use guardrails_model::config::{ActionSpec, Budget, Config, Guardrail, Period, Plausibility, Release, Stage, StageAt};
use guardrails_model::decide::Target;
use guardrails_model::engine::{Cursor, Executor, ExecutorError, Progress};
use guardrails_model::ids::{FacetId, GuardrailName, RunId};
use guardrails_model::ledger::{Ledger, LedgerError, Store, memory::MemoryStore};
use guardrails_model::record::{Direction, Part, PartPlan, RollbackRequest, Run};
use guardrails_model::runs::{Begun, Closed, Ended, Grounds, Places, RollbackAsked, RunError, Runs};
use jiff::{SignedDuration, Timestamp};

use crate::store::Late;
use crate::{AppendOnlyStore, FakeWorkflow, FaultInjector, FaultyStore, ManualClock};

/// How many seconds an invocation has.
pub const LIFE: i64 = 60;
/// More invocations than any part needs, and as many as the state machine makes before it says so.
const MOST_ROUNDS: usize = 150;

/// Makes the action of a run's part.
pub type MakeAction = Box<dyn Fn(&Run, &Part) -> Arc<dyn Action> + Send + Sync>;

/// A ledger, a workflow, a clock and a gate, and the hands that move them.
pub struct Harness {
    /// The time that everything here goes by.
    pub clock: Arc<ManualClock>,
    /// Where faults wait.
    pub gate: Arc<FaultInjector>,
    /// The ledger as the product has it: behind the gate.
    pub ledger: Ledger,
    /// The same ledger as it is.
    pub truth: Ledger,
    /// The store behind both ledgers.
    pub memory: Arc<MemoryStore>,
    /// The state machine.
    pub workflow: FakeWorkflow,
    store: Arc<FaultyStore>,
    make: MakeAction,
}

/// How carrying a part ended.
#[derive(Debug)]
pub enum Carried {
    /// Nothing is left to do.
    Done,
    /// The fault was met, and the one who met it is gone.
    Hit,
    /// The run goes the other way.
    Superseded,
    /// It cannot go on.
    Failed(ExecutorError),
    /// It asks to come back for ever.
    Endless,
}

/// A moment of a harness, to go back to.
#[derive(Debug, Clone)]
pub struct Saved {
    now: Timestamp,
    items: MemoryStore,
    late: Late,
    workflow: FakeWorkflow,
}

impl Harness {
    /// This moment, without the world that the actions work on.
    pub fn save(&self) -> Saved {
        Saved {
            now: self.clock.now(),
            items: MemoryStore::clone(&self.memory),
            late: self.store.late(),
            workflow: self.workflow.clone(),
        }
    }

    /// Goes back to a moment. No fault waits.
    pub fn restore(&self, saved: &Saved) {
        self.gate.disarm();
        self.clock.set(saved.now);
        self.memory.restore(&saved.items);
        self.store.set_late(saved.late.clone());
        self.workflow.restore(&saved.workflow);
    }

    /// A bench whose ledger stands on the store that `between` makes of a store in memory.
    pub fn new(
        clock: Arc<ManualClock>,
        gate: Arc<FaultInjector>,
        between: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
        make: MakeAction,
    ) -> Self {
        let memory = Arc::new(MemoryStore::default());
        let inner = between(Arc::new(AppendOnlyStore::over(Arc::clone(&memory))));
        let store = Arc::new(FaultyStore::new(inner, Arc::clone(&gate), Arc::clone(&clock)));
        Self {
            clock,
            gate,
            ledger: Ledger::new(Arc::clone(&store) as Arc<dyn Store>),
            truth: Ledger::new(Arc::clone(&memory) as Arc<dyn Store>),
            memory,
            workflow: FakeWorkflow::default(),
            store,
            make,
        }
    }

    /// The life of runs.
    pub fn runs(&self) -> Runs<'_> {
        Runs { ledger: &self.ledger, workflow: &self.workflow, clock: &*self.clock, by: "test".to_owned() }
    }

    /// An engine of an invocation that begins now.
    pub fn executor(&self) -> Executor<'_> {
        let deadline = self.clock.now() + SignedDuration::from_secs(LIFE);
        Executor::new(&self.ledger, &*self.clock, deadline, "test".to_owned())
    }

    /// The action of a run's part.
    pub fn action(&self, run: &Run, part: &Part) -> Arc<dyn Action> {
        (self.make)(run, part)
    }

    /// Lets time pass, and lets the calls land that were under way.
    pub async fn wait(&self, seconds: i64) {
        self.clock.advance(seconds);
        self.store.settle().await;
    }

    /// An alert for `guardrail` at `target`.
    pub async fn alert(&self, target: &Target, guardrail: &Guardrail) -> Result<Begun, RunError> {
        self.doubted_alert(target, guardrail, &[]).await
    }

    /// The same, which is not believed for these reasons.
    pub async fn doubted_alert(&self, target: &Target, guardrail: &Guardrail, doubts: &[String]) -> Result<Begun, RunError> {
        let guardrails = BTreeMap::from([(guardrail.name.clone(), guardrail.clone())]);
        let config = Config { guardrails, ..Config::default() };
        let grounds = Grounds::doubted(doubts.to_vec(), None);
        Box::pin(self.runs().begin(target, &config, guardrail, "digest", &grounds)).await
    }

    /// Plans the parts of `run`, and opens it. An error that is worth another try is tried again, as the state machine does.
    pub async fn open(&self, run: &Run) -> Result<Run, RunError> {
        loop {
            match Box::pin(self.try_open(run)).await {
                Err(error) if error.is_retryable() => self.wait(1).await,
                other => return other,
            }
        }
    }

    async fn try_open(&self, run: &Run) -> Result<Run, RunError> {
        let mut places = Vec::new();
        for (index, part) in run.parts.iter().enumerate() {
            let found = match &part.place {
                Some(place) => Ok(vec![place.clone()]),
                None => self.action(run, part).places().await,
            };
            places.push(match found {
                Ok(found) => (index, Places::Found(found)),
                Err(ActionError::Retryable(why)) => return Err(LedgerError::Unavailable(why.into()).into()),
                Err(error) => (index, Places::Unknown(error.to_string())),
            });
        }
        let run = self.runs().spread(&run.id, &places).await?;
        let mut plans = Vec::new();
        for (index, part) in run.parts.iter().enumerate() {
            if matches!(part.plan, PartPlan::Failed { .. }) {
                continue;
            }
            if run.is_settled(index) && (run.rescanning.is_some() || run.approval.is_some()) {
                match Box::pin(self.look_again(&run, index)).await {
                    Err(error) if error.is_retryable() && run.rescanning.is_none() => {
                        return Err(LedgerError::Unavailable(error.into()).into());
                    }
                    looked => plans.push((index, looked.unwrap_or_else(|error| PartPlan::Failed { reason: error.to_string() }))),
                }
                continue;
            }
            let plan = match self.executor().plan(&run, index, &*self.action(&run, part)).await {
                Ok(written) => PartPlan::Written(written),
                Err(error) if error.is_retryable() => return Err(LedgerError::Unavailable(error.into()).into()),
                Err(ExecutorError::Action { source: ActionError::OutOfBounds(reason), .. }) => PartPlan::Skipped { reason },
                Err(error) => PartPlan::Failed { reason: error.to_string() },
            };
            plans.push((index, plan));
        }
        self.runs().open(&run.id, &plans).await
    }

    /// A part whose plan counts is looked at again, as its action's function does.
    async fn look_again(&self, run: &Run, part: usize) -> Result<PartPlan, ExecutorError> {
        let (executor, action) = (self.executor(), self.action(run, &run.parts[part]));
        if run.rescanning.is_some() {
            executor.rescan(&run.id, part, &*action).await?;
        }
        executor.review(run, part, &*action).await
    }

    /// One invocation for one part. `None` when it died.
    pub async fn invoke(&self, direction: Direction, run: &RunId, part: usize) -> Option<Result<Progress, ExecutorError>> {
        self.invoke_from(direction, run, part, Cursor::default()).await
    }

    /// One invocation for one part, from where another left off.
    pub async fn invoke_from(
        &self,
        direction: Direction,
        run: &RunId,
        part: usize,
        cursor: Cursor,
    ) -> Option<Result<Progress, ExecutorError>> {
        let run = self.truth.run(run).await.expect("the ledger").expect("the run").value;
        let action = self.action(&run, &run.parts[part]);
        let executor = self.executor();
        let work = Box::pin(executor.advance(direction, &run.id, part, cursor, &*action));
        self.gate.until_death(work).await
    }

    /// Invokes for one part as the state machine does: again after the seconds that it asks for, and again after an error that is
    /// worth another try. With `to_fault` no further than the invocation that met the fault.
    pub async fn carry(&self, direction: Direction, run: &RunId, part: usize, to_fault: bool) -> Carried {
        let mut cursor = Cursor::default();
        for _ in 0..MOST_ROUNDS {
            let ended = self.invoke_from(direction, run, part, cursor.clone()).await;
            if to_fault && self.gate.hit().is_some() {
                return Carried::Hit;
            }
            match ended {
                None => self.wait(1).await,
                Some(Ok(Progress::Done { .. })) => return Carried::Done,
                Some(Ok(Progress::Settling { seconds, cursor: next, .. })) => {
                    cursor = next;
                    self.wait(seconds).await;
                }
                Some(Ok(Progress::Superseded)) => return Carried::Superseded,
                Some(Err(error)) if error.is_retryable() => self.wait(1).await,
                Some(Err(error)) => return Carried::Failed(error),
            }
        }
        Carried::Endless
    }

    /// Carries all parts one after another, mirrored on the way back, and closes the run.
    pub async fn execute(&self, direction: Direction, run: &RunId) -> Result<Closed, RunError> {
        let begun = self.truth.run(run).await?.expect("the run").value;
        let parts = begun.parts.len();
        let mut failures = Vec::new();
        for turn in 0..parts {
            let part = if direction == Direction::Apply { turn } else { parts - 1 - turn };
            match self.carry(direction, run, part, false).await {
                Carried::Failed(error) => failures.push(error.to_string()),
                Carried::Endless => failures.push("it does not end".to_owned()),
                Carried::Done | Carried::Hit | Carried::Superseded => {}
            }
        }
        let ended = Ended { direction, try_number: Some(begun.try_number()), failures, unfinished: Vec::new() };
        let closed = Box::pin(self.runs().close(run, &ended)).await;
        self.workflow.end_all();
        closed
    }

    /// Asks for a rollback.
    pub async fn ask_back(&self, run: &RunId, only: &[FacetId], force: bool) -> RollbackAsked {
        let (by, why) = ("arn:aws:iam::123456789012:user/ann".to_owned(), "because".to_owned());
        let only = only.iter().cloned().map(Into::into).collect();
        let request =
            RollbackRequest { by, at: self.clock.now(), why, only, actions: Vec::new(), places: Vec::new(), force, armed: false };
        Box::pin(self.runs().roll_back(run, &request)).await.expect("the ledger and the workflow")
    }
}

/// `beta 80%` or `beta 80% simulated`, and its actions, as the target and the guardrail of an alert.
pub fn stage(who: &str, waves: Vec<Vec<ActionSpec>>) -> (Target, Guardrail) {
    let mut words = who.split(' ');
    let guardrail: GuardrailName = words.next().and_then(|word| word.parse().ok()).expect("a guardrail");
    let at: StageAt = words.next().and_then(|percent| format!("{percent} actual").parse().ok()).expect("a stage");
    let simulated = words.next() == Some("simulated");
    let amount = "2 USD".parse().expect("an amount");
    let budget = Budget::new(amount, Period::Monthly);
    let target = Target { guardrail: guardrail.clone(), stage: at, period: "2026-11".to_owned(), simulated };
    let stages = vec![Stage::new(at, waves)];
    let guardrail =
        Guardrail { name: guardrail, budget, stages, plausibility: Plausibility::default(), release: Release::default() };
    (target, guardrail)
}
