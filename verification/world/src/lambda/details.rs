//! The calls that read a function's configuration.

use serde_json::{Value as Json, json};

use super::Lambda;
use super::describe::{function, qualifier};
use crate::account::Account;
use crate::wire::{Call, Refusal, page};

const LATEST: &str = "$LATEST";

pub(super) fn configuration(lambda: &Lambda, call: &Call) -> Result<String, Refusal> {
    let function = function(lambda, call)?;
    let is_latest = call.json["Qualifier"].is_null();
    let version = if is_latest { LATEST } else { qualifier(function, call)? };
    let queue = format!("arn:aws:sqs:{}:123456789012:dead", function.region);
    let dead = function.queues.contains(version).then(|| json!({"TargetArn": queue}));
    let mut shown = json!({
        "FunctionName": function.name,
        "FunctionArn": function.arn(),
        "Role": function.role,
        "Version": version,
        "MemorySize": 512,
        "State": function.state,
        "LastUpdateStatus": if function.updating { "InProgress" } else { "Successful" },
        "DeadLetterConfig": dead,
    });
    for (name, value) in function.more.as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    Ok(shown.to_string())
}

pub(super) fn aliases(account: &Account, lambda: &Lambda, call: &Call) -> Result<String, Refusal> {
    let function = function(lambda, call)?;
    let shown = function.aliases.iter().map(|(name, versions)| {
        let others = versions.iter().skip(1).map(|version| (version.clone(), json!(0.1)));
        let weights = json!({"AdditionalVersionWeights": others.collect::<serde_json::Map<String, Json>>()});
        json!({"Name": name, "FunctionVersion": versions[0], "RoutingConfig": weights})
    });
    let (some, next) = page(shown.collect(), call.json["Marker"].as_str(), account.page);
    Ok(json!({"Aliases": some, "NextMarker": next}).to_string())
}

/// Lambda shows a configuration for each version and alias that has one, with or without a destination.
pub(super) fn destinations(account: &Account, lambda: &Lambda, call: &Call) -> Result<String, Refusal> {
    let function = function(lambda, call)?;
    let queue = format!("arn:aws:sqs:{}:123456789012:failed", function.region);
    let mut shown: Vec<Json> = function
        .destinations
        .iter()
        .map(|qualifier| {
            json!({"FunctionArn": format!("{}:{qualifier}", function.arn()), "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": queue}}})
        })
        .collect();
    if !function.destinations.contains(LATEST) {
        let none = json!({"OnSuccess": {}, "OnFailure": {}});
        shown.push(json!({"FunctionArn": format!("{}:{LATEST}", function.arn()), "DestinationConfig": none}));
    }
    let (some, next) = page(shown, call.json["Marker"].as_str(), account.page);
    Ok(json!({"FunctionEventInvokeConfigs": some, "NextMarker": next}).to_string())
}
