//! Steps that a person has not said yes to. They stand in the plan, and are inert: the others are carried out, and only these are
//! asked about. A mark names those that one plan or review left for the question. All steps of a mark are written before the run knows
//! of it, so a yes to a mark is never one to a step that came later.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Executor, ExecutorError, failed};
use crate::action::{Action, Planned};
use crate::ids::{FacetId, Nonce, RunId, Value};
use crate::ledger::{LedgerError, Move, Versioned};
use crate::phase::Phase;
use crate::record::{Approval, ApprovalDecision, Direction, PartPlan, Run, RunState, Step, Written};

/// Why a step is left alone that was asked about and is found no more.
const OUT_OF_SCOPE: &str = "it is not in scope any more";
/// Why a step is left alone that belongs to another unit by now.
const ELSEWHERE: &str = "it belongs to another group since it was asked about";

impl Executor<'_> {
    /// Marks the steps of a new plan that are not on the approved list. The mark, if any are.
    pub(super) async fn hold_back(
        &self,
        run: &Run,
        part: usize,
        mark: &Nonce,
        steps: &mut [Step],
    ) -> Result<Option<Nonce>, LedgerError> {
        let approval = run.approval.as_ref().filter(|approval| !run.is_meanwhile(part) && approval.approved.is_some());
        let Some(approved) = approval.and_then(|approval| approval.approved.as_ref()) else { return Ok(None) };
        let known = self.ledger.listed(&run.id, approved).await?;
        Ok(mark_unknown(&known, mark, steps).then(|| mark.clone()))
    }

    /// Looks again at a part whose plan counts, before people are asked about the rest of it, and after they answered. A step that
    /// was refused is left alone, and so is one that is not to be changed any more. A target that came since is to be asked about.
    /// Changes nothing in the account. Answers with the plan as it is now.
    ///
    /// # Errors
    /// When the action cannot or must not plan, or the ledger cannot be read or written.
    pub async fn review(&self, run: &Run, part: usize, action: &dyn Action) -> Result<PartPlan, ExecutorError> {
        let plan = run.parts.get(part).map_or(PartPlan::Missing, |part| part.plan.clone());
        let PartPlan::Written(written) = &plan else { return Ok(plan) };
        let is_asked = run.approval.as_ref().is_some_and(|approval| approval.approved.is_some());
        let between = matches!(run.state, RunState::Opening | RunState::Waiting) && run.direction == Direction::Apply;
        if !is_asked || !between || run.is_meanwhile(part) {
            return Ok(plan);
        }
        let found = action.plan().await.map_err(|source| failed(run, part, "planning again", source))?;
        let steps = self.ledger.steps_under(&run.id, part, &written.token).await?;
        let by_facet: HashMap<&FacetId, &Planned> = found.iter().map(|found| (&found.facet, found)).collect();
        let mut moves = Vec::new();
        for step in steps.iter().filter(|step| step.value.awaits.is_some()) {
            let found = by_facet.get(&step.value.facet).copied();
            match step.value.phase {
                Phase::Planned => moves.extend(self.not_to_change(run, step, found)?),
                Phase::Skipped if is_reopened(run, &step.value) && found.is_some_and(is_wanted) => {
                    moves.push(self.move_to(run, &reopened(step), None, Phase::Planned, None)?);
                }
                _ => {}
            }
        }
        self.save_all(moves).await?;
        let known = steps.into_iter().map(|step| (step.value.facet.clone(), step)).collect();
        let mark = Nonce::fresh();
        // A run that goes back by now gets no new steps.
        if let Some(run) = self.between(&run.id).await? {
            self.add_what_came(run, part, written, &known, found, action, Some(&mark)).await?;
        }
        let asks = self.mark_rest(run, part, written, &mark).await?;
        Ok(PartPlan::Written(Written { asks, ..written.clone() }))
    }

    /// A step that waits for an answer, where no answer is needed any more.
    fn not_to_change(&self, run: &Run, step: &Versioned<Step>, found: Option<&Planned>) -> Result<Option<Move>, LedgerError> {
        let unit = |unit: Option<&crate::action::Unit>| unit.map(|unit| unit.name.clone());
        let (phase, why) = match found {
            _ if run.refuses(&step.value) => {
                let mut refused = step.clone();
                // A later look does not take it up either.
                refused.value.let_go = true;
                let no = run.approval.as_ref().and_then(|approval| approval.decisions.iter().rev().find(|said| !said.approved));
                let why = no.map_or_else(|| "rejected".to_owned(), ApprovalDecision::words);
                return self.move_to(run, &refused, None, Phase::Skipped, Some(why)).map(Some);
            }
            None => (Phase::Skipped, OUT_OF_SCOPE.to_owned()),
            Some(found) if unit(found.unit.as_ref()) != unit(step.value.unit.as_ref()) => (Phase::Skipped, ELSEWHERE.to_owned()),
            Some(Planned { skip: Some(why), .. }) => (Phase::Skipped, why.clone()),
            Some(Planned { refused: Some(why), .. }) => (Phase::ApplyFailed, why.clone()),
            Some(_) => return Ok(None),
        };
        self.move_to(run, step, None, phase, Some(why)).map(Some)
    }

    /// Gives all steps that are to be asked about one mark. The mark, if there are any.
    async fn mark_rest(&self, run: &Run, part: usize, written: &Written, mark: &Nonce) -> Result<Option<Nonce>, ExecutorError> {
        let steps = self.ledger.steps_under(&run.id, part, &written.token).await?;
        let to_ask: Vec<&Versioned<Step>> = steps.iter().filter(|step| run.is_to_ask(&step.value)).collect();
        let is_known = |step: &&Versioned<Step>| written.asks.is_some() && step.value.awaits == written.asks;
        if to_ask.iter().all(is_known) {
            // A mark that the run knows gets no more steps: the question stays the same.
            return Ok(written.asks.clone().filter(|_| !to_ask.is_empty()));
        }
        let others = to_ask.into_iter().filter(|step| step.value.awaits.as_ref() != Some(mark));
        let marked = others.map(|step| {
            let value = Step { awaits: Some(mark.clone()), ..step.value.clone() };
            Move { step: Versioned { rev: step.rev, value }, facet: None }
        });
        self.save_all(marked.collect()).await?;
        Ok(Some(mark.clone()))
    }

    /// Writes moves. A step that another writer changed meanwhile is looked at the next time.
    async fn save_all(&self, moves: Vec<Move>) -> Result<(), LedgerError> {
        for outcome in self.ledger.save_moves(moves).await? {
            match outcome {
                Ok(_) | Err(LedgerError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The run, while it goes forward and plans.
    pub(super) async fn between(&self, run: &RunId) -> Result<Option<Versioned<Run>>, LedgerError> {
        let current = self.ledger.run(run).await?;
        let plans = |run: &Run| matches!(run.state, RunState::Opening | RunState::Waiting) && run.direction == Direction::Apply;
        Ok(current.filter(|run| plans(&run.value)))
    }
}

/// Marks changes that are not known, and those of their units that come after them: within a unit nothing is begun before its turn.
/// Says whether there are any.
fn mark_unknown(known: &BTreeSet<(FacetId, Value)>, mark: &Nonce, steps: &mut [Step]) -> bool {
    let mut first: BTreeMap<String, u8> = BTreeMap::new();
    let mut any = false;
    for step in steps.iter_mut().filter(|step| is_change(step)) {
        if known.contains(&(step.facet.clone(), step.wanted.clone())) {
            continue;
        }
        (step.awaits, any) = (Some(mark.clone()), true);
        if let Some(unit) = &step.unit {
            first.entry(unit.name.clone()).and_modify(|order| *order = unit.forward.min(*order)).or_insert(unit.forward);
        }
    }
    let follows = |step: &Step| {
        let first = step.unit.as_ref().and_then(|unit| Some((first.get(&unit.name)?, unit.forward)));
        first.is_some_and(|(first, own)| own > *first)
    };
    for step in steps.iter_mut().filter(|step| is_change(step) && follows(step)) {
        step.awaits = Some(mark.clone());
    }
    any
}

/// Was it refused, and does a person want to be asked about it once more?
fn is_reopened(run: &Run, step: &Step) -> bool {
    let is_marked = |approval: &Approval| step.awaits.as_ref().is_some_and(|mark| approval.reopened.contains(mark));
    run.approval.as_ref().is_some_and(is_marked)
}

fn reopened(step: &Versioned<Step>) -> Versioned<Step> {
    Versioned { rev: step.rev, value: Step { let_go: false, ..step.value.clone() } }
}

/// Is it to be changed, by the plan made now?
fn is_wanted(found: &Planned) -> bool {
    found.skip.is_none() && found.refused.is_none() && found.present != found.wanted
}

/// Would it change anything, and is it not begun?
pub(super) fn is_change(step: &Step) -> bool {
    step.phase == Phase::Planned && step.present != step.wanted
}
