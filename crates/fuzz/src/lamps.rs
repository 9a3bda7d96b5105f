//! A clock, a workflow and an action over lamps: as little as a run needs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Answer, Change, Patience, Planned, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::config::{ActionSpec, Budget, Config, Guardrail, Period, Stage, Tags};
use guardrails_model::cursor::Cursor;
use guardrails_model::decide::Target;
use guardrails_model::drive::{Drive, Progress};
use guardrails_model::ids::{FacetId, RunId, Value};
use guardrails_model::ledger::{Ledger, memory::MemoryStore};
use guardrails_model::record::{Direction, PartPlan, RollbackRequest, Run};
use guardrails_model::runs::{Begun, Runs, Started, Woken, Workflow, WorkflowError, WorkflowInput};
use jiff::{SignedDuration, Timestamp};

/// A clock that is moved by hand.
pub(crate) struct Hand(Mutex<Timestamp>);

impl Hand {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    pub(crate) fn pass(&self, seconds: i64) {
        *lock(&self.0) += SignedDuration::from_secs(seconds);
    }
}

impl Default for Hand {
    fn default() -> Self {
        Self::at(Timestamp::constant(1_795_398_413, 0))
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }
}

/// A state machine that starts whatever it is asked to.
pub(crate) struct Executions;

#[async_trait]
impl Workflow for Executions {
    async fn start(&self, _: &str, _: &WorkflowInput) -> Result<Started, WorkflowError> {
        Ok(Started::Running)
    }

    async fn is_running(&self, _: &str) -> Result<bool, WorkflowError> {
        Ok(false)
    }

    async fn wake(&self, _: &str) -> Result<Woken, WorkflowError> {
        Ok(Woken::Woken)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A ledger, and lamps that are on.
pub(crate) struct Bench {
    clock: Hand,
    ledger: Ledger,
    lamps: Lamps,
}

impl Default for Bench {
    fn default() -> Self {
        let ledger = Ledger::new(Arc::new(MemoryStore::default()));
        Self { clock: Hand::default(), ledger, lamps: Lamps::default() }
    }
}

impl Bench {
    pub(crate) fn runs(&self) -> Runs<'_> {
        Runs { ledger: &self.ledger, workflow: &Executions, clock: &self.clock, by: "fuzz".to_owned() }
    }

    /// A run over so many lamps.
    pub(crate) async fn begun(&self, lamps: usize) -> Run {
        *lock(&self.lamps.0) = (0..lamps).map(|lamp| (facet(lamp), Value::new("on"))).collect();
        let at = "100% actual".parse().expect("a stage");
        let name: guardrails_model::ids::GuardrailName = "beta".parse().expect("a name");
        let spec = ActionSpec { name: "lamps".parse().expect("a name"), params: serde_json::Value::Null };
        let amount = "2 USD".parse().expect("an amount");
        let budget = Budget { amount, period: Period::Monthly, service: Vec::new(), tag: Tags::default() };
        let guardrail = Guardrail::new(name.clone(), budget, vec![Stage::new(at, vec![vec![spec]])]);
        let target = Target { guardrail: name, stage: at, period: "2026-11".to_owned(), simulated: false };
        match self.runs().begin(&target, &Config::default(), &guardrail, "digest", &[]).await {
            Ok(Begun::Started(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    /// The run, with its plan written down and open.
    pub(crate) async fn opened(&self, run: &Run) -> Run {
        let written = self.drive().plan(run, 0, &self.lamps).await.expect("the ledger is sound");
        self.runs().open(&run.id, &[(0, PartPlan::Written(written))]).await.expect("the ledger is sound")
    }

    /// Carries the run's part for at most so many rounds, from `cursor` on. Nothing when it did not come to its end.
    pub(crate) async fn carry(&self, direction: Direction, run: &RunId, mut cursor: Cursor, rounds: usize) -> Option<()> {
        for _ in 0..rounds {
            match self.drive().go(direction, run, 0, std::mem::take(&mut cursor), &self.lamps).await.expect("the ledger is sound")
            {
                Progress::Settling { seconds, cursor: next, .. } => {
                    assert!((1..=300).contains(&seconds), "a wait of {seconds} s");
                    self.clock.pass(seconds);
                    cursor = next;
                }
                Progress::Done { .. } | Progress::Superseded => return Some(()),
            }
        }
        None
    }

    pub(crate) async fn ask_back(&self, run: &RunId) {
        let (by, why) = ("ann".to_owned(), "because".to_owned());
        let request = RollbackRequest::whole(by, self.clock.now(), why);
        self.runs().roll_back(run, &request).await.expect("the ledger is sound");
    }

    pub(crate) fn is_as_before(&self) -> bool {
        lock(&self.lamps.0).values().all(|is| is.as_str() == "on")
    }

    fn drive(&self) -> Drive<'_> {
        Drive::new(&self.ledger, &self.clock, self.clock.now() + SignedDuration::from_mins(1), "fuzz".to_owned())
    }
}

fn facet(lamp: usize) -> FacetId {
    FacetId::new("lamp", "hall", &lamp.to_string()).expect("a facet")
}

/// Lamps, and what each is.
#[derive(Default)]
struct Lamps(Mutex<BTreeMap<FacetId, Value>>);

impl Lamps {
    fn turn(&self, changes: &[Change]) -> Vec<Answer> {
        lock(&self.0).extend(changes.iter().map(|change| (change.facet.clone(), change.to.clone())));
        vec![Answer::Accepted; changes.len()]
    }
}

#[async_trait]
impl Action for Lamps {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let lamps = lock(&self.0).clone();
        let off = || Value::new("off");
        Ok(lamps.into_iter().map(|(lamp, is)| Planned::new(lamp.clone(), lamp.to_string(), is, off())).collect())
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let lamps = lock(&self.0);
        let seen = |lamp: &FacetId| lamps.get(lamp).map_or(Seen::Gone("there is none".to_owned()), |is| Seen::Is(is.clone()));
        Ok(facets.iter().map(|lamp| (lamp.clone(), seen(lamp))).collect())
    }

    async fn apply(&self, changes: &[Change]) -> Vec<Answer> {
        self.turn(changes)
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<Answer> {
        self.turn(changes)
    }

    fn batch(&self) -> usize {
        1
    }

    fn patience(&self) -> Patience {
        Patience { poll: 5, limit: 600, give_up: 600 }
    }
}
