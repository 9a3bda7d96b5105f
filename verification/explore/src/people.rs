//! The reason for the lamp's present state: people's changes, those of them that we have seen, and our answer to them.

use guardrails_model::action::DriftPolicy;
use guardrails_model::direction::Direction;
use guardrails_model::phase::Phase;

use crate::explorer::Explorer;
use crate::lamp::OFF;
use crate::line::Call;
use crate::product::{Job, Task};
use crate::state::{People, State, Who};

impl People {
    /// We turn the lamp.
    pub(crate) fn ours(&mut self, way: Direction) {
        self.latest = false;
        if way == Direction::Apply {
            self.last = None;
        }
    }
}

impl Explorer {
    /// A person makes the lamp something.
    pub(crate) fn person(&mut self, state: &mut State, value: &'static str) {
        let at_work = |(_, task): &(Who, Task)| matches!(self.product.root(*task).job, Job::Work { .. });
        let quiet = state.late.is_empty() && !state.everybody().iter().any(at_work);
        let held = self.facet(state).is_some_and(|facet| !facet.holders.is_empty());
        // Where we gave it this value already, nobody can see that a person wants it too.
        let is_news = !held || self.facet(state).is_some_and(|facet| facet.wanted.as_str() != value);
        let tells = self.scenario.drift == DriftPolicy::Report && self.scenario.has_rounds();
        let settled = tells && self.steps(state).iter().all(|step| step.phase == Phase::Applied || step.phase.is_final());
        let people = &mut state.people;
        people.last = (quiet && is_news).then_some(value);
        people.told = (quiet && settled && value != OFF).then_some(value);
        (people.acted, people.latest, people.seen_for) = (true, true, 0);
        if !people.gave.contains(&value) {
            people.gave.push(value);
            people.gave.sort_unstable();
        }
        (state.lamp.is, state.lamp.becomes) = (value, None);
    }

    /// A call was answered. When a look that a round asked for has seen the lamp, that run knows its present state.
    pub(crate) fn answered(&mut self, state: &mut State, who: Who, task: Task, call: u32) {
        let Job::Plan { run } = self.product.root(task).job else { return };
        if matches!(who, Who::Execution(_)) && *self.product.calls.get(call) == Call::Look {
            state.people.seen_for |= 1 << run;
        }
    }
}
