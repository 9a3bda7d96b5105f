//! The parameters of `stop-instances`.

use guardrails_model::config::{Duration, Tags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::KEEP_TRYING;
use super::plan::WATCH_HEALTH;
use crate::ec2::bystanders::Exempt;
use crate::ec2::regions::Regions;

/// For how long a group's check may be watched: the group is given up after half an hour.
const LONGEST_WATCH: Duration = Duration::from_secs(15 * 60);

/// Stops the running EC2 instances that carry the tags.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StopInstances {
    /// The tags to select by: every key must match, with one of its values.
    pub(super) tag: Tags,
    /// The Regions to work in: `all` that are enabled in the account, or a list of them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) regions: Regions,
    /// Instances that are left alone though they carry the tags.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) exempt: Exempt,
    /// The treatment of an Auto Scaling group of which only some members are in scope.
    #[schemars(extend("default" = "leave"))]
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) partial_groups: PartialGroups,
    /// The treatment of an Auto Scaling group that does not carry the tags itself, though its members do.
    #[schemars(extend("default" = "leave"))]
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) untagged_groups: UntaggedGroups,
    /// The treatment of instances whose instance-store volumes lose their data on a stop.
    #[schemars(extend("default" = "keep"))]
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) instance_store_data: InstanceStoreData,
    /// Hibernate the instances that can, so that they go on where they were.
    #[schemars(extend("default" = false))]
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) hibernate: bool,
    /// Name the principal that started a held instance again, by CloudTrail's event history. Its function may then read that history.
    #[schemars(extend("default" = false))]
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) who_started: bool,
    /// For how long to start an instance again that AWS has no capacity for.
    #[schemars(extend("default" = KEEP_TRYING))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keep_trying: Option<Duration>,
    /// For how long an Auto Scaling group's resumed health check is watched before the group may replace members again: up to `15m`.
    #[schemars(extend("default" = WATCH_HEALTH))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) watch_health: Option<Duration>,
}

/// The treatment of an Auto Scaling group of which only some members are in scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PartialGroups {
    /// Leave all of them alone.
    #[default]
    Leave,
    /// Suspend the group, and stop those in scope.
    Stop,
}

/// The treatment of an Auto Scaling group that does not carry the tags itself, though its members do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum UntaggedGroups {
    /// Leave all of its members alone: the function may suspend only groups that carry the tags.
    #[default]
    Leave,
    /// Suspend it, and stop those in scope: the function may then suspend, resume and resize every group of the Regions.
    Stop,
}

/// The treatment of instances whose instance-store volumes lose their data on a stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum InstanceStoreData {
    /// Leave them alone.
    #[default]
    Keep,
    /// Stop them all the same: the data on these volumes is lost.
    Lose,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl StopInstances {
    /// Names the mistake in them, if there is one.
    pub(super) fn check(&self) -> Result<(), String> {
        self.tag.check()?;
        self.exempt.check()?;
        if self.tag.is_empty() {
            return Err("`tag` is empty: name at least one tag, such as `{Project: Beta}`".to_owned());
        }
        if self.watch_health.is_some_and(|watch| watch > LONGEST_WATCH) {
            return Err(format!("`watch-health` is longer than {LONGEST_WATCH}, and a group is given up after half an hour"));
        }
        Ok(())
    }
}
