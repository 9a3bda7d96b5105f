//! An instance refresh: it replaces members in service, and those in standby as it was told.

use jiff::Timestamp;

use super::calls::change;
use super::group::Key;
use crate::account::Account;
use crate::wire::{Call, Refusal};

/// A refresh that is suspended does nothing; one that waits for members in standby does nothing to them, and goes on for an hour.
pub fn start(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let key: Key = (call.region.clone(), call.require("AutoScalingGroupName")?.to_owned());
    let standby = call.get("Preferences.StandbyInstances").unwrap_or("Wait").to_owned();
    let mut doomed = Vec::new();
    change(account, call, now, "The AutoScaling group may not be modified while it is pending delete", |group| {
        let waits = standby == "Wait" && group.members.values().any(|member| member.is("Standby"));
        let suspended = ["InstanceRefresh", "Launch", "Terminate"].iter().any(|process| group.is_suspended(process));
        if !suspended {
            let takes = |lifecycle: &str| lifecycle == "InService" || (lifecycle == "Standby" && standby == "Terminate");
            doomed = group.members.iter().filter(|(_, member)| takes(&member.lifecycle)).map(|(id, _)| id.clone()).collect();
        }
        group.refreshes.push(if waits || suspended { "InProgress" } else { "Successful" }.to_owned());
        Ok(())
    })?;
    for id in doomed {
        account.terminate(&key, &id, "of an instance refresh", now);
    }
    account.reconcile(&key, now);
    Ok("<InstanceRefreshId>08b91cf7-8fa6-48af-b6a6-000000000000</InstanceRefreshId>".to_owned())
}
