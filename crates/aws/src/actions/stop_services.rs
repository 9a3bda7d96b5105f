//! `stop-services`: takes ECS services to no tasks, on Fargate, EC2 and Windows alike, and back to the count that they had. Application
//! Auto Scaling would pull the count back, so its scalable target is suspended first, with a minimum of 0. On the way back the count
//! comes first, and its tasks have to run before the target is as it was.
//!
//! A scalable target is not only a setting. Each update of one makes Application Auto Scaling put the count into its bounds, "even if
//! you don't include the `MinCapacity` or `MaxCapacity` request parameters" (API reference of `RegisterScalableTarget`). So each update
//! sends both bounds and all three flags, and none is sent while the count is 0 and the minimum is not.
//!
//! No emulator shows both services together: one lacks Application Auto Scaling, and the other accepts all and changes no count. The
//! double of `verification/world` and the local AWS refuse and pull as AWS's documentation says. None of it was tried on AWS.

mod count;
mod left_alone;
mod list;
mod scaling;
mod stays;

use guardrails_model::pace::Limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalable_target::TARGETS;
use crate::declared::{About, Joins, Noun, Service};
use crate::switch::{Options, Switched, Switches};

/// The action.
pub type StopServices = Switched<Services>;

/// `UpdateService`. AWS documents the bucket of the calls that read clusters, 50 with 20 a second, and not this one: a guess.
const UPDATES: Limit = Limit::new("update-service", 10.0, 5.0);
/// A service of ECS.
const SERVICE: Noun = Noun { one: "ECS service", many: "ECS services" };

/// ECS services: their scaling, and their numbers of tasks.
pub struct Services;

impl Switches for Services {
    const ABOUT: About = About {
        limits: &[UPDATES, TARGETS],
        services: &[Service {
            name: "ECS services, on Fargate and EC2",
            stops: "the tasks on Fargate",
            goes_on: "container instances on EC2, load balancers",
            lost: "the tasks: new ones start; EBS volumes of tasks, where `volume-data: lose`",
        }],
        joins_stop_all: Some(Joins::set(1)),
        ..About::new(
            "stop-services",
            "takes the ECS services that carry the tags to no tasks, on Fargate and EC2, after it suspended their scaling",
            "gives each service the number of tasks that it had, and its scaling back once they run",
        )
    };
    const NOUN: Noun = SERVICE;
    type Options = Keys;
    type Parts = (scaling::Scaling, count::Count);
}

/// Keys of the action's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Keys {
    /// Services whose tasks have EBS volumes of their own, which are deleted with the tasks: left alone, or stopped.
    #[serde(skip_serializing_if = "VolumeData::is_default")]
    #[schemars(extend("default" = "leave"))]
    volume_data: VolumeData,
}

impl Options for Keys {}

/// The treatment of services whose tasks have EBS volumes of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeData {
    /// Leave them alone.
    #[default]
    Leave,
    /// Stop them: nothing brings the volumes back.
    Lose,
}

impl VolumeData {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_default(&self) -> bool {
        *self == Self::Leave
    }
}
