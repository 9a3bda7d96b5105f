//! Controls: actions that are careless in one way each. The double shows the harm that the product avoids. None of them puts members in
//! Standby, which would avoid it too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Change, ChangeOutcome, Planned, Ready, ReadyCheck, Seen, Unit};
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::record::Direction;
use guardrails_testkit::{Wrapped, Wrapper};

use super::{beta, four};
use crate::story::Story;
use crate::world::Group;

/// Everything that a group has to be without before its members stop.
pub const EIGHT: [&str; 8] = [
    "HealthCheck",
    "ReplaceUnhealthy",
    "Terminate",
    "Launch",
    "AZRebalance",
    "AlarmNotification",
    "ScheduledActions",
    "InstanceRefresh",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// It says that it suspends, and does not.
    SuspendsNothing,
    /// It resumes the processes before the members start.
    ResumesFirst,
    /// It resumes them as soon as the members run.
    WaitsForNoCheck,
    /// It never calls a member healthy.
    CallsNobodyHealthy,
    /// It does all that versions without Standby did.
    SuspendsAlone,
}

/// The orders back of versions without Standby.
const BACK_BEFORE: [(&str, u8); 3] = [("HealthCheck", 1), ("ReplaceUnhealthy", 2), ("Terminate", 3)];

/// The place in its unit's order that a version without Standby wrote down.
fn unit_before(facet: &FacetId, unit: Unit) -> Unit {
    let process = facet.parts().2.split('/').next().unwrap_or_default();
    let back = BACK_BEFORE.iter().find(|(name, _)| *name == process).map_or(4, |(_, back)| *back);
    if is_process(facet) { Unit { back, ..unit } } else { Unit { forward: 1, back: 0, ..unit } }
}

struct BrokenAction {
    inner: Arc<dyn Action>,
    how: Broken,
}

fn is_process(facet: &FacetId) -> bool {
    facet.parts().0 == "group-process"
}

/// The facets that the action has beside the suspension.
fn is_standby(facet: &FacetId) -> bool {
    ["group-member", "group-minimum", "group-capacity"].contains(&facet.parts().0)
}

#[async_trait]
impl Wrapper for BrokenAction {
    fn inner(&self) -> &dyn Action {
        &*self.inner
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let mut planned = self.inner.plan().await?;
        planned.retain(|planned| !is_standby(&planned.facet));
        if self.how == Broken::SuspendsAlone {
            for planned in &mut planned {
                planned.unit = planned.unit.take().map(|unit| unit_before(&planned.facet, unit));
            }
        }
        if self.how == Broken::ResumesFirst {
            for planned in &mut planned {
                let back = u8::from(!is_process(&planned.facet));
                planned.unit = planned.unit.take().map(|unit| Unit { back, ..unit });
            }
        }
        Ok(planned)
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let mut seen = self.inner.observe(facets).await?;
        if self.how == Broken::SuspendsNothing {
            for (_, seen) in seen.iter_mut().filter(|(facet, _)| is_process(facet)) {
                *seen = Seen::Is(Value::new("suspended"));
            }
        }
        Ok(seen)
    }

    async fn ready(&self, gate: &ReadyCheck) -> Result<Ready, ActionError> {
        let waits = match self.how {
            Broken::SuspendsNothing => false,
            Broken::ResumesFirst | Broken::WaitsForNoCheck => gate.direction == Direction::Apply,
            Broken::CallsNobodyHealthy => gate.direction == Direction::Apply || gate.order == 13,
            Broken::SuspendsAlone => true,
        };
        if !waits {
            return Ok(Ready::Go(Vec::new()));
        }
        Ok(match self.inner.ready(gate).await? {
            Ready::Go(found) => Ready::Go(found.into_iter().filter(|found| !is_standby(&found.facet)).collect()),
            other => other,
        })
    }

    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        if self.how != Broken::SuspendsNothing {
            return self.inner.apply(changes).await;
        }
        // The way back makes the change that it is told, and asks nobody whether a group would mind.
        let mut answers = Vec::new();
        for change in changes {
            let done = if is_process(&change.facet) {
                vec![ChangeOutcome::Accepted]
            } else {
                self.inner.rollback(std::slice::from_ref(change)).await
            };
            answers.extend(done);
        }
        answers
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let mut changes = changes.to_vec();
        if self.how == Broken::CallsNobodyHealthy {
            for change in &mut changes {
                change.others.clear();
            }
        }
        self.inner.rollback(&changes).await
    }
}

/// A group of four, and the product as it was before it used Standby.
pub fn suspended_alone(group: Group) -> Story {
    upgraded(group, &Arc::default())
}

/// The same, until it is `upgraded`.
pub fn upgraded(group: Group, upgraded: &Arc<AtomicBool>) -> Story {
    let upgraded = Arc::clone(upgraded);
    let wrap = move |inner: Arc<dyn Action>| -> Arc<dyn Action> {
        let how = Broken::SuspendsAlone;
        if upgraded.load(Ordering::Relaxed) { inner } else { Arc::new(Wrapped(BrokenAction { inner, how })) }
    };
    Story::with(|account| beta(account, group), wrap)
}

/// The members that the group terminates when the product is so careless, and when it is not.
async fn terminated(how: Broken) -> [Vec<String>; 2] {
    let story = |careless: bool| {
        let wrap = move |inner| if careless { Arc::new(Wrapped(BrokenAction { inner, how })) as Arc<dyn Action> } else { inner };
        Story::with(
            |account| {
                beta(account, four().elb("tg-1"));
                account.initializing = 120;
            },
            wrap,
        )
    };
    let mut all = [Vec::new(), Vec::new()];
    for (careless, terminated) in [true, false].into_iter().zip(&mut all) {
        let story = story(careless);
        let run = story.stop_beta("beta 80%").await;
        story.hour().await;
        if how == Broken::CallsNobodyHealthy {
            story.world.account().scaling("fleet").members.get_mut("i-3").unwrap().healthy = false;
        }
        story.put_back(&run).await;
        story.hour().await;
        *terminated = story.terminated();
    }
    all
}

fn members(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

const ALL: &[&str] = &["i-1", "i-2", "i-3", "i-4"];

#[tokio::test]
async fn control_members_of_unsuspended_group_are_terminated() {
    assert_eq!(terminated(Broken::SuspendsNothing).await, [members(ALL), members(&[])]);
}

#[tokio::test]
async fn control_members_of_group_resumed_first_are_terminated() {
    assert_eq!(terminated(Broken::ResumesFirst).await, [members(ALL), members(&[])]);
}

#[tokio::test]
async fn control_group_resumed_before_members_serve_terminates_them() {
    assert_eq!(terminated(Broken::WaitsForNoCheck).await, [members(ALL), members(&[])]);
}

#[tokio::test]
async fn control_member_that_nobody_calls_healthy_is_terminated() {
    assert_eq!(terminated(Broken::CallsNobodyHealthy).await, [members(&["i-3"]), members(&[])]);
}
