//! The order of a unit: whether a step's turn has come, and the members that are found then.

use std::collections::{BTreeSet, HashMap};

use super::{Job, Pass, is_open, next_look, order};
use crate::action::{Ready, ReadyCheck};
use crate::engine::consent::is_change;
use crate::engine::end::End;
use crate::engine::rescan::goes_along;
use crate::engine::{AFTER_CONFLICT, AFTER_THE_APPROVAL, Executor, ExecutorError, failed, sooner};
use crate::ids::{FacetId, Nonce};
use crate::ledger::Versioned;
use crate::phase::Phase;
use crate::record::{Direction, PartPlan, Run, Step};

impl Executor<'_> {
    /// May this step of a unit begin? All steps of one order of a unit get one answer.
    pub(super) async fn pass(
        &self,
        job: &Job<'_>,
        step: &Step,
        passes: &mut HashMap<String, Pass>,
        end: &mut End,
    ) -> Result<Pass, ExecutorError> {
        let Some(unit) = &step.unit else { return Ok(Pass::Open) };
        if let Some(known) = passes.get(&unit.name) {
            return Ok(known.clone());
        }
        let pass = self.ask_pass(job, &unit.name, unit.order(job.direction), end).await?;
        let others = if matches!(pass, Pass::NotYet(_)) { Pass::NotYet(None) } else { pass.clone() };
        passes.insert(unit.name.clone(), others);
        Ok(pass)
    }

    async fn ask_pass(&self, job: &Job<'_>, unit: &str, order_now: u8, end: &mut End) -> Result<Pass, ExecutorError> {
        let run = job.run;
        let force = run.rollback.as_ref().is_some_and(|request| request.force) && job.direction == Direction::Rollback;
        let of_unit = |step: &&Versioned<Step>| step.value.unit.as_ref().is_some_and(|of| of.name == unit);
        let all: Vec<&Step> = job.steps.iter().filter(of_unit).map(|step| &step.value).collect();
        let earlier: Vec<&Step> = all.iter().copied().filter(|step| order(step, job.direction) < order_now).collect();
        if earlier.is_empty() {
            return Ok(Pass::Open);
        }
        // Force does not wait for a step that has failed before. It waits for every other step as long as that may take: others
        // of the unit may be on their way, and a step too early does them harm.
        let is_waived = |step: &Step| force && step.events.iter().any(|event| event.phase == Phase::RollbackFailed);
        if all.iter().any(|step| order(step, job.direction) == order_now && is_waived(step)) {
            return Ok(Pass::Open);
        }
        let done = |step: &&&Step| match job.direction {
            Direction::Apply => matches!(step.phase, Phase::Applied | Phase::Skipped),
            Direction::Rollback => step.phase.is_final() || step.lost || is_waived(step),
        };
        if earlier.iter().any(|step| !done(&step) && is_open(job.direction, run, step)) {
            // The wait has a time of its own for the next look, which may be far away.
            end.due.get_or_insert(job.action.patience().poll);
            return Ok(Pass::NotYet(None));
        }
        if let Some(undone) = earlier.iter().find(|step| !done(step) && !force) {
            let reason = undone.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            return Ok(Pass::Never(format!("first comes {}, which is {}{reason}", undone.label, undone.phase)));
        }
        let since = earlier.iter().map(|step| step.since).max().unwrap_or_default().max(run.asked_at());
        let waited = (self.clock.now() - since).get_seconds();
        let steps = all.iter().map(|step| (step.facet.clone(), step.phase)).collect();
        let held = all.iter().filter(|step| !force && !step.phase.is_final());
        let befores = held.filter_map(|step| Some((step.facet.clone(), step.before.clone()?))).collect();
        let gate = ReadyCheck { direction: job.direction, unit: unit.to_owned(), order: order_now, waited, steps, befores };
        let ready = job.action.ready(&gate).await.map_err(|source| failed(run, job.part, "getting a unit ready", source))?;
        let (again, why) = match ready {
            Ready::Go(members) => {
                let known: BTreeSet<&FacetId> = all.iter().map(|step| &step.facet).collect();
                let found: Vec<_> = members.into_iter().filter(|member| !known.contains(&member.facet)).collect();
                if !found.is_empty() && self.add(run, job.part, found).await? {
                    sooner(&mut end.due, AFTER_CONFLICT);
                }
                return Ok(Pass::Open);
            }
            Ready::NotYet(why) => (next_look(job.action, waited), why),
            Ready::In(seconds, why) => (seconds.max(1), why),
        };
        if waited < job.action.patience().limit {
            sooner(&mut end.due, again);
            return Ok(Pass::NotYet(Some(format!("waits: {why}"))));
        }
        Ok(if force { Pass::Open } else { Pass::Never(format!("after {waited} s still: {why}")) })
    }

    /// Facets that came to a unit after the plan become steps of the run. Says whether there is any.
    async fn add(&self, run: &Run, part: usize, found: Vec<crate::action::Planned>) -> Result<bool, ExecutorError> {
        let Some(PartPlan::Written(written)) = run.parts.get(part).map(|part| &part.plan) else { return Ok(false) };
        // One that has a step already, by itself or in another unit, came here after the plan. Two steps of one part would share
        // a hold, and the first to let go would take it from the other.
        let planned = self.ledger.steps_under(&run.id, part, &written.token).await?;
        let planned: HashMap<&FacetId, &Step> = planned.iter().map(|step| (&step.value.facet, &step.value)).collect();
        let step = |facet: &FacetId| planned.get(facet).copied();
        let found = found.into_iter().filter(|found| !planned.contains_key(&found.facet) && goes_along(found, step));
        let mut found: Vec<_> = found.collect();
        if run.approval.is_some() && run.rescanning.is_some() {
            for late in &mut found {
                late.skip.get_or_insert_with(|| AFTER_THE_APPROVAL.to_owned());
            }
        }
        let steps = found.into_iter().map(|found| Step { late: true, ..self.step(run, part, &written.token, found, None) });
        let mut steps: Vec<Step> = steps.collect();
        if run.approval.is_some() {
            // Nobody knew of it when the list was approved. Once the others are done, a person is asked about it.
            let mark = Nonce::fresh();
            steps.iter_mut().filter(|step| is_change(step)).for_each(|step| step.awaits = Some(mark.clone()));
        }
        self.ledger.add_steps(&steps).await?;
        Ok(!steps.is_empty())
    }
}
