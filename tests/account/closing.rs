//! The calls that a Deny of the stack's own closes besides those that cost money: the guardrails themselves, as the template has
//! them. That it holds is tried in `deployed::closing`.

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

/// The document of the policy that closes the guardrails, of those.
fn closing(documents: &[Json]) -> &Json {
    let sids =
        |document: &Json| document["Statement"].as_array().unwrap().iter().map(|one| one["Sid"].clone()).collect::<Vec<_>>();
    let has = |document: &&Json| sids(document).contains(&json!("TheSigns"));
    documents.iter().find(has).unwrap_or_else(|| panic!("{documents:?}"))
}

#[test]
fn deny_with_any_list_closes_the_guardrails_themselves() {
    for params in ["role: beta-deployer", "actions: [ec2:RunInstances]", "also: [sts:AssumeRole, ec2:CreateTags, ec2:DeleteTags]"]
    {
        let documents = documents(params);
        let [sight, guardrails, bucket, signs] = closing(&documents)["Statement"].as_array().unwrap().as_slice() else {
            panic!("{documents:?}")
        };
        assert!(sight["Action"].as_array().unwrap().contains(&json!("budgets:ModifyBudget")), "{params}");
        assert_eq!((guardrails["Effect"].as_str(), guardrails["Action"].as_str()), (Some("Deny"), Some("*")));
        assert!(!guardrails["Resource"].as_array().unwrap().contains(&json!("*")), "on the stack's own, and nothing else");
        assert_eq!(bucket["Resource"], json!({"Fn::Sub": "arn:${AWS::Partition}:s3:::${ArtifactBucket}"}));
        assert_eq!(signs["Condition"], json!({"StringEquals": {"cloudwatch:namespace": "BudgetGuardrails"}}));
    }
}

#[test]
fn function_of_the_user_s_that_an_action_calls_is_closed() {
    let documents = documents("actions: [ec2:RunInstances] }\n          - run-function: { function: pause-queues");
    let theirs = closing(&documents)["Statement"].as_array().unwrap().iter().find(|one| one["Sid"] == "TheirFunctions").unwrap();
    assert_eq!((&theirs["Effect"], &theirs["Action"]), (&json!("Deny"), &json!("lambda:*")));
    let arn = |end: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:lambda:*:*:function:{end}")});
    assert_eq!(theirs["Resource"], json!([arn("pause-queues"), arn("pause-queues:*")]));
}

#[test]
fn each_list_has_its_own_policies_and_shares_the_closing_one() {
    // The closing one, the list, and the policy that the version before had for both.
    assert_eq!(documents("actions: [ec2:RunInstances, budgets:ModifyBudget]").len(), 3);
    assert!(documents("policy: arn:aws:iam::123456789012:policy/Mine").is_empty());
    let two = "role: beta-deployer }\n          - deny-actions: { user: beta-developer, actions: [ec2:RunInstances]";
    assert_eq!(documents(two).len(), 6, "one closing policy, two for each list, and one for the default list as it was before");
}

#[test]
fn the_policy_of_the_version_before_stays_as_it_was() {
    let documents = documents("actions: [ec2:RunInstances]");
    let former = documents.iter().find(|document| {
        document["Statement"][0]["Action"].to_string().contains("RunInstances") && document["Statement"][1].is_object()
    });
    let former = former.unwrap_or_else(|| panic!("{documents:?}"));
    let listed = json!(["budgets:ModifyBudget", "ce:UpdateCostAllocationTagsStatus", "ec2:RunInstances"]);
    assert_eq!(former["Statement"][0]["Action"], listed);
    assert_eq!(former["Statement"][1]["Sid"], "TheGuardrails");
}
