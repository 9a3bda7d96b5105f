//! What is explored: which runs there are at the beginning, and what may happen to them at any moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::executor::block_on;
use guardrails_model::action::{Action, ActionError, Answer, Change, Meanwhile, Patience, Planned, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::config::{ActionSpec, Budget, Config, Guardrail, Period, Stage, StageAt, Tags};
use guardrails_model::decide::Target;
use guardrails_model::direction::Direction;
use guardrails_model::drive::{Cursor, Drive};
use guardrails_model::ids::{FacetId, GuardrailName, RunId, Value};
use guardrails_model::ledger::{Item, Ledger, Page, Store, memory::MemoryStore};
use guardrails_model::record::PartPlan;
use guardrails_model::runs::{Begun, Ended, Runs, Started, Woken, Workflow, WorkflowError, WorkflowInput};
use jiff::{SignedDuration, Timestamp};

use crate::line::{PATIENCE, forget};
use crate::product::{LIFE, moment};

/// How much may go wrong in one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Deaths, lost answers, second invocations and dead executions, in all.
    pub faults: u8,
    /// How many times the clock may move on while somebody is in the middle of something.
    pub stalls: u8,
}

/// One lamp, one or two runs that want it off, and what may happen.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// By which it is asked for.
    pub name: &'static str,
    /// What the lamp is at first: `on` or `off`.
    pub lamp: &'static str,
    /// It takes its time to turn.
    pub slow: bool,
    /// What is done about what people make of it while it is held.
    pub meanwhile: Meanwhile,
    /// The runs, such as `beta 80%` or `beta 80% simulated`.
    pub runs: &'static [(&'static str, At)],
    /// What may happen, each once and at any moment, or never.
    pub events: &'static [Event],
    /// Executions may die as a whole, with their last invocation still at work; whoever reconciles takes the run up.
    pub executions_die: bool,
    /// The state machine may invoke a function a second time while the first is still at work.
    pub twins: bool,
    /// How far `cargo test` goes.
    pub bound: Bound,
}

/// How far a run is at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Planned and open, and nothing of it carried out.
    Open,
    /// Enforced.
    Enforced,
}

/// Something that may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A person asks for a run to be put back.
    RollBack(u8),
    /// The alert comes once more.
    Alert(u8),
    /// A reconciler's round comes upon a run: it looks again at what it holds, or is taken up.
    Round(u8),
    /// A person turns the lamp.
    Person(&'static str),
}

const ON: &str = "on";
pub(crate) const OFF: &str = "off";
const DIM: &str = "dim";
const BETA: (&str, At) = ("beta 80%", At::Open);
const BETA_ENFORCED: (&str, At) = ("beta 80%", At::Enforced);
const GAMMA: (&str, At) = ("gamma 80%", At::Open);
const GAMMA_ENFORCED: (&str, At) = ("gamma 80%", At::Enforced);
const SIMULATED: (&str, At) = ("beta 80% simulated", At::Open);
const NO_FAULT: Bound = Bound { faults: 0, stalls: 0 };
const ONE_FAULT: Bound = Bound { faults: 1, stalls: 0 };
const PLAIN: Scenario = Scenario {
    name: "",
    lamp: ON,
    slow: false,
    meanwhile: Meanwhile::Enforce,
    runs: &[BETA],
    events: &[],
    executions_die: false,
    twins: false,
    bound: ONE_FAULT,
};

/// All that `cargo test` explores, as far as each says.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "twins", twins: true, events: &[Event::Alert(0)], ..PLAIN },
    Scenario { name: "twins that find it off", lamp: OFF, twins: true, events: &[Event::RollBack(0)], ..PLAIN },
    Scenario { name: "there and back", twins: true, events: &[Event::RollBack(0)], ..PLAIN },
    Scenario { name: "there and back, slowly", slow: true, bound: NO_FAULT, events: &[Event::RollBack(0)], ..PLAIN },
    Scenario { name: "there and back, asked for twice", events: &[Event::RollBack(0), Event::RollBack(0)], ..PLAIN },
    Scenario {
        name: "taken up beside a rollback",
        executions_die: true,
        events: &[Event::Alert(0), Event::RollBack(0)],
        ..PLAIN
    },
    Scenario { name: "two side by side", runs: &[BETA, GAMMA], ..PLAIN },
    Scenario { name: "two that find it off", lamp: OFF, runs: &[BETA, GAMMA], events: &[Event::RollBack(0)], ..PLAIN },
    Scenario { name: "one comes, the other goes", runs: &[BETA_ENFORCED, GAMMA], events: &[Event::RollBack(0)], ..PLAIN },
    Scenario {
        name: "both go",
        runs: &[BETA_ENFORCED, GAMMA_ENFORCED],
        events: &[Event::RollBack(0), Event::RollBack(1)],
        ..PLAIN
    },
    Scenario {
        name: "both come and go",
        runs: &[BETA, GAMMA],
        events: &[Event::RollBack(0), Event::RollBack(1)],
        bound: NO_FAULT,
        ..PLAIN
    },
    Scenario { name: "simulated beside real", runs: &[BETA, SIMULATED], events: &[Event::RollBack(0)], bound: NO_FAULT, ..PLAIN },
    Scenario { name: "a person turns it on", lamp: OFF, events: &[Event::Person(ON), Event::RollBack(0)], ..PLAIN },
    Scenario { name: "a person turns it on again", events: &[Event::Person(ON), Event::RollBack(0)], ..PLAIN },
    Scenario { name: "a person turns it off", events: &[Event::Person(OFF), Event::RollBack(0)], ..PLAIN },
    Scenario { name: "a person dims it", events: &[Event::Person(DIM), Event::RollBack(0)], ..PLAIN },
    Scenario {
        name: "a person between two",
        runs: &[BETA_ENFORCED, GAMMA],
        events: &[Event::Person(ON), Event::RollBack(0), Event::RollBack(1)],
        bound: NO_FAULT,
        ..PLAIN
    },
    Scenario {
        name: "a round beside a rollback",
        runs: &[BETA_ENFORCED],
        events: &[Event::Round(0), Event::RollBack(0)],
        ..PLAIN
    },
    Scenario {
        name: "two rounds at once",
        runs: &[BETA_ENFORCED],
        executions_die: true,
        events: &[Event::Person(ON), Event::Round(0), Event::Round(0)],
        ..PLAIN
    },
    Scenario {
        name: "a round turns it off again",
        runs: &[BETA_ENFORCED],
        events: &[Event::Person(ON), Event::Round(0), Event::RollBack(0)],
        ..PLAIN
    },
    Scenario {
        name: "a round makes it off again",
        runs: &[BETA_ENFORCED],
        events: &[Event::Person(DIM), Event::Round(0), Event::RollBack(0)],
        ..PLAIN
    },
    Scenario {
        name: "a round tells of it",
        meanwhile: Meanwhile::Tell,
        runs: &[BETA_ENFORCED],
        events: &[Event::Person(DIM), Event::Round(0), Event::RollBack(0)],
        ..PLAIN
    },
    Scenario {
        name: "a round of each of two",
        runs: &[BETA_ENFORCED, GAMMA_ENFORCED],
        events: &[Event::Person(ON), Event::Round(0), Event::Round(1)],
        bound: NO_FAULT,
        ..PLAIN
    },
    Scenario {
        name: "a round, and both go",
        runs: &[BETA_ENFORCED, GAMMA_ENFORCED],
        events: &[Event::Person(ON), Event::Round(1), Event::RollBack(0), Event::RollBack(1)],
        bound: NO_FAULT,
        ..PLAIN
    },
    Scenario {
        name: "a round takes what was off",
        lamp: OFF,
        runs: &[BETA_ENFORCED],
        events: &[Event::Person(ON), Event::Round(0), Event::RollBack(0)],
        ..PLAIN
    },
    Scenario {
        name: "a round leaves what is off",
        lamp: OFF,
        runs: &[BETA_ENFORCED],
        events: &[Event::Round(0), Event::RollBack(0)],
        ..PLAIN
    },
    Scenario { name: "a round takes it up", executions_die: true, events: &[Event::Alert(0), Event::Round(0)], ..PLAIN },
];

impl Scenario {
    pub(crate) fn has_rounds(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Round(_)))
    }
}

/// What takes minutes: `cargo test` has no time for these.
pub const LARGER: &[Scenario] = &[Scenario {
    name: "a round of each of two, and both go",
    runs: &[BETA_ENFORCED, GAMMA_ENFORCED],
    events: &[Event::Person(ON), Event::Round(0), Event::Round(1), Event::RollBack(0), Event::RollBack(1)],
    bound: NO_FAULT,
    ..PLAIN
}];

/// The scenario of that name.
#[must_use]
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().chain(LARGER).find(|scenario| scenario.name == name)
}

/// A run, and what it is an answer to.
#[derive(Debug, Clone)]
pub(crate) struct KnownRun {
    pub(crate) id: RunId,
    pub(crate) target: Target,
    pub(crate) config: Config,
    pub(crate) guardrail: Guardrail,
}

/// What does not change.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) runs: Vec<KnownRun>,
    pub(crate) meanwhile: Meanwhile,
}

/// How it is at the beginning.
pub(crate) struct Beginning {
    pub(crate) known: Known,
    pub(crate) items: Vec<Item>,
    pub(crate) lamp: &'static str,
}

/// The one facet.
pub(crate) fn facet() -> FacetId {
    FacetId::new("lamp", "a", "light").expect("a facet")
}

/// Begins, plans, opens and where asked for carries out the scenario's runs, with the product's own code.
pub(crate) fn begin(scenario: &Scenario) -> Beginning {
    let store = Arc::new(MemoryStore::default());
    let ledger = Ledger::new(Arc::clone(&store) as Arc<dyn Store>);
    let plain = Plain(Mutex::new(scenario.lamp.to_owned()));
    let runs: Vec<KnownRun> = scenario.runs.iter().map(|(who, at)| block_on(begin_one(who, *at, &ledger, &plain))).collect();
    let mut items = Vec::new();
    for run in &runs {
        for pk in ["RUN", &format!("STEP#{}", run.id), &format!("STAGE#{}", run.guardrail.name), &format!("FACET#{}", facet())] {
            items.extend(block_on(store.list(&Page::whole(pk))).expect("a store in memory"));
        }
    }
    items.sort_by(|one, other| one.key.cmp(&other.key));
    items.dedup_by(|one, other| one.key == other.key);
    for item in &mut items {
        forget(&mut item.doc);
    }
    let lamp = if *plain.is() == *scenario.lamp { scenario.lamp } else { OFF };
    Beginning { known: Known { runs, meanwhile: scenario.meanwhile }, items, lamp }
}

async fn begin_one(who: &str, at: At, ledger: &Ledger, plain: &Plain) -> KnownRun {
    let (target, guardrail) = stage(who);
    let guardrails = BTreeMap::from([(guardrail.name.clone(), guardrail.clone())]);
    let config = Config { guardrails, ..Config::default() };
    let runs = Runs { ledger, workflow: plain, clock: plain, by: "explorer".to_owned() };
    let drive = || Drive::new(ledger, plain, moment(0) + SignedDuration::from_secs(LIFE), "explorer".to_owned());
    let Ok(Begun::Started(run)) = runs.begin(&target, &config, &guardrail, "digest", &[]).await else { panic!("{who} begins") };
    let steps = drive().plan(&run, 0, plain).await.expect("a plan");
    let run = runs.open(&run.id, &[(0, PartPlan::Written(steps))]).await.expect("it opens");
    if at == At::Enforced {
        drive().go(Direction::Apply, &run.id, 0, Cursor::default(), plain).await.expect("it is carried out");
        let ended = Ended { direction: Direction::Apply, try_number: Some(1), failures: Vec::new(), unfinished: Vec::new() };
        runs.close(&run.id, &ended).await.expect("it is closed");
    }
    KnownRun { id: run.id, target, config, guardrail }
}

/// `beta 80%` or `beta 80% simulated`, as the target and the guardrail of an alert.
fn stage(who: &str) -> (Target, Guardrail) {
    let mut words = who.split(' ');
    let name: GuardrailName = words.next().and_then(|word| word.parse().ok()).expect("a guardrail");
    let at: StageAt = words.next().and_then(|percent| format!("{percent} actual").parse().ok()).expect("a stage");
    let simulated = words.next() == Some("simulated");
    let amount = "2 USD".parse().expect("an amount");
    let budget = Budget { amount, period: Period::Monthly, service: Vec::new(), tag: Tags::default() };
    let target = Target { guardrail: name.clone(), stage: at, period: "2026-11".to_owned(), simulated };
    let action = ActionSpec { name: "toy".parse().expect("an action's name"), params: serde_json::Value::Null };
    (target, Guardrail::new(name, budget, vec![Stage::new(at, vec![vec![action]])]))
}

/// The lamp, the state machine and the clock before anything is explored: all at once, and nothing goes wrong.
struct Plain(Mutex<String>);

impl Plain {
    fn is(&self) -> std::sync::MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, changes: &[Change]) -> Vec<Answer> {
        for change in changes {
            change.to.as_str().clone_into(&mut self.is());
        }
        vec![Answer::Accepted; changes.len()]
    }
}

impl Clock for Plain {
    fn now(&self) -> Timestamp {
        moment(0)
    }
}

#[async_trait]
impl Workflow for Plain {
    async fn start(&self, _: &str, _: &WorkflowInput) -> Result<Started, WorkflowError> {
        Ok(Started::Running)
    }

    async fn is_running(&self, _: &str) -> Result<bool, WorkflowError> {
        Ok(true)
    }

    async fn wake(&self, _: &str) -> Result<Woken, WorkflowError> {
        Ok(Woken::Woken)
    }
}

#[async_trait]
impl Action for Plain {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        Ok(vec![Planned::new(facet(), "a", Value::new(self.is().clone()), Value::new(OFF))])
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        Ok(facets.iter().map(|facet| (facet.clone(), Seen::Is(Value::new(self.is().clone())))).collect())
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
        PATIENCE
    }
}
