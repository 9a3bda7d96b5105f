//! The scalable target of a service: the bounds of its count, and which scaling is suspended.

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState};
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::ids::Value;
use serde_json::json;

use super::list::{Item, Reader};
use super::{Keys, TARGETS, left_alone};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Drift, Found, Resource, Switch, Which};

/// The target is written by another call just now. That it is gone is no code of AWS's.
pub(super) const CODES: Codes = Codes { not_now: &["ConcurrentUpdateException"], not_for_it: &[GONE], ..Codes::NONE };
const GONE: &str = "TargetIsGone";
/// The words for a kind of scaling that works, and for one that does not.
const RUNNING: &str = "running";
const SUSPENDED: &str = "suspended";

/// The state of a scalable target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    min: i32,
    max: i32,
    /// Suspended: scale-in, scale-out, scheduled scaling.
    suspended: [bool; 3],
}

impl State {
    fn of(target: &ScalableTarget) -> Self {
        let flag = |flag: fn(&SuspendedState) -> Option<bool>| target.suspended_state().and_then(flag).unwrap_or_default();
        Self {
            min: target.min_capacity(),
            max: target.max_capacity(),
            suspended: [
                flag(SuspendedState::dynamic_scaling_in_suspended),
                flag(SuspendedState::dynamic_scaling_out_suspended),
                flag(SuspendedState::scheduled_scaling_suspended),
            ],
        }
    }

    /// The same target, under which a count of 0 stays 0.
    fn off(self) -> Self {
        Self { min: 0, suspended: [true; 3], ..self }
    }

    fn value(self) -> Value {
        let [inward, outward, scheduled] = self.suspended.map(|is| if is { SUSPENDED } else { RUNNING });
        Value::new(format!("min {}, max {}, in {inward}, out {outward}, scheduled {scheduled}", self.min, self.max))
    }

    fn read(value: &Value) -> Option<Self> {
        let words: Vec<&str> = value.as_str().split(", ").collect();
        let [min, max, inward, outward, scheduled] = words.as_slice() else { return None };
        let number = |word: &str, name: &str| word.strip_prefix(name)?.parse().ok();
        let flag = |word: &str, name: &str| match word.strip_prefix(name)? {
            RUNNING => Some(false),
            SUSPENDED => Some(true),
            _ => None,
        };
        let suspended = [flag(inward, "in ")?, flag(outward, "out ")?, flag(scheduled, "scheduled ")?];
        Some(Self { min: number(min, "min ")?, max: number(max, "max ")?, suspended })
    }

    /// The target on its way back from `off`, where others made it `seen`: their changes stay, and the rest is as before.
    fn merged(self, seen: Self) -> Self {
        fn pick<T: PartialEq + Copy>(before: T, off: T, seen: T) -> T {
            if seen == off { before } else { seen }
        }
        let off = self.off();
        let max = pick(self.max, off.max, seen.max);
        let suspended = [0, 1, 2].map(|at| pick(self.suspended[at], off.suspended[at], seen.suspended[at]));
        Self { min: pick(self.min, off.min, seen.min).min(max), max, suspended }
    }
}

/// Application Auto Scaling's targets that are services, in one Region.
pub struct Scaling {
    reader: Reader,
    changes: aws_sdk_applicationautoscaling::Client,
    keys: Keys,
}

#[async_trait]
impl Switch for Scaling {
    const TARGET: Counted = Counted {
        facet: "service-scaling",
        noun: Noun { one: "scalable target", many: "scalable targets" },
        doing: ("suspending", "resuming"),
        limits: Some((TARGETS, TARGETS)),
        price: Priced::Free,
    };
    const RESOURCE: Resource = Resource {
        service: "application-autoscaling",
        arn: "scalable-target/*",
        // The other part is granted the calls that list the services.
        lists: &[],
        reads: &[],
        wide: &[],
        turns: &[],
    };
    const CODES: Codes = CODES;
    /// A person or a pipeline registered it anew.
    const DRIFT: Drift = Drift::Report;
    const PATIENCE: Patience = Patience { poll: 5, limit: 600, give_up: 3600 };
    const TAKES_TIME: bool = false;
    type Options = Keys;
    type Item = Item;

    fn new(context: &Context<'_>, keys: &Keys) -> Self {
        let changes = aws_sdk_applicationautoscaling::Client::new(&context.sdk_for_changes());
        Self { reader: Reader::new(context), changes, keys: *keys }
    }

    /// Services without a target have nothing that scales them.
    async fn list(&self, which: &Which<'_>) -> Result<Vec<Item>, ActionError> {
        let mut items = self.reader.list(which).await?;
        if matches!(which, Which::Tagged(_)) {
            // The other part says of a service why it is left alone.
            let is_left = |item: &Item| left_alone::reason(item, self.keys).or_else(|| left_alone::deploying(&item.service));
            items.retain(|item| is_left(item).is_none());
        }
        self.reader.add_targets(&mut items).await?;
        items.retain(|item| item.target.is_some());
        Ok(items)
    }

    fn found(&self, item: &Item) -> Found {
        let id = item.id();
        let state = item.target.as_ref().map_or(State { min: 0, max: 0, suspended: [false; 3] }, State::of);
        let label = format!("scaling of service {id}");
        item.common(Found {
            left_alone: left_alone::reason(item, self.keys).or_else(|| parked(item, state)),
            ..Found::new(id, label, Seen::Is(state.value()), state.off().value())
        })
    }

    /// Always all of it: a call that leaves out the minimum would have the count pulled up to it.
    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        let State { min, max, suspended: [inward, outward, scheduled] } =
            State::read(to).ok_or_else(|| Failure::refused(format!("`{to}` is no state of a scalable target")))?;
        // The call would register a target that was deregistered meanwhile.
        if self.reader.target(id).await?.is_none() {
            let message = format!("the scalable target {id} is there no more");
            return Err(Failure { code: Some(GONE.to_owned()), ..Failure::refused(message) });
        }
        let state = SuspendedState::builder().dynamic_scaling_in_suspended(inward).dynamic_scaling_out_suspended(outward);
        let call = self.changes.register_scalable_target().service_namespace(ServiceNamespace::Ecs);
        let call = call.scalable_dimension(ScalableDimension::EcsServiceDesiredCount).resource_id(format!("service/{id}"));
        let call = call.min_capacity(min).max_capacity(max).suspended_state(state.scheduled_scaling_suspended(scheduled).build());
        calling.make("application-autoscaling:RegisterScalableTarget", call.send()).await.map(drop)
    }

    async fn changed_by_others(&self, _: &str, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        Ok(State::read(before).zip(State::read(seen)).map(|(before, seen)| before.merged(seen).value()))
    }

    /// The tags that IAM knows are the target's own, and nobody sets those.
    fn grants_on(arns: &dyn Fn(&str, &str) -> Vec<String>) -> Vec<Grant> {
        vec![Grant {
            sid: "TurnServiceScaling".to_owned(),
            uses: &[Use::Apply, Use::Rollback],
            actions: &["application-autoscaling:RegisterScalableTarget"],
            resources: arns("application-autoscaling", "scalable-target/*"),
            condition: json!({"StringEquals": {
                "application-autoscaling:service-namespace": ["ecs"],
                "application-autoscaling:scalable-dimension": ["ecs:service:DesiredCount"],
            }}),
            wide: &[(
                "application-autoscaling:RegisterScalableTarget",
                "a scalable target does not carry the tags of its service: only services that do are asked for",
            )],
            ..Grant::default()
        }]
    }
}

/// Is it suspended, with a minimum of 0?
pub(super) fn is_off(target: &ScalableTarget) -> bool {
    let state = State::of(target);
    state == state.off()
}

/// Does the target's minimum explain this count? A target that is registered anew pulls a held count up to it.
pub(super) fn pulls_to(target: &ScalableTarget, count: &Value) -> bool {
    let State { min, .. } = State::of(target);
    min > 0 && count.as_str() == min.to_string()
}

/// That somebody parked the service at no tasks below its minimum: to write its target would start it, now or on the way back.
fn parked(item: &Item, state: State) -> Option<String> {
    let (wanted, ..) = item.tasks();
    (wanted == 0 && state.min > 0).then(|| {
        format!(
            "its service has no tasks, below its minimum of {}: Application Auto Scaling would start some once it is written",
            state.min
        )
    })
}

/// That a count stands outside the bounds of its target, where it does: it changes when the target is written.
pub(super) fn out_of_bounds(count: i32, target: &ScalableTarget) -> Option<String> {
    let State { min, max, .. } = State::of(target);
    if count < min {
        return Some(format!(
            "it has fewer tasks than its minimum of {min}, to which Application Auto Scaling raises it in the end"
        ));
    }
    (count > max)
        .then(|| format!("it has more tasks than its maximum of {max}, to which Application Auto Scaling lowers it at once"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(min: i32, max: i32, suspended: [bool; 3]) -> State {
        State { min, max, suspended }
    }

    #[test]
    fn state_is_written_down_and_read_back() {
        let one = state(2, 6, [false, false, true]);
        assert_eq!(one.value(), Value::new("min 2, max 6, in running, out running, scheduled suspended"));
        assert_eq!(State::read(&one.value()), Some(one));
        for none in ["", "none", "min 2, max 6", "min 2, max 6, in on, out running, scheduled running"] {
            assert_eq!(State::read(&Value::new(none)), None, "{none}");
        }
    }

    #[test]
    fn change_of_others_stays_and_ours_goes_back() {
        let before = state(2, 6, [false, false, true]);
        assert_eq!(before.merged(before.off()), before);
        let larger = State { max: 9, ..before.off() };
        assert_eq!(before.merged(larger), State { max: 9, ..before });
        let resumed = State { min: 1, suspended: [true, false, true], ..before.off() };
        assert_eq!(before.merged(resumed), State { min: 1, ..before });
        let smaller = State { max: 1, ..before.off() };
        assert_eq!(before.merged(smaller), State { min: 1, max: 1, ..before }, "a minimum above the maximum is refused");
    }
}
