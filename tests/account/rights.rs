//! The grants of the rendered template: least, and held in by the boundary, the topics' policies and the key's. Their effect when
//! it is deployed is tried in `deployed::rights`.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_aws::actions::CATALOG;
use guardrails_template::{self as template, artifacts};
use serde_json::{Value as Json, json};

pub const OPERATOR: &str = "arn:aws:iam::123456789012:user/finops";

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

/// The example, with every action besides.
pub fn rendered() -> Json {
    let example = include_str!("../../examples/guardrails.yaml");
    let others = "          - scale-group-to-zero: { tag: { Project: Beta }, members-are-disposable: true }
          - stop-databases: { tag: { Project: Beta } }
          - pause-clusters: { tag: { Project: Beta } }
          - stop-functions: { tag: { Project: Beta } }
          - stop-services: { tag: { Project: Beta } }
          - swap-policy: { user: beta-developer, detach: [AmazonEC2FullAccess] }
          - run-function: { function: pause-queues }
          - deny-actions: { role: beta-deployer, also: [sts:AssumeRole] }\n";
    rendered_of(&format!("{}\n{others}", example.trim_end()))
}

pub fn rendered_of(text: &str) -> Json {
    let config = CATALOG.parse("guardrails.yaml", text).unwrap();
    template::render(&config, "functions.zip").unwrap()
}

pub fn of_type<'a>(template: &'a Json, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Json)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    resources
        .filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
}

/// One, or a list of them.
pub fn many(value: &Json) -> Vec<&Json> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

pub fn texts(value: &Json) -> Vec<&str> {
    many(value).into_iter().filter_map(Json::as_str).collect()
}

/// The statements of a policy, also those under a condition of the template.
pub fn statements(document: &Json) -> Vec<&Json> {
    let all = many(&document["Statement"]).into_iter();
    all.flat_map(|one| one["Fn::If"].as_array().map_or_else(|| vec![one], |branches| vec![&branches[1]])).collect()
}

/// Each role's statements, also those in managed policies that are attached to it.
pub fn granted(template: &Json) -> Vec<(&str, &Json)> {
    let roles = of_type(template, "AWS::IAM::Role");
    let inline = roles.flat_map(|(role, properties)| {
        // Under a company's boundary a role has a policy more, of Denies.
        let policies = many(&properties["Policies"]).into_iter().filter(|policy| policy.get("Fn::If").is_none());
        policies.map(move |policy| (role, &policy["PolicyDocument"]))
    });
    let managed = of_type(template, "AWS::IAM::ManagedPolicy")
        .filter_map(|(_, policy)| Some((policy["Roles"][0]["Ref"].as_str()?, &policy["PolicyDocument"])));
    inline.chain(managed).flat_map(|(role, document)| statements(document).into_iter().map(move |one| (role, one))).collect()
}

/// The boundary of a role, by the role's name.
fn boundary_name(role: &str) -> String {
    role.replace("Role", "Boundary")
}

fn boundary<'a>(template: &'a Json, role: &str) -> &'a Json {
    &template["Resources"][boundary_name(role)]["Properties"]["PolicyDocument"]
}

fn boundary_statement<'a>(template: &'a Json, role: &str, sid: &str) -> &'a Json {
    statements(boundary(template, role)).into_iter().find(|one| one["Sid"] == sid).unwrap()
}

/// Does `action` fall under one of `patterns`?
fn falls_under(action: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| pattern.strip_suffix('*').map_or(*pattern == action, |start| action.starts_with(start)))
}

#[test]
fn every_role_has_a_boundary_of_its_own() {
    let template = rendered();
    let roles: Vec<_> = of_type(&template, "AWS::IAM::Role").collect();
    assert_eq!(roles.len(), artifacts::functions().len() + 2, "each function's, the schedule's and the state machine's");
    for (role, properties) in roles {
        let own = json!({"Ref": boundary_name(role)});
        let limit = json!({"Fn::If": ["HasOwnBoundaries", own, {"Ref": "PermissionsBoundary"}]});
        assert_eq!(properties["PermissionsBoundary"], limit, "{role}");
        assert_eq!(template["Resources"][boundary_name(role)]["Condition"], "HasOwnBoundaries");
        assert!(properties.get("ManagedPolicyArns").is_none(), "{role} has rights that are not written here");
    }
}

#[test]
fn a_boundary_allows_the_grants_of_its_role_alone() {
    let template = rendered();
    let mut granted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (role, statement) in self::granted(&template) {
        granted.entry(role).or_default().extend(texts(&statement["Action"]));
    }
    for (role, granted) in granted {
        for (sid, list) in [("Granted", "Action"), ("NeverAnythingElse", "NotAction")] {
            let listed = texts(&boundary_statement(&template, role, sid)[list]);
            assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), granted, "{role}: {sid}");
        }
        for sid in ["NeverMoreRights", "NeverForGood"] {
            let forbidden = texts(&boundary_statement(&template, role, sid)["Action"]);
            let both: Vec<_> = granted.iter().filter(|action| falls_under(action, &forbidden)).collect();
            assert!(both.is_empty(), "{role}: {sid} forbids a grant: {both:?}");
        }
    }
}

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
fn stop_functions_removes_settings_and_nothing_else() {
    let template = rendered();
    let allowed = texts(&boundary_statement(&template, "StopFunctionsRole", "NeverAnythingElse")["NotAction"]);
    for setting in ["lambda:DeleteFunctionConcurrency", "lambda:DeleteProvisionedConcurrencyConfig"] {
        assert!(allowed.contains(&setting), "{setting}");
    }
    let own = boundary_statement(&template, "StopFunctionsRole", "NeverItsOwnFunctions");
    let named = "arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:function:${AWS::StackName}-*";
    assert_eq!((&own["Effect"], &own["Resource"]), (&json!("Deny"), &json!({"Fn::Sub": named})));
    assert!(texts(&own["Action"]).contains(&"lambda:PutFunctionConcurrency"));
    for other in [
        "lambda:DeleteFunction",
        "lambda:DeleteAlias",
        "lambda:DeleteEventSourceMapping",
        "lambda:DeleteFunctionEventInvokeConfig",
        "lambda:DeleteFunctionUrlConfig",
        "lambda:CreateEventSourceMapping",
        "lambda:UpdateFunctionConfiguration",
        "lambda:GetFunction",
        "application-autoscaling:DeregisterScalableTarget",
    ] {
        assert!(!allowed.contains(&other), "{other}");
    }
}

#[test]
fn a_boundary_protects_the_stack_the_operators_and_rights() {
    let template = rendered();
    for (role, _) in of_type(&template, "AWS::IAM::Role") {
        forbids_what_none_may(&template, role);
    }
}

fn forbids_what_none_may(template: &Json, role: &str) {
    let forbidden = |sid: &str| texts(&boundary_statement(template, role, sid)["Action"]);
    for action in ["iam:CreateUser", "iam:PutGroupPolicy", "iam:AddUserToGroup", "sts:AssumeRole", "kms:PutKeyPolicy"] {
        assert!(falls_under(action, &forbidden("NeverMoreRights")), "{role}: {action}");
    }
    for action in ["ec2:TerminateInstances", "autoscaling:TerminateInstanceInAutoScalingGroup", "kms:ScheduleKeyDeletion"] {
        assert!(falls_under(action, &forbidden("NeverForGood")), "{role}: {action}");
    }
    let allowed = texts(&boundary_statement(template, role, "NeverAnythingElse")["NotAction"]);
    for action in ["iam:PassRole", "ec2:DeleteVolume", "lambda:UpdateFunctionCode", "rds:DeleteDBInstance", "s3:GetObject"] {
        assert!(!allowed.contains(&action), "{role}: {action}");
    }
    let protected = boundary_statement(template, role, "NeverItselfNorTheOperators");
    let resources = many(&protected["Resource"]);
    assert!(resources.contains(&&json!(OPERATOR)));
    for own in ["role", "policy"] {
        let own = format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{own}/${{AWS::StackName}}-*");
        assert!(resources.contains(&&json!({"Fn::Sub": own})), "{resources:?}");
    }
    assert_eq!(texts(&protected["NotAction"]), ["iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy"]);
}

/// The example with so many guardrails, each with a tag value and a group of its own.
pub fn many_guardrails(number: usize) -> String {
    let example = include_str!("../../examples/guardrails.yaml");
    let (head, one) = example.split_once("guardrails:\n").unwrap();
    let one = |number: usize| {
        one.replace("project-beta", &format!("project-number-{number:03}"))
            .replace("Project: Beta", &format!("Project: Project-{number:03}"))
            .replace("ProjectBeta", &format!("Team-Of-Project-{number:03}"))
    };
    format!("{head}guardrails:\n{}", (0..number).map(one).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_boundary_does_not_grow_with_the_number_of_guardrails() {
    let (one, many) = (rendered_of(&many_guardrails(1)), rendered_of(&many_guardrails(100)));
    for (role, _) in of_type(&one, "AWS::IAM::Role") {
        assert_eq!(boundary(&one, role), boundary(&many, role), "{role}");
        // Pseudo parameters are longer than their values.
        let letters = boundary(&one, role).to_string().chars().filter(|letter| !letter.is_whitespace()).count();
        assert!(letters < 6144, "{role}: {letters} letters");
    }
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

#[test]
fn every_log_is_kept_for_as_long_as_was_asked_and_no_longer() {
    let template = rendered();
    let logs: Vec<_> = of_type(&template, "AWS::Logs::LogGroup").collect();
    assert_eq!(logs.len(), artifacts::functions().len() + 1, "each function's, and the state machine's");
    for (log, properties) in logs {
        assert_eq!(properties["RetentionInDays"], json!({"Ref": "LogRetentionDays"}), "{log}");
    }
    for (function, properties) in of_type(&template, "AWS::Lambda::Function") {
        let log = properties["LoggingConfig"]["LogGroup"]["Ref"].as_str();
        assert!(log.is_some_and(|log| template["Resources"][log]["Type"] == "AWS::Logs::LogGroup"), "{function} logs elsewhere");
    }
}

/// Where nothing stands though a name does.
fn nulls(value: &Json, at: &str) -> Vec<String> {
    match value {
        Json::Null => vec![at.to_owned()],
        Json::Array(all) => all.iter().enumerate().flat_map(|(index, one)| nulls(one, &format!("{at}/{index}"))).collect(),
        Json::Object(all) => all.iter().flat_map(|(name, one)| nulls(one, &format!("{at}/{name}"))).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn cloudformation_finds_no_null_in_the_template() {
    assert_eq!(nulls(&rendered(), ""), Vec::<String>::new());
}
