//! Facets that others changed while they were held: the action may know better than to ask a person.

use std::collections::HashMap;

use super::{Job, Pass, waiting};
use crate::action::{DriftPolicy, Seen};
use crate::engine::end::End;
use crate::engine::{Executor, ExecutorError, failed, looked, value};
use crate::ids::Value;
use crate::ledger::{Move, Versioned};
use crate::phase::Phase;
use crate::record::{Facet, Step};

/// The moves of a facet that others changed while it was held.
#[derive(Default)]
pub(super) struct Changed {
    /// It is settled, or waits.
    pub(super) settled: Option<Move>,
    /// It is changed, to a Before that is written with it.
    pub(super) intent: Option<Move>,
}

impl Executor<'_> {
    /// Others changed the facet while it was held. The action may know its value on the way back: that is its Before from now on.
    pub(super) async fn changed(
        &self,
        job: &Job<'_>,
        step: &Versioned<Step>,
        facet: Option<&Versioned<Facet>>,
        (seen, value, why): (&Seen, &Value, String),
        passes: &mut HashMap<String, Pass>,
        end: &mut End,
    ) -> Result<Changed, ExecutorError> {
        let run = job.run;
        let Some(held) = facet else { return Ok(Changed::default()) };
        let becomes = job.action.changed_by_others(&step.value.facet, &held.value.before, value).await;
        let becomes = becomes.map_err(|source| failed(run, job.part, "asking for the value on the way back", source))?;
        let settled = match becomes {
            None => Some(self.move_to(run, step, None, Phase::RollbackFailed, looked(seen, Some(why)))?),
            // In its turn: earlier steps of its unit may change it yet.
            Some(becomes) => match self.pass(job, &step.value, passes, end).await? {
                Pass::Open if becomes == *value => {
                    let why = format!("somebody made it {value} meanwhile, and it stays so");
                    Some(self.let_go(run, step, facet, Phase::RolledBack, looked(seen, Some(why)))?)
                }
                Pass::NotYet(why) if becomes == held.value.before || !adopts(job, step) => waiting(step, why),
                Pass::Never(why) => Some(self.move_to(run, step, None, Phase::RollbackFailed, Some(why))?),
                // Written down before its turn too: a step before it in its unit may have to change it.
                turn @ (Pass::Open | Pass::NotYet(_)) => {
                    let facet = with_before(held, becomes.clone());
                    let step = Versioned { rev: step.rev, value: Step { before: Some(becomes), ..step.value.clone() } };
                    if let Pass::Open = turn {
                        return Ok(Changed { intent: Some(self.claim(run, &step, Some(&facet), seen)?), settled: None });
                    }
                    Some(Move { step, facet: Some(facet) })
                }
            },
        };
        Ok(Changed { settled, intent: None })
    }
}

/// Is the value that others give this facet its Before? It may have to change once more before its turn on the way back comes.
pub(super) fn adopts(job: &Job<'_>, step: &Versioned<Step>) -> bool {
    job.action.drift_policy(&step.value.facet) == DriftPolicy::Adopt
}

/// The held facet with the value that others gave it as its Before, where the action adopts it.
pub(super) fn adopted(job: &Job<'_>, held: &Versioned<Facet>, seen: &Seen) -> Option<Versioned<Facet>> {
    let facet = &held.value;
    let is_due = !facet.holders.is_empty() && job.action.drift_policy(&facet.facet) == DriftPolicy::Adopt;
    let before = value(seen).filter(|value| is_due && *value != facet.before)?;
    Some(with_before(held, before))
}

fn with_before(held: &Versioned<Facet>, before: Value) -> Versioned<Facet> {
    Versioned { rev: held.rev, value: Facet { before, ..held.value.clone() } }
}
