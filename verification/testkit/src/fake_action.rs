//! An action over lamps: as small as an action can be, and so that everything that a test shows is the engine's own doing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use guardrails_model::action::{
    Action, ActionError, Allowance, Change, ChangeOutcome, DriftPolicy, Patience, Planned, Ready, ReadyCheck, Seen, Unit,
};
use guardrails_model::clock::Clock;
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::record::Direction;
use jiff::{SignedDuration, Timestamp};

use crate::{Effect, Ending, FaultInjector, ManualClock, lock};

/// Seconds between two looks at a lamp, and until a change of it has failed.
pub const PATIENCE: Patience = Patience { poll: 5, limit: 600, give_up: 600 };

/// A lamp.
#[derive(Debug, Clone)]
pub struct Lamp {
    /// Its value now.
    pub is: Value,
    /// The value that it is on its way to, and when it gets there.
    pub becomes: Option<(Timestamp, Value)>,
    /// How many seconds it takes to turn.
    pub takes: i64,
    /// Why it refuses to be turned, if it does.
    pub refuses: Option<&'static str>,
    /// How many more times there is no current to turn it.
    pub no_current: usize,
}

/// All lamps, by name.
#[derive(Debug, Clone, Default)]
pub struct Lamps {
    /// Each lamp by its name.
    pub by_name: BTreeMap<String, Lamp>,
    /// Those that a call has turned.
    pub touched: BTreeSet<String>,
    /// How many more may be turned before the next round, if that is limited.
    pub room: Option<usize>,
    /// Why no unit is ready, if none is.
    pub unready: Option<&'static str>,
    /// Why the light of all lamps is behind their switches, if it is, and whether it is for want of current.
    pub behind: Option<(&'static str, bool)>,
    late: Vec<(Timestamp, String, Value)>,
}

/// Lamps behind a gate.
#[derive(Debug)]
pub struct FakeLamps {
    /// The time that lamps turn by.
    pub clock: Arc<ManualClock>,
    /// Where faults wait.
    pub gate: Arc<FaultInjector>,
    state: Mutex<Lamps>,
}

impl FakeLamps {
    /// Lamps as `a: on, b: off`.
    pub fn new(lamps: &str) -> Arc<Self> {
        let toy = Self { clock: Arc::default(), gate: Arc::default(), state: Mutex::default() };
        toy.set(lamps);
        Arc::new(toy)
    }

    /// A person turns lamps, or hangs them up.
    pub fn set(&self, lamps: &str) {
        for (name, is) in words(lamps) {
            self.hang(&facet(&name), is);
        }
    }

    /// A lamp for a `facet` of any kind.
    pub fn hang(&self, facet: &FacetId, is: Value) {
        self.lamps().by_name.insert(name(facet), Lamp { is, becomes: None, takes: 0, refuses: None, no_current: 0 });
    }

    /// The lamps, as they are at this moment.
    pub fn lamps(&self) -> MutexGuard<'_, Lamps> {
        let mut state = lock(&self.state);
        state.settle(self.clock.now());
        state
    }

    /// The lamps as they are, to be put back by [`Self::restore`].
    pub fn save(&self) -> Lamps {
        lock(&self.state).clone()
    }

    /// The lamps are as they were when they were saved.
    pub fn restore(&self, saved: &Lamps) {
        lock(&self.state).clone_from(saved);
    }

    /// The value of each lamp.
    pub fn snapshot(&self) -> BTreeMap<String, Value> {
        self.lamps().by_name.iter().map(|(name, lamp)| (name.clone(), lamp.is.clone())).collect()
    }

    /// The action that wants the values of `desired`, in the words of [`Self::new`].
    pub fn action(self: &Arc<Self>, desired: &str) -> Arc<dyn Action> {
        Arc::new(FakeAction { toy: Arc::clone(self), desired: words(desired) })
    }
}

impl Lamps {
    fn settle(&mut self, now: Timestamp) {
        self.late.sort_by_key(|(at, ..)| *at);
        let due = self.late.partition_point(|(at, ..)| *at <= now);
        for (at, name, to) in self.late.drain(..due).collect::<Vec<_>>() {
            self.arrive(at);
            self.turn(&name, &to, at);
        }
        self.arrive(now);
    }

    fn arrive(&mut self, now: Timestamp) {
        for lamp in self.by_name.values_mut() {
            if let Some((_, value)) = lamp.becomes.take_if(|(at, _)| *at <= now) {
                lamp.is = value;
            }
        }
    }

    fn turn(&mut self, name: &str, to: &Value, now: Timestamp) -> ChangeOutcome {
        let Some(lamp) = self.by_name.get_mut(name) else { return ChangeOutcome::Refused("there is no such lamp".to_owned()) };
        if let Some(why) = lamp.refuses {
            return ChangeOutcome::Refused(why.to_owned());
        }
        if lamp.no_current > 0 {
            lamp.no_current -= 1;
            return ChangeOutcome::NoCapacity("there is no current".to_owned());
        }
        lamp.becomes = Some((now + SignedDuration::from_secs(lamp.takes), to.clone()));
        self.touched.insert(name.to_owned());
        self.room = self.room.map(|room| room.saturating_sub(1));
        self.arrive(now);
        ChangeOutcome::Accepted
    }
}

struct FakeAction {
    toy: Arc<FakeLamps>,
    desired: Vec<(String, Value)>,
}

impl FakeAction {
    async fn turn(&self, change: &Change) -> ChangeOutcome {
        let (now, name) = (self.toy.clock.now(), name(&change.facet));
        let (effect, ending) = self.toy.gate.pass(&format!("turn {name} {}", change.to), now).await;
        let answer = match effect {
            Effect::Now => self.toy.lamps().turn(&name, &change.to, self.toy.clock.now()),
            Effect::At(at) => {
                self.toy.lamps().late.push((at, name, change.to.clone()));
                ChangeOutcome::Accepted
            }
            Effect::Never => ChangeOutcome::Accepted,
        };
        match ending {
            Ending::Answer => answer,
            Ending::Throttled => ChangeOutcome::Retry("come back later".to_owned()),
            Ending::Reset | Ending::Refused => ChangeOutcome::Unknown("the line was cut".to_owned()),
            Ending::Death => self.toy.gate.die().await,
        }
    }

    async fn read<T>(&self, what: &str, read: impl FnOnce(&Lamps) -> T) -> Result<T, ActionError> {
        let (_, ending) = self.toy.gate.pass(what, self.toy.clock.now()).await;
        match ending {
            Ending::Answer => Ok(read(&self.toy.lamps())),
            Ending::Death => self.toy.gate.die().await,
            ending => Err(ActionError::Retryable(format!("{ending:?}"))),
        }
    }

    async fn turn_all(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let mut answers = Vec::new();
        for change in changes {
            answers.push(self.turn(change).await);
        }
        answers
    }
}

#[async_trait]
impl Action for FakeAction {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let plan = |lamps: &Lamps| {
            let planned = self.desired.iter().filter_map(|(name, wanted)| {
                let present = lamps.by_name.get(name)?.is.clone();
                let planned = Planned::new(facet(name), name.clone(), present, wanted.clone());
                Some(Planned { unit: unit(name), ..planned })
            });
            planned.collect()
        };
        self.read("plan", plan).await
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let see = |lamps: &Lamps| {
            let seen = facets.iter().map(|facet| match lamps.by_name.get(&name(facet)) {
                None => (facet.clone(), Seen::Gone("the lamp is gone".to_owned())),
                Some(Lamp { becomes: Some((_, value)), .. }) => (facet.clone(), Seen::Moving(value.clone())),
                Some(lamp) => {
                    let seen = match lamps.behind {
                        None => Seen::Is(lamp.is.clone()),
                        Some((why, false)) => Seen::Behind(lamp.is.clone(), why.to_owned()),
                        Some((why, true)) => Seen::NoRoom(lamp.is.clone(), why.to_owned()),
                    };
                    (facet.clone(), seen)
                }
            });
            seen.collect()
        };
        self.read("observe", see).await
    }

    /// The lamps of the unit that are there now belong to it, planned or not.
    async fn ready(&self, gate: &ReadyCheck) -> Result<Ready, ActionError> {
        let lamps = self.toy.lamps();
        if let Some(why) = lamps.unready {
            return Ok(Ready::NotYet(why.to_owned()));
        }
        let of_unit = |name: &&String| unit(name).is_some_and(|unit| unit.name == gate.unit && unit.forward == gate.order);
        let found = lamps.by_name.keys().filter(of_unit).map(|name| {
            let planned = Planned::new(facet(name), name.clone(), lamps.by_name[name].is.clone(), Value::new("off"));
            Planned { unit: unit(name), ..planned }
        });
        Ok(Ready::Go(if gate.direction == Direction::Apply { found.collect() } else { Vec::new() }))
    }

    /// Lamps that are called `fixed` are not turned again.
    fn drift_policy(&self, facet: &FacetId) -> DriftPolicy {
        if name(facet).starts_with("fixed") { DriftPolicy::Report } else { DriftPolicy::Reapply }
    }

    fn allowance(&self, _: Direction, changes: usize) -> Allowance {
        let room = self.toy.lamps().room.unwrap_or(changes);
        Allowance { changes: changes.min(room), again: 7 }
    }

    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.turn_all(changes).await
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.turn_all(changes).await
    }

    fn batch(&self) -> usize {
        2
    }

    fn patience(&self) -> Patience {
        PATIENCE
    }
}

/// The facet of a lamp: its light, or the facet itself where the name is one.
///
/// # Panics
/// When it is no name of a lamp.
#[must_use]
pub fn facet(name: &str) -> FacetId {
    name.parse().or_else(|_| FacetId::new("lamp", name, "light")).expect("a facet")
}

/// The unit of a lamp that is called like `hall-0-1-fuse`: of the hall, first on the way forward, second on the way back.
fn unit(name: &str) -> Option<Unit> {
    let mut words = name.split('-');
    let (unit, forward, back) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Unit { name: unit.to_owned(), forward, back })
}

/// The lamp of a facet.
#[must_use]
pub fn name(facet: &FacetId) -> String {
    match facet.parts() {
        ("lamp", name, "light") => name.to_owned(),
        _ => facet.to_string(),
    }
}

fn words(lamps: &str) -> Vec<(String, Value)> {
    let pairs = lamps.split(", ").filter_map(|lamp| lamp.split_once(": "));
    pairs.map(|(name, value)| (name.to_owned(), Value::new(value))).collect()
}
