//! The contract kit: it calls a program as the guardrails would, and as they would when things go wrong, and says which points of the
//! contract hold. Without a target it only reads. With one it changes that target, and changes it back.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::answers::{Answer, ChangeAnswer, ObserveAnswer, Observed, Outcome, PlacesAnswer, PlanAnswer, PlannedFacet, read};
use super::{Call, Operation, quoted};
use crate::clock::Clock;
use crate::ids::RunId;

/// A facet that no program has.
const NO_TARGET: &str = "guardrails-contract-kit/no-such-target";
/// The most facets that are looked at.
const MOST_LOOKS: usize = 20;
/// Looks at a change that is under way.
const PATIENCE: usize = 30;

/// A program that is tried out.
#[async_trait]
pub trait Program: Send + Sync {
    /// The bytes of its answer, or why there is none.
    async fn call(&self, call: &Call) -> Result<Vec<u8>, String>;

    /// Waits between two looks at a change that is under way.
    async fn rest(&self);
}

/// A point of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Point {
    /// The point, in a sentence.
    pub point: &'static str,
    /// Whether it holds.
    pub holds: Holds,
    /// The observation instead, or the reason why it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Whether a point holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It was not tried.
    NotTried,
}

/// A try.
pub struct Kit<'a> {
    /// The program.
    pub program: &'a dyn Program,
    /// The clock, for deadlines.
    pub clock: &'a dyn Clock,
    /// A call with the tags, the input and the place that the program is told.
    pub like: Call,
    /// The run that it is told.
    pub run: RunId,
    /// The facet that is changed and changed back. Nothing is changed without one.
    pub target: Option<String>,
    /// The first fencing number: higher than any that the program has kept for the target.
    pub fencing: u64,
}

const PLACES: &str = "`places` keeps the schema";
const PLAN: &str = "`plan` keeps the schema";
const SAME: &str = "`plan` called twice names the same facets with the same values";
const OBSERVE: &str = "`observe` sees each facet as `plan` did";
const GONE: &str = "`observe` says that an unknown facet is gone";
const APPLY: &str = "`apply` is accepted, and `observe` sees the wanted value";
const TWICE: &str = "the same call twice has one effect";
const OLD: &str = "a call with a lower fencing number is superseded, and changes nothing";
const OVER: &str = "a call after its deadline is superseded, and changes nothing";
const BACK: &str = "`rollback` is accepted, and `observe` sees the value that was there before";
const LATE: &str = "the first `apply` that comes once more after the way back is superseded";
const END: &str = "at the end the facet has the value that it had before";

/// The points that need a target.
const CHANGES: [&str; 7] = [APPLY, TWICE, OLD, OVER, BACK, LATE, END];

impl Kit<'_> {
    /// Every point of the contract that can be tried, in order.
    pub async fn run(&self) -> Vec<Point> {
        let mut points = vec![judged(PLACES, self.ask::<PlacesAnswer>(&self.call(Operation::Places)).await.map(drop))];
        let plan = match self.ask::<PlanAnswer>(&self.call(Operation::Plan)).await {
            Ok(plan) => plan,
            Err(why) => {
                points.push(judged(PLAN, Err(why)));
                points.extend([SAME, OBSERVE, GONE].into_iter().chain(CHANGES).map(|point| untried(point, "there is no plan")));
                return points;
            }
        };
        points.push(judged(PLAN, Ok(())));
        points.push(judged(SAME, self.same(&plan).await));
        points.push(judged(OBSERVE, self.agrees(&plan).await));
        points.push(judged(GONE, self.unknown().await));
        let target = self.target.as_ref();
        match target.map(|target| plan.facets.iter().find(|facet| facet.facet == *target).ok_or(target)) {
            None => points.extend(CHANGES.map(|point| untried(point, "name a target that may be changed and changed back"))),
            Some(Err(target)) => {
                let why = format!("`plan` does not name {}", quoted(target));
                points.extend(CHANGES.map(|point| untried(point, &why)));
            }
            Some(Ok(facet)) if facet.present == facet.wanted || facet.skip.is_some() || facet.refused.is_some() => {
                points.extend(CHANGES.map(|point| untried(point, "`plan` says that there is nothing to change")));
            }
            Some(Ok(facet)) if facet.terminates => {
                points.extend(CHANGES.map(|point| untried(point, "`plan` says that the change ends something for good")));
            }
            Some(Ok(facet)) => points.extend(self.changes(facet).await),
        }
        points
    }

    fn call(&self, operation: Operation) -> Call {
        Call { operation, deadline: self.clock.now() + SignedDuration::from_secs(60), ..self.like.clone() }
    }

    fn change(&self, operation: Operation, facet: &PlannedFacet, to: &str, fencing: u64) -> Call {
        Call { to: Some(to.to_owned()), fencing: Some(fencing), ..self.about(operation, &facet.facet) }
    }

    fn about(&self, operation: Operation, facet: &str) -> Call {
        Call { run: Some(self.run.clone()), facet: Some(facet.to_owned()), ..self.call(operation) }
    }

    async fn ask<A: Answer>(&self, call: &Call) -> Result<A, String> {
        let said = self.program.call(call).await.map_err(|why| format!("{} failed: {}", call.words(), quoted(&why)))?;
        read(call, &said).map_err(|breach| breach.0)
    }

    async fn same(&self, first: &PlanAnswer) -> Result<(), String> {
        let again = self.ask::<PlanAnswer>(&self.call(Operation::Plan)).await?;
        let facts = |plan: &PlanAnswer| -> BTreeSet<(String, String, String)> {
            plan.facets.iter().map(|one| (one.facet.clone(), one.present.clone(), one.wanted.clone())).collect()
        };
        let (first, again) = (facts(first), facts(&again));
        let differs = first.symmetric_difference(&again).next();
        differs.map_or(Ok(()), |(facet, ..)| Err(format!("{} differs", quoted(facet))))
    }

    async fn agrees(&self, plan: &PlanAnswer) -> Result<(), String> {
        for facet in plan.facets.iter().take(MOST_LOOKS) {
            let seen = self.observe(&facet.facet).await?;
            if seen != Observed::Is(facet.present.clone()) {
                return Err(format!(
                    "{}: `plan` says {}, and `observe` says {}",
                    quoted(&facet.facet),
                    quoted(&facet.present),
                    words(&seen)
                ));
            }
        }
        Ok(())
    }

    async fn unknown(&self) -> Result<(), String> {
        match self.observe(NO_TARGET).await? {
            Observed::Gone(_) => Ok(()),
            seen => Err(format!("`observe` says {}", words(&seen))),
        }
    }

    async fn observe(&self, facet: &str) -> Result<Observed, String> {
        self.ask::<ObserveAnswer>(&self.about(Operation::Observe, facet)).await.map(ObserveAnswer::observed)
    }

    /// The points about changes. The way back is tried in any case.
    async fn changes(&self, facet: &PlannedFacet) -> Vec<Point> {
        let (before, wanted) = (facet.present.as_str(), facet.wanted.as_str());
        let number = self.fencing.max(1) + 1;
        // Each call has its deadline from its own beginning: what comes before it may take a while.
        let apply = || self.change(Operation::Apply, facet, wanted, number);
        let back = |number| self.change(Operation::Rollback, facet, before, number);
        let mut points = vec![judged(APPLY, self.makes(&apply(), wanted).await)];
        points.push(judged(TWICE, self.makes(&apply(), wanted).await));
        points.push(judged(OLD, self.refuses(&back(number - 1), wanted).await));
        let over = Call { deadline: Timestamp::UNIX_EPOCH, ..back(number + 1) };
        points.push(judged(OVER, self.refuses(&over, wanted).await));
        points.push(judged(BACK, self.makes(&back(number + 2), before).await));
        points.push(judged(LATE, self.refuses(&apply(), before).await));
        points.push(judged(END, self.restore(&facet.facet, before, || back(number + 3)).await));
        points
    }

    /// Sees to it that the facet has its value again, also after a broken point.
    async fn restore(&self, facet: &str, before: &str, back: impl Fn() -> Call) -> Result<(), String> {
        if self.observe(facet).await == Ok(Observed::Is(before.to_owned())) {
            return Ok(());
        }
        let back = self.makes(&back(), before).await;
        back.map_err(|why| format!("LEFT CHANGED: it was {} before: {why}", quoted(before)))
    }

    /// The call is accepted, and its value is seen.
    async fn makes(&self, call: &Call, value: &str) -> Result<(), String> {
        let answer = self.ask::<ChangeAnswer>(call).await?;
        if answer.outcome != Outcome::Accepted {
            return Err(format!("it answers {:?}: {}", answer.outcome, quoted(&answer.reason.unwrap_or_default())));
        }
        let facet = call.facet.as_deref().unwrap_or_default();
        let mut seen = self.observe(facet).await?;
        for _ in 0..PATIENCE {
            match &seen {
                Observed::Is(is) if is == value => return Ok(()),
                Observed::Gone(_) => break,
                Observed::Is(_) | Observed::Moving(_) => self.program.rest().await,
            }
            seen = self.observe(facet).await?;
        }
        Err(format!("it was accepted, and `observe` says {}", words(&seen)))
    }

    /// The call is refused as too old, and the value stays.
    async fn refuses(&self, call: &Call, stays: &str) -> Result<(), String> {
        let answer = self.ask::<ChangeAnswer>(call).await?;
        let seen = self.observe(call.facet.as_deref().unwrap_or_default()).await?;
        if seen != Observed::Is(stays.to_owned()) {
            return Err(format!("`observe` says {} after it", words(&seen)));
        }
        if answer.outcome == Outcome::Superseded {
            return Ok(());
        }
        Err(format!("it answers {:?}", answer.outcome))
    }
}

fn words(seen: &Observed) -> String {
    match seen {
        Observed::Is(value) => quoted(value),
        Observed::Moving(value) => format!("that it is becoming {}", quoted(value)),
        Observed::Gone(why) => format!("that it is gone: {}", quoted(why)),
    }
}

fn judged(point: &'static str, result: Result<(), String>) -> Point {
    match result {
        Ok(()) => Point { point, holds: Holds::Yes, why: None },
        Err(why) => Point { point, holds: Holds::No, why: Some(why) },
    }
}

fn untried(point: &'static str, why: &str) -> Point {
    Point { point, holds: Holds::NotTried, why: Some(why.to_owned()) }
}
