//! A trial, as its seed has it: which alerts arrive, and which faults their calls meet.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use guardrails_model::record::Direction;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::proxy::{Aim, Call, Fault, Kind};

/// The calls that runs without faults make, and how many of each: faults are aimed at these. A new action's are among them.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    counts: BTreeMap<Shape, BTreeMap<(Direction, Call), u32>>,
}

/// The alerts that arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// That of the first stage, so many times at once.
    First(usize),
    /// That of the second stage, so many times at once.
    Second(usize),
    /// Those of both stages, the second stage's first when they are reordered.
    Both {
        /// They are.
        reordered: bool,
        /// Nobody waits for the first one's end before the second arrives.
        at_once: bool,
    },
    /// A simulated one of the first stage beside a real one.
    Beside,
    /// A message that nobody understands.
    Unknown,
    /// None: the budget's amount is changed by a deployment.
    Deploy,
}

impl Shape {
    /// Those that the catalogue is made of: together they make every call.
    pub const RECORDED: [Self; 4] = [Self::First(1), Self::Second(1), Self::Unknown, Self::Deploy];

    /// The one of which it makes the calls.
    fn recorded(self) -> Self {
        match self {
            Self::First(_) | Self::Beside => Self::First(1),
            Self::Second(_) | Self::Both { .. } => Self::Second(1),
            Self::Unknown | Self::Deploy => self,
        }
    }

    /// Does it ask for runs?
    #[must_use]
    pub fn has_runs(self) -> bool {
        !matches!(self, Self::Unknown | Self::Deploy)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(1) => f.write_str("one alert of the first stage"),
            Self::First(times) => write!(f, "{times} times the same alert of the first stage"),
            Self::Second(1) => f.write_str("one alert of the second stage"),
            Self::Second(times) => write!(f, "{times} times the same alert of the second stage"),
            Self::Both { reordered, at_once } => {
                f.write_str(if *reordered { "the second stage's alert before the first's" } else { "both stages' alerts" })?;
                f.write_str(if *at_once { ", at once" } else { "" })
            }
            Self::Beside => f.write_str("a simulated alert and a real one at once"),
            Self::Unknown => f.write_str("a message that nobody understands"),
            Self::Deploy => f.write_str("a deployment of another amount"),
        }
    }
}

/// The course of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The seed from which it follows.
    pub seed: u64,
    /// The alerts that arrive.
    pub shape: Shape,
    /// They are marked as simulated.
    pub simulated: bool,
    /// Once the faults are lifted, stages that were not enforced are asked for again.
    pub again: bool,
    /// Nobody waits for the alerts' runs to end: the rollback comes as soon as the first fault has happened.
    pub impatient: bool,
    /// Faults on the way forward.
    pub apply: Vec<Fault>,
    /// Faults on the way back.
    pub rollback: Vec<Fault>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.shape, if self.simulated { ", simulated" } else { "" })?;
        for (faults, way) in [(&self.apply, "forward"), (&self.rollback, "back")] {
            for fault in faults {
                write!(f, "; on the way {way}: {fault}")?;
            }
        }
        f.write_str(if self.impatient { "; rolled back at once" } else { "" })?;
        f.write_str(if self.again { "; then asked for again" } else { "" })
    }
}

/// A sort of fault, before its details are drawn.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Throttled,
    RefusedOnce,
    RefusedForGood,
    Slow,
    Reset,
    AnswerLost,
    Failed,
    Hangs,
    KilledBefore,
    KilledAfter,
    LandsLate,
    LedgerAway,
}

const SORTS: [Sort; 12] = [
    Sort::Throttled,
    Sort::RefusedOnce,
    Sort::RefusedForGood,
    Sort::Slow,
    Sort::Reset,
    Sort::AnswerLost,
    Sort::Failed,
    Sort::Hangs,
    Sort::KilledBefore,
    Sort::KilledAfter,
    Sort::LandsLate,
    Sort::LedgerAway,
];

impl Catalogue {
    /// Adds the calls of a run without faults.
    pub fn add(&mut self, shape: Shape, direction: Direction, calls: BTreeMap<Call, u32>) {
        let counts = self.counts.entry(shape).or_default();
        for (call, count) in calls.into_iter().filter(|(call, _)| call.is_change()) {
            *counts.entry((direction, call)).or_default() += count;
        }
    }

    /// Every change that is called for, each way.
    #[must_use]
    pub fn changes(&self) -> Vec<(Direction, Call)> {
        let all = self.counts.values().flat_map(BTreeMap::keys).cloned();
        all.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// So many seeds after another have each sort of fault at each change.
    #[must_use]
    pub fn round(&self) -> usize {
        self.changes().len() * SORTS.len()
    }

    /// The scenario of a seed. The first fault goes through all sorts at all changes; the rest is drawn.
    #[must_use]
    pub fn scenario(&self, seed: u64) -> Scenario {
        let mut rng = StdRng::seed_from_u64(seed);
        let changes = self.changes();
        let index = usize::try_from(seed % self.round().max(1) as u64).unwrap_or_default();
        let first = &changes[index % changes.len()];
        let sort = SORTS[index / changes.len()];
        let shape = self.draw_shape(first, &mut rng);
        let simulated = shape != Shape::Beside && shape.has_runs() && rng.random_bool(0.6);
        let impatient = first.0 == Direction::Apply && shape.has_runs() && rng.random_bool(0.2);
        let again = shape.has_runs() && !impatient && rng.random_bool(0.5);
        let (apply, rollback) = (Vec::new(), Vec::new());
        let mut scenario = Scenario { seed, shape, simulated, again, impatient, apply, rollback };
        self.inject(&mut scenario, first, sort, &mut rng);
        let others = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2].choose(&mut rng).copied().unwrap_or_default();
        for _ in 0..others {
            let fitting: Vec<_> = self.counts[&shape.recorded()].keys().collect();
            if let (Some(other), Some(sort)) = (fitting.choose(&mut rng), SORTS.choose(&mut rng)) {
                self.inject(&mut scenario, other, *sort, &mut rng);
            }
        }
        scenario
    }

    fn draw_shape(&self, change: &(Direction, Call), rng: &mut StdRng) -> Shape {
        let both = |reordered, at_once| Shape::Both { reordered, at_once };
        let all = [
            Shape::First(1),
            Shape::First(1),
            Shape::First(rng.random_range(2..6)),
            Shape::Second(1),
            Shape::Second(rng.random_range(2..6)),
            both(rng.random_bool(0.5), rng.random_bool(0.5)),
            both(rng.random_bool(0.5), rng.random_bool(0.5)),
            Shape::Beside,
            Shape::Unknown,
            Shape::Deploy,
        ];
        let makes = |shape: &&Shape| self.counts.get(&shape.recorded()).is_some_and(|counts| counts.contains_key(change));
        let fitting: Vec<&Shape> = all.iter().filter(makes).collect();
        fitting.choose(rng).map_or(Shape::First(1), |shape| **shape)
    }

    fn inject(&self, scenario: &mut Scenario, change: &(Direction, Call), sort: Sort, rng: &mut StdRng) {
        let (direction, call) = change;
        let count = self.counts[&scenario.shape.recorded()].get(change).copied().unwrap_or(1);
        let once = [Some(1), Some(1), Some(1), Some(2), Some(3)].choose(rng).copied().flatten();
        let lasting = [Some(1), Some(3), Some(8)].choose(rng).copied().flatten();
        let mut time = |from: u64, to: u64| Duration::from_millis(rng.random_range(from..to));
        let (kind, times) = match sort {
            Sort::Throttled => (Kind::Throttled, lasting),
            Sort::RefusedOnce => (Kind::Refused, Some(1)),
            Sort::RefusedForGood => (Kind::Refused, None),
            Sort::Slow => (Kind::Slow(time(100, 2_000)), once),
            Sort::Reset => (Kind::Reset, lasting),
            Sort::AnswerLost => (Kind::AnswerLost, once),
            Sort::Failed => (Kind::Failed, lasting),
            Sort::Hangs => (Kind::Hangs, Some(1)),
            Sort::KilledBefore => (Kind::KilledBefore, once),
            Sort::KilledAfter => (Kind::KilledAfter, once),
            Sort::LandsLate => (Kind::LandsLate(time(200, 4_000)), Some(1)),
            Sort::LedgerAway => {
                let kind = [Kind::Failed, Kind::Reset, Kind::Throttled, Kind::Slow(time(100, 1_000))].choose(rng).copied();
                (kind.unwrap_or(Kind::Failed), Some(rng.random_range(2..40)))
            }
        };
        let aim = if matches!(sort, Sort::LedgerAway) { Aim::Service("dynamodb") } else { Aim::At(call.clone()) };
        let from = [1, 1, 1, 2, 3, 5].choose(rng).copied().unwrap_or(1).min(count);
        let faults = if *direction == Direction::Apply { &mut scenario.apply } else { &mut scenario.rollback };
        faults.push(Fault { kind, aim, from, times });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn catalogue() -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (shape, operations) in [
            (Shape::First(1), &["StopInstances", "PutItem", "DescribeInstances"][..]),
            (Shape::Second(1), &["StopInstances", "UpdateAutoScalingGroup"]),
            (Shape::Unknown, &["Publish"]),
        ] {
            let call =
                |operation: &&str| Call { function: "f".to_owned(), service: "s".to_owned(), operation: (*operation).to_owned() };
            catalogue.add(shape, Direction::Apply, operations.iter().map(|operation| (call(operation), 2)).collect());
        }
        catalogue
    }

    #[test]
    fn round_of_seeds_aims_each_fault_at_each_change_and_no_read() {
        let catalogue = catalogue();
        assert_eq!(catalogue.changes().len(), 4);
        let first = |seed| catalogue.scenario(seed).apply.swap_remove(0);
        let aimed: BTreeSet<_> =
            (1_000..1_000 + catalogue.round() as u64).map(first).map(|fault| (fault.kind.name(), fault.aim)).collect();
        for (_, call) in catalogue.changes() {
            for kind in ["throttled", "refused", "slow", "reset", "answer lost", "hangs", "killed before", "killed after"] {
                assert!(aimed.contains(&(kind, Aim::At(call.clone()))), "{kind} at {call}");
            }
        }
        assert!(aimed.iter().any(|(_, aim)| *aim == Aim::Service("dynamodb")));
    }

    #[test]
    fn a_scenario_is_its_seeds_alone() {
        for seed in 0..100 {
            assert_eq!(catalogue().scenario(seed), catalogue().scenario(seed));
        }
    }
}
