//! The lab of the sweep: for every action a small account with things in scope, things nearly in scope, and things that are
//! nobody's business, and the whole life of a run in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::Catalog;
use guardrails_model::config::ActionSpec;
use guardrails_model::ids::RunId;
use guardrails_model::ledger::Store;
use guardrails_model::pace::Pace;
use guardrails_model::record::{Direction, Part, Run};
use guardrails_model::runs::{Begun, RollbackAsked};
use serde_json::{Value as Json, json};

use crate::fake_action::FakeLamps;
use crate::harness::{self, Carried, Harness, MakeAction};
use crate::world::{Account, Fault, FaultInjector, Group, ManualClock, World};

/// The state of each thing, by name.
pub type Snapshot = BTreeMap<String, String>;

/// The calls of a scenario that meet faults, and the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meets {
    /// All calls, all faults.
    All,
    /// Changes in the account meet all faults. The engine's own calls are swept by other scenarios, so that here writers to the
    /// ledger die before and after. Of reads that are alike between two changes the first does not come through: nothing but time
    /// passes between it and the next.
    Different,
    /// Only changes in the account, and only those faults that leave more behind than is written down.
    Hidden,
}

/// One action, or several, in an account.
pub struct Scenario {
    pub name: &'static str,
    /// Names and parameters of the stage's actions, one after another.
    pub actions: Vec<(&'static str, Json)>,
    /// The things that the run may touch.
    pub scope: &'static [&'static str],
    /// The things that are different when the stage is enforced, each with its state.
    pub enforced: &'static [(&'static str, &'static str)],
    /// Steps that AWS refuses to apply, for good.
    pub refused: usize,
    /// Members that a group may terminate; it launches others for them, by other names.
    pub disposable: &'static [&'static str],
    /// The calls that meet faults.
    pub meets: Meets,
    pub place: fn() -> Place,
}

/// The account in which a scenario's actions work.
pub struct Place {
    clock: Arc<ManualClock>,
    gate: Arc<FaultInjector>,
    make: MakeAction,
    snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    touched: Box<dyn Fn() -> BTreeSet<String> + Send + Sync>,
    terminated: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    save: Save,
}

/// Saves the state of a place, and returns a function that restores it.
type Save = Box<dyn Fn() -> Restore + Send + Sync>;
type Restore = Box<dyn Fn() + Send + Sync>;

impl Place {
    /// An account in AWS.
    pub fn world(fill: impl FnOnce(&mut Account)) -> Self {
        Self::of_catalog(&CATALOG, fill)
    }

    /// An account in AWS, and the actions of another catalogue.
    pub fn of_catalog(catalog: &'static Catalog, fill: impl FnOnce(&mut Account)) -> Self {
        let world = Arc::new(World::default());
        fill(&mut world.account());
        let (clock, gate, make) =
            (Arc::clone(&world.clock), Arc::clone(&world.gate), crate::world::of_catalog(catalog, &world, &[], Pace::default()));
        let (other, third, saved) = (Arc::clone(&world), Arc::clone(&world), Arc::clone(&world));
        let snapshot = Box::new(move || {
            let account = world.account();
            let well = |member: &String| member.ends_with(" InService Healthy");
            let well = |group: &Group| group.roll().iter().filter(|member| well(member)).count().to_string();
            let members = account.fleets.values().map(|group| (format!("{} members", group.name), well(group)));
            account.snapshot().into_iter().chain(members).collect()
        });
        let touched = Box::new(move || other.account().touched.clone());
        let terminated = Box::new(move || third.account().terminated.clone());
        let save = Box::new(move || -> Restore {
            let (account, world) = (saved.save(), Arc::clone(&saved));
            Box::new(move || world.restore(&account))
        });
        Self { clock, gate, make, snapshot, touched, terminated, save }
    }

    /// Lamps.
    pub fn lamps(lamps: &str) -> Self {
        let toy = FakeLamps::new(lamps);
        let (clock, gate, lamps) = (Arc::clone(&toy.clock), Arc::clone(&toy.gate), Arc::clone(&toy));
        let (others, saved) = (Arc::clone(&toy), Arc::clone(&toy));
        let make = move |_: &_, part: &Part| lamps.action(part.params.as_str().expect("a text"));
        let snapshot = move || toy.snapshot().into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let touched = move || others.lamps().touched.clone();
        let terminated = Box::new(Vec::new);
        let save = move || -> Restore {
            let (lamps, toy) = (saved.save(), Arc::clone(&saved));
            Box::new(move || toy.restore(&lamps))
        };
        let (snapshot, touched) = (Box::new(snapshot), Box::new(touched));
        Self { clock, gate, make: Box::new(make), snapshot, touched, terminated, save: Box::new(save) }
    }
}

/// A scenario under way.
pub struct Lab<'a> {
    pub scenario: &'a Scenario,
    pub harness: Harness,
    pub before: Snapshot,
    snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    touched: Box<dyn Fn() -> BTreeSet<String> + Send + Sync>,
    terminated: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    save: Save,
}

/// A moment of a scenario. Many stories begin at one.
pub struct Moment {
    harness: harness::Saved,
    place: Restore,
}

impl<'a> Lab<'a> {
    /// A scenario from its beginning, with a ledger on the store that `between` makes of a sound one.
    pub fn new(scenario: &'a Scenario, between: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let place = (scenario.place)();
        let mut before = (place.snapshot)();
        before.retain(|name, _| !scenario.disposable.contains(&name.as_str()));
        let harness = Harness::new(place.clock, place.gate, between, place.make);
        let Place { snapshot, touched, terminated, save, .. } = place;
        Self { scenario, harness, before, snapshot, touched, terminated, save }
    }

    /// This moment.
    pub fn save(&self) -> Moment {
        Moment { harness: self.harness.save(), place: (self.save)() }
    }

    /// Goes back to a moment, with no fault waiting.
    pub fn restore(&self, moment: &Moment) {
        self.harness.restore(&moment.harness);
        (moment.place)();
    }

    /// The alert of a stage with the scenario's actions.
    pub async fn begin(&self, who: &str) -> Run {
        let spec = |(name, params): &(&str, Json)| ActionSpec { name: name.parse().expect("a name"), params: params.clone() };
        let groups = self.scenario.actions.iter().map(|action| vec![spec(action)]).collect();
        let (target, guardrail) = harness::stage(who, groups);
        match self.harness.alert(&target, &guardrail).await {
            Ok(Begun::Started(run)) => *run,
            other => panic!("{}: {other:?}", self.scenario.name),
        }
    }

    /// A run that is planned and open.
    pub async fn open(&self, who: &str) -> RunId {
        let run = self.begin(who).await;
        self.harness.open(&run).await.expect("it opens").id
    }

    /// The parts in the order of a direction.
    pub fn parts(&self, direction: Direction) -> Vec<usize> {
        let parts = 0..self.scenario.actions.len();
        if direction == Direction::Apply { parts.collect() } else { parts.rev().collect() }
    }

    /// The calls that carrying all parts makes when nothing goes wrong.
    pub async fn calls(&self, direction: Direction, run: &RunId) -> Vec<String> {
        self.harness.gate.disarm();
        for part in self.parts(direction) {
            self.harness.carry(direction, run, part, false).await;
        }
        self.harness.gate.calls()
    }

    /// Carries all parts until the fault is met. Says at which call it was.
    pub async fn to_fault(&self, direction: Direction, run: &RunId, fault: Fault) -> String {
        self.harness.gate.arm(fault);
        for part in self.parts(direction) {
            if matches!(self.harness.carry(direction, run, part, true).await, Carried::Hit) {
                break;
            }
        }
        self.disarm()
    }

    /// Takes the fault away, which was met. Says at which call it was.
    pub fn disarm(&self) -> String {
        let hit = self.harness.gate.hit().expect("the fault is met");
        self.harness.gate.disarm();
        hit
    }

    /// Asks for a rollback, by a new execution.
    pub async fn ask_back(&self, run: &RunId) {
        self.harness.workflow.end_all();
        let asked = self.harness.ask_back(run, &[], false).await;
        assert!(matches!(asked, RollbackAsked::Started(_) | RollbackAsked::NothingToDo(_)), "{asked:?}");
    }

    /// Carries a run to its end.
    pub async fn execute(&self, direction: Direction, run: &RunId) {
        self.harness.execute(direction, run).await.expect("it is closed");
    }

    /// Is the stage enforced, as far as AWS lets it be?
    pub async fn check_enforced(&self, run: &RunId) -> Result<(), String> {
        let mut expected = self.before.clone();
        expected.extend(self.scenario.enforced.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let run = self.harness.truth.run(run).await.expect("the ledger").expect("the run").value;
        let steps = self.harness.runs().steps(&run).await.expect("the ledger");
        let failed = steps.iter().filter(|step| step.phase.is_failure()).count();
        match (self.difference(&expected), failed == self.scenario.refused) {
            (None, true) => Ok(()),
            (None, false) => Err(format!("enforced, but {failed} steps failed: {}", reasons(&steps))),
            (Some(difference), _) => Err(format!("not enforced: {difference}; {}", reasons(&steps))),
        }
    }

    /// When everything that was under way has landed: is all as before, nothing held, nothing left open, and was nothing
    /// touched that is not ours?
    pub async fn check_clean(&self, run: &RunId) -> Result<(), String> {
        self.harness.wait(3600).await;
        if let Some(difference) = self.difference(&self.before) {
            return Err(format!("the world is not as before: {difference}"));
        }
        let terminated = (self.terminated)();
        if !terminated.is_empty() && self.scenario.disposable.is_empty() {
            return Err(format!("the world is not as before: {terminated:?} were terminated"));
        }
        let foreign: Vec<String> =
            (self.touched)().into_iter().filter(|name| !self.scenario.scope.contains(&name.as_str())).collect();
        if !foreign.is_empty() {
            return Err(format!("the world of others was touched: {foreign:?}"));
        }
        let run = self.harness.truth.run(run).await.expect("the ledger").expect("the run").value;
        let truth = &self.harness.truth;
        for part in 0..run.parts.len() {
            let steps = truth.steps(&run, part).await.expect("the ledger");
            if let Some(open) = steps.iter().find(|step| !step.value.phase.is_final()) {
                let step = &open.value;
                return Err(format!("the step of {} is {}: {}", step.facet, step.phase, step.reason.as_deref().unwrap_or("-")));
            }
            let facets: Vec<_> = steps.iter().map(|step| step.value.facet.clone()).collect();
            let facets = truth.facets(&facets).await.expect("the ledger");
            if let Some(held) = facets.values().find(|facet| json!(facet.value.holders).to_string().contains(run.id.as_str())) {
                return Err(format!("{} is held still", held.value.facet));
            }
        }
        if run.state.is_open() { Err(format!("the run is {}: {:?}", run.state.words(), run.events.last())) } else { Ok(()) }
    }

    fn difference(&self, expected: &Snapshot) -> Option<String> {
        let present = (self.snapshot)();
        let differs = |(name, value): (&String, &String)| {
            let is = present.get(name).map_or("nothing", String::as_str);
            (is != value).then(|| format!("{name} is {is}, not {value}"))
        };
        let differences: Vec<String> = expected.iter().filter_map(differs).collect();
        (!differences.is_empty()).then(|| differences.join(", "))
    }
}

fn reasons(steps: &[guardrails_model::record::Step]) -> String {
    let told = steps.iter().map(|step| format!("{} {} {}", step.label, step.phase, step.reason.as_deref().unwrap_or("")));
    told.collect::<Vec<_>>().join(", ")
}
