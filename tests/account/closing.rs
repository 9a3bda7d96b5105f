//! What a Deny of the stack's own closes besides what costs money: the guardrails themselves, as the template has it. That it holds
//! is tried in `deployed::closing`.

use guardrails_aws::actions::CATALOG;
use guardrails_template as template;
use serde_json::{Value as Json, json};

const EXAMPLE: &str = include_str!("../../examples/deny-actions.yaml");
const DENY: &str = "deny-actions: { group: ProjectBeta, role: beta-deployer }";

/// The documents of the stack's own Deny policies for these `params`.
fn documents(params: &str) -> Vec<Json> {
    let text = EXAMPLE.replace(DENY, &format!("deny-actions: {{ group: ProjectBeta, {params} }}"));
    let config = CATALOG.parse("guardrails.yaml", &text).unwrap();
    let template = template::render(&config, "functions.zip").unwrap();
    let resources = template["Resources"].as_object().unwrap().iter();
    let own = resources.filter(|(name, _)| name.starts_with("DenyPolicy"));
    own.map(|(_, policy)| policy["Properties"]["PolicyDocument"].clone()).collect()
}

#[test]
fn whatever_the_list_the_guardrails_themselves_are_closed() {
    for params in ["role: beta-deployer", "actions: [ec2:RunInstances]", "also: [sts:AssumeRole, ec2:CreateTags, ec2:DeleteTags]"]
    {
        let documents = documents(params);
        let [listed, guardrails] = documents[0]["Statement"].as_array().unwrap().as_slice() else { panic!("{documents:?}") };
        for sight in ["budgets:ModifyBudget", "ce:UpdateCostAllocationTagsStatus"] {
            assert!(listed["Action"].as_array().unwrap().contains(&json!(sight)), "{params}: {sight}");
        }
        assert_eq!((guardrails["Effect"].as_str(), guardrails["Action"].as_str()), (Some("Deny"), Some("*")));
        assert!(!guardrails["Resource"].as_array().unwrap().contains(&json!("*")), "on the stack's own, and nothing else");
    }
}

#[test]
fn a_list_is_one_policy_whatever_else_it_denies_and_people_s_own_policy_is_as_they_wrote_it() {
    assert_eq!(documents("actions: [ec2:RunInstances, budgets:ModifyBudget]").len(), 1);
    assert!(documents("policy: arn:aws:iam::123456789012:policy/Mine").is_empty());
}
