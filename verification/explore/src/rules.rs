//! The rules that must always hold, and those that hold when all is quiet.

use std::rc::Rc;

use guardrails_model::action::DriftPolicy;
use guardrails_model::direction::Direction;
use guardrails_model::phase::Phase;
use guardrails_model::record::{Run, RunState, Step};

use crate::explorer::Explorer;
use crate::lamp::{OFF, second};
use crate::product::Entry;
use crate::state::State;

impl Explorer {
    /// A call that takes effect: it stands under a lease of its own direction, of which there is only one, and Before is written.
    pub(crate) fn check_turn(&mut self, state: &State, way: Direction, to: &str) -> Result<(), String> {
        let Some(facet) = self.facet(state) else { return Err(format!("it is turned {to}, and Before is not written")) };
        if to != OFF && !state.people.gave.contains(&to) {
            return Err(format!("it is turned {to}, which it never was"));
        }
        match &facet.lease {
            None => return Err(format!("it is turned {to} without a lease")),
            Some(lease) if lease.direction != way => {
                return Err(format!("it is turned {to}, and the lease is for the other direction: two writers"));
            }
            Some(lease) if second(lease.ends()) <= state.now => {
                return Err(format!("it is turned {to}, and the lease has ended: nobody waits for it"));
            }
            Some(_) => {}
        }
        let changes = state.lamp.is != to || state.lamp.becomes.is_some_and(|value| value != to);
        if way == Direction::Apply && facet.holders.is_empty() {
            return Err(format!("it is turned {to}, and nobody holds it"));
        }
        if way == Direction::Apply
            && changes
            && let Some(persons) = state.people.told.filter(|persons| *persons == state.lamp.is)
        {
            return Err(format!("it is turned {to}, and a person had made it {persons}, which people are only to be told of"));
        }
        if way == Direction::Rollback && changes {
            // When nobody holds it any more, the call is one whose caller died: it repeats a change that was made, and its lease
            // shows to the next run that it may.
            if facet.holders.len() > 1 {
                return Err(format!("it is turned {to}, and {} hold it", facet.holders.len()));
            }
            if let Some(persons) = state.people.last.filter(|persons| *persons == state.lamp.is) {
                return Err(format!("it is turned {to}, and a person had made it {persons}: that is not ours to undo"));
            }
        }
        Ok(())
    }

    /// A write: the value before the first hold stays Before until the last one is given up.
    pub(crate) fn check_put(&mut self, state: &State, put: Entry) -> Result<(), String> {
        if put.key != self.facet_key {
            return Ok(());
        }
        let next = self.views.facet(&self.product, put.doc);
        match self.facet(state) {
            Some(present) if !present.holders.is_empty() && !next.holders.is_empty() && present.before != next.before => {
                Err(format!("Before is lost: it was {}, and while it is held {} is written", present.before, next.before))
            }
            _ => Ok(()),
        }
    }

    /// The rules of every state.
    pub(crate) fn check(&mut self, state: &State) -> Result<(), String> {
        let facet = self.facet(state);
        let holders = facet.as_ref().map(|facet| facet.holders.clone()).unwrap_or_default();
        if let Some(facet) = facet.filter(|facet| !facet.holders.is_empty())
            && !state.people.gave.contains(&facet.before.as_str())
        {
            return Err(format!("Before is lost: it says {}, which is only what we made it", facet.before));
        }
        for step in self.steps(state) {
            let holds = holders.contains_key(&step.holder());
            let must = match step.phase {
                Phase::Applying | Phase::Applied | Phase::RollingBack | Phase::RollbackFailed => true,
                Phase::Planned | Phase::Skipped | Phase::RolledBack | Phase::Abandoned => false,
                Phase::ApplyFailed => continue,
            };
            if holds != must {
                let word = if holds { "holds it" } else { "does not hold it" };
                return Err(format!("a step of {} is {}, and {word}", step.run, step.phase));
            }
        }
        Ok(())
    }

    /// The rules when nobody is at work, nothing is under way, and nothing is waited for.
    pub(crate) fn check_quiet(&mut self, state: &State) -> Result<(), String> {
        let runs: Vec<Rc<Run>> =
            (0..self.product.known.runs.len()).map(|run| self.run(state, crate::state::number(run))).collect();
        let refused = runs.iter().any(|run| run.state == RunState::RollbackFailed);
        for run in &runs {
            match run.state {
                // Taking it up is a move of its own.
                RunState::Opening | RunState::Applying | RunState::RollingBack => return Ok(()),
                RunState::Enforced | RunState::RolledBack => {}
                // A facet that a person changed.
                RunState::RollbackFailed if Self::is_peoples(state, runs.len()) => {}
                other => return Err(format!("{} ends as {}", run.id, other.words())),
            }
        }
        let facet = self.facet(state);
        let holders = facet.as_ref().map(|facet| facet.holders.clone()).unwrap_or_default();
        for run in &runs {
            let holds = holders.values().any(|holder| holder.run == run.id);
            if holds && run.state == RunState::RolledBack {
                return Err(format!("{} is put back, and holds it still", run.id));
            }
        }
        let is = state.lamp.is;
        let held = !holders.is_empty();
        if let Some(persons) = state.people.last.filter(|persons| *persons != is) {
            return Err(format!("it is {is}, and a person had made it {persons}"));
        }
        for (number, run) in runs.iter().enumerate() {
            let seen = state.people.seen_for & (1 << number) != 0 && self.scenario.drift == DriftPolicy::Reapply;
            if seen && run.state == RunState::Enforced && is != OFF {
                return Err(format!("a look of {} saw what it was, and it is {is}", run.id));
            }
        }
        if let Some(facet) = facet.filter(|facet| !held && !state.people.latest && facet.before.as_str() != is) {
            return Err(format!("nobody holds it, and it is {is}: before the first hold it was {}", facet.before));
        }
        if refused || state.people.last.is_some() {
            return Ok(());
        }
        let enforced = runs.iter().any(|run| run.state == RunState::Enforced);
        if enforced && is != OFF && !state.people.acted {
            return Err(format!("a run is enforced, and it is {is}"));
        }
        if !held && !state.people.gave.contains(&is) {
            return Err(format!("nobody holds it, and it is {is}: it was {:?}", state.people.gave));
        }
        Ok(())
    }

    /// Has a person made something of it that a rollback was right not to touch? A late call may have put Before back over it. Of
    /// two runs, the one that still holds it may have turned it off since.
    fn is_peoples(state: &State, runs: usize) -> bool {
        let (people, is) = (&state.people, state.lamp.is);
        people.acted && people.gave.contains(&is) && (people.latest || is != OFF || runs > 1)
    }

    pub(crate) fn steps(&mut self, state: &State) -> Vec<Rc<Step>> {
        let entries = state.books.iter().filter(|entry| self.step_keys.contains(&entry.key));
        entries.map(|entry| self.views.step(&self.product, entry.doc)).collect()
    }

    /// A run as it is in the books.
    pub(crate) fn run(&mut self, state: &State, run: u8) -> Rc<Run> {
        let key = self.run_keys[usize::from(run)];
        let entry = crate::moves::entry(state, key).expect("a run does not vanish");
        self.views.run(&self.product, entry.doc)
    }
}
