//! CloudTrail's event history: it shows an event some time after it happened.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::account::Account;
use crate::ec2::Power;
use crate::wire::{Call, Refusal};

/// A start of an instance by others.
#[derive(Debug, Clone)]
pub struct Started {
    at: Timestamp,
    instance: String,
    identity: Json,
}

impl Account {
    /// Others start an instance now, in the name of this identity as CloudTrail writes it.
    pub fn started_by(&mut self, id: &str, identity: Json, now: Timestamp) {
        let instance = self.instances.get_mut(id).unwrap_or_else(|| panic!("there is no instance {id}"));
        instance.set(Power::Pending, now);
        instance.set(Power::Running, now);
        self.trail.push(Started { at: now, instance: id.to_owned(), identity });
    }
}

pub fn lookup(account: &Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    assert_eq!(call.operation, "LookupEvents", "the double of CloudTrail only looks up events");
    let asked = &call.json["LookupAttributes"][0];
    if asked["AttributeKey"] != "ResourceName" {
        let message = "the double of CloudTrail finds events by their resource";
        return Err(Refusal(400, "InvalidLookupAttributesException", message.to_owned()));
    }
    let within = |at: Timestamp| {
        let second = |name: &str| call.json[name].as_f64().expect("a time");
        #[allow(clippy::cast_precision_loss, reason = "seconds of this century")]
        let at = at.as_second() as f64;
        second("StartTime") <= at && at <= second("EndTime")
    };
    let is_shown = |event: &&Started| now.duration_since(event.at).as_secs() >= account.trail_lag;
    let found = account.trail.iter().rev().filter(|event| asked["AttributeValue"] == event.instance.as_str());
    let found = found.filter(is_shown).filter(|event| within(event.at)).map(|event| {
        let record = json!({"eventName": "StartInstances", "userIdentity": event.identity}).to_string();
        json!({"EventName": "StartInstances", "EventTime": event.at.as_second(), "CloudTrailEvent": record})
    });
    Ok(json!({"Events": found.collect::<Vec<_>>()}).to_string())
}
