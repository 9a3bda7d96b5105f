//! All parts of an action at work in one Region: each facet goes to the part of its kind.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use guardrails_model::action::{
    Action, ActionError, Allowance, Change, ChangeOutcome, DriftPolicy, Known, Patience, Planned, Ready, ReadyCheck, Seen, Unit,
};
use guardrails_model::ids::{FacetId, Place, Value};
use guardrails_model::phase::Phase;
use guardrails_model::record::Direction;
use jiff::Timestamp;

use super::parts::Part;
use crate::context::Context;
use crate::ec2::regions::Regions;

/// The action at work.
pub(super) struct Together {
    parts: Vec<Box<dyn Part>>,
    regions: Regions,
    ec2: aws_sdk_ec2::Client,
}

impl Together {
    pub(super) fn new(parts: Vec<Box<dyn Part>>, regions: Regions, context: &Context<'_>) -> Self {
        Self { parts, regions, ec2: aws_sdk_ec2::Client::new(&context.sdk) }
    }
}

#[async_trait]
impl Action for Together {
    async fn places(&self) -> Result<Vec<Place>, ActionError> {
        self.regions.places(&self.ec2).await
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        self.parts.iter().for_each(|part| part.planning(true));
        let planned = self.plan_parts().await;
        self.parts.iter().for_each(|part| part.planning(false));
        planned
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.see(facets, None).await
    }

    async fn observe_for(&self, facets: &[FacetId], known: &Known) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.see(facets, Some(known)).await
    }

    /// Every part of an earlier order has its values by now. Its resources may need longer.
    async fn ready(&self, gate: &ReadyCheck) -> Result<Ready, ActionError> {
        for (index, part) in self.parts.iter().enumerate() {
            if self.order(gate.direction, index) >= gate.order {
                continue;
            }
            let turned = |phase: Phase| matches!(phase, Phase::Applied | Phase::RolledBack);
            let own = gate.steps.iter().filter(|(facet, phase)| is_of(part.as_ref(), facet) && turned(*phase));
            let own: Vec<FacetId> = own.map(|(facet, _)| facet.clone()).collect();
            if let Some(why) = part.waits(&own, gate.direction).await? {
                return Ok(Ready::NotYet(why));
            }
        }
        Ok(Ready::Go(Vec::new()))
    }

    /// Somebody may have exempted a resource since the plan: the other parts of its unit are left alone too.
    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let alone = match self.left_alone(changes).await {
            Ok(alone) => alone,
            Err(error) => return vec![error.into(); changes.len()],
        };
        let free: Vec<Change> = changes.iter().filter(|change| !alone.contains_key(&change.facet)).cloned().collect();
        let mut answers = self.turn(&free, Direction::Apply).await.into_iter();
        let mut answer = |change: &Change| match alone.get(&change.facet) {
            Some(why) => ChangeOutcome::Skipped(why.clone()),
            None => answers.next().unwrap_or_else(no_answer),
        };
        changes.iter().map(&mut answer).collect()
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.turn(changes, Direction::Rollback).await
    }

    fn batch(&self) -> usize {
        self.parts.iter().map(|part| part.batch()).min().unwrap_or(1)
    }

    /// The most patient part's: nothing that another part does is called failed too early.
    fn patience(&self) -> Patience {
        let all = || self.parts.iter().map(|part| part.patience());
        let most = |of: fn(Patience) -> i64| all().map(of).max().unwrap_or_default();
        Patience {
            poll: most(|patience| patience.poll),
            limit: most(|patience| patience.limit),
            give_up: most(|patience| patience.give_up),
        }
    }

    fn takes_time(&self, facet: &FacetId) -> bool {
        self.part(facet).is_some_and(|part| part.takes_time(facet))
    }

    fn drift_policy(&self, facet: &FacetId) -> DriftPolicy {
        self.part(facet).map_or(DriftPolicy::Report, |part| part.drift_policy(facet))
    }

    fn drifted(&self, facet: &FacetId, since: Timestamp, turns_back: Option<Timestamp>) -> DriftPolicy {
        self.part(facet).map_or(DriftPolicy::Report, |part| part.drifted(facet, since, turns_back))
    }

    async fn changed_by_others(&self, facet: &FacetId, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        match self.part(facet) {
            Some(part) => part.changed_by_others(facet, before, seen).await,
            None => Ok(None),
        }
    }

    /// It is not known yet of which parts the changes are: the part with the least room decides.
    fn allowance(&self, direction: Direction, changes: usize) -> Allowance {
        let all = self.parts.iter().map(|part| part.allowance(direction, changes));
        all.min_by_key(|room| (room.changes, -room.again)).unwrap_or(Allowance { changes, again: 0 })
    }
}

impl Together {
    async fn plan_parts(&self) -> Result<Vec<Planned>, ActionError> {
        let mut planned = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let (forward, back) = (self.order(Direction::Apply, index), self.order(Direction::Rollback, index));
            let in_order = |one: Planned| Planned { unit: one.unit.map(|unit| Unit { forward, back, ..unit }), ..one };
            planned.extend(part.plan().await?.into_iter().map(in_order));
        }
        self.take_along(&mut planned);
        Ok(planned)
    }

    async fn see(&self, facets: &[FacetId], known: Option<&Known>) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let mut seen = HashMap::new();
        for part in &self.parts {
            let own: Vec<FacetId> = facets.iter().filter(|facet| is_of(part.as_ref(), facet)).cloned().collect();
            match known {
                _ if own.is_empty() => {}
                Some(known) => seen.extend(part.observe_for(&own, known).await?),
                None => seen.extend(part.observe(&own).await?),
            }
        }
        Ok(seen)
    }

    /// The place of a part among those of a unit.
    fn order(&self, direction: Direction, index: usize) -> u8 {
        let place = |order: usize| u8::try_from(order).unwrap_or(u8::MAX);
        match direction {
            Direction::Apply => place(index),
            Direction::Rollback => self.parts[index].back().unwrap_or_else(|| place(self.parts.len() - 1 - index)),
        }
    }

    fn part(&self, facet: &FacetId) -> Option<&dyn Part> {
        self.parts.iter().map(AsRef::as_ref).find(|part| is_of(*part, facet))
    }

    /// Leaves alone the rest of each unit of which a part is left alone that says so.
    fn take_along(&self, planned: &mut [Planned]) {
        let takes = |one: &&Planned| one.skip.is_some() && self.part(&one.facet).is_some_and(Part::takes_along);
        let leaders = planned.iter().filter(takes).filter_map(|one| Some((one.unit.as_ref()?.name.clone(), one.clone())));
        let leaders: BTreeMap<String, Planned> = leaders.collect();
        for one in planned.iter_mut().filter(|one| one.skip.is_none()) {
            let leader = one.unit.as_ref().and_then(|unit| leaders.get(&unit.name));
            if let Some((leader, why)) = leader.and_then(|leader| Some((leader, leader.skip.as_ref()?))) {
                one.skip = Some(format!("{} is left alone: {why}", leader.label));
                (one.spared, one.unplanned) = (leader.spared, leader.unplanned);
            }
        }
    }

    /// Changes of units of which another part is left alone now, each with the reason.
    async fn left_alone(&self, changes: &[Change]) -> Result<HashMap<FacetId, String>, ActionError> {
        let mut alone = HashMap::new();
        for part in self.parts.iter().filter(|part| part.takes_along()) {
            let others = changes.iter().filter(|change| !is_of(part.as_ref(), &change.facet));
            let others: Vec<(&FacetId, &String)> =
                others.filter_map(|change| Some((&change.facet, change.unit.as_ref()?))).collect();
            if others.is_empty() {
                continue;
            }
            let reasons = part.left_alone(&others.iter().map(|(_, unit)| (*unit).clone()).collect()).await?;
            alone.extend(others.into_iter().filter_map(|(facet, unit)| Some((facet.clone(), reasons.get(unit)?.clone()))));
        }
        Ok(alone)
    }

    /// Gives each part its changes. One answer for each.
    async fn turn(&self, changes: &[Change], direction: Direction) -> Vec<ChangeOutcome> {
        let mut answers = HashMap::new();
        for part in &self.parts {
            let own: Vec<Change> = changes.iter().filter(|change| is_of(part.as_ref(), &change.facet)).cloned().collect();
            if own.is_empty() {
                continue;
            }
            let said = match direction {
                Direction::Apply => part.apply(&own).await,
                Direction::Rollback => part.rollback(&own).await,
            };
            answers.extend(own.into_iter().map(|change| change.facet).zip(said));
        }
        changes.iter().map(|change| answers.remove(&change.facet).unwrap_or_else(no_answer)).collect()
    }
}

fn is_of(part: &dyn Part, facet: &FacetId) -> bool {
    part.kind() == facet.parts().0
}

fn no_answer() -> ChangeOutcome {
    ChangeOutcome::Unknown("no answer".to_owned())
}
