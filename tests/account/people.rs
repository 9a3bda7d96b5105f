//! The policies for people: the deployer, and the operator who works with the stack from day to day. The calls of CloudFormation
//! in the deployer's name are held against its resource types' own lists; those of the command itself are tried in
//! `deployed::people`.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_aws::actions::CATALOG;
use guardrails_aws::grants::Use;
use guardrails_template::LONGEST_STACK_NAME;
use serde_json::{Value as Json, json};

/// An IAM managed policy has at most so many characters, white space not counted.
const LARGEST_POLICY: usize = 6144;

/// The calls that resource types may make, and why this stack's do not.
const NOT_ASKED: [(&str, &str); 12] = [
    (
        "the ledger has no import, time to live, contributor insights, stream or policy of its own",
        "dynamodb:DeleteResourcePolicy dynamodb:DescribeImport dynamodb:DisableKinesisStreamingDestination \
         dynamodb:EnableKinesisStreamingDestination dynamodb:ImportTable dynamodb:PutResourcePolicy \
         dynamodb:UpdateContributorInsights dynamodb:UpdateKinesisStreamingDestination dynamodb:UpdateTimeToLive \
         iam:CreateServiceLinkedRole kinesis:DescribeStream kinesis:PutRecords logs:CreateLogStream logs:DescribeLogStreams \
         logs:PutLogEvents s3:GetObjectMetadata kms:RevokeGrant",
    ),
    ("the ledger is retained when its stack is deleted", "dynamodb:DeleteTable"),
    (
        "it has no replicas, and CloudFormation moves no items of it",
        "dynamodb:AssociateTableReplica dynamodb:BatchWriteItem dynamodb:CreateTableReplica dynamodb:DeleteItem dynamodb:GetItem \
         dynamodb:PutItem dynamodb:Scan dynamodb:UpdateItem",
    ),
    (
        "no function is in a VPC, or has a file system",
        "ec2:DescribeNetworkInterfaces ec2:DescribeSecurityGroups ec2:DescribeSubnets",
    ),
    ("the same", "ec2:DescribeVpcs elasticfilesystem:DescribeMountTargets s3files:ListMountTargets"),
    (
        "the template attaches policies to roles alone",
        "iam:AttachGroupPolicy iam:AttachUserPolicy iam:DetachGroupPolicy iam:DetachUserPolicy",
    ),
    ("a key is never switched off", "kms:DisableKey kms:EnableKey"),
    ("functions' variables and code are encrypted by Lambda's own key", "kms:Encrypt kms:GenerateDataKey"),
    (
        "functions have no layers, concurrency, capacity, published or chosen runtime version, or settings of recursion",
        "lambda:DeleteFunctionConcurrency lambda:GetLayerVersion lambda:PassCapacityProvider lambda:PublishVersion \
         lambda:PutFunctionConcurrency lambda:PutFunctionRecursionConfig lambda:PutFunctionScalingConfig \
         lambda:PutRuntimeManagementConfig",
    ),
    (
        "log groups have no key, data protection, index or policy of their own, and are not delivered elsewhere",
        "firehose:TagDeliveryStream logs:AssociateKmsKey logs:CreateLogDelivery logs:DeleteDataProtectionPolicy \
         logs:DeleteIndexPolicy logs:DeleteResourcePolicy logs:DisassociateKmsKey logs:PutBearerTokenAuthentication \
         logs:PutDataProtectionPolicy logs:PutIndexPolicy logs:PutLogGroupDeletionProtection logs:PutResourcePolicy \
         s3:REST.PUT.OBJECT",
    ),
    ("the code's keys name their content: no object has versions", "s3:GetObjectVersion"),
    ("topics have no data protection", "sns:PutDataProtectionPolicy"),
];
/// The calls of the read handlers that this stack's do not make: functions and the machine are encrypted under no key of their
/// own.
const NOT_READ: [&str; 1] = ["kms:Decrypt"];
/// The calls that `guardrails deploy` and `guardrails remove` make themselves.
const DIRECT: [&str; 26] = [
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    // `aws cloudformation deploy`, when the stack is there.
    "cloudformation:GetTemplateSummary",
    "cloudformation:ListStackResources",
    "cloudformation:ListStacks",
    "dynamodb:BatchGetItem",
    "dynamodb:DescribeTable",
    "dynamodb:Query",
    "iam:GetGroup",
    // Also of the stack's own Deny policies, before it is removed.
    "iam:ListEntitiesForPolicy",
    "iam:ListPolicies",
    // CloudFormation too: it calls the custom resources' function.
    "lambda:InvokeFunction",
    "logs:TagResource",
    "s3:CreateBucket",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "s3:ListBucket",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:PutObject",
];

fn policy(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

/// The policies of the deployer.
const DEPLOYER: [&str; 2] = [include_str!("../../policies/deployer.json"), include_str!("../../policies/cloudformation.json")];
/// The policies of the operator.
const OPERATOR: [&str; 2] = [include_str!("../../policies/operator.json"), include_str!("../../policies/doctor.json")];

fn deployer() -> Json {
    together(DEPLOYER)
}

fn operator() -> Json {
    together(OPERATOR)
}

fn together(documents: [&str; 2]) -> Json {
    let statements = documents.into_iter().flat_map(|text| policy(text)["Statement"].as_array().unwrap().clone());
    json!({"Statement": statements.collect::<Vec<_>>()})
}

fn granted(policy: &Json) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// The calls that CloudFormation may make, by resource type: for all that it does (`types`), or only to look (`reads`).
fn handlers(what: &str) -> BTreeMap<String, BTreeSet<String>> {
    let all = policy(include_str!("../../verification/local-aws/launcher/cloudformation-handlers.json"));
    serde_json::from_value(all[what].clone()).unwrap()
}

/// The types of the stack's resources that CloudFormation makes itself.
fn types() -> BTreeSet<String> {
    let template = crate::account::alarms::rendered();
    let resources = template["Resources"].as_object().unwrap().values();
    resources.map(|one| one["Type"].as_str().unwrap().to_owned()).filter(|kind| !kind.starts_with("Custom::")).collect()
}

#[test]
fn deployer_has_rights_for_each_resource_of_the_stack() {
    let (handlers, granted) = (handlers("types"), granted(&deployer()));
    let not_asked: BTreeSet<&str> = NOT_ASKED.iter().flat_map(|(_, actions)| actions.split_whitespace()).collect();
    let both: Vec<_> = not_asked.iter().filter(|action| granted.contains(**action)).collect();
    assert!(both.is_empty(), "granted, and not needed: {both:?}");
    for kind in types() {
        let asked = handlers.get(&kind).unwrap_or_else(|| panic!("cloudformation-handlers.json does not have {kind}"));
        let lacking: Vec<_> = asked.difference(&granted).filter(|action| !not_asked.contains(action.as_str())).collect();
        assert!(lacking.is_empty(), "policies/cloudformation.json lacks what {kind} needs: {lacking:?}");
    }
}

#[test]
fn deployer_has_only_rights_that_deploying_uses() {
    let asked: BTreeSet<String> = handlers("types").into_values().flatten().chain(DIRECT.map(str::to_owned)).collect();
    let granted = granted(&deployer());
    assert_eq!(granted.difference(&asked).cloned().collect::<Vec<_>>(), Vec::<String>::new());
    let direct: BTreeSet<String> = DIRECT.iter().map(|&action| action.to_owned()).collect();
    assert_eq!(direct.difference(&granted).cloned().collect::<Vec<_>>(), Vec::<String>::new());
}

/// A person who deploys can remove the stack, and still not its record.
#[test]
fn ledger_is_deleted_by_a_policy_of_its_own_alone() {
    let alone = granted(&policy(include_str!("../../policies/delete-ledger.json")));
    assert_eq!(alone.iter().map(String::as_str).collect::<Vec<_>>(), ["dynamodb:DeleteTable"]);
    assert!(granted(&deployer()).union(&granted(&operator())).all(|action| !alone.contains(action)));
}

#[test]
fn operator_may_read_each_resource_as_drift_detection_does() {
    let (reads, granted) = (handlers("reads"), granted(&operator()));
    for kind in types() {
        let asked = reads.get(&kind).into_iter().flatten();
        let lacking: Vec<_> = asked.filter(|action| !granted.contains(*action) && !NOT_READ.contains(&action.as_str())).collect();
        assert!(lacking.is_empty(), "policies/doctor.json lacks what it takes to read {kind}: {lacking:?}");
    }
}

#[test]
fn operator_may_read_all_that_a_plan_reads() {
    let config = CATALOG.parse("guardrails.yaml", include_str!("../../examples/all-actions.yaml")).unwrap();
    let granted = granted(&operator());
    for action in CATALOG.entries() {
        for grant in action.grants(&config).unwrap().iter().filter(|grant| grant.uses.contains(&Use::Plan)) {
            let lacking: Vec<_> = grant.actions.iter().filter(|action| !granted.contains(**action)).collect();
            assert!(lacking.is_empty(), "policies/operator.json lacks {lacking:?}, with which {} plans", action.name);
        }
    }
}

/// Of the ledger's records, see ARCHITECTURE.md: a run and its stage when it is approved, put back or armed again; steps and facets
/// too when it is abandoned. That no command needs more is tried in `deployed::people`, that no more is let through in
/// `deployed::rights`.
#[test]
fn operator_policy_writes_only_what_the_commands_write() {
    let operator = operator();
    let statements = operator["Statement"].as_array().unwrap().iter();
    let on_ledger = statements.filter(|statement| statement["Action"].to_string().contains("dynamodb:"));
    let writes: Vec<&Json> = on_ledger.filter(|statement| statement["Action"].to_string().contains("Item\"")).collect();
    let [reads, writes] = writes.as_slice() else { panic!("{writes:?}") };
    assert_eq!(reads["Action"], json!(["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"]));
    assert_eq!(writes["Action"], json!(["dynamodb:PutItem"]));
    let partitions = json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["FACET#*", "RUN", "STAGE#*", "STEP#*"]}});
    assert_eq!(writes["Condition"], partitions);
}

#[test]
fn neither_may_change_targets_or_extend_their_own_rights() {
    for policy in [deployer(), operator()] {
        for action in granted(&policy) {
            let verb = action.split(':').nth(1).unwrap();
            assert!(!action.contains('*'), "{action} is a pattern");
            assert!(
                !["Terminate", "RunInstances", "StopInstances", "StartInstances"].iter().any(|word| verb.contains(word)),
                "{action}"
            );
            let of_people = ["GroupPolicy", "UserPolicy", "AccessKey", "LoginProfile"];
            assert!(action.starts_with("iam:ListAttached") || !of_people.iter().any(|word| verb.contains(word)), "{action}");
        }
    }
}

#[test]
fn each_fits_into_managed_policy_for_any_stack_name_and_region() {
    for text in DEPLOYER.into_iter().chain(OPERATOR) {
        let policy = policy(text).to_string();
        let longest = policy.replace("budget-guardrails", &"s".repeat(LONGEST_STACK_NAME)).replace("us-east-1", "ap-northeast-1");
        assert!(longest.len() <= LARGEST_POLICY && longest != policy, "{} characters", longest.len());
    }
}

#[test]
fn both_name_their_resources_everywhere_without_a_reason() {
    for (policy, without) in
        [(deployer(), vec!["NoResource"]), (operator(), vec!["PlanAnywhere", "AskRoles", "Doctor", "NoResource"])]
    {
        for statement in policy["Statement"].as_array().unwrap() {
            let sid = statement["Sid"].as_str().unwrap();
            let any = statement["Resource"].as_array().unwrap().iter().any(|resource| resource == "*");
            assert_eq!(any, without.contains(&sid), "{sid}");
        }
    }
}
