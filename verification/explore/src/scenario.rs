//! The scenarios: the runs at the beginning, and the events that may happen at any moment.

use guardrails_model::action::DriftPolicy;

use crate::lamp::OFF;

/// How much may go wrong in one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Deaths, lost answers, second invocations and dead executions, in all.
    pub faults: u8,
    /// How many times the clock may move on while somebody is in the middle of something.
    pub stalls: u8,
}

/// One lamp, one or two runs that want it off, and the possible events.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// The name by which it is asked for.
    pub name: &'static str,
    /// The lamp's first state: `on` or `off`.
    pub lamp: &'static str,
    /// It takes its time to turn.
    pub slow: bool,
    /// The answer to people's changes of it while it is held.
    pub drift: DriftPolicy,
    /// The runs, such as `beta 80%` or `beta 80% simulated`.
    pub runs: &'static [(&'static str, At)],
    /// The events, each of which happens once at any moment, or never.
    pub events: &'static [Event],
    /// Executions may die as a whole, with their last invocation still at work; the reconciler takes the run up.
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
    /// A reconciler's round comes upon a run: it looks again at its holds, or is taken up.
    Round(u8),
    /// A person turns the lamp.
    Person(&'static str),
}

const ON: &str = "on";
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
    drift: DriftPolicy::Reapply,
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
        drift: DriftPolicy::Report,
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

/// Scenarios that take minutes: `cargo test` has no time for these.
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
