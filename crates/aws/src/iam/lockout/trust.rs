//! The principals that the policy of a stack's topic lets change the topic.

use guardrails_model::principal::Principal;
use serde_json::Value as Json;

/// Does no Deny of `policy` hit `who`, the ARN of a user, a role, a session of one, or the account's root? A role is known by its
/// name: a session's ARN does not say the path.
#[must_use]
pub fn lets_change(policy: &Json, who: &str) -> bool {
    let spares = |statement: &Json| {
        let spared = &statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
        let one = std::slice::from_ref(spared);
        let mut spared = spared.as_array().map_or(one, Vec::as_slice).iter().filter_map(Json::as_str);
        let principal = Principal::of_arn(who);
        spared.any(|arn| arn == who || (principal.is_some() && Principal::of_arn(arn) == principal))
    };
    let is_deny =
        |statement: &&Json| statement["Effect"] == "Deny" && !statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"].is_null();
    who.ends_with(":root") || policy["Statement"].as_array().into_iter().flatten().filter(is_deny).all(spares)
}
