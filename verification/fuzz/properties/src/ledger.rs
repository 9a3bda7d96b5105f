//! The records of the ledger, as documents. Each is read or refused, never a panic, and a record that is read is written back as
//! it was. A run among them is shown, and put back with a few invocations, whatever its records say of one another.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use guardrails_model::action::{Action, ActionError, Change, ChangeOutcome, Planned};
use guardrails_model::clock::Clock;
use guardrails_model::engine::{Executor, Progress};
use guardrails_model::ids::{FacetId, Nonce, Value};
use guardrails_model::ledger::{Key, Ledger, Store, Write, memory::MemoryStore};
use guardrails_model::record::{AlertRecord, Direction, Facet, RollbackRequest, Run, StageState, Step};
use guardrails_model::report::{self, Keep, Report};
use guardrails_model::runs::{Ended, Runs};
use guardrails_testkit::fake_action::FakeLamps;
use guardrails_testkit::{FakeWorkflow, ManualClock, Wrapped, Wrapper};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A ledger as it was written down.
#[derive(Deserialize)]
struct Dump {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    pk: String,
    sk: String,
    doc: Json,
}

/// How far an input got.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Found {
    /// Records that were read.
    pub read: usize,
    /// Runs that were shown.
    pub shown: usize,
    /// Runs of which all was put back.
    pub put_back: usize,
}

/// Invocations of a part: enough to wait for leases and for steps that were left behind.
const ROUNDS: usize = 12;
/// A counter that is so high was never counted: ten attempts a second have not come so far in ten years.
const MOST_COUNTED: u32 = u32::MAX - 1000;

/// Reads a ledger as all who read one do.
///
/// # Panics
/// When a record that is read is not written back as it was, or a rollback changes a facet that it must not.
#[must_use]
pub fn check(text: &str) -> Found {
    let Ok(dump) = serde_json::from_str::<Dump>(text) else { return Found::default() };
    block_on(all(dump))
}

async fn all(dump: Dump) -> Found {
    let memory = Arc::new(MemoryStore::default());
    let mut found = Found::default();
    for item in dump.items {
        found.read += usize::from(kept(&item));
        let key = Key { pk: item.pk, sk: item.sk };
        // Two records under one key: the first stays.
        let _ = memory.commit(&Nonce::fresh(), &[Write { key, expect: 0, doc: item.doc }]).await;
    }
    let ledger = Ledger::new(memory);
    let _ = (ledger.config().await, ledger.open_runs(None).await);
    for run in ledger.runs(None).await.unwrap_or_default() {
        found.shown += usize::from(shown(&ledger, &run.value).await);
        let counted = [run.value.tries, run.value.attempts].into_iter().flat_map(|a| [a.apply, a.rollback]).max();
        if counted.is_some_and(|counted| counted < MOST_COUNTED) {
            found.put_back += usize::from(put_back(&ledger, run.value).await);
        }
    }
    found
}

/// Is the document a record of its kind? Then it is written back as it was read.
fn kept(item: &Item) -> bool {
    let kind = item.pk.split('#').next().unwrap_or_default();
    match kind {
        "RUN" => same::<Run>(&item.doc),
        "STEP" => same::<Step>(&item.doc),
        "FACET" => same::<Facet>(&item.doc),
        "STAGE" => same::<StageState>(&item.doc),
        "ALERT" => same::<AlertRecord>(&item.doc),
        "GUARDRAIL" => item.doc.get("guardrail").is_some_and(same::<guardrails_model::config::Guardrail>),
        _ => false,
    }
}

fn same<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(doc: &Json) -> bool {
    let Ok(read) = T::deserialize(doc) else { return false };
    let written = serde_json::to_value(&read).expect("what was read is written");
    assert_eq!(T::deserialize(&written).expect("what was written is read"), read, "{written}");
    true
}

/// A run as `status` and `history` show it.
async fn shown(ledger: &Ledger, run: &Run) -> bool {
    let _ = (Report::unread(run.clone()).text(), ledger.stage_state(&run.target()).await, ledger.alert(&run.alert).await);
    let mut history: Vec<(Timestamp, String)> = run.events.iter().map(|event| (event.at, event.what.clone())).collect();
    let told = |step: &Step| {
        let line = report::line(step);
        history.extend(step.events.iter().map(|event| (event.at, format!("{line}: {}", event.phase))));
    };
    let Ok(report) = Report::with(ledger, run.clone(), Keep { whole: 5, most: 3 }, told).await else { return false };
    history.sort_by_key(|(at, _)| *at);
    let (text, json) = (report.text(), serde_json::to_string(&report).expect("a report is JSON"));
    assert!(!text.is_empty() && !json.is_empty() && report.headline().contains(run.guardrail.as_str()));
    true
}

/// Asks for a rollback and carries it, in a world that is as the ledger wants it to be. Says whether all was put back.
async fn put_back(ledger: &Ledger, run: Run) -> bool {
    let workflow = FakeWorkflow::default();
    let clock = ManualClock::at(run.began.clamp(EARLY, LATE));
    let runs = Runs { ledger, workflow: &workflow, clock: &clock, by: "fuzz".to_owned() };
    let request = RollbackRequest { force: run.simulated, ..RollbackRequest::whole("ann", clock.now(), "because") };
    if runs.roll_back(&run.id, &request).await.is_err() {
        return false;
    }
    let world = Wrapped(Watched::of(ledger, &run).await);
    let mut failures = Vec::new();
    for part in (0..run.parts.len()).rev() {
        let mut cursor = run.parts[part].cursor.clone().unwrap_or_default();
        for _ in 0..ROUNDS {
            let deadline = clock.now() + SignedDuration::from_mins(1);
            let executor = Executor::new(ledger, &clock, deadline, "fuzz".to_owned());
            match executor.advance(Direction::Rollback, &run.id, part, std::mem::take(&mut cursor), &world).await {
                Ok(Progress::Settling { seconds, cursor: next, .. }) => {
                    assert!((1..=300).contains(&seconds), "a wait of {seconds} s");
                    clock.advance(seconds);
                    cursor = next;
                }
                Ok(Progress::Done { .. } | Progress::Superseded) => break,
                Err(error) => {
                    failures.push(error.to_string());
                    break;
                }
            }
        }
    }
    let ended = Ended { direction: Direction::Rollback, try_number: None, failures, unfinished: Vec::new() };
    runs.close(&run.id, &ended).await.is_ok_and(|closed| !closed.run.state.is_open())
}

const EARLY: Timestamp = Timestamp::constant(0, 0);
const LATE: Timestamp = Timestamp::constant(32_503_680_000, 0);

/// A world in which every facet is as its holders want it, and whose way back is watched.
struct Watched {
    world: Arc<dyn Action>,
    /// The value before of each facet that the run holds.
    before: HashMap<FacetId, Value>,
    /// Of those, the ones of which step and facet say the same.
    agreed: BTreeSet<FacetId>,
}

impl Watched {
    async fn of(ledger: &Ledger, run: &Run) -> Self {
        let steps = ledger.all_steps(run).await.unwrap_or_default();
        let ids: Vec<FacetId> = steps.iter().map(|step| step.facet.clone()).collect();
        let facets = ledger.facets(&ids).await.unwrap_or_default();
        let toy = FakeLamps::new("");
        let (mut before, mut agreed) = (HashMap::new(), BTreeSet::new());
        for step in steps {
            let Some(facet) = facets.get(&step.facet).map(|facet| &facet.value) else { continue };
            toy.hang(&step.facet, facet.wanted.clone());
            if facet.holders.contains_key(&step.holder()) {
                before.insert(step.facet.clone(), facet.before.clone());
                if step.before.as_ref() == Some(&facet.before) {
                    agreed.insert(step.facet);
                }
            }
        }
        Self { world: toy.action(""), before, agreed }
    }
}

#[async_trait]
impl Wrapper for Watched {
    fn inner(&self) -> &dyn Action {
        &*self.world
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        panic!("a rollback plans nothing")
    }

    async fn apply(&self, _: &[Change]) -> Vec<ChangeOutcome> {
        panic!("a rollback never runs forward")
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        for change in changes {
            let before = self.before.get(&change.facet).unwrap_or_else(|| panic!("`{}` is not held by the run", change.facet));
            assert!(!self.agreed.contains(&change.facet) || *before == change.to, "`{}` was {before} before", change.facet);
        }
        self.world.rollback(changes).await
    }
}
