//! The principals that started instances, by CloudTrail's event history. It needs no trail, keeps 90 days, and shows an event up to
//! 15 minutes late. AWS takes two such calls a second in a Region, for the whole account.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::error::BuildError;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use guardrails_model::action::ChangedBy;
use guardrails_model::ids::FacetId;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::instances::instance_id;
use crate::error::Failure;

/// Instances that are asked about in one look.
pub const AT_ONCE: usize = 10;
/// The longest that a call may take: a look has more to do, and asks about the others next time.
const LONGEST_CALL: Duration = Duration::from_secs(5);
/// Between two calls.
const APART: Duration = Duration::from_millis(500);
/// Seconds around the start in which its event is looked for.
const AROUND: i64 = 300;
/// After so long CloudTrail shows an event.
const SHOWN: SignedDuration = SignedDuration::from_mins(15);
/// Letters of a name that are shown.
const LONGEST: usize = 64;
/// Events a page.
const PAGE: i32 = 50;

/// Asks CloudTrail, one call after another.
pub struct Starters {
    /// Of the Region.
    pub client: Client,
}

impl Starters {
    /// The principal that started each of these instances at its time.
    pub async fn of(&self, started: &[(FacetId, Timestamp)], now: Timestamp) -> HashMap<FacetId, ChangedBy> {
        let mut found = HashMap::new();
        for (index, (facet, at)) in started.iter().enumerate() {
            if index > 0 {
                tokio::time::sleep(APART).await;
            }
            let Ok(answer) = tokio::time::timeout(LONGEST_CALL, self.starter(instance_id(facet), *at)).await else { break };
            let by = match answer {
                Ok(Some(who)) => ChangedBy::Known { who },
                Ok(None) if now.duration_since(*at) < SHOWN => ChangedBy::NotYet,
                Ok(None) => ChangedBy::Unknown { why: "CloudTrail's history does not show the start".to_owned() },
                Err(why) => ChangedBy::Unknown { why },
            };
            found.insert(facet.clone(), by);
        }
        found
    }

    async fn starter(&self, id: &str, at: Timestamp) -> Result<Option<String>, String> {
        let call = self.client.lookup_events().lookup_attributes(named(id).map_err(|error| error.to_string())?);
        let call = call.start_time(DateTime::from_secs(at.as_second() - AROUND)).max_results(PAGE);
        let answer = call.end_time(DateTime::from_secs(at.as_second() + AROUND)).send().await;
        let answer = answer.map_err(|error| format!("cloudtrail:LookupEvents: {}", Failure::of(&error).message))?;
        // The latest comes first.
        let starts = answer.events().iter().filter(|event| event.event_name() == Some("StartInstances"));
        let mut records = starts.filter_map(|event| serde_json::from_str::<Json>(event.cloud_trail_event()?).ok());
        let Some(record) = records.find(|record| record["errorCode"].is_null() && started(record, id)) else { return Ok(None) };
        principal(&record["userIdentity"]).map(Some).ok_or_else(|| "CloudTrail's history does not name who started it".to_owned())
    }
}

/// Did it start the instance? EC2 takes the call for one that runs too.
fn started(record: &Json, id: &str) -> bool {
    let items = record["responseElements"]["instancesSet"]["items"].as_array().into_iter().flatten();
    let mut of_it = items.filter(|item| item["instanceId"] == id);
    of_it.all(|item| item["previousState"]["name"] == "stopped")
}

fn named(id: &str) -> Result<LookupAttribute, BuildError> {
    let attribute = LookupAttribute::builder().attribute_key(LookupAttributeKey::ResourceName);
    attribute.attribute_value(id).build()
}

/// The caller in words. Anybody can choose a name, so it is shown as text and not in full length.
fn principal(identity: &Json) -> Option<String> {
    let text = |of: &Json| of.as_str().map(|name| name.chars().take(LONGEST).collect::<String>().escape_debug().to_string());
    match identity["type"].as_str()? {
        "IAMUser" => text(&identity["userName"]).map(|name| format!("user {name}")),
        "AssumedRole" => text(&identity["sessionContext"]["sessionIssuer"]["userName"]).map(|name| format!("role {name}")),
        "AWSService" => text(&identity["invokedBy"]).map(|name| format!("the service {name}")),
        "Root" => Some("the account's root user".to_owned()),
        _ => text(&identity["arn"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_principal_is_named_without_its_control_letters() {
        let role = json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"userName": "jenkins"}}});
        assert_eq!(principal(&role).as_deref(), Some("role jenkins"));
        assert_eq!(principal(&json!({"type": "IAMUser", "userName": "a\u{1b}[2Jn"})).as_deref(), Some("user a\\u{1b}[2Jn"));
        let service = json!({"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"});
        assert_eq!(principal(&service).as_deref(), Some("the service autoscaling.amazonaws.com"));
        assert_eq!(principal(&json!({"type": "Root"})).as_deref(), Some("the account's root user"));
        assert_eq!(principal(&json!({"type": "FederatedUser", "arn": "arn:f"})).as_deref(), Some("arn:f"));
        assert_eq!(principal(&json!({})), None);
    }
}
