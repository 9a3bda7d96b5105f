//! The principals that the stack trusts besides itself: the operators, and the one that deploys. The topics, their key and the dead
//! letters know them by `aws:PrincipalArn`, which is the ARN of a user, or of the role of a session.

use anyhow::{Result, anyhow};
use guardrails_model::config::Config;
use serde_json::{Map, Value as Json, json};

/// Stands for no role, in a way that IAM takes for a role's name.
const NOBODY: &str = "-";

/// The patterns of their `aws:PrincipalArn`.
pub(super) fn patterns(config: &Config) -> Vec<Json> {
    let mut patterns: Vec<Json> = config.operators.iter().map(|operator| json!(operator)).collect();
    // A user's ARN as it is; of a session's its role's, which may have a path that the session's does not have.
    patterns.push(json!({"Ref": "Deployer"}));
    for path in ["", "*/"] {
        let role = format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{path}${{Role}}");
        patterns.push(json!({"Fn::Sub": [role, {"Role": deployer_role()}]}));
    }
    patterns
}

/// The name of the role in `arn:aws:sts::123456789012:assumed-role/NAME/SESSION`; nobody's in any other ARN.
fn deployer_role() -> Json {
    let marker = ":assumed-role/";
    let ended = json!({"Fn::Sub": format!("${{Deployer}}{marker}{NOBODY}/")});
    let session = json!({"Fn::Select": [1, {"Fn::Split": [marker, ended]}]});
    json!({"Fn::Select": [0, {"Fn::Split": ["/", session]}]})
}

/// Gives them the rights that nobody else has: adds them to the conditions on `aws:PrincipalArn` of the topics' policies, of
/// the key's and of the dead letters'.
pub(super) fn add(resources: &mut Map<String, Json>, patterns: &[Json]) -> Result<()> {
    for (resource, document) in [
        ("AlertTopicPolicy", "PolicyDocument"),
        ("NotifyTopicPolicy", "PolicyDocument"),
        ("DeadLettersPolicy", "PolicyDocument"),
        ("TopicKey", "KeyPolicy"),
    ] {
        let statements = resources[resource]["Properties"][document]["Statement"].as_array_mut();
        let conditions = statements.into_iter().flatten().filter_map(|statement| statement.get_mut("Condition")?.as_object_mut());
        let lists = conditions.flat_map(|condition| condition.values_mut().filter_map(|keys| keys.get_mut("aws:PrincipalArn")));
        let lists: Vec<&mut Vec<Json>> = lists.filter_map(Json::as_array_mut).collect();
        if lists.is_empty() {
            return Err(anyhow!("the policy of `{resource}` names nobody in `aws:PrincipalArn`"));
        }
        for list in lists {
            list.extend(patterns.iter().cloned());
        }
    }
    Ok(())
}
