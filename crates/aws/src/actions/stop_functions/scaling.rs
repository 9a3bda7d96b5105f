//! The scalable targets of provisioned concurrency: the bounds of its number, and which scaling is suspended.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::types::ScalableTarget;
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::ids::Value;

use super::list::{Own, Reader, split};
use super::{BATCH, DRIFT, Keys, provisioned};
use crate::actions::scalable_target::{self, State, TARGETS};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::Grant;
use crate::switch::{Calling, Drift, Found, Reach, Resource, Switch, Which};

/// Application Auto Scaling's targets that are aliases or versions of functions, in one Region.
pub struct Scaling {
    reader: Reader,
}

/// A target, with the tags of its function.
pub struct Item {
    id: String,
    state: State,
    tags: Own,
    /// Its provisioned concurrency, if it has some.
    provisioned: Option<i32>,
}

#[async_trait]
impl Switch for Scaling {
    const TARGET: Counted = Counted {
        facet: "function-scaling",
        noun: Noun { one: "scalable target", many: "scalable targets" },
        doing: ("suspending", "resuming"),
        limits: Some((TARGETS, TARGETS)),
        price: Priced::Free,
    };
    const RESOURCE: Resource = Resource {
        service: "application-autoscaling",
        arn: "scalable-target/*",
        lists: &["application-autoscaling:DescribeScalableTargets"],
        reads: &[],
        wide: &[],
        turns: &[],
    };
    const CODES: Codes = scalable_target::CODES;
    const DRIFT: Drift = DRIFT;
    const PATIENCE: Patience = Patience { poll: 5, limit: 600, give_up: 3600 };
    const TAKES_TIME: bool = false;
    const BATCH: usize = BATCH;
    const BACK: Option<u8> = Some(3);
    type Options = Keys;
    type Item = Item;

    fn new(context: &Context<'_>, _: &Keys) -> Self {
        Self { reader: Reader::new(context) }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Item>, ActionError> {
        let targets: BTreeMap<String, ScalableTarget> = match which {
            Which::Tagged(tags) => {
                let functions: BTreeSet<String> = self.reader.tagged(tags).await?;
                let mut all = if functions.is_empty() { BTreeMap::new() } else { self.reader.targets.all().await? };
                all.retain(|id, _| functions.contains(split(id).0));
                all
            }
            Which::Ids(ids) => self.reader.targets.of(ids).await?,
        };
        let tags = self.reader.tags(targets.keys().map(|id| split(id).0)).await?;
        let mut items = Vec::new();
        for (id, target) in targets {
            // A target outlives its alias or version, and Application Auto Scaling does not take it any more then.
            let Some(config) = provisioned::one(&self.reader, &id).await? else { continue };
            let tags = tags.get(split(&id).0).cloned().unwrap_or_default();
            items.push(Item { id, state: State::of(&target), tags, provisioned: config.map(|config| config.requested) });
        }
        Ok(items)
    }

    fn found(&self, item: &Item) -> Found {
        let label = format!("scaling of function {}", item.id);
        Found {
            unit: Some(split(&item.id).0.to_owned()),
            tags: item.tags.clone(),
            left_alone: parked(item),
            note: out_of_bounds(item),
            ..Found::new(&item.id, label, Seen::Is(item.state.value()), item.state.off().value())
        }
    }

    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        self.reader.targets.write(id, to, calling).await
    }

    async fn changed_by_others(&self, _: &str, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        Ok(scalable_target::merged(before, seen))
    }

    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        vec![scalable_target::FUNCTIONS.grant("TurnFunctionScaling", reach)]
    }
}

/// That there is no provisioned concurrency, below the target's minimum: to write the target would provision some.
fn parked(item: &Item) -> Option<String> {
    (item.provisioned.is_none() && item.state.min > 0).then(|| {
        format!(
            "it has no provisioned concurrency, below its minimum of {}: Application Auto Scaling would provision some once it is \
             written",
            item.state.min
        )
    })
}

/// That the number stands outside the bounds of the target, where it does: it changes when the target is written.
fn out_of_bounds(item: &Item) -> Option<String> {
    let (number, State { min, max, .. }) = (item.provisioned?, item.state);
    if number < min {
        return Some(format!(
            "{number} are fewer than its minimum of {min}, to which Application Auto Scaling raises it in the end"
        ));
    }
    (number > max)
        .then(|| format!("{number} are more than its maximum of {max}, to which Application Auto Scaling lowers it at once"))
}
