//! 200 guardrails in one stack, each with a tag value and a group of its own: within the limits of IAM and CloudFormation.

use std::collections::BTreeSet;

use guardrails_aws::actions::CATALOG;
use guardrails_template::{self as template, Limits};
use serde_json::{Value as Json, json};

use crate::account::rendered::{granted, many_guardrails, of_type, rendered_of, texts};

const SWAP: &str = "swap-group-policy: { group: ";
const REST: &str = ", detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }";

/// So many guardrails that deny instead of swapping, and take groups to zero besides.
fn denying(number: usize) -> String {
    let deny = many_guardrails(number).replace(SWAP, "deny-actions: { group: ").replace(REST, " }");
    let mut lines: Vec<String> = Vec::new();
    for line in deny.lines() {
        lines.push(line.to_owned());
        if let Some(rest) = line.strip_prefix("          - stop-instances: { tag: ") {
            let tag = rest.strip_suffix(" }").unwrap();
            lines.push(format!("          - scale-group-to-zero: {{ tag: {tag}, members-are-disposable: true }}"));
        }
    }
    lines.join("\n") + "\n"
}

/// The values of every list in the statements of `role` that allow one of `actions`.
fn listed(template: &Json, role: &str, action: &str, list: impl Fn(&Json) -> &Json) -> Vec<String> {
    let of_role = granted(template).into_iter().filter(|(of, one)| *of == role && texts(&one["Action"]).contains(&action));
    of_role.flat_map(|(_, one)| list(one).as_array().unwrap().iter().map(Json::to_string).collect::<Vec<_>>()).collect()
}

fn by_tag(statement: &Json) -> &Json {
    &statement["Condition"]["StringEquals"]["aws:ResourceTag/Project"]
}

fn resources(statement: &Json) -> &Json {
    &statement["Resource"]
}

#[test]
fn two_hundred_guardrails_fit_into_one_stack() {
    for file in [many_guardrails(200), denying(200)] {
        let template = rendered_of(&file);
        let text = serde_json::to_string_pretty(&template).unwrap();
        Limits::check(&template, &text).unwrap();
        for (role, _) in of_type(&template, "AWS::IAM::Role") {
            let of_role = |policy: &Json| policy["Roles"][0]["Ref"] == role;
            let policies = of_type(&template, "AWS::IAM::ManagedPolicy").filter(|(_, policy)| of_role(policy)).count();
            assert!(policies <= 10, "{role} has {policies} policies");
        }
        for (role, statement) in granted(&template) {
            for resource in statement["Resource"].as_array().into_iter().flatten() {
                let any = resource.as_str().or_else(|| resource["Fn::Sub"].as_str()).unwrap_or_default();
                let wide = any.ends_with(":group/*") || any.ends_with(":budget/*") || any.ends_with(":role/*");
                let turns =
                    texts(&statement["Action"]).iter().any(|action| action.contains("Attach") && !action.contains("List"));
                assert!(!turns || !wide, "{role} may attach to anybody: {statement}");
            }
        }
    }
}

#[test]
fn each_of_two_hundred_guardrails_has_its_rights_once() {
    let template = rendered_of(&denying(200));
    let once = |all: Vec<String>, wanted: usize| {
        let distinct: BTreeSet<&String> = all.iter().collect();
        assert_eq!((all.len(), distinct.len()), (wanted, wanted), "{:?}", all.first());
    };
    once(listed(&template, "StopInstancesRole", "ec2:StopInstances", by_tag), 200);
    once(listed(&template, "StopInstancesRole", "autoscaling:SuspendProcesses", by_tag), 200);
    once(listed(&template, "ScaleGroupToZeroRole", "autoscaling:UpdateAutoScalingGroup", by_tag), 200);
    // With and without a path.
    for action in ["iam:AttachGroupPolicy", "iam:DetachGroupPolicy", "iam:ListAttachedGroupPolicies"] {
        once(listed(&template, "DenyActionsRole", action, resources), 400);
    }
    once(listed(&template, "ReconcileRole", "budgets:ViewBudget", resources), 200);
    let kept = listed(&template, "BudgetRole", "budgets:TagResource", resources);
    once(kept, 200);
    for (role, statement) in granted(&template) {
        let actions = texts(&statement["Action"]);
        if actions.contains(&"iam:AttachGroupPolicy") {
            let own = "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${AWS::StackName}-${AWS::Region}-deny-??????????";
            let named = json!([{"Fn::Sub": own}]);
            assert_eq!(statement["Condition"], json!({"ArnEqualsIfExists": {"iam:PolicyARN": named}}), "{role}");
        }
    }
}

#[test]
fn a_guardrail_more_moves_no_other_s_rights() {
    let place = |template: &Json| -> BTreeSet<(String, String)> {
        let policies = of_type(template, "AWS::IAM::ManagedPolicy").filter(|(_, policy)| policy.get("Roles").is_some());
        let entries = policies.flat_map(|(name, policy)| {
            let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
            let lists = statements.iter().flat_map(|one| one["Resource"].as_array().unwrap());
            lists.map(|entry| (name.to_owned(), entry.to_string())).collect::<Vec<_>>()
        });
        entries.collect()
    };
    let (before, after) = (place(&rendered_of(&denying(180))), place(&rendered_of(&denying(181))));
    assert!(before.len() > 400);
    let moved: Vec<_> = before.difference(&after).collect();
    assert!(moved.is_empty(), "{moved:?}");
}

#[test]
fn more_guardrails_than_fit_are_refused_with_a_way_out() {
    let config = CATALOG.parse("guardrails.yaml", &many_guardrails(600)).unwrap();
    let refused = template::room(&config).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("a stack of their own (--stack-name)"), "{refused}");
}

#[test]
fn the_room_that_is_left_is_said_and_holds() {
    let config = CATALOG.parse("guardrails.yaml", &denying(1)).unwrap();
    let room = template::room(&config).unwrap();
    assert_eq!(room.guardrails, 1);
    assert!(room.more >= 199, "{room:?}");
    rendered_of(&denying(1 + room.more));
    assert!(room.words().contains("resources") && room.words().contains("characters"), "{}", room.words());
}

#[test]
fn a_stack_holds_only_the_parts_that_its_file_uses() {
    let file = include_str!("../../examples/guardrails.yaml");
    let without = file.replace("          - stop-instances: { tag: { Project: Beta } }\n", "");
    assert_ne!(file, without);
    let (with, without) = (rendered_of(file), rendered_of(&without));
    let parts = |template: &Json| template::parts(template).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let fixed = ["budget", "master", "notify", "reconcile", "verify"];
    let expected = |more: &[&str]| fixed.iter().chain(more).map(|part| (*part).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(parts(&with), expected(&["stop-instances", "swap-group-policy"]));
    assert_eq!(parts(&without), expected(&["swap-group-policy"]));
    let of_the_action = |template: &Json| {
        let names = template["Resources"].as_object().unwrap().keys().filter(|name| name.starts_with("StopInstances"));
        names.cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(of_the_action(&without), BTreeSet::new());
    let all = ["Boundary", "ErrorAlarm", "Function", "Log", "Role"].map(|part| format!("StopInstances{part}"));
    assert_eq!(of_the_action(&with), BTreeSet::from(all));
}
