//! Facets that others changed while they were held: the action may know better than to ask a person.

use std::collections::HashMap;

use super::{Job, Pass, waiting};
use crate::action::Seen;
use crate::engine::end::End;
use crate::engine::{Executor, ExecutorError, failed, looked};
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
            // In its turn: what comes before it in its unit may change it yet.
            Some(becomes) => match self.pass(job, &step.value, passes, end).await? {
                Pass::Open if becomes == *value => {
                    let why = format!("somebody made it {value} meanwhile, and it stays so");
                    Some(self.let_go(run, step, facet, Phase::RolledBack, looked(seen, Some(why)))?)
                }
                Pass::Open => {
                    let facet = Versioned { rev: held.rev, value: Facet { before: becomes.clone(), ..held.value.clone() } };
                    let step = Versioned { rev: step.rev, value: Step { before: Some(becomes), ..step.value.clone() } };
                    return Ok(Changed { intent: Some(self.claim(run, &step, Some(&facet), seen)?), settled: None });
                }
                // Written down at once: a step before it in its unit may have to change it.
                Pass::NotYet(_) if becomes != held.value.before && super::adopts(job, step) => {
                    let facet = Versioned { rev: held.rev, value: Facet { before: becomes.clone(), ..held.value.clone() } };
                    let step = Versioned { rev: step.rev, value: Step { before: Some(becomes), ..step.value.clone() } };
                    Some(Move { step, facet: Some(facet) })
                }
                Pass::NotYet(why) => waiting(step, why),
                Pass::Never(why) => Some(self.move_to(run, step, None, Phase::RollbackFailed, Some(why))?),
            },
        };
        Ok(Changed { settled, intent: None })
    }
}
