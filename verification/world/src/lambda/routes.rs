//! Lambda's requests: their operation is in the method and the path, and their parameters are in the path, the query and the body.

use serde_json::{Map, Value as Json, json};

use crate::wire::{Call, Service};

/// The call that a request makes.
///
/// # Panics
/// When the double has no such operation.
pub fn read(region: &str, method: &str, path: &str, query: &str, body: &[u8]) -> Call {
    let mut json: Map<String, Json> = if body.is_empty() { Map::new() } else { serde_json::from_slice(body).expect("JSON") };
    json.extend(url::form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into_owned(), json!(value))));
    let text = |part: &str| json!(decoded(part));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).skip(1).collect();
    let operation = match (method, parts.as_slice()) {
        ("GET", ["tags", arn]) => named(&mut json, "Resource", text(arn), "ListTags"),
        ("GET", ["event-source-mappings"]) => "ListEventSourceMappings",
        ("GET", ["event-source-mappings", uuid]) => named(&mut json, "UUID", text(uuid), "GetEventSourceMapping"),
        ("PUT", ["event-source-mappings", uuid]) => named(&mut json, "UUID", text(uuid), "UpdateEventSourceMapping"),
        ("GET", ["account-settings"]) => "GetAccountSettings",
        (_, ["functions", function, rest @ ..]) => {
            let lists = json.contains_key("List");
            json.insert("FunctionName".to_owned(), text(function));
            of_function(method, rest, lists)
        }
        other => panic!("the double of Lambda has no {other:?}"),
    };
    Call::of_json(Service::Lambda, region, operation, Json::Object(json))
}

fn of_function(method: &str, rest: &[&str], lists: bool) -> &'static str {
    match (method, rest) {
        ("GET", ["concurrency"]) => "GetFunctionConcurrency",
        ("PUT", ["concurrency"]) => "PutFunctionConcurrency",
        ("DELETE", ["concurrency"]) => "DeleteFunctionConcurrency",
        ("GET", ["provisioned-concurrency"]) if lists => "ListProvisionedConcurrencyConfigs",
        ("GET", ["provisioned-concurrency"]) => "GetProvisionedConcurrencyConfig",
        ("PUT", ["provisioned-concurrency"]) => "PutProvisionedConcurrencyConfig",
        ("DELETE", ["provisioned-concurrency"]) => "DeleteProvisionedConcurrencyConfig",
        ("GET", ["configuration"]) => "GetFunctionConfiguration",
        ("GET", ["aliases"]) => "ListAliases",
        ("GET", ["event-invoke-config", "list"]) => "ListFunctionEventInvokeConfigs",
        other => panic!("the double of Lambda has no {other:?} of a function"),
    }
}

fn named(json: &mut Map<String, Json>, name: &str, value: Json, operation: &'static str) -> &'static str {
    json.insert(name.to_owned(), value);
    operation
}

/// A part of a path as it was before it was escaped.
fn decoded(part: &str) -> String {
    let escaped = part.replace('+', "%2B");
    url::form_urlencoded::parse(escaped.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}
