//! Turns the setting of resources of one kind, in one Region: one part of an action.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use guardrails_model::action::{
    Action, ActionError, Allowance, Change, ChangeOutcome, DriftPolicy, Known, Patience, Planned, Seen, Unit,
};
use guardrails_model::clock::Clock;
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::pace::{Limit, Pacer};
use guardrails_model::record::Direction;
use jiff::{SignedDuration, Timestamp};

use super::params::Scope;
use super::parts::Part;
use super::{Calling, Drift, Found, Member, Switch, Which};
use crate::context::Context;
use crate::ec2::groups::{read, written};
use crate::error::Failure;

/// The tag by which CloudFormation marks the resources of a stack.
const STACK_TAG: &str = "aws:cloudformation:stack-name";
/// So much earlier than it said may a service turn something back by itself.
const EARLY: SignedDuration = SignedDuration::from_mins(15);
/// The codes by which AWS says that a policy does not allow a call.
const DENIED: &[&str] = &["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"];

/// The part at work.
pub(super) struct Acting<S: Switch> {
    scope: Scope,
    switch: S,
    region: String,
    stack: Option<String>,
    clock: Arc<dyn Clock>,
    pacer: Arc<Pacer>,
}

impl<S: Switch> Acting<S> {
    pub(super) fn new(scope: &Scope, options: &S::Options, context: &Context<'_>) -> Self {
        Self {
            scope: scope.clone(),
            switch: S::new(context, options),
            region: context.region(),
            stack: context.stack.clone(),
            clock: Arc::clone(&context.clock),
            pacer: Arc::clone(&context.pacer),
        }
    }
}

#[async_trait]
impl<S: Switch> Part for Acting<S> {
    fn kind(&self) -> &'static str {
        S::TARGET.facet
    }

    fn takes_along(&self) -> bool {
        S::TAKES_ALONG
    }

    fn back(&self) -> Option<u8> {
        S::BACK
    }

    fn planning(&self, begins: bool) {
        self.switch.planning(begins);
    }

    async fn left_alone(&self, units: &BTreeSet<String>) -> Result<BTreeMap<String, String>, ActionError> {
        let mut alone = BTreeMap::new();
        for (id, (item, found)) in self.closely(units).await? {
            alone.extend(
                self.reason_against(&item, &found).await?.map(|why| (id, format!("{} is left alone: {why}", found.label))),
            );
        }
        Ok(alone)
    }

    async fn waits(&self, turned: &[FacetId], direction: Direction) -> Result<Option<String>, ActionError> {
        if !S::ASKS_READY {
            return Ok(None);
        }
        let ids: BTreeSet<String> = turned.iter().map(id_of).collect();
        let items = self.named(&ids).await?;
        for facet in turned {
            let known = items.get(&id_of(facet)).filter(|(_, found)| another::<S>(facet, found).is_none());
            let Some((item, _)) = known else { continue };
            if let Some(why) = self.switch.ready(item, direction).await? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl<S: Switch> Action for Acting<S> {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let mut planned = Vec::new();
        let mut items = self.switch.list(&Which::Tagged(&self.scope.tag)).await?;
        // A service's filter may match more than was written, or a resource that carried the tags once.
        items.retain(|item| self.untagged(&self.switch.found(item)).is_none());
        for item in self.switch.closer(items).await? {
            let found = self.switch.found(&item);
            let skip = self.reason_against(&item, &found).await?.or_else(|| found.busy.clone().filter(|_| !S::PLANS_BUSY));
            let spared = self.exempt(&found).is_some();
            let facet = FacetId::new(S::TARGET.facet, &self.region, &switch_of(&found))
                .map_err(|error| ActionError::Refused(error.to_string()))?;
            let (Seen::Is(present)
            | Seen::FellBack(present, _)
            | Seen::Moving(present)
            | Seen::Behind(present, _)
            | Seen::NoRoom(present, _)) = found.seen
            else {
                continue;
            };
            let Found { kind, note, identity, known_by, turns_back, .. } = found;
            let unit = found.unit.map(|name| Unit { name, forward: 0, back: 0 });
            let plan = Planned::new(facet, found.label, present, found.off);
            planned.push(Planned { skip, kind, note, identity, known_by, turns_back, unit, spared, ..plan });
        }
        Ok(planned)
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.see(facets, &HashMap::new()).await
    }

    async fn observe_for(&self, facets: &[FacetId], known: &Known) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.see(facets, &known.known_by).await
    }

    /// Somebody may have exempted a resource, or made it one that is left alone, since the plan.
    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let ids: BTreeSet<String> = changes.iter().map(|change| id_of(&change.facet)).collect();
        let items = match self.closely(&ids).await {
            Ok(items) => items,
            Err(error) => return vec![error.into(); changes.len()],
        };
        let mut answers = Vec::new();
        for change in changes {
            let id = id_of(&change.facet);
            let against = match items.get(&id) {
                Some((item, found)) => self.answer_against(change, item, found).await,
                None => Ok(Some(ChangeOutcome::Skipped(format!("the {} {id} is there no more", S::TARGET.noun.one)))),
            };
            answers.push(match against {
                Ok(None) => self.turn(change, Direction::Apply).await,
                Ok(Some(answer)) => answer,
                Err(error) => error.into(),
            });
        }
        self.tell_lost_tags(changes, &mut answers, "`guardrails rearm`").await;
        answers
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let mut answers = Vec::new();
        for change in changes {
            answers.push(self.turn(change, Direction::Rollback).await);
        }
        self.tell_lost_tags(changes, &mut answers, "roll back again").await;
        answers
    }

    fn batch(&self) -> usize {
        S::BATCH
    }

    fn patience(&self) -> Patience {
        S::PATIENCE
    }

    fn takes_time(&self, _: &FacetId) -> bool {
        S::TAKES_TIME
    }

    fn drift_policy(&self, _: &FacetId) -> DriftPolicy {
        if S::DRIFT == Drift::Report { DriftPolicy::Report } else { DriftPolicy::Reapply }
    }

    fn drifted(&self, facet: &FacetId, since: Timestamp, turns_back: Option<Timestamp>) -> DriftPolicy {
        let seconds = match S::DRIFT {
            Drift::ReapplyAfter(seconds) => seconds,
            // A step that the run left alone has no such time.
            Drift::ReportHeld if since > Timestamp::MIN => return DriftPolicy::Report,
            Drift::Report | Drift::ReportHeld | Drift::Reapply => return self.drift_policy(facet),
        };
        let by_itself = turns_back.unwrap_or(since + SignedDuration::from_secs(seconds)) - EARLY;
        if self.clock.now() < by_itself { DriftPolicy::Report } else { self.drift_policy(facet) }
    }

    async fn changed_by_others(&self, facet: &FacetId, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        self.switch.changed_by_others(&id_of(facet), before, seen).await
    }

    fn allowance(&self, direction: Direction, changes: usize) -> Allowance {
        limit::<S>(direction).map_or(Allowance { changes, again: 0 }, |limit| self.pacer.allowance(limit, limit, changes))
    }
}

impl<S: Switch> Acting<S> {
    /// The present state of each facet. `known_by` has the facts that the plan wrote down.
    async fn see(&self, facets: &[FacetId], known_by: &HashMap<FacetId, String>) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let ids: BTreeSet<String> = facets.iter().map(id_of).collect();
        let items = self.named(&ids).await?;
        let mut seen = HashMap::new();
        for facet in facets {
            let id = id_of(facet);
            let is = match items.get(&id) {
                Some((item, found)) => self.see_one(facet, item, found, known_by.get(facet)).await?,
                None => Seen::Gone(format!("the {} {id} is there no more", S::TARGET.noun.one)),
            };
            seen.insert(facet.clone(), is);
        }
        Ok(seen)
    }

    async fn see_one(
        &self,
        facet: &FacetId,
        item: &S::Item,
        found: &Found,
        known_by: Option<&String>,
    ) -> Result<Seen, ActionError> {
        if let Some(why) = another::<S>(facet, found).or_else(|| found.ending.clone()) {
            return Ok(Seen::Gone(why));
        }
        if let Some(known_by) = known_by
            && let Some(seen) = self.switch.not_the_same(item, known_by).await?
        {
            return Ok(seen);
        }
        Ok(found.broken.as_ref().map_or_else(|| found.seen.clone(), |why| Seen::OutOfReach(why.clone())))
    }

    /// The resources with these ids, those that there are.
    async fn named(&self, ids: &BTreeSet<String>) -> Result<BTreeMap<String, (S::Item, Found)>, ActionError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        Ok(self.by_id(ids, self.switch.list(&Which::Ids(ids)).await?))
    }

    /// The same, with all that a check before a change needs.
    async fn closely(&self, ids: &BTreeSet<String>) -> Result<BTreeMap<String, (S::Item, Found)>, ActionError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let items = self.switch.list(&Which::Ids(ids)).await?;
        Ok(self.by_id(ids, self.switch.closer(items).await?))
    }

    fn by_id(&self, ids: &BTreeSet<String>, items: Vec<S::Item>) -> BTreeMap<String, (S::Item, Found)> {
        let items = items.into_iter().map(|item| {
            let found = self.switch.found(&item);
            (found.id.clone(), (item, found))
        });
        items.filter(|(id, _)| ids.contains(id)).collect()
    }

    /// Why the resource is exempt, if it is. It is so too when something is exempt that would be changed with it.
    fn exempt(&self, found: &Found) -> Option<String> {
        let of_member = |member: &Member| {
            let why = self.scope.exempt.reason(&member.id, &member.tags)?;
            Some(format!("its member {}: {why}", member.id))
        };
        let own = self.scope.exempt.reason(&found.id, &found.tags);
        own.or_else(|| found.members.iter().find_map(of_member))
    }

    /// Why the resource is left alone, if it is. Reasons that cost no call come first.
    async fn reason_against(&self, item: &S::Item, found: &Found) -> Result<Option<String>, ActionError> {
        let is_own = self.stack.is_some() && found.tags.get(STACK_TAG) == self.stack.as_ref();
        let own = || is_own.then(|| "the guardrails themselves stand on it".to_owned());
        let reason = self.exempt(found).or_else(own).or_else(|| found.ending.clone());
        match reason.or_else(|| found.broken.clone()).or_else(|| found.left_alone.clone()) {
            Some(why) => Ok(Some(why)),
            None => self.switch.against(item).await,
        }
    }

    /// The answer to a change that is not to be made now, if it is not.
    async fn answer_against(&self, change: &Change, item: &S::Item, found: &Found) -> Result<Option<ChangeOutcome>, ActionError> {
        let seen = self.see_one(&change.facet, item, found, change.known_by.as_ref()).await?;
        let reason = match seen {
            Seen::Gone(why) | Seen::OutOfReach(why) => Some(why),
            _ => self.reason_against(item, found).await?,
        };
        Ok(match (reason, &found.busy) {
            // The others would be held for nothing: people have to know.
            (Some(why), _) if S::NEEDS_ALL && !change.others.is_empty() => Some(ChangeOutcome::Refused(why)),
            (Some(why), _) => Some(ChangeOutcome::Skipped(why)),
            // It is asked for again, each time in a longer while.
            (None, Some(why)) => Some(ChangeOutcome::NoCapacity(why.clone())),
            (None, None) => None,
        })
    }

    async fn turn(&self, change: &Change, direction: Direction) -> ChangeOutcome {
        let limit = limit::<S>(direction);
        if let Some(limit) = limit {
            self.pacer.spend(limit, 1);
        }
        let set = self.switch.set(&id_of(&change.facet), &change.to, &Calling { change }).await;
        let Err(failure) = set else { return ChangeOutcome::Accepted };
        if let Some(limit) = limit.filter(|_| failure.is_throttling()) {
            self.pacer.empty(limit);
        }
        let failure = failure.judged(&S::CODES);
        if S::CODES.is_not_now(&failure) {
            match self.present(change).await.map(|found| found.seen) {
                // An earlier call turned it, whose answer was lost.
                Some(Seen::Is(value)) if value == change.to => return ChangeOutcome::Accepted,
                // It is on its way to nothing, and the service refuses all the same: it is asked less and less often.
                Some(Seen::Is(_)) => return ChangeOutcome::NoCapacity(failure.message),
                _ => {}
            }
        }
        if S::TAGS_LAG && self.is_early(change, &failure).await {
            let later = "its tags may be too new for IAM to know them";
            return ChangeOutcome::NoCapacity(format!("{}: {later}, so it is asked for again", failure.message));
        }
        // On the way back nothing is left alone: it stays held, and people are told. So it is where others would be held for nothing.
        let for_nothing = S::NEEDS_ALL && !change.others.is_empty();
        if direction == Direction::Apply && S::CODES.is_for_another(&failure) && !for_nothing {
            return ChangeOutcome::Skipped(failure.message);
        }
        Failure::answer(failure)
    }

    /// Is the call denied though the resource carries the tags? No policy denies it in so many words.
    async fn is_early(&self, change: &Change, failure: &Failure) -> bool {
        let is_denied = failure.code.as_deref().is_some_and(|code| DENIED.contains(&code));
        if !is_denied || failure.message.contains("explicit deny") {
            return false;
        }
        self.present(change).await.is_some_and(|found| self.untagged(&found).is_none())
    }

    /// The resource as it is after a refusal, if that can be seen.
    async fn present(&self, change: &Change) -> Option<Found> {
        let items = self.named(&BTreeSet::from([id_of(&change.facet)])).await.ok()?;
        items.into_values().map(|(_, found)| found).find(|found| another::<S>(&change.facet, found).is_none())
    }

    /// The tags of the stage that the resource does not carry. Its function is granted nothing without them.
    fn untagged(&self, found: &Found) -> Option<String> {
        self.scope.tag.missing(|key| found.tags.get(key).map(String::as_str))
    }

    /// Says of a refused change that the resource has lost its tags, where it has. AWS says only that it is not allowed: its words come last.
    async fn tell_lost_tags(&self, changes: &[Change], answers: &mut [ChangeOutcome], again: &str) {
        let refused = || changes.iter().enumerate().map(|(index, change)| (index, id_of(&change.facet)));
        let ids: BTreeSet<String> =
            refused().filter(|(index, _)| matches!(answers[*index], ChangeOutcome::Refused(_))).map(|(_, id)| id).collect();
        // AWS's own words stand, also when it does not say more.
        let Ok(items) = self.named(&ids).await else { return };
        for (index, id) in refused() {
            let missing = items.get(&id).and_then(|(_, found)| self.untagged(found));
            if let (ChangeOutcome::Refused(why), Some(missing)) = (&mut answers[index], missing) {
                let one = S::TARGET.noun.one;
                *why = format!("the {one} {id} does not carry {missing} any more: give it back, and {again}. AWS says: {why}");
            }
        }
    }
}

fn limit<S: Switch>(direction: Direction) -> Option<Limit> {
    let (forward, back) = S::TARGET.limits?;
    Some(if direction == Direction::Apply { forward } else { back })
}

/// The last part of a resource's facet: its id, and its identity where its id may be given again.
fn switch_of(found: &Found) -> String {
    let identity = found.identity.iter().map(|identity| written(identity));
    [written(&found.id)].into_iter().chain(identity).collect::<Vec<_>>().join("/")
}

fn id_of(facet: &FacetId) -> String {
    let switch = facet.parts().2;
    read(switch.split_once('/').map_or(switch, |(id, _)| id))
}

/// That the resource under the facet's name is not the facet's, if it is another.
fn another<S: Switch>(facet: &FacetId, found: &Found) -> Option<String> {
    let identity = facet.parts().2.split_once('/').map(|(_, identity)| read(identity));
    let is_another = identity.is_some() && found.identity.is_some() && identity != found.identity;
    let one = S::TARGET.noun.one;
    is_another.then(|| format!("the {one} {} was deleted, and another was made under its name", found.id))
}
