//! The scalable target of a service: the bounds of its count, and which scaling is suspended.

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace};
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::ids::Value;
use serde_json::json;

use super::list::{Item, Reader};
use super::{Keys, left_alone};
use crate::actions::scalable_target::{self, State, TARGETS};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Drift, Found, Resource, Switch, Which};

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
    const CODES: Codes = scalable_target::CODES;
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
        let state = item.target.as_ref().map(State::of).unwrap_or_default();
        let label = format!("scaling of service {id}");
        item.common(Found {
            left_alone: left_alone::reason(item, self.keys).or_else(|| parked(item, state)),
            ..Found::new(id, label, Seen::Is(state.value()), state.off().value())
        })
    }

    /// Always all of it: a call that leaves out the minimum would have the count pulled up to it.
    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        let state = State::wanted(to)?;
        // The call would register a target that was deregistered meanwhile.
        if self.reader.target(id).await?.is_none() {
            return Err(scalable_target::gone(id));
        }
        let call = self.changes.register_scalable_target().service_namespace(ServiceNamespace::Ecs);
        let call = call.scalable_dimension(ScalableDimension::EcsServiceDesiredCount).resource_id(format!("service/{id}"));
        let call = call.min_capacity(state.min).max_capacity(state.max).suspended_state(state.flags());
        calling.make("application-autoscaling:RegisterScalableTarget", call.send()).await.map(drop)
    }

    async fn changed_by_others(&self, _: &str, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        Ok(scalable_target::merged(before, seen))
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
