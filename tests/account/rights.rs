//! The grants of the rendered template: each is the least that its role needs. Their effect when it is deployed is tried in
//! `deployed::rights`.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_aws::actions::CATALOG;
use guardrails_template::artifacts;
use serde_json::{Value as Json, json};

use super::rendered::{granted, many, rendered, rendered_of, texts};

/// Actions for which the service authorization reference names no resource type. Every other one on `*` is a mistake; parliament
/// holds this against AWS's own list in CI.
const WITHOUT_RESOURCE: &[&str] = &[
    "application-autoscaling:DescribeScalableTargets",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeInstanceRefreshes",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeScheduledActions",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeRegions",
    "ec2:DescribeSpotInstanceRequests",
    "ec2:DescribeVolumes",
    "ecs:ListClusters",
    "ecs:ListServices",
    // Of container instances, which tasks on Fargate have none of: AWS's own examples grant it on everything.
    "ecs:ListTasks",
    "elasticloadbalancing:DescribeInstanceHealth",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:GetAccountSummary",
    "iam:ListGroups",
    "iam:ListPolicies",
    "iam:ListRoles",
    "iam:ListUsers",
    "lambda:GetAccountSettings",
    "lambda:ListEventSourceMappings",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "redshift:DescribeClusterSnapshots",
    "redshift:DescribeReservedNodes",
    "redshift:DescribeScheduledActions",
    "redshift:ModifyScheduledAction",
    "states:SendTaskSuccess",
    "tag:GetResources",
];

/// Calls that end, change or pass something, each declared by the role that needs it. Add one only with a reason.
#[test]
fn calls_that_end_change_or_pass_are_declared_one_by_one() {
    let template = rendered();
    let all =
        granted(&template).into_iter().flat_map(|(role, one)| texts(&one["Action"]).into_iter().map(move |call| (role, call)));
    let declared: BTreeSet<(&str, &str)> = all
        .filter(|(_, call)| {
            let name = call.split(':').nth(1).unwrap();
            ["Delete", "Update", "PassRole", "Terminate", "Purge"].iter().any(|verb| name.starts_with(verb))
        })
        .collect();
    let expected = [
        ("MachineRole", "logs:DeleteLogDelivery"),
        ("MachineRole", "logs:UpdateLogDelivery"),
        ("ScaleGroupToZeroRole", "autoscaling:UpdateAutoScalingGroup"),
        // Settings of functions: where there was none, none comes back.
        ("StopFunctionsRole", "lambda:DeleteFunctionConcurrency"),
        ("StopFunctionsRole", "lambda:DeleteProvisionedConcurrencyConfig"),
        // Whether a mapping is enabled.
        ("StopFunctionsRole", "lambda:UpdateEventSourceMapping"),
        // A group's minimum alone: its members enter Standby only above it.
        ("StopInstancesRole", "autoscaling:UpdateAutoScalingGroup"),
        // A service's count alone.
        ("StopServicesRole", "ecs:UpdateService"),
    ];
    assert_eq!(declared, BTreeSet::from(expected));
}

#[test]
fn no_action_with_a_resource_type_is_granted_on_everything() {
    let template = rendered();
    for (role, statement) in granted(&template) {
        assert_eq!(statement["Effect"], "Allow", "{role}");
        for action in texts(&statement["Action"]) {
            let any = texts(&statement["Resource"]).contains(&"*");
            assert_eq!(any, WITHOUT_RESOURCE.contains(&action), "{role}: {action} on {}", statement["Resource"]);
        }
    }
}

#[test]
fn instances_and_groups_are_changed_by_their_own_tag_alone() {
    let template = rendered();
    let groups = ["SuspendProcesses", "ResumeProcesses", "SetInstanceHealth", "UpdateAutoScalingGroup"]
        .map(|one| format!("autoscaling:{one}"));
    let switches: Vec<&str> = groups.iter().map(String::as_str).chain(["ec2:StopInstances", "ec2:StartInstances"]).collect();
    let all = granted(&template);
    let of: Vec<_> = all
        .iter()
        .filter(|(_, one)| texts(&one["Action"]).iter().any(|action| switches.contains(action)))
        .filter(|(_, one)| one["Sid"] != "StartLicensed")
        .collect();
    assert_eq!(of.len(), 4, "instances, groups to suspend, groups' minimum, groups to size");
    for (role, statement) in of {
        assert_eq!(statement["Condition"]["StringEquals"], json!({"aws:ResourceTag/Project": ["Beta"]}), "{role}");
    }
}

#[test]
fn start_reaches_shared_licences_and_keys_but_no_instance() {
    let template = rendered();
    let all = granted(&template);
    let of = |sid: &str| all.iter().map(|(_, one)| one).find(|one| one["Sid"] == sid).copied().unwrap();
    let arns = |one: &Json| one["Resource"][0]["Fn::Sub"].as_str().unwrap().to_owned();
    let (licences, keys) = (of("StartLicensed"), of("StartEncrypted"));
    assert_eq!(arns(licences), "arn:${AWS::Partition}:license-manager:*:*:license-configuration:*");
    assert_eq!(texts(&licences["Action"]), ["ec2:StartInstances"]);
    assert_eq!(arns(keys), "arn:${AWS::Partition}:kms:*:*:key/*");
    assert_eq!(keys["Condition"]["Bool"], json!({"kms:GrantIsForAWSResource": "true"}));
    assert_eq!(keys["Condition"]["StringLike"], json!({"kms:ViaService": "ec2.*.amazonaws.com"}));
}

#[test]
fn history_of_cloudtrail_is_read_only_where_the_file_asks() {
    let example = include_str!("../../examples/guardrails.yaml");
    let asks = example
        .replace("stop-instances: { tag: { Project: Beta } }", "stop-instances: { tag: { Project: Beta }, who-started: true }");
    assert_ne!(asks, example);
    let reads = |text: &str| rendered_of(text).to_string().contains("cloudtrail:LookupEvents");
    assert_eq!((reads(&asks), reads(example)), (true, false));
}

#[test]
fn stop_instances_may_set_no_maximum_and_no_template() {
    let template = rendered();
    let all = granted(&template);
    let is_update = |one: &Json| texts(&one["Action"]).contains(&"autoscaling:UpdateAutoScalingGroup");
    let (_, statement) = all.iter().find(|(role, one)| role.starts_with("StopInstances") && is_update(one)).unwrap();
    assert_eq!(texts(&statement["Action"]), ["autoscaling:UpdateAutoScalingGroup"]);
    let asked = &statement["Condition"];
    assert_eq!(asked["NumericGreaterThanEquals"], json!({"autoscaling:MinSize": "0"}), "it has to set the minimum");
    assert_eq!(asked["BoolIfExists"], json!({"autoscaling:LaunchTemplateVersionSpecified": "false"}));
    for key in ["MaxSize", "LaunchConfigurationName", "VPCZoneIdentifiers"] {
        assert_eq!(asked["Null"][format!("autoscaling:{key}")], "true", "{key}");
    }
}

/// The grants to suspend groups for the example with this action instead: resources and condition.
fn suspending(instead: &str) -> Vec<(Vec<String>, Json)> {
    let example = include_str!("../../examples/guardrails.yaml");
    let text = example.replace("- stop-instances: { tag: { Project: Beta } }", instead);
    let config = CATALOG.parse("guardrails.yaml", &text).unwrap();
    let grants = CATALOG.find("stop-instances").unwrap().grants(&config).unwrap();
    let suspending = grants.into_iter().filter(|grant| grant.actions.contains(&"autoscaling:SuspendProcesses"));
    suspending.map(|grant| (grant.resources, grant.condition)).collect()
}

#[test]
fn any_group_may_be_suspended_only_in_regions_of_opted_in_stage() {
    let groups = |region: &str| {
        let arn = "arn:${AWS::Partition}:autoscaling:REGION:${AWS::AccountId}:autoScalingGroup:*:autoScalingGroupName/*";
        vec![arn.replace("REGION", region)]
    };
    let tagged = json!({"StringEquals": {"aws:ResourceTag/Project": ["Beta"], "aws:ResourceTag/Stage": ["dev", "test"]}});
    let by_tag = "- stop-instances: { tag: { Project: Beta, Stage: [dev, test] } }";
    assert_eq!(suspending(by_tag), [(groups("*"), tagged.clone())], "all keys, any of the values");
    let any = "- stop-instances: { tag: { Project: Gamma }, regions: [eu-west-1], untagged-groups: stop }";
    assert_eq!(suspending(any), [(groups("eu-west-1"), json!(null))]);
    let both = format!("{by_tag}\n          {any}");
    assert_eq!(suspending(&both), [(groups("*"), tagged), (groups("eu-west-1"), json!(null))]);
}

#[test]
fn only_budgets_of_the_file_or_with_stack_tag_may_be_changed() {
    let template = rendered();
    let all = granted(&template);
    let changes: Vec<_> = all
        .iter()
        .filter(|(_, one)| texts(&one["Action"]).iter().any(|action| action.starts_with("budgets:") && !is_look(action)))
        .collect();
    assert_eq!(changes.len(), 2);
    for (role, statement) in changes {
        let budgets: Vec<&str> = many(&statement["Resource"]).iter().filter_map(|arn| arn["Fn::Sub"].as_str()).collect();
        let under = |operator: &str| json!({operator: {"aws:ResourceTag/guardrails:stack": {"Ref": "AWS::StackId"}}});
        // One that is made is not there yet, and carries no tag.
        let made = statement["Condition"] == under("StringEqualsIfExists");
        let named = made && budgets.iter().all(|arn| arn.ends_with(":budget/project-beta"));
        let tagged = statement["Condition"] == under("StringEquals");
        assert!(*role == "BudgetRole" && !budgets.is_empty() && (named || tagged), "{role}: {statement}");
    }
}

fn is_look(action: &str) -> bool {
    ["View", "List", "Describe"].iter().any(|look| action.contains(&format!(":{look}")))
}

#[test]
fn each_function_has_its_own_ledger_items_and_deletes_none() {
    let template = rendered();
    let mut partitions: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (role, statement) in granted(&template) {
        for action in texts(&statement["Action"]).into_iter().filter(|action| action.starts_with("dynamodb:")) {
            // Of these alone DynamoDB knows the partitions: a call that names none passes a ForAllValues.
            let with_keys = ["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"];
            assert!(with_keys.contains(&action), "{role}: {action}");
            let keys = texts(&statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]);
            assert!(!keys.is_empty() && !keys.contains(&"*"), "{role}: {action} on {keys:?}");
            partitions.insert((role, action.trim_start_matches("dynamodb:")), keys);
        }
    }
    let of = |role, action| partitions.get(&(role, action)).cloned().unwrap_or_default();
    assert_eq!(of("StopInstancesRole", "PutItem"), ["RUN", "STEP#*", "FACET#*"]);
    assert_eq!(of("BudgetRole", "PutItem"), ["GUARDRAIL", "PRICES"]);
    assert_eq!(of("NotifyRole", "PutItem"), Vec::<&str>::new());
    assert_eq!(of("VerifyRole", "PutItem"), ["VERIFY#*"]);
    for role in ["MasterRole", "ReconcileRole"] {
        let writes = of(role, "PutItem");
        let begin = |start: &str| writes.iter().any(|key| key.starts_with(start));
        assert!(!begin("FACET") && !begin("GUARDRAIL") && !begin("STEP"), "{role} writes {writes:?}");
    }
}

#[test]
fn the_state_machine_calls_this_stack_s_functions_and_no_others() {
    let template = rendered();
    let calls: Vec<&Json> = granted(&template)
        .into_iter()
        .filter(|(role, one)| *role == "MachineRole" && one["Sid"] == "CallFunctions")
        .flat_map(|(_, one)| many(&one["Resource"]))
        .collect();
    assert_eq!(calls.len(), artifacts::functions().len() - 2, "neither the custom resource nor the reconciler");
    for call in calls {
        let function = call["Fn::GetAtt"][0].as_str().unwrap();
        assert_eq!(template["Resources"][function]["Type"], "AWS::Lambda::Function");
    }
}

#[test]
fn reconciler_calls_the_actions_and_notify_and_no_others() {
    let template = rendered();
    let calls: Vec<&Json> = granted(&template)
        .into_iter()
        .filter(|(role, one)| *role == "ReconcileRole" && texts(&one["Action"]).contains(&"lambda:InvokeFunction"))
        .flat_map(|(_, one)| many(&one["Resource"]))
        .collect();
    let mut called: Vec<&str> = calls.iter().map(|call| call["Fn::GetAtt"][0].as_str().unwrap()).collect();
    called.sort_unstable();
    let actions = [
        "DenyActions",
        "PauseClusters",
        "RunFunction",
        "ScaleGroupToZero",
        "StopDatabases",
        "StopFunctions",
        "StopInstances",
        "StopServices",
        "SwapGroupPolicy",
        "SwapPolicy",
    ];
    let actions = actions.map(|of| format!("{of}Function"));
    let mut expected: Vec<&str> = actions.iter().map(String::as_str).chain(["NotifyFunction"]).collect();
    expected.sort_unstable();
    assert_eq!(called, expected);
}
