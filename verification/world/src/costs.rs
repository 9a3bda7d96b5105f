//! Cost Explorer: costs by service and usage type.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::account::Account;
use super::wire::{Call, Refusal, page};

/// Answers a call.
pub fn answer(account: &Account, call: &Call) -> Result<String, Refusal> {
    assert_eq!(call.operation, "GetCostAndUsage", "the double of Cost Explorer has no {}", call.operation);
    let request = &call.json;
    let (start, end) = (date(&request["TimePeriod"]["Start"]), date(&request["TimePeriod"]["End"]));
    if start >= end {
        return Err(Refusal(400, "ValidationException", "Start date (and hour) should be before end date (and hour)".to_owned()));
    }
    let groups: Vec<&str> =
        request["GroupBy"].as_array().into_iter().flatten().filter_map(|group| group["Key"].as_str()).collect();
    assert_eq!(groups, ["SERVICE", "USAGE_TYPE"], "the double knows these groups");
    let metric = request["Metrics"][0].as_str().expect("a metric");
    let all: Vec<_> = account.costs.iter().collect();
    let (found, next) = page(all, request["NextPageToken"].as_str(), account.page);
    let group = |(service, usage, amount): &(&str, &str, &str)| json!({"Keys": [service, usage], "Metrics": {metric: {"Amount": amount, "Unit": "USD"}}});
    let groups: Vec<Json> = found.into_iter().map(group).collect();
    let results = json!([{"TimePeriod": request["TimePeriod"], "Groups": groups, "Total": {}, "Estimated": true}]);
    Ok(json!({"ResultsByTime": results, "NextPageToken": next}).to_string())
}

fn date(text: &Json) -> Timestamp {
    format!("{}T00:00:00Z", text.as_str().expect("a date")).parse().expect("a date")
}
