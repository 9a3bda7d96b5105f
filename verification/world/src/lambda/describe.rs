//! The calls that only read the settings that actions change.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Lambda, LambdaFunction};
use crate::account::Account;
use crate::wire::{Call, Refusal, page};

/// A function that a call names.
pub(super) fn function<'a>(lambda: &'a Lambda, call: &Call) -> Result<&'a LambdaFunction, Refusal> {
    let name = call.json["FunctionName"].as_str().unwrap_or_default();
    lambda.functions.get(&(call.region.clone(), name.to_owned())).ok_or_else(|| no_function(call, name))
}

pub(super) fn no_function(call: &Call, name: &str) -> Refusal {
    let arn = format!("arn:aws:lambda:{}:123456789012:function:{name}", call.region);
    Refusal(404, "ResourceNotFoundException", format!("Function not found: {arn}"))
}

/// An alias or version that a call names.
pub(super) fn qualifier<'a>(function: &LambdaFunction, call: &'a Call) -> Result<&'a str, Refusal> {
    let qualifier = call.json["Qualifier"].as_str().unwrap_or_default();
    if function.has(qualifier) {
        return Ok(qualifier);
    }
    let message = format!("Cannot find alias arn: {}:{qualifier}", function.arn());
    Err(Refusal(404, "ResourceNotFoundException", message))
}

/// `GetResources` of `lambda:function`. It may show functions that carried the tags once.
pub(super) fn resources(account: &Account, lambda: &Lambda, call: &Call) -> String {
    let filters = call.json["TagFilters"].as_array().cloned().unwrap_or_default();
    let carries = |function: &&LambdaFunction| {
        let matches = |filter: &Json| {
            let value = function.tags.get(filter["Key"].as_str().expect("a key"));
            let values = filter["Values"].as_array();
            value.is_some_and(|value| values.is_none_or(|values| values.is_empty() || values.contains(&json!(value))))
        };
        function.region == call.region && (lambda.stale.contains(&function.name) || filters.iter().all(matches))
    };
    let mut arns: Vec<String> = lambda.functions.values().filter(carries).map(LambdaFunction::arn).collect();
    // A function that was deleted is shown for a while.
    let is_gone = |name: &&String| !lambda.functions.contains_key(&(call.region.clone(), (*name).clone()));
    let gone = lambda.stale.iter().filter(is_gone);
    arns.extend(gone.map(|name| format!("arn:aws:lambda:{}:123456789012:function:{name}", call.region)));
    let token = call.json["PaginationToken"].as_str().filter(|token| !token.is_empty());
    let (some, next) = page(arns, token, account.page);
    let shown: Vec<Json> = some.into_iter().map(|arn| json!({"ResourceARN": arn, "Tags": []})).collect();
    json!({"ResourceTagMappingList": shown, "PaginationToken": next.unwrap_or_default()}).to_string()
}

pub(super) fn tags(lambda: &Lambda, call: &Call) -> Result<String, Refusal> {
    let arn = call.json["Resource"].as_str().unwrap_or_default();
    let function = lambda.functions.values().find(|function| function.arn() == arn);
    let missing = || Refusal(404, "ResourceNotFoundException", format!("Function not found: {arn}"));
    Ok(json!({"Tags": function.ok_or_else(missing)?.tags}).to_string())
}

pub(super) fn mappings(account: &Account, lambda: &Lambda, call: &Call, then: Timestamp) -> String {
    let all: Vec<Json> = lambda.mappings.values().filter(|one| one.region == call.region).map(|one| one.shown(then)).collect();
    let (some, next) = page(all, call.json["Marker"].as_str(), account.page);
    json!({"EventSourceMappings": some, "NextMarker": next}).to_string()
}

pub(super) fn mapping(lambda: &Lambda, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    let uuid = call.json["UUID"].as_str().unwrap_or_default();
    let missing = || Refusal(404, "ResourceNotFoundException", "The resource you requested does not exist.".to_owned());
    Ok(lambda.mappings.get(uuid).ok_or_else(missing)?.shown(then).to_string())
}

pub(super) fn concurrency(lambda: &Lambda, call: &Call) -> Result<String, Refusal> {
    let function = function(lambda, call)?;
    // Lambda leaves the field out where nothing is reserved.
    let reserved = function.reserved.map(|reserved| json!({"ReservedConcurrentExecutions": reserved}));
    Ok(reserved.unwrap_or_else(|| json!({})).to_string())
}

pub(super) fn provisioned_of(account: &Account, lambda: &Lambda, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    let function = function(lambda, call)?;
    let shown = function.provisioned.iter().map(|(qualifier, provisioned)| {
        let mut shown = provisioned.shown(then);
        shown["FunctionArn"] = json!(format!("{}:{qualifier}", function.arn()));
        shown
    });
    let (some, next) = page(shown.collect(), call.json["Marker"].as_str(), account.page);
    Ok(json!({"ProvisionedConcurrencyConfigs": some, "NextMarker": next}).to_string())
}

pub(super) fn provisioned(lambda: &Lambda, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    let function = function(lambda, call)?;
    let qualifier = qualifier(function, call)?;
    let missing = || {
        let message = "No Provisioned Concurrency Config found for this function".to_owned();
        Refusal(404, "ProvisionedConcurrencyConfigNotFoundException", message)
    };
    Ok(function.provisioned.get(qualifier).ok_or_else(missing)?.shown(then).to_string())
}

pub(super) fn settings(lambda: &Lambda, call: &Call) -> String {
    // AWS documents that provisioned concurrency is no part of it.
    let functions = lambda.functions.values().filter(|function| function.region == call.region);
    let unreserved = lambda.limit.saturating_sub(functions.filter_map(|function| function.reserved).sum());
    json!({"AccountLimit": {"ConcurrentExecutions": lambda.limit, "UnreservedConcurrentExecutions": unreserved}}).to_string()
}
