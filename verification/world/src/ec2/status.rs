//! EC2's status checks.

use jiff::Timestamp;

use super::filters::{invalid, select};
use super::instance::{Check, Instance, Power};
use crate::account::Account;
use crate::wire::{Call, Refusal, list, next, tag};

pub fn describe_status(account: &Account, call: &Call, then: Timestamp, now: Timestamp) -> Result<String, Refusal> {
    if call.list("InstanceId").len() > 100 {
        return Err(invalid("The maximum number of instance IDs that can be requested is 100"));
    }
    // Only the running, unless all are asked for.
    let all = call.get("IncludeAllInstances") == Some("true");
    let (found, token) = select(account, call, then, |_, power| all || power == Power::Running)?;
    let found = found.into_iter().map(|(instance, power)| {
        let check = |name: &str, which| {
            let status = result(account, instance, power, which, now);
            let passed = match status {
                "ok" => "passed",
                "impaired" => "failed",
                other => other,
            };
            let details = list("details", "item", [format!("<name>reachability</name>{}", tag("status", passed))]);
            format!("<{name}>{}{details}</{name}>", tag("status", status))
        };
        let checks = [
            check("systemStatus", Check::System),
            check("instanceStatus", Check::Instance),
            check("attachedEbsStatus", Check::Ebs),
        ];
        format!("{}{}{}", tag("instanceId", &instance.id), power.xml("instanceState"), checks.concat())
    });
    Ok(format!("{}{}", list("instanceStatusSet", "item", found), next("nextToken", token)))
}

fn result(account: &Account, instance: &Instance, power: Power, check: Check, now: Timestamp) -> &'static str {
    match instance.running_for(now) {
        _ if power != Power::Running => "not-applicable",
        Some(_) if instance.impaired == Some(check) => "impaired",
        Some(seconds) if seconds >= account.initializing => "ok",
        _ => "initializing",
    }
}
