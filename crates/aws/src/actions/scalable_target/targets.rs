//! Scalable targets of one kind: they are asked for, written, and granted in the same way for each service.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace};
use guardrails_model::action::ActionError;
use guardrails_model::ids::Value;
use serde_json::json;

use super::{CODES, State, gone};
use crate::context::Context;
use crate::error::Failure;
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Reach};

/// Targets that one question takes.
const IDS: usize = 50;
const REGISTER: &str = "application-autoscaling:RegisterScalableTarget";

/// The targets that belong to one service and scale one number of it.
pub(in crate::actions) struct Kind {
    namespace: ServiceNamespace,
    dimension: ScalableDimension,
    /// How the names of its targets begin.
    prefix: &'static str,
    /// The word for several of the things that they scale.
    of: &'static str,
    /// Why its grant reaches targets of any tag.
    wide: &'static [(&'static str, &'static str)],
}

/// Targets that are aliases or versions of functions. Their ids here are such as `orders:live`.
#[cfg(feature = "lambda")]
pub(in crate::actions) static FUNCTIONS: Kind = Kind {
    namespace: ServiceNamespace::Lambda,
    dimension: ScalableDimension::LambdaFunctionProvisionedConcurrency,
    prefix: "function:",
    of: "functions",
    wide: &[(REGISTER, "a scalable target does not carry the tags of its function: only functions that do are asked for")],
};

/// Targets that are services of ECS. Their ids here are such as `cluster/orders`.
#[cfg(feature = "ecs")]
pub(in crate::actions) static SERVICES: Kind = Kind {
    namespace: ServiceNamespace::Ecs,
    dimension: ScalableDimension::EcsServiceDesiredCount,
    prefix: "service/",
    of: "services",
    wide: &[(REGISTER, "a scalable target does not carry the tags of its service: only services that do are asked for")],
};

impl Kind {
    /// The right to write its targets. The tags that IAM knows are the target's own, and nobody sets those.
    pub(in crate::actions) fn grant(&self, sid: &str, reach: &Reach<'_>) -> Grant {
        Grant {
            sid: sid.to_owned(),
            uses: &[Use::Apply, Use::Rollback],
            actions: &[REGISTER],
            resources: reach.arns("application-autoscaling", "scalable-target/*"),
            condition: json!({"StringEquals": {
                "application-autoscaling:service-namespace": [self.namespace.as_str()],
                "application-autoscaling:scalable-dimension": [self.dimension.as_str()],
            }}),
            wide: self.wide,
            ..Grant::default()
        }
    }
}

/// The targets of one kind in one Region.
pub(in crate::actions) struct Targets {
    reads: Client,
    changes: Client,
    kind: &'static Kind,
}

impl Targets {
    pub(in crate::actions) fn new(context: &Context<'_>, kind: &'static Kind) -> Self {
        Self { reads: Client::new(&context.sdk), changes: Client::new(&context.sdk_for_changes()), kind }
    }

    /// All of them, by their ids.
    #[cfg(feature = "lambda")]
    pub(in crate::actions) async fn all(&self) -> Result<BTreeMap<String, ScalableTarget>, ActionError> {
        self.pages(None).await.map_err(|failure| self.unread(failure))
    }

    /// Those of these ids that there are.
    pub(in crate::actions) async fn of(&self, ids: &BTreeSet<String>) -> Result<BTreeMap<String, ScalableTarget>, ActionError> {
        let names: Vec<String> = ids.iter().map(|id| self.name(id)).collect();
        let mut found = BTreeMap::new();
        for names in names.chunks(IDS) {
            found.extend(self.pages(Some(names)).await.map_err(|failure| self.unread(failure))?);
        }
        Ok(found)
    }

    /// The one of this id, if there is one.
    pub(in crate::actions) async fn one(&self, id: &str) -> Result<Option<ScalableTarget>, Failure> {
        Ok(self.pages(Some(&[self.name(id)])).await?.remove(id))
    }

    /// Writes both bounds and all three flags: a call that leaves out the minimum would have the number pulled up to it.
    pub(in crate::actions) async fn write(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        let state = State::wanted(to)?;
        // The call would register a target that was deregistered meanwhile.
        if self.one(id).await?.is_none() {
            return Err(gone(id));
        }
        let call = self.changes.register_scalable_target().service_namespace(self.kind.namespace.clone());
        let call = call.scalable_dimension(self.kind.dimension.clone()).resource_id(self.name(id));
        let call = call.min_capacity(state.min).max_capacity(state.max).suspended_state(state.flags());
        calling.make(REGISTER, call.send()).await.map(drop)
    }

    /// The name by which Application Auto Scaling knows the target.
    fn name(&self, id: &str) -> String {
        format!("{}{id}", self.kind.prefix)
    }

    fn unread(&self, failure: Failure) -> ActionError {
        failure.reading(&format!("asking for the scalable targets of {}", self.kind.of))
    }

    /// Those of these names, or all, from every page.
    async fn pages(&self, names: Option<&[String]>) -> Result<BTreeMap<String, ScalableTarget>, Failure> {
        let (mut found, mut next) = (BTreeMap::new(), None);
        loop {
            let asked = self.reads.describe_scalable_targets().service_namespace(self.kind.namespace.clone());
            let asked = asked.scalable_dimension(self.kind.dimension.clone());
            let page = asked.set_resource_ids(names.map(<[String]>::to_vec)).set_next_token(next).send().await;
            let page = page.map_err(|error| Failure::of(&error).judged(&CODES))?;
            let targets = page.scalable_targets.unwrap_or_default().into_iter();
            let id = |target: &ScalableTarget| Some(target.resource_id().strip_prefix(self.kind.prefix)?.to_owned());
            found.extend(targets.filter_map(|target| Some((id(&target)?, target))));
            next = page.next_token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}
