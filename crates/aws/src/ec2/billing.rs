//! How instances are billed: the key of a price list, and the words by which AWS's own price list knows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_ec2::types::{Instance, Tenancy};
use guardrails_model::action::ActionError;
use guardrails_model::clock::SystemClock;
use guardrails_model::ids::Place;

use super::instances::Lister;
use crate::context::Context;

/// The platform that a key of a price list leaves out.
pub const LINUX: &str = "Linux/UNIX";
/// The usage operation of that platform.
pub const LINUX_OPERATION: &str = "RunInstances";

/// How an instance is billed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Billed {
    /// Its type, such as `m5.large`.
    pub of_type: String,
    /// Its platform, as EC2 words it, such as `Windows`; nothing for Linux without a licence.
    pub platform: Option<String>,
    /// Its usage operation, such as `RunInstances:0002`, which is in AWS's price list too.
    pub operation: String,
    /// Another way to pay than by the hour, on shared hardware and on demand.
    pub otherwise: Option<Otherwise>,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Otherwise {
    /// On demand, and on hardware of one's own: AWS's list has a price for it.
    Dedicated,
    /// In a way that has no list price: `spot`, `capacity-block`, or `host` for a Dedicated Host.
    Unlisted(String),
}

impl Billed {
    /// How `instance` is billed; nothing where EC2 does not say its type.
    #[must_use]
    pub fn of(instance: &Instance) -> Option<Self> {
        let of_type = instance.instance_type()?.as_str().to_owned();
        let platform = instance.platform_details().filter(|platform| !platform.is_empty() && *platform != LINUX);
        let operation = instance.usage_operation().filter(|operation| !operation.is_empty()).unwrap_or(LINUX_OPERATION);
        let lifecycle = instance.instance_lifecycle().map(|lifecycle| Otherwise::Unlisted(lifecycle.as_str().to_owned()));
        let tenancy = match instance.placement().and_then(|placement| placement.tenancy()) {
            Some(Tenancy::Dedicated) => Some(Otherwise::Dedicated),
            Some(Tenancy::Host) => Some(Otherwise::Unlisted("host".to_owned())),
            _ => None,
        };
        let otherwise = lifecycle.or(tenancy);
        Some(Self { of_type, platform: platform.map(str::to_owned), operation: operation.to_owned(), otherwise })
    }

    /// The key of a price list: the type, the platform unless it is Linux, and the way to pay unless it is the usual one.
    #[must_use]
    pub fn key(&self) -> String {
        let otherwise = self.otherwise.as_ref().map(|otherwise| match otherwise {
            Otherwise::Dedicated => "dedicated",
            Otherwise::Unlisted(word) => word,
        });
        let words = [Some(self.of_type.as_str()), self.platform.as_deref(), otherwise];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// The key of a price list for `instance`.
#[must_use]
pub fn kind(instance: &Instance) -> Option<String> {
    Billed::of(instance).map(|billed| billed.key())
}

/// How the instances of a Region are billed, those that are stopped too, whatever their tags.
///
/// # Errors
/// When EC2 does not list them.
pub async fn in_region(sdk: &SdkConfig, region: &Place) -> Result<BTreeSet<Billed>, ActionError> {
    let context = Context::new(sdk, &[], Arc::new(SystemClock)).at(Some(region));
    let lister = Lister { ec2: aws_sdk_ec2::Client::new(&context.sdk), pacer: Arc::clone(&context.pacer) };
    Ok(lister.all().await?.iter().filter_map(Billed::of).collect())
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{InstanceLifecycleType, InstanceType, Placement};

    use super::*;

    #[test]
    fn key_says_platform_and_way_to_pay_unless_usual() {
        let m5 = || Instance::builder().instance_type(InstanceType::M5Large).platform_details("Linux/UNIX");
        let on = |tenancy: Tenancy| Placement::builder().tenancy(tenancy).build();
        for (instance, key) in [
            (m5(), "m5.large"),
            (m5().placement(on(Tenancy::Default)), "m5.large"),
            (m5().platform_details("Windows"), "m5.large Windows"),
            (m5().platform_details("Windows").placement(on(Tenancy::Dedicated)), "m5.large Windows dedicated"),
            (m5().placement(on(Tenancy::Host)), "m5.large host"),
            (m5().instance_lifecycle(InstanceLifecycleType::Spot), "m5.large spot"),
            (m5().instance_lifecycle(InstanceLifecycleType::CapacityBlock), "m5.large capacity-block"),
        ] {
            assert_eq!(kind(&instance.build()).as_deref(), Some(key));
        }
        assert_eq!(kind(&Instance::builder().build()), None);
    }

    #[test]
    fn operation_is_that_of_linux_where_ec2_says_none() {
        let of = |operation: Option<&str>| {
            let instance =
                Instance::builder().instance_type(InstanceType::M5Large).set_usage_operation(operation.map(str::to_owned));
            Billed::of(&instance.build()).unwrap().operation
        };
        assert_eq!((of(None).as_str(), of(Some("RunInstances:0002")).as_str()), ("RunInstances", "RunInstances:0002"));
    }
}
