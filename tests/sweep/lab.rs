//! Where the sweep works: for every action a small account with what is in scope, what is nearly in scope, and what is
//! nobody's business, and the whole life of a run in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use guardrails_model::config::ActionSpec;
use guardrails_model::ids::RunId;
use guardrails_model::ledger::Store;
use guardrails_model::record::{Direction, Part, Run};
use guardrails_model::runs::{Begun, RollbackAsked};
use serde_json::{Value as Json, json};

use crate::bench::{self, Bench, Carried, MakeAction};
use crate::toy::Toy;
use crate::world::{Account, Fault, Gate, Group, Instance, Power, Spot, VirtualClock, World};

/// What is, by name.
pub type Snapshot = BTreeMap<String, String>;

/// Which calls of a scenario meet faults, and which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meets {
    /// All calls, all faults.
    All,
    /// Changes in the account meet all faults. What is the drive's alone is swept by other scenarios: here writers to the ledger
    /// die before and after, and of reads that are alike between two changes the first does not come through: nothing but time
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
    /// What the run may touch.
    pub scope: &'static [&'static str],
    /// What is different when the stage is enforced.
    pub enforced: &'static [(&'static str, &'static str)],
    /// Steps that AWS refuses to apply, for good.
    pub refused: usize,
    /// Members that a group may terminate; it launches others for them, by other names.
    pub disposable: &'static [&'static str],
    /// Which of its calls meet faults.
    pub meets: Meets,
    pub place: fn() -> Place,
}

/// What a scenario's actions work on.
pub struct Place {
    clock: Arc<VirtualClock>,
    gate: Arc<Gate>,
    make: MakeAction,
    snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    touched: Box<dyn Fn() -> BTreeSet<String> + Send + Sync>,
    terminated: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

impl Place {
    /// An account in AWS.
    pub fn world(fill: impl FnOnce(&mut Account)) -> Self {
        let world = Arc::new(World::default());
        fill(&mut world.account());
        let (clock, gate, make) = (Arc::clone(&world.clock), Arc::clone(&world.gate), bench::catalog(&world, &[]));
        let (other, third) = (Arc::clone(&world), Arc::clone(&world));
        let snapshot = Box::new(move || {
            let account = world.account();
            let well = |member: &String| member.ends_with(" InService Healthy");
            let well = |group: &Group| group.roll().iter().filter(|member| well(member)).count().to_string();
            let members = account.fleets.values().map(|group| (format!("{} members", group.name), well(group)));
            account.snapshot().into_iter().chain(members).collect()
        });
        let touched = Box::new(move || other.account().touched.clone());
        let terminated = Box::new(move || third.account().terminated.clone());
        Self { clock, gate, make, snapshot, touched, terminated }
    }

    /// Lamps.
    pub fn lamps(lamps: &str) -> Self {
        let toy = Toy::new(lamps);
        let (clock, gate, lamps, others) = (Arc::clone(&toy.clock), Arc::clone(&toy.gate), Arc::clone(&toy), Arc::clone(&toy));
        let make = move |part: &Part| lamps.action(part.params.as_str().expect("a text"));
        let snapshot = move || toy.snapshot().into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let touched = move || others.lamps().touched.clone();
        let terminated = Box::new(Vec::new);
        Self { clock, gate, make: Box::new(make), snapshot: Box::new(snapshot), touched: Box::new(touched), terminated }
    }
}

/// A scenario under way.
pub struct Lab<'a> {
    pub scenario: &'a Scenario,
    pub bench: Bench,
    pub before: Snapshot,
    snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    touched: Box<dyn Fn() -> BTreeSet<String> + Send + Sync>,
    terminated: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

impl<'a> Lab<'a> {
    /// A scenario from its beginning, with a ledger on what `between` makes of a sound store.
    pub fn new(scenario: &'a Scenario, between: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let place = (scenario.place)();
        let mut before = (place.snapshot)();
        before.retain(|name, _| !scenario.disposable.contains(&name.as_str()));
        let bench = Bench::new(place.clock, place.gate, between, place.make);
        let Place { snapshot, touched, terminated, .. } = place;
        Self { scenario, bench, before, snapshot, touched, terminated }
    }

    /// The alert of a stage that does what the scenario says.
    pub async fn begin(&self, who: &str) -> Run {
        let spec = |(name, params): &(&str, Json)| ActionSpec { name: name.parse().expect("a name"), params: params.clone() };
        let groups = self.scenario.actions.iter().map(|action| vec![spec(action)]).collect();
        let (target, guardrail) = bench::stage(who, groups);
        match self.bench.alert(&target, &guardrail).await {
            Ok(Begun::Started(run)) => *run,
            other => panic!("{}: {other:?}", self.scenario.name),
        }
    }

    /// A run that is planned and open.
    pub async fn open(&self, who: &str) -> RunId {
        let run = self.begin(who).await;
        self.bench.open(&run).await.expect("it opens").id
    }

    /// The parts in the order of a direction.
    pub fn parts(&self, direction: Direction) -> Vec<usize> {
        let parts = 0..self.scenario.actions.len();
        if direction == Direction::Apply { parts.collect() } else { parts.rev().collect() }
    }

    /// The calls that carrying all parts makes when nothing goes wrong.
    pub async fn calls(&self, direction: Direction, run: &RunId) -> Vec<String> {
        self.bench.gate.disarm();
        for part in self.parts(direction) {
            self.bench.carry(direction, run, part, false).await;
        }
        self.bench.gate.calls()
    }

    /// Carries all parts until the fault is met. Says at which call it was.
    pub async fn to_fault(&self, direction: Direction, run: &RunId, fault: Fault) -> String {
        self.bench.gate.arm(fault);
        for part in self.parts(direction) {
            if matches!(self.bench.carry(direction, run, part, true).await, Carried::Hit) {
                break;
            }
        }
        self.disarm()
    }

    /// Takes the fault away, which was met. Says at which call it was.
    pub fn disarm(&self) -> String {
        let hit = self.bench.gate.hit().expect("the fault is met");
        self.bench.gate.disarm();
        hit
    }

    /// Asks for a rollback, by a new execution.
    pub async fn ask_back(&self, run: &RunId) {
        self.bench.workflow.end_all();
        let asked = self.bench.ask_back(run, &[], false).await;
        assert!(matches!(asked, RollbackAsked::Started(_) | RollbackAsked::NothingToDo(_)), "{asked:?}");
    }

    /// Carries a run to its end.
    pub async fn execute(&self, direction: Direction, run: &RunId) {
        self.bench.execute(direction, run).await.expect("it is closed");
    }

    /// Is the stage enforced, as far as AWS lets it be?
    pub async fn check_enforced(&self, run: &RunId) -> Result<(), String> {
        let mut expected = self.before.clone();
        expected.extend(self.scenario.enforced.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let run = self.bench.truth.run(run).await.expect("the ledger").expect("the run").value;
        let steps = self.bench.runs().steps(&run).await.expect("the ledger");
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
        self.bench.wait(3600).await;
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
        let run = self.bench.truth.run(run).await.expect("the ledger").expect("the run").value;
        let truth = &self.bench.truth;
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

/// A scenario or more for every action of the catalog, and one with several actions in a stage.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = stop_instances();
    all.extend(groups());
    all.extend(swap_group_policy());
    all.push(both());
    all
}

/// How many seconds listings lag behind where they do.
pub const LAG: i64 = 3;

/// The same where listings lag behind the world, as those of IAM and EC2 do.
pub fn lagging() -> Vec<Scenario> {
    let instances = Scenario { place: || lag(instances), ..stop_instances().remove(0) };
    let group = Scenario { place: || lag(group), ..swap_group_policy().remove(0) };
    let held = Scenario { place: || lag(fleet), meets: Meets::Hidden, ..groups().remove(0) };
    let size = Scenario { place: || lag(fleet), ..groups().remove(1) };
    vec![instances, group, held, size]
}

fn lag(fill: fn(&mut Account)) -> Place {
    Place::world(|account| {
        fill(account);
        account.lag = LAG;
    })
}

const STOPPED: &str = "Stopped";

fn instances(account: &mut Account) {
    let instance = |id: &str, power, tags: &str| Instance::new(id, power, tags);
    account
        .instance(instance("i-1", Power::Running, "Project=Beta Name=web-1"))
        .instance(instance("i-2", Power::Running, "Project=Beta"))
        .instance(instance("i-3", Power::Stopped, "Project=Beta"))
        .instance(instance("i-4", Power::Running, "Project=Gamma"))
        .instance(instance("i-5", Power::Running, "Project=Beta").in_group("fleet"))
        .instance(instance("i-8", Power::Running, "").in_group("fleet"))
        .instance(instance("i-6", Power::Running, ""))
        .instance(instance("i-7", Power::Terminated, "Project=Beta"));
}

fn stop_instances() -> Vec<Scenario> {
    let actions = || vec![("stop-instances", json!({"tag": {"Project": "Beta"}}))];
    vec![
        Scenario {
            name: "stop-instances",
            actions: actions(),
            scope: &["i-1", "i-2"],
            enforced: &[("i-1", STOPPED), ("i-2", STOPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::All,
            place: || Place::world(instances),
        },
        Scenario {
            name: "stop-instances, some refuse",
            actions: actions(),
            scope: &["i-1", "i-3"],
            enforced: &[("i-1", STOPPED), ("i-3", STOPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::All,
            place: || {
                Place::world(|account| {
                    let running = |id: &str, more: &str| Instance::new(id, Power::Running, &format!("Project=Beta {more}"));
                    account
                        .instance(running("i-1", ""))
                        .instance(running("i-2", "").protected())
                        .instance(running("i-3", ""))
                        .instance(running("i-4", "").one_time_spot())
                        .instance(running("i-5", "").spot(Spot::Cancelled))
                        .instance(running("i-6", "").instance_store_root())
                        .instance(running("i-7", "").of_type("m5d.large"))
                        .instance(running("i-8", "").managed_by("lambda.amazonaws.com"))
                        .instance(running("i-9", "guardrails:exempt="))
                        .instance(running("j-1", "karpenter.sh/nodepool=default"))
                        .page = 50;
                })
            },
        },
    ]
}

/// A group of two of which an operator has suspended a process, and an instance beside it. Everything is quick, and comes in
/// one page: every call more meets faults.
fn fleet(account: &mut Account) {
    let member = |id: &str| Instance::new(id, Power::Running, "Project=Beta").in_group("fleet");
    account.fleet(Group::new("fleet", 1, 2, 3).suspended(&["AZRebalance"]).tag("Project=Beta"));
    account.instance(member("i-1")).instance(member("i-2")).instance(Instance::new("i-8", Power::Running, "Project=Beta"));
    (account.page, account.takes, account.initializing, account.activity) = (50, 4, 1, 5);
}

fn groups() -> Vec<Scenario> {
    const HELD: &str =
        "AZRebalance, AlarmNotification, HealthCheck, InstanceRefresh, Launch, ReplaceUnhealthy, ScheduledActions, Terminate";
    vec![
        Scenario {
            name: "stop-instances, a group",
            actions: vec![("stop-instances", json!({"tag": {"Project": "Beta"}}))],
            scope: &["fleet", "i-1", "i-2", "i-8"],
            enforced: &[("i-1", STOPPED), ("i-2", STOPPED), ("i-8", STOPPED), ("fleet processes", HELD)],
            refused: 0,
            disposable: &[],
            meets: Meets::Different,
            place: || Place::world(fleet),
        },
        Scenario {
            name: "scale-group-to-zero",
            actions: vec![("scale-group-to-zero", json!({"tag": {"Project": "Beta"}, "members-are-disposable": true}))],
            scope: &["fleet"],
            enforced: &[("fleet size", "0 <= 0 <= 0"), ("fleet members", "0")],
            refused: 0,
            disposable: &["i-1", "i-2"],
            meets: Meets::All,
            place: || Place::world(fleet),
        },
    ]
}

const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";
const LOGS: &str = "arn:aws:iam::123456789012:policy/Logs";

fn group(account: &mut Account) {
    account.policy(READ_ONLY).group("ProjectBeta", &[FULL, LOGS]).group("ProjectGamma", &[FULL]);
}

fn swap() -> Json {
    json!({"group": "ProjectBeta", "detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]})
}

const SWAPPED: &str = "{\"arn:aws:iam::123456789012:policy/Logs\", \"arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess\"}";

fn swap_group_policy() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "swap-group-policy",
            actions: vec![("swap-group-policy", swap())],
            scope: &["ProjectBeta"],
            enforced: &[("group ProjectBeta", SWAPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::All,
            place: || Place::world(group),
        },
        Scenario {
            name: "swap-group-policy, no slot is free",
            actions: vec![(
                "swap-group-policy",
                json!({"group": "Full", "detach": ["P0", "P1", "Gone"], "attach": ["N0", "P9"]}),
            )],
            scope: &["Full"],
            enforced: &[("group Full", FULL_SWAPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::All,
            place: || {
                Place::world(|account| {
                    let arn = |name: String| format!("arn:aws:iam::aws:policy/{name}");
                    let ten: Vec<String> = (0..10).map(|n| arn(format!("P{n}"))).collect();
                    account.group("Full", &ten.iter().map(String::as_str).collect::<Vec<_>>());
                    account.policy(&arn("N0".into())).policy(&arn("Gone".into())).page = 6;
                })
            },
        },
    ]
}

const FULL_SWAPPED: &str = "{\"arn:aws:iam::aws:policy/N0\", \"arn:aws:iam::aws:policy/P2\", \"arn:aws:iam::aws:policy/P3\", \
    \"arn:aws:iam::aws:policy/P4\", \"arn:aws:iam::aws:policy/P5\", \"arn:aws:iam::aws:policy/P6\", \
    \"arn:aws:iam::aws:policy/P7\", \"arn:aws:iam::aws:policy/P8\", \"arn:aws:iam::aws:policy/P9\"}";

fn both() -> Scenario {
    Scenario {
        name: "swap-group-policy, then stop-instances",
        actions: vec![("swap-group-policy", swap()), ("stop-instances", json!({"tag": {"Project": "Beta"}}))],
        scope: &["ProjectBeta", "i-1", "i-2"],
        enforced: &[("group ProjectBeta", SWAPPED), ("i-1", STOPPED), ("i-2", STOPPED)],
        refused: 0,
        disposable: &[],
        meets: Meets::All,
        place: || {
            Place::world(|account| {
                group(account);
                instances(account);
            })
        },
    }
}

/// Lamps in three batches: quick enough for faults in pairs.
pub fn lamps() -> Scenario {
    Scenario {
        name: "lamps",
        actions: vec![("toy", json!("a: off, b: off, c: off"))],
        scope: &["a", "b"],
        enforced: &[("a", "off"), ("b", "off")],
        refused: 0,
        disposable: &[],
        meets: Meets::All,
        place: || Place::lamps("a: on, b: dim, c: off, d: on"),
    }
}
