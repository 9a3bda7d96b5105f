//! The index of tags, over all that an account has.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::account::Account;
use crate::lambda::Lambda;
use crate::wire::{Call, page};

/// A page of the resources that carry the tags that a call asks for, of its types.
pub fn resources(account: &Account, lambda: &Lambda, call: &Call) -> String {
    let types: Vec<&str> = call.json["ResourceTypeFilters"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let filters = call.json["TagFilters"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for (arn, tags) in all(account, lambda, &call.region) {
        let is_of = |kind: &&str| {
            let (service, of) = kind.split_once(':').unwrap_or((kind, ""));
            arn.split(':').nth(2) == Some(service) && arn.splitn(6, ':').nth(5).is_some_and(|rest| rest.starts_with(of))
        };
        let carries = |filter: &Json| {
            let value = tags.iter().find(|(key, _)| filter["Key"] == *key).map(|(_, value)| json!(value));
            value.is_some_and(|value| filter["Values"].as_array().is_none_or(|some| some.is_empty() || some.contains(&value)))
        };
        if (types.is_empty() || types.iter().any(is_of)) && !tags.is_empty() && filters.iter().all(carries) {
            let tags: Vec<Json> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
            found.push(json!({"ResourceARN": arn, "Tags": tags}).to_string());
        }
    }
    let token = call.json["PaginationToken"].as_str().filter(|token| !token.is_empty());
    let (some, next) = page(found, token, account.page);
    let shown: Vec<Json> = some.iter().map(|one| serde_json::from_str(one).expect("JSON")).collect();
    json!({"ResourceTagMappingList": shown, "PaginationToken": next.unwrap_or_default()}).to_string()
}

type Tagged = (String, Vec<(String, String)>);

fn all(account: &Account, lambda: &Lambda, region: &str) -> Vec<Tagged> {
    let pairs = |tags: &BTreeMap<String, String>| tags.clone().into_iter().collect::<Vec<_>>();
    let instances = account.instances.values().filter(|one| one.region == region);
    let instances = instances.map(|one| (format!("arn:aws:ec2:{region}:123456789012:instance/{}", one.id), pairs(&one.tags)));
    let databases = account.databases.iter().filter(|(_, one)| one.region == region);
    let databases = databases.map(|(arn, one)| (arn.clone(), pairs(&one.tags)));
    let functions = lambda.functions.values().filter(|one| one.region == region);
    let functions = functions.map(|one| (one.arn(), pairs(&one.tags)));
    let others = account.tagged.iter().filter(|(of, ..)| *of == region).map(|(_, arn, tags)| {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        ((*arn).to_owned(), tags)
    });
    instances.chain(databases).chain(functions).chain(others).collect()
}
