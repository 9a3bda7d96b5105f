//! Redshift's scheduled actions that would resume a cluster, or resize it. A paused cluster is not resized. A resize that falls due
//! just before the pause, or just after the resume, would be in its way.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_redshift::types::{Cluster, ScheduledAction, ScheduledActionState};
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::ids::Value;

use super::redshift::{self, PAGE, Redshift};
use super::{Keys, PAUSES, RESUMES};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Drift, Found, Reach, Resource, Switch, Which};

const NOT_FOUND: &str = "ScheduledActionNotFound";

/// The states of scheduled actions, in one Region.
pub struct Schedules {
    redshift: Redshift,
}

/// A scheduled action, and the cluster that it acts on, where there is one.
pub struct Scheduled {
    action: ScheduledAction,
    cluster: Option<Cluster>,
}

#[async_trait]
impl Switch for Schedules {
    const TARGET: Counted = Counted {
        facet: "warehouse-schedule",
        noun: Noun { one: "scheduled action", many: "scheduled actions" },
        doing: ("disabling", "enabling again"),
        limits: Some((PAUSES, RESUMES)),
        price: Priced::Free,
    };
    const RESOURCE: Resource = Resource {
        service: "redshift",
        arn: "cluster:*",
        lists: &["redshift:DescribeScheduledActions"],
        // The other part is granted the call that lists the clusters.
        reads: &[],
        wide: &[],
        turns: &[],
    };
    const CODES: Codes = Codes { not_for_it: &[NOT_FOUND], ..Codes::NONE };
    /// Somebody enabled it again.
    const DRIFT: Drift = Drift::ReportHeld;
    const PATIENCE: Patience = Patience { poll: 5, limit: 600, give_up: 3600 };
    const TAKES_TIME: bool = false;
    type Options = Keys;
    type Item = Scheduled;

    fn new(context: &Context<'_>, _: &Keys) -> Self {
        Self { redshift: Redshift::new(context) }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Scheduled>, ActionError> {
        match which {
            Which::Tagged(tags) => {
                let clusters = by_name(self.redshift.tagged(tags).await?);
                if clusters.is_empty() {
                    return Ok(Vec::new());
                }
                let of_these = |action| {
                    let cluster = acts_on(&action).and_then(|name| clusters.get(name)).cloned();
                    cluster.is_some().then_some(Scheduled { action, cluster })
                };
                Ok(self.pages().await?.into_iter().filter_map(of_these).collect())
            }
            Which::Ids(names) => {
                let actions = self.named(names).await?;
                let clusters: BTreeSet<String> = actions.iter().filter_map(acts_on).map(str::to_owned).collect();
                let clusters = by_name(self.redshift.named(&clusters).await?);
                let with_cluster = |action: ScheduledAction| {
                    let cluster = acts_on(&action).and_then(|name| clusters.get(name)).cloned();
                    Scheduled { action, cluster }
                };
                Ok(actions.into_iter().map(with_cluster).collect())
            }
        }
    }

    /// It carries no tags: those of its cluster count. An exempt cluster exempts it.
    fn found(&self, Scheduled { action, cluster }: &Scheduled) -> Found {
        let (name, of) = (name(action), acts_on(action));
        let left_alone = of.is_none().then(|| "it neither resumes nor resizes a cluster any more".to_owned());
        let ending = of.filter(|_| cluster.is_none()).map(|of| format!("its cluster {of} is there no more"));
        let does =
            if action.target_action().is_some_and(|target| target.resume_cluster().is_some()) { "resume" } else { "resize" };
        let of = of.unwrap_or_default();
        Found {
            unit: Some(of.to_owned()),
            tags: cluster.as_ref().map(|cluster| redshift::tags(cluster.tags())).unwrap_or_default(),
            note: Some(format!("it would {does} the cluster {of}; runs that fall due meanwhile do not happen later")),
            left_alone,
            ending,
            ..Found::new(name, format!("scheduled action {name}"), seen(action), value(&ScheduledActionState::Disabled))
        }
    }

    /// It sends the name and the state alone: the other fields stay as they are. Without `IamRole` no role is passed on. That AWS asks for
    /// no `iam:PassRole` then was not tried.
    async fn set(&self, name: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        let enable = *to == value(&ScheduledActionState::Active);
        let call = self.redshift.changes.modify_scheduled_action().scheduled_action_name(name).enable(enable);
        calling.make("redshift:ModifyScheduledAction", call.send()).await.map(drop)
    }

    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        vec![Grant {
            sid: "TurnWarehouseSchedule".to_owned(),
            uses: &[Use::Apply, Use::Rollback],
            actions: &["redshift:ModifyScheduledAction"],
            resources: vec!["*".to_owned()],
            condition: reach.condition(),
            why_any: Some("IAM knows no scheduled actions, which carry no tags: only those of clusters in scope are changed"),
            ..Grant::default()
        }]
    }
}

impl Schedules {
    /// Those with these names. One that the list does not show is asked for by its name: only Redshift says that there is none.
    async fn named(&self, names: &BTreeSet<String>) -> Result<Vec<ScheduledAction>, ActionError> {
        let mut actions = self.pages().await?;
        actions.retain(|action| names.contains(name(action)));
        let shown: BTreeSet<String> = actions.iter().map(|action| name(action).to_owned()).collect();
        for missing in names.difference(&shown) {
            let answer = self.redshift.reads.describe_scheduled_actions().scheduled_action_name(missing).send().await;
            match answer.map_err(|error| Failure::of(&error)) {
                Err(failure) if failure.is(NOT_FOUND) => {}
                Err(failure) => return Err(failure.reading("describing a scheduled action of Redshift")),
                Ok(page) => actions.extend(page.scheduled_actions.unwrap_or_default()),
            }
        }
        Ok(actions)
    }

    async fn pages(&self) -> Result<Vec<ScheduledAction>, ActionError> {
        let (mut actions, mut marker) = (Vec::new(), None);
        loop {
            let page = self.redshift.reads.describe_scheduled_actions().max_records(PAGE).set_marker(marker).send().await;
            let page = page.map_err(|error| Failure::of(&error).reading("listing the scheduled actions of Redshift"))?;
            actions.extend(page.scheduled_actions.unwrap_or_default());
            marker = redshift::next(page.marker);
            if marker.is_none() {
                return Ok(actions);
            }
        }
    }
}

/// The cluster that it resumes or resizes, if it does either.
fn acts_on(action: &ScheduledAction) -> Option<&str> {
    let target = action.target_action()?;
    let resumes = target.resume_cluster().and_then(|resume| resume.cluster_identifier());
    resumes.or_else(|| target.resize_cluster().and_then(|resize| resize.cluster_identifier()))
}

fn seen(action: &ScheduledAction) -> Seen {
    match action.state() {
        Some(state @ (ScheduledActionState::Active | ScheduledActionState::Disabled)) => Seen::Is(value(state)),
        other => Seen::Moving(other.map_or_else(|| Value::new("no state"), value)),
    }
}

fn value(state: &ScheduledActionState) -> Value {
    Value::new(state.as_str().to_ascii_lowercase())
}

fn name(action: &ScheduledAction) -> &str {
    action.scheduled_action_name().unwrap_or_default()
}

fn by_name(clusters: Vec<Cluster>) -> BTreeMap<String, Cluster> {
    clusters.into_iter().map(|cluster| (redshift::name(&cluster).to_owned(), cluster)).collect()
}
