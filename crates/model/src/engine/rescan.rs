//! Planning a part again while its run holds: resources that came into scope since become steps of the same run, and drift is
//! enforced again or said. Reads the account, and writes steps; the changes are made by the work that follows.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::consent::is_change;
use super::decide::{self, AgainNext};
use super::{AFTER_THE_APPROVAL, Executor, ExecutorError, failed};
use crate::action::{Action, Planned, Unit};
use crate::ids::{FacetId, Nonce, RunId};
use crate::ledger::{LedgerError, Move, Versioned};
use crate::phase::Phase;
use crate::record::{ChangedBy, Direction, PartPlan, Run, Step, StepEvent, Written};

impl Executor<'_> {
    /// Plans a part again, of a run whose plan counts. A run that goes back is left alone.
    ///
    /// # Errors
    /// When the action cannot or must not plan, or the ledger cannot be read or written.
    pub async fn rescan(&self, run: &RunId, part: usize, action: &dyn Action) -> Result<(), ExecutorError> {
        let Some(run) = self.look(run, part, None).await? else { return Ok(()) };
        let run = run.value;
        let Some(PartPlan::Written(written)) = run.parts.get(part).map(|part| part.plan.clone()) else { return Ok(()) };
        let found = action.plan().await.map_err(|source| failed(&run, part, "planning again", source))?;
        let steps = self.ledger.steps_under(&run.id, part, &written.token).await?;
        let steps: HashMap<FacetId, Versioned<Step>> = steps.into_iter().map(|step| (step.value.facet.clone(), step)).collect();
        // To plan may take its time. A run that goes back by now gets no new steps; nor does one whose look is over, since nobody
        // would carry them out before the next.
        let Some(run) = self.look(&run.id, part, Some(run.tries.apply)).await? else { return Ok(()) };
        let left = left(&run.value, part, &steps, &found);
        let is_left = |found: &Planned| {
            let is_piece = run.value.partial_rollbacks.iter().any(|piece| piece.takes_in(&run.value, part, &found.facet));
            is_piece || found.unit.as_ref().is_some_and(|unit| left.contains(&unit.name))
        };
        // Held facets are looked after all the same.
        let is_held = |found: &Planned| steps.get(&found.facet).is_some_and(|step| step.value.phase == Phase::Applied);
        let found: Vec<Planned> = found.into_iter().filter(|found| is_held(found) || !is_left(found)).collect();
        self.look_at_steps(&run.value, &steps, &found, action).await?;
        self.add_what_came(run, part, &written, &steps, found, action, None).await
    }

    /// The run, while it goes forward and its look is not over: any look, or the one of that try.
    async fn look(&self, run: &RunId, part: usize, of: Option<u32>) -> Result<Option<Versioned<Run>>, ExecutorError> {
        let current = self.current(Direction::Apply, run, part).await?;
        Ok(current.filter(|run| {
            let now = run.value.tries.apply;
            run.value.closed != Some(now) && of.is_none_or(|of| of == now)
        }))
    }

    /// Rescans the facets that are steps of the run already.
    async fn look_at_steps(
        &self,
        run: &Run,
        steps: &HashMap<FacetId, Versioned<Step>>,
        found: &[Planned],
        action: &dyn Action,
    ) -> Result<(), ExecutorError> {
        let known: Vec<(&Planned, &Versioned<Step>)> =
            found.iter().filter_map(|found| Some((found, steps.get(&found.facet)?))).collect();
        let ids: Vec<FacetId> = known.iter().map(|(found, _)| found.facet.clone()).collect();
        let facets = self.ledger.facets(&ids).await?;
        let mut moves: Vec<Move> = Vec::new();
        let judged = known.into_iter().map(|(found, step)| {
            let facet = facets.get(&found.facet).map(|facet| &facet.value);
            let policy = action.drifted(&found.facet, step.value.stands_since(self.clock.now()), step.value.turns_back);
            (found, step, decide::again(&step.value, facet, found, policy))
        });
        let judged: Vec<(&Planned, &Versioned<Step>, AgainNext)> = judged.collect();
        let waits = |step: &Step| step.phase == Phase::Applied && step.undone_by == Some(ChangedBy::NotYet);
        let undone = judged.iter().filter(|(_, step, next)| matches!(next, AgainNext::Enforce(_)) || waits(&step.value));
        let undone: Vec<FacetId> = undone.map(|(found, ..)| found.facet.clone()).collect();
        let mut by = if undone.is_empty() { HashMap::new() } else { action.changed_by(&undone).await };
        for (found, step, next) in judged {
            let by = by.remove(&found.facet);
            let (turns_back, again_as_wanted) = self.noted(found, &step.value);
            let is_news = by.is_some() && by != step.value.undone_by;
            let (phase, reason) = match next {
                AgainNext::Nothing | AgainNext::Say(None) if is_news && waits(&step.value) => (Phase::Applied, None),
                AgainNext::Say(None) if step.value.reason.is_none() => {
                    // It stands as it did. Only the time at which the service turns it back may be news, and is no event.
                    if turns_back != step.value.turns_back {
                        let value = Step { turns_back, ..step.value.clone() };
                        moves.push(Move { step: Versioned { rev: step.rev, value }, facet: None });
                    }
                    continue;
                }
                AgainNext::Nothing => continue,
                // A person said yes to a list, and this was not on it.
                AgainNext::Plan(_) if run.approval.is_some() => continue,
                AgainNext::Say(reason) if reason == step.value.reason => continue,
                AgainNext::Say(reason) => (Phase::Applied, reason),
                AgainNext::Enforce(reason) => (Phase::Applying, Some(reason)),
                AgainNext::Plan(reason) => (Phase::Planned, Some(reason)),
            };
            let present = if phase == Phase::Planned { found.present.clone() } else { step.value.present.clone() };
            // The actor of an earlier change says nothing of this one.
            let undone_by = by.or_else(|| step.value.undone_by.clone().filter(|_| phase == Phase::Applied));
            let step = Versioned {
                rev: step.rev,
                value: Step { present, undone_by, turns_back, again_as_wanted, ..step.value.clone() },
            };
            moves.push(self.move_to(run, &step, None, phase, reason)?);
        }
        // A step that somebody else wrote meanwhile is looked at the next time.
        for outcome in self.ledger.save_moves(moves).await? {
            match outcome {
                Ok(_) | Err(LedgerError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// When the service turns the facet back by itself, and when it was seen as wanted again, after this look.
    fn noted(&self, found: &Planned, step: &Step) -> (Option<Timestamp>, Option<Timestamp>) {
        if found.present != step.wanted {
            return (None, step.again_as_wanted);
        }
        let again = step.is_told_undone().then(|| self.clock.now());
        (found.turns_back.or(step.turns_back), again.or(step.again_as_wanted))
    }

    /// Resources that came into scope and are to be changed become late steps, each with the whole of its unit, whose order it
    /// needs. A look leaves steps alone that nobody approved. A review leaves them for the question, under its `mark`.
    #[allow(clippy::too_many_arguments, reason = "all of it is what a look has at hand")]
    pub(super) async fn add_what_came(
        &self,
        run: Versioned<Run>,
        part: usize,
        written: &Written,
        steps: &HashMap<FacetId, Versioned<Step>>,
        found: Vec<Planned>,
        action: &dyn Action,
        mark: Option<&Nonce>,
    ) -> Result<(), ExecutorError> {
        let is_wanted = |found: &&Planned| {
            found.skip.is_none() && found.present != found.wanted && action.drift_policy(&found.facet).reapplies()
        };
        // One that is a step already, and was left alone until now or not reached, needs the others of its unit as much.
        let is_due = |found: &&Planned| {
            steps.get(&found.facet).is_none_or(|step| {
                let is_begun = !matches!(step.value.phase, Phase::Skipped | Phase::Planned | Phase::ApplyFailed);
                !is_begun && name(step.value.unit.as_ref()) == name(found.unit.as_ref())
            })
        };
        let due = found.iter().filter(is_wanted).filter(is_due);
        let units: BTreeSet<String> = due.filter_map(|found| name(found.unit.as_ref())).collect();
        let new: Vec<Planned> = found.into_iter().filter(|found| !steps.contains_key(&found.facet)).collect();
        let belongs = |found: &Planned| match &found.unit {
            Some(unit) => units.contains(&unit.name),
            None => is_wanted(&found),
        };
        let step = |facet: &FacetId| steps.get(facet).map(|step| &step.value);
        let mut new: Vec<Planned> = new.into_iter().filter(belongs).filter(|found| goes_along(found, step)).collect();
        let left = run.value.approval.is_some() && mark.is_none();
        if left {
            for found in &mut new {
                found.skip.get_or_insert_with(|| AFTER_THE_APPROVAL.to_owned());
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let Some(run) = self.mark_late(run, part, mark.is_some()).await? else { return Ok(()) };
        let ids: Vec<FacetId> = new.iter().map(|found| found.facet.clone()).collect();
        let facets = self.ledger.facets(&ids).await?;
        let late = new.into_iter().map(|found| {
            let facet = facets.get(&found.facet);
            let holder = format!("{}#{part}", run.id);
            let refused = facet.and_then(|facet| decide::opposite_desire(&facet.value, &holder, &found.wanted));
            let mut step = Step { late: true, ..self.step(&run, part, &written.token, found, refused) };
            step.awaits = mark.filter(|_| is_change(&step)).cloned();
            if left && step.phase == Phase::Skipped {
                // This look found it, and people are told.
                step.attempt = run.try_number();
                if let Some(found) = step.events.first().cloned() {
                    step.events = StepEvent { after: Some(step.present.clone()), ..found }.into();
                }
            }
            step
        });
        let late: Vec<Step> = late.collect();
        Ok(self.ledger.add_steps(&late).await?)
    }

    /// Writes down that a part has late steps, before it has: a rollback passes over parts that have none. Nothing when the run
    /// goes back by now.
    async fn mark_late(&self, mut run: Versioned<Run>, part: usize, plans: bool) -> Result<Option<Run>, ExecutorError> {
        while !run.value.parts[part].late {
            run.value.parts[part].late = true;
            match self.ledger.save_run(run.clone(), None).await {
                Err(LedgerError::Conflict) => {}
                other => return Ok(Some(other?.value)),
            }
            let id = &run.value.id;
            let current = if plans { self.between(id).await? } else { self.current(Direction::Apply, id, part).await? };
            let Some(current) = current else { return Ok(None) };
            run = current;
        }
        Ok(Some(run.value))
    }
}

/// The units to which nothing is added: a person put back or settled some of it, or all that would come there.
fn left(run: &Run, part: usize, steps: &HashMap<FacetId, Versioned<Step>>, found: &[Planned]) -> BTreeSet<String> {
    let is_over = |step: &&Step| {
        let phases = [Phase::RollingBack, Phase::RolledBack, Phase::RollbackFailed, Phase::Abandoned];
        step.let_go || phases.contains(&step.phase)
    };
    let known = steps.values().map(|step| &step.value).filter(is_over).filter_map(|step| name(step.unit.as_ref()));
    let is_piece = |found: &&Planned| run.partial_rollbacks.iter().any(|piece| piece.takes_in(run, part, &found.facet));
    let covered = found.iter().filter(is_piece).filter_map(|found| name(found.unit.as_ref()));
    known.chain(covered).collect()
}

/// Is the step for whose sake it was found in its unit, or not a step yet?
pub(super) fn goes_along<'a>(found: &Planned, step: impl Fn(&FacetId) -> Option<&'a Step>) -> bool {
    let with = found.with.as_ref().and_then(step);
    with.is_none_or(|step| name(step.unit.as_ref()) == name(found.unit.as_ref()))
}

fn name(unit: Option<&Unit>) -> Option<String> {
    unit.map(|unit| unit.name.clone())
}
