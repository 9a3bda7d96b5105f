//! The scalable target of a service: the bounds of its count, and which scaling is suspended.

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::types::ScalableTarget;
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::ids::Value;

use super::list::{Item, Reader};
use super::{Keys, left_alone};
use crate::actions::scalable_target::{self, State, TARGETS};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::Grant;
use crate::switch::{Calling, Drift, Found, Reach, Resource, Switch, Which};

/// Application Auto Scaling's targets that are services, in one Region.
pub struct Scaling {
    reader: Reader,
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
    const CODES: Codes = scalable_target::CODES;
    /// A person or a pipeline registered it anew.
    const DRIFT: Drift = Drift::Report;
    const PATIENCE: Patience = Patience { poll: 5, limit: 600, give_up: 3600 };
    const TAKES_TIME: bool = false;
    type Options = Keys;
    type Item = Item;

    fn new(context: &Context<'_>, keys: &Keys) -> Self {
        Self { reader: Reader::new(context), keys: *keys }
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
        let state = item.target.as_ref().map(State::of).unwrap_or_default();
        let label = format!("scaling of service {id}");
        item.common(Found {
            left_alone: left_alone::reason(item, self.keys).or_else(|| parked(item, state)),
            ..Found::new(id, label, Seen::Is(state.value()), state.off().value())
        })
    }

    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        self.reader.targets.write(id, to, calling).await
    }

    async fn changed_by_others(&self, _: &str, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        Ok(scalable_target::merged(before, seen))
    }

    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        vec![scalable_target::SERVICES.grant("TurnServiceScaling", reach)]
    }
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
