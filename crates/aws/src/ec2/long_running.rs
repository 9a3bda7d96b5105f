//! Counts the instances that have run for a while under some tags, in all Regions.

use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Instance;
use guardrails_model::action::{ActionError, Seen};
use guardrails_model::config::Tags;
use guardrails_model::pace::Pacer;
use jiff::Timestamp;

use super::instances::{Lister, running, state};
use super::regions::Regions;

/// How many instances with these tags run, and were started before `since`.
///
/// # Errors
/// When EC2 does not list them in some Region that is open to the account.
pub async fn count(sdk: &SdkConfig, pacer: &Arc<Pacer>, tags: &Tags, since: Timestamp) -> Result<usize, ActionError> {
    let mut found = 0;
    for region in Regions::All.places(&Client::new(sdk)).await? {
        let there = sdk.to_builder().region(Region::new(region.to_string())).build();
        let lister = Lister { ec2: Client::new(&there), pacer: Arc::clone(pacer) };
        match lister.tagged(tags).await {
            Ok(instances) => found += instances.iter().filter(|instance| has_run(instance, since)).count(),
            // Nobody works there.
            Err(ActionError::OutOfBounds(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn has_run(instance: &Instance, since: Timestamp) -> bool {
    let started = instance.launch_time().and_then(|at| Timestamp::from_second(at.secs()).ok());
    state(instance) == Seen::Is(running()) && started.is_some_and(|started| started < since)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::primitives::DateTime;
    use aws_sdk_ec2::types::{InstanceState, InstanceStateName};

    use super::*;

    #[test]
    fn instance_counts_when_it_runs_since_before_then() {
        let instance = |state: InstanceStateName, started: i64| {
            let state = InstanceState::builder().name(state).build();
            Instance::builder().state(state).launch_time(DateTime::from_secs(started)).build()
        };
        let since = Timestamp::from_second(100_000).unwrap();
        assert!(has_run(&instance(InstanceStateName::Running, 99_999), since));
        assert!(!has_run(&instance(InstanceStateName::Running, 100_000), since));
        assert!(!has_run(&instance(InstanceStateName::Stopped, 99_999), since));
    }
}
