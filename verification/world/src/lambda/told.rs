//! How each call stands in the record.

use std::collections::BTreeMap;

use crate::account::Account;
use crate::wire::Call;

/// A call for the record: IAM's action, the resource, and the keys that a policy's conditions may have.
pub fn told(account: &Account, call: &Call) -> (String, String, BTreeMap<String, String>) {
    let region = &call.region;
    let arn = |kind: &str, rest: &str| format!("arn:aws:lambda:{region}:123456789012:{kind}:{rest}");
    let text = |name: &str| call.json[name].as_str().unwrap_or_default();
    let tags_of = |name: &str| {
        let function = account.lambda.functions.get(&(region.clone(), name.to_owned()));
        function.map(|function| function.tags.clone()).unwrap_or_default()
    };
    let (resource, keys) = match call.operation.as_str() {
        "GetResources" => return ("tag:GetResources".to_owned(), "*".to_owned(), BTreeMap::new()),
        "ListEventSourceMappings" | "GetAccountSettings" => ("*".to_owned(), BTreeMap::new()),
        "ListTags" => (text("Resource").to_owned(), tags_of(text("Resource").rsplit(':').next().unwrap_or_default())),
        "GetEventSourceMapping" | "UpdateEventSourceMapping" => {
            let function = account.lambda.mappings.get(text("UUID")).map(|mapping| arn("function", &mapping.function));
            let keys = function.map(|function| ("lambda:FunctionArn".to_owned(), function)).into_iter().collect();
            (arn("event-source-mapping", text("UUID")), keys)
        }
        _ => {
            let name = text("FunctionName");
            let qualifier = call.json["Qualifier"].as_str().map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
            (arn("function", &format!("{name}{qualifier}")), tags_of(name))
        }
    };
    (format!("lambda:{}", call.operation), resource, keys)
}
