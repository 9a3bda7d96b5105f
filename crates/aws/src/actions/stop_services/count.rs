//! How many tasks a service wants.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ecs::types::{CapacityProviderStrategyItem, LaunchType};
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::ids::Value;

use super::list::{Item, Reader};
use super::{Keys, SERVICE, UPDATES, left_alone, scaling, stays};
use crate::actions::scalable_target;
use crate::context::Context;
use crate::declared::{Counted, Priced};
use crate::error::Failure;
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Drift, Found, Reach, Resource, Switch, Which};

/// The beginning of ECS's words for a task that finds no room, and for a service that has all its tasks.
const NO_ROOM: &str = "was unable to place a task";
const STEADY: &str = "has reached a steady state";

/// Seconds without an event after which a service counts as stuck.
const STUCK: i64 = 120;

const EACH: &str = "only the description of a service has its tags";

/// The count of ECS's services, in one Region.
pub struct Count {
    reader: Reader,
    changes: aws_sdk_ecs::Client,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Switch for Count {
    const TARGET: Counted = Counted {
        facet: "task-count",
        noun: SERVICE,
        doing: ("stopping", "starting again"),
        limits: Some((UPDATES, UPDATES)),
        price: Priced::Unknown("the tasks of", "that would go to none"),
    };
    const RESOURCE: Resource = Resource {
        service: "ecs",
        arn: "service/*",
        lists: &["ecs:ListClusters", "ecs:ListServices", "application-autoscaling:DescribeScalableTargets"],
        reads: &["ecs:DescribeServices"],
        wide: &[("ecs:DescribeServices", EACH)],
        turns: &["ecs:UpdateService"],
    };
    /// A deployment or a person set it.
    const DRIFT: Drift = Drift::Report;
    /// Images of Windows are large, and ECS starts tasks that fail up to 27 minutes apart.
    const PATIENCE: Patience = Patience { poll: 10, limit: 3600, give_up: 6 * 3600 };
    /// Its scaling would stay suspended for nothing.
    const NEEDS_ALL: bool = true;
    type Options = Keys;
    type Item = Item;

    fn new(context: &Context<'_>, keys: &Keys) -> Self {
        let changes = aws_sdk_ecs::Client::new(&context.sdk_for_changes());
        Self { reader: Reader::new(context), changes, keys: *keys, clock: Arc::clone(&context.clock) }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Item>, ActionError> {
        let mut items = self.reader.list(which).await?;
        if matches!(which, Which::Tagged(_)) {
            self.reader.add_targets(&mut items).await?;
            stays::add(&self.reader, &mut items).await?;
        }
        for item in &mut items {
            let (wanted, running, _) = item.tasks();
            if wanted == 0 && running > 0 && self.is_stuck(item) {
                item.protected = Some(self.reader.protected(item).await);
            }
        }
        Ok(items)
    }

    fn found(&self, item: &Item) -> Found {
        let (id, notes) = (item.id(), notes(item));
        let label = format!("service {id}");
        item.common(Found {
            kind: kind(item),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            left_alone: left_alone::reason(item, self.keys),
            ..Found::new(id, label, seen(item), Value::new("0"))
        })
    }

    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        let count: i32 = to.as_str().parse().map_err(|_| Failure::refused(format!("`{to}` is no number of tasks")))?;
        // A target may have been registered, or resumed, since the plan.
        if count == 0 && self.reader.targets.one(id).await?.is_some_and(|target| !scalable_target::is_off(&target)) {
            return Err(Failure::refused("its scaling is not suspended, and would start its tasks again".to_owned()));
        }
        let (cluster, name) = id.split_once('/').unwrap_or_default();
        let call = self.changes.update_service().cluster(cluster).service(name).desired_count(count);
        calling.make("ecs:UpdateService", call.send()).await.map(drop)
    }

    /// A count that others set meanwhile is theirs. One that a target's minimum pulled up is nobody's: a pipeline registered the target.
    async fn changed_by_others(&self, id: &str, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        let failed = |failure: Failure| failure.reading("asking for the scalable target of a service");
        let target = self.reader.targets.one(id).await.map_err(failed)?;
        let pulled = target.is_some_and(|target| scaling::pulls_to(&target, seen));
        Ok(Some(if pulled { before.clone() } else { seen.clone() }))
    }

    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        let arn = |kind: &str| reach.arns("ecs", kind);
        let clusters = ["ecs:DescribeClusters"].as_slice();
        let uses = &[Use::Plan, Use::Apply, Use::Rollback];
        vec![
            Grant {
                sid: "ReadClusters".to_owned(),
                uses: &[Use::Plan],
                actions: clusters,
                resources: arn("cluster/*"),
                wide: &[("ecs:DescribeClusters", "the clusters of services in scope carry tags of their own")],
                ..Grant::default()
            },
            Grant {
                sid: "ReadCapacityProviders".to_owned(),
                uses: &[Use::Plan],
                actions: &["ecs:DescribeCapacityProviders"],
                resources: arn("capacity-provider/*"),
                wide: &[("ecs:DescribeCapacityProviders", "those of the clusters carry tags of their own")],
                ..Grant::default()
            },
            Grant {
                sid: "ListTasks".to_owned(),
                uses,
                actions: &["ecs:ListTasks"],
                resources: vec!["*".to_owned()],
                why_any: Some("AWS's resource of this call is a container instance, and tasks on Fargate have none"),
                ..Grant::default()
            },
            Grant {
                sid: "ReadTaskProtection".to_owned(),
                uses,
                actions: &["ecs:GetTaskProtection"],
                resources: arn("task/*"),
                wide: &[("ecs:GetTaskProtection", "tasks carry the tags of their service only where it says so")],
                ..Grant::default()
            },
        ]
    }
}

impl Count {
    /// Has nothing happened to it for a while? ECS says nothing of tasks that it does not stop because they are protected.
    fn is_stuck(&self, item: &Item) -> bool {
        let newest = item.service.events().first().and_then(|event| event.created_at());
        newest.is_none_or(|at| self.clock.now().as_second() - at.secs() > STUCK)
    }
}

/// The count, and how far the tasks have followed it.
fn seen(item: &Item) -> Seen {
    let service = &item.service;
    let status = service.status().unwrap_or_default();
    if status != "ACTIVE" {
        return Seen::Moving(Value::new(status.to_ascii_lowercase().replace('_', " ")));
    }
    let (wanted, running, pending) = item.tasks();
    let value = Value::new(wanted.to_string());
    if wanted == 0 {
        let left = running + pending;
        let protected = match &item.protected {
            None | Some(Ok(0)) => String::new(),
            Some(Ok(some)) => format!(", {some} of them protected from scale-in"),
            Some(Err(why)) => format!(", and how many are protected from scale-in could not be asked ({why})"),
        };
        return if left > 0 { Seen::Behind(value, format!("{left} of its tasks run still{protected}")) } else { Seen::Is(value) };
    }
    if running < wanted {
        let tasks = format!("{running} of {wanted} tasks run");
        return match no_room(item) {
            Some(why) => Seen::NoRoom(value, format!("{tasks}: {why}")),
            None => Seen::Behind(value, tasks),
        };
    }
    left_alone::deploying(service).map_or(Seen::Is(value.clone()), |why| Seen::Behind(value, why))
}

/// The words of ECS's last event about a task without room, unless the service has got all its tasks since.
fn no_room(item: &Item) -> Option<String> {
    // The newest comes first.
    let messages = item.service.events().iter().filter_map(|event| event.message());
    let last = messages.into_iter().find(|message| message.contains(NO_ROOM) || message.contains(STEADY))?;
    last.contains(NO_ROOM).then(|| last.to_owned())
}

/// Where its tasks run.
fn kind(item: &Item) -> Option<String> {
    let service = &item.service;
    let providers: Vec<&str> =
        service.capacity_provider_strategy().iter().map(CapacityProviderStrategyItem::capacity_provider).collect();
    let launch = service.launch_type().map(LaunchType::as_str);
    let launch = launch.map(str::to_owned).or_else(|| (!providers.is_empty()).then(|| providers.join(", ")))?;
    let family = service.platform_family().filter(|family| family.to_ascii_uppercase().starts_with("WINDOWS"));
    Some(family.map_or(launch.clone(), |family| format!("{launch} {family}")))
}

fn notes(item: &Item) -> Vec<String> {
    let (wanted, ..) = item.tasks();
    let bounds = item.target.as_ref().and_then(|target| scaling::out_of_bounds(wanted, target));
    bounds.into_iter().chain(item.stays.clone()).collect()
}
