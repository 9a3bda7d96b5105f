//! From a run that was begun to one whose plan counts: the places where its actions work, and their plans there.

use super::{RunError, Runs};
use crate::ids::{Place, RunId};
use crate::ledger::step_digest;
use crate::record::{Direction, Part, PartPlan, Run, Step};
use crate::wire::heard;

/// Where a part's action works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Places {
    /// Side by side in these; everywhere at once when there are none.
    Found(Vec<Place>),
    /// The action could not say, for this reason.
    Unknown(String),
}

impl Runs<'_> {
    /// Gives each part that works in several places a part for each of them. Asked again, it finds that done.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn spread(&self, id: &RunId, found: &[(usize, Places)]) -> Result<Run, RunError> {
        let mut run = self.load(id).await?;
        if run.value.direction != Direction::Apply || !run.value.state.is_open() {
            return Ok(run.value);
        }
        let before = run.value.parts.clone();
        for (index, places) in found {
            // A plan that counts is never touched: its steps may hold facets.
            if *index >= run.value.parts.len() || run.value.is_settled(*index) {
                continue;
            }
            match (&run.value.parts[*index].plan, places) {
                (_, Places::Unknown(reason)) => run.value.parts[*index].plan = PartPlan::Failed { reason: heard(reason) },
                // It was spread before, and stays listed until it is planned again.
                (PartPlan::Written(_), Places::Found(_)) => {}
                (_, Places::Found(places)) => spread_part(&mut run.value, *index, places),
            }
        }
        if run.value.parts == before {
            return Ok(run.value);
        }
        Ok(self.ledger.save_run(run, None).await?.value)
    }

    /// Makes a plan count: the parts' plans are written into the run in one conditional write, after the steps were seen
    /// to be there. Steps of a run that has not opened are inert. A run that needs a person's approval waits for it with this plan,
    /// and plans again after it.
    ///
    /// # Errors
    /// [`RunError::Torn`] when steps are missing.
    pub async fn open(&self, id: &RunId, plans: &[(usize, PartPlan)]) -> Result<Run, RunError> {
        let mut run = self.load(id).await?;
        if run.value.direction != Direction::Apply || !run.value.state.is_open() {
            return Ok(run.value);
        }
        let before = run.value.clone();
        for (part, plan) in plans {
            // A plan that counts already is never replaced: its steps may hold facets.
            if *part >= run.value.parts.len() {
                continue;
            }
            if run.value.is_settled(*part) {
                let asks = run.value.approval.as_ref().is_some_and(|approval| approval.approved.is_some());
                if run.value.rescanning.is_some() || asks {
                    let unseen = if let PartPlan::Failed { reason } = plan { Some(heard(reason)) } else { None };
                    run.value.parts[*part].unseen = unseen;
                }
                if let (PartPlan::Written(own), PartPlan::Written(reviewed)) = (&mut run.value.parts[*part].plan, plan)
                    && own.token == reviewed.token
                {
                    own.asks.clone_from(&reviewed.asks);
                }
                continue;
            }
            if let PartPlan::Written(written) = plan {
                let found = self.ledger.steps_under(id, *part, &written.token).await?;
                let found: Vec<Step> = found.into_iter().map(|step| step.value).collect();
                if found.len() != written.steps || step_digest(&found) != written.digest {
                    return Err(RunError::Torn { run: id.clone(), part: *part, planned: written.steps, found: found.len() });
                }
            }
            run.value.parts[*part].plan = match plan {
                PartPlan::Failed { reason } => PartPlan::Failed { reason: heard(reason) },
                other => other.clone(),
            };
        }
        self.gate(&mut run.value).await?;
        if run.value == before {
            return Ok(before);
        }
        Ok(self.ledger.save_run(run, None).await?.value)
    }
}

/// The part gets the first of the places, and new parts at the end get the others, so that indexes do not change.
fn spread_part(run: &mut Run, index: usize, places: &[Place]) {
    let part = &mut run.parts[index];
    part.plan = PartPlan::Missing;
    let (None, Some((first, others))) = (&part.place, places.split_first()) else { return };
    part.place = Some(first.clone());
    let part = part.clone();
    run.parts.extend(others.iter().map(|place| Part { place: Some(place.clone()), ..part.clone() }));
}
