//! The permissions boundaries of the stack's roles. Each role has one of its own, the upper limit of its rights.
//!
//! A boundary allows the calls that its role is granted, by name, and denies every other call. So its size depends on the calls of
//! one function, and not on the number of guardrails. A call such as `lambda:DeleteFunctionConcurrency` is declared by granting it by
//! its exact name: its neighbours stay denied. Some calls are denied even when a grant names them.
//!
//! A company may have a boundary of its own that every role must carry. Then the parameter names it, and the same Denies stand in
//! each role's own policy. Groups that hold operators cannot be told from the file, and IAM has no condition for a group's members:
//! the actions look at each plan and apply.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, ensure};
use guardrails_aws::iam::of_stack;
use guardrails_model::glob::glob;
use serde_json::{Map, Value as Json, json};

/// The boundary of the budget function.
pub(super) const OF_BUDGET: &str = "BudgetBoundary";
/// The parameter that names a company's boundary.
const PARAMETER: &str = "PermissionsBoundary";
/// The condition under which the roles have boundaries of the stack's own.
const OWN: &str = "HasOwnBoundaries";
/// The policy of a role that holds the Denies under a company's boundary.
const NEVER: &str = "never";

/// Rights that would let a role get itself, or another, more rights; or act as another. No grant can declare them.
const MORE_RIGHTS: &[&str] = &[
    "iam:Add*",
    "iam:Create*",
    "iam:Put*",
    "iam:Remove*",
    "iam:Set*",
    "iam:Tag*",
    "iam:Untag*",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
    "kms:PutKeyPolicy",
    "lambda:AddPermission",
    "lambda:UpdateFunctionCode",
    "sns:AddPermission",
    "sns:SetTopicAttributes",
    "sqs:AddPermission",
    "sqs:SetQueueAttributes",
    "sts:*",
];

/// Calls that end something for good. No grant can declare them.
const FOR_GOOD: &[&str] = &[
    "autoscaling:Terminate*",
    "batch:Terminate*",
    "dynamodb:PartiQL*",
    "ec2:Terminate*",
    "elasticmapreduce:Terminate*",
    "kms:DisableKey",
    "kms:ScheduleKeyDeletion",
    "sqs:PurgeQueue",
];

/// Calls that stop functions, by tags which somebody may give to the whole stack. None is ever made on the stack's own functions.
const STOPS_FUNCTIONS: &[&str] = &[
    "lambda:DeleteFunctionConcurrency",
    "lambda:DeleteProvisionedConcurrencyConfig",
    "lambda:PutFunctionConcurrency",
    "lambda:PutProvisionedConcurrencyConfig",
];

/// A call that AWS makes in the name of a function's role, without the function's doing. Lambda decrypts the function's variables with
/// it at each start, and `DynamoDB` the ledger's key. Grants and policies of the keys allow it, so no role is granted it. A Deny would
/// still count: the function could not start.
const DECRYPT: &str = "kms:Decrypt";

/// The calls that stay allowed on protected resources: those that look.
const LOOKS: &[&str] = &["iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy"];

/// Gives every role of `template` its boundary, when all of its rights are there. `trusted` are the operators and the principal
/// that deploys.
///
/// # Errors
/// When a role is granted a pattern, or a call that no role may be granted.
pub(super) fn add(template: &mut Json, trusted: &[Json]) -> Result<()> {
    template["Conditions"][OWN] = json!({"Fn::Equals": [{"Ref": PARAMETER}, ""]});
    template["Parameters"][PARAMETER] = json!({
        "Type": "String",
        "Default": "",
        "AllowedPattern": "(arn:[^:]+:iam::([0-9]{12}|aws):policy/.+)?",
        "ConstraintDescription": "the ARN of a managed policy of this account, or nothing.",
        "Description": "The ARN of the permissions boundary that your company wants on every role. Without it each role has one of this \
                        stack's own.",
    });
    let resources = super::resources_of(template)?;
    let names: Vec<String> =
        resources.iter().filter(|(_, one)| one["Type"] == "AWS::IAM::Role").map(|(name, _)| name.clone()).collect();
    for name in names {
        let mut granted = BTreeSet::new();
        collect(&resources[&name]["Properties"]["Policies"], &mut granted);
        check(&name, &granted)?;
        bound(resources, &name, &granted, trusted)?;
    }
    Ok(())
}

/// Gives the role `name`, which is granted these actions, its boundary.
fn bound(resources: &mut Map<String, Json>, name: &str, granted: &BTreeSet<String>, trusted: &[Json]) -> Result<()> {
    let boundary = format!("{}Boundary", name.strip_suffix("Role").unwrap_or(name));
    let mut granted = granted.clone();
    let mut denies_besides = Vec::new();
    if let Some(function) = function_of(resources, name) {
        granted.insert(DECRYPT.to_owned());
        denies_besides.push(other_secrets(&function));
    }
    let mut denies = denies(&granted, trusted);
    denies.extend(denies_besides);
    let properties = &mut resources[name]["Properties"];
    properties["PermissionsBoundary"] = json!({"Fn::If": [OWN, {"Ref": boundary}, {"Ref": PARAMETER}]});
    let policies = properties["Policies"].as_array_mut().ok_or_else(|| anyhow!("the role `{name}` has no policies"))?;
    let never = json!({"PolicyName": NEVER, "PolicyDocument": {"Version": "2012-10-17", "Statement": denies}});
    policies.push(json!({"Fn::If": [OWN, {"Ref": "AWS::NoValue"}, never]}));
    let mut statements = vec![json!({"Sid": "Granted", "Effect": "Allow", "Action": granted, "Resource": "*"})];
    statements.extend(denies);
    let why = |id: &str| json!({"id": id, "comment": "A boundary grants nothing, it limits: on what, stands in the roles."});
    let document = json!({
        "Type": "AWS::IAM::ManagedPolicy",
        "Condition": OWN,
        "Metadata": {"checkov": {"skip": [why("CKV_AWS_109"), why("CKV_AWS_110"), why("CKV_AWS_111")]}},
        "Properties": {
            "Description": format!("The most that the role {name} of this Budget Guardrails stack may do."),
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        },
    });
    ensure!(resources.insert(boundary.clone(), document).is_none(), "`{boundary}` is in the template already");
    Ok(())
}

/// The Denies of a role that is granted these actions.
fn denies(granted: &BTreeSet<String>, trusted: &[Json]) -> Vec<Json> {
    let mut protected = vec![own("role"), own("policy")];
    protected.extend(trusted.iter().cloned());
    let mut denies = vec![
        json!({"Sid": "NeverAnythingElse", "Effect": "Deny", "NotAction": granted, "Resource": "*"}),
        json!({"Sid": "NeverItselfNorTheOperators", "Effect": "Deny", "NotAction": LOOKS, "Resource": protected}),
        json!({"Sid": "NeverMoreRights", "Effect": "Deny", "Action": MORE_RIGHTS, "Resource": "*"}),
        json!({"Sid": "NeverForGood", "Effect": "Deny", "Action": FOR_GOOD, "Resource": "*"}),
    ];
    if STOPS_FUNCTIONS.iter().any(|call| granted.contains(*call)) {
        let functions = json!({"Fn::Sub": "arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:function:${AWS::StackName}-*"});
        denies.push(json!({"Sid": "NeverItsOwnFunctions", "Effect": "Deny", "Action": STOPS_FUNCTIONS, "Resource": functions}));
    }
    denies
}

/// The ARN of the function that works with the role `name`.
fn function_of(resources: &Map<String, Json>, name: &str) -> Option<String> {
    let role = json!({"Fn::GetAtt": [name, "Arn"]});
    let is_its = |one: &&Json| one["Type"] == "AWS::Lambda::Function" && one["Properties"]["Role"] == role;
    let function = resources.values().find(is_its)?["Properties"]["FunctionName"]["Fn::Sub"].as_str()?;
    Some(format!("arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{function}"))
}

/// Decrypting is for the function's own variables, the ledger and messages to people.
fn other_secrets(function: &str) -> Json {
    let through = |service: &str| json!({"Fn::Sub": format!("{service}.${{AWS::Region}}.${{AWS::URLSuffix}}")});
    json!({
        "Sid": "NeverOtherSecrets",
        "Effect": "Deny",
        "Action": DECRYPT,
        "Resource": "*",
        "Condition": {
            "StringNotEquals": {
                "kms:ViaService": [through("dynamodb"), through("lambda"), through("sns")],
                "kms:EncryptionContext:aws:lambda:FunctionArn": {"Fn::Sub": function},
            },
        },
    })
}

/// Refuses grants that a boundary could not hold to their exact names, and grants that no role may have.
fn check(role: &str, granted: &BTreeSet<String>) -> Result<()> {
    ensure!(!granted.is_empty(), "the role `{role}` is granted nothing");
    for action in granted {
        ensure!(!action.contains(['*', '?']), "the role `{role}` is granted the pattern `{action}`: name each action");
        let never = MORE_RIGHTS.iter().chain(FOR_GOOD).find(|pattern| glob(pattern, action));
        ensure!(never.is_none(), "the role `{role}` is granted `{action}`, which no role of the stack may have");
    }
    Ok(())
}

/// The resources that CloudFormation named after the stack.
fn own(kind: &str) -> Json {
    let named = of_stack::named_after(kind, "${AWS::StackName}");
    json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{named}")})
}

/// The actions that any statement in `value` allows, under a condition of the template or not.
fn collect(value: &Json, granted: &mut BTreeSet<String>) {
    match value {
        Json::Array(all) => all.iter().for_each(|one| collect(one, granted)),
        Json::Object(fields) if fields.get("Effect").is_some_and(|effect| effect == "Allow") => {
            let actions = match fields.get("Action") {
                Some(Json::Array(actions)) => actions.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => &[],
            };
            granted.extend(actions.iter().filter_map(|action| action.as_str().map(str::to_owned)));
        }
        Json::Object(fields) => fields.values().for_each(|one| collect(one, granted)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a policy of these `statements` alone lets `action` be done to `resource`, as IAM decides.
    fn allows(statements: &[Json], action: &str, resource: &str) -> bool {
        let any = |list: &Json, name: &str| {
            let one = std::slice::from_ref(list);
            list.as_array().map_or(one, Vec::as_slice).iter().filter_map(Json::as_str).any(|pattern| glob(pattern, name))
        };
        let is_about = |statement: &&Json| {
            let action = match &statement["NotAction"] {
                Json::Null => any(&statement["Action"], action),
                others => !any(others, action),
            };
            action && any(&statement["Resource"], resource)
        };
        let hits: Vec<&Json> = statements.iter().filter(is_about).collect();
        !hits.is_empty() && hits.iter().all(|statement| statement["Effect"] == "Allow")
    }

    /// The boundary and the role of a function that is granted these actions.
    fn bounded(actions: &[&str]) -> Result<(Vec<Json>, Json)> {
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
        let policy = json!({"PolicyName": "test", "PolicyDocument": {"Statement": [statement]}});
        let mut template = json!({"Resources": {"TestRole": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy]}}}});
        add(&mut template, &[json!("arn:aws:iam::123456789012:user/finops")])?;
        let statements = template["Resources"]["TestBoundary"]["Properties"]["PolicyDocument"]["Statement"].clone();
        Ok((statements.as_array().cloned().unwrap_or_default(), template["Resources"]["TestRole"].clone()))
    }

    #[test]
    fn a_declared_call_passes_and_its_neighbours_are_denied() {
        let declared = [
            "lambda:DeleteFunctionConcurrency",
            "lambda:DeleteProvisionedConcurrencyConfig",
            "scheduler:UpdateSchedule",
            "iam:PassRole",
            "lambda:InvokeFunction",
        ];
        let (boundary, _) = bounded(&declared).unwrap();
        for action in declared {
            assert!(allows(&boundary, action, "arn:aws:lambda:eu-west-1:123456789012:function:theirs"), "{action}");
        }
        for neighbour in [
            "lambda:DeleteFunction",
            "lambda:DeleteFunctionUrlConfig",
            "lambda:DeleteEventSourceMapping",
            "lambda:UpdateFunctionCode",
            "lambda:PutFunctionConcurrency",
            "scheduler:DeleteSchedule",
            "scheduler:CreateSchedule",
            "iam:DeleteRole",
            "iam:AttachRolePolicy",
            "ec2:TerminateInstances",
            "s3:GetObject",
        ] {
            assert!(!allows(&boundary, neighbour, "*"), "{neighbour}");
        }
        assert!(!allows(&boundary, "iam:PassRole", "arn:aws:iam::123456789012:user/finops"));
    }

    #[test]
    fn a_grant_of_a_forbidden_call_is_refused() {
        for action in ["ec2:TerminateInstances", "iam:CreateUser", "sts:AssumeRole", "lambda:Delete*", "sqs:PurgeQueue"] {
            let said = bounded(&["lambda:InvokeFunction", action]).unwrap_err().to_string();
            assert!(said.contains(&format!("`{action}`")), "{said}");
        }
    }

    #[test]
    fn under_a_company_boundary_the_role_denies_the_same() {
        let (boundary, role) = bounded(&["lambda:DeleteFunctionConcurrency"]).unwrap();
        let chosen = |value: &Json, branch: usize| value["Fn::If"][branch].clone();
        let limit = &role["Properties"]["PermissionsBoundary"];
        assert_eq!((chosen(limit, 1), chosen(limit, 2)), (json!({"Ref": "TestBoundary"}), json!({"Ref": PARAMETER})));
        let never = chosen(&role["Properties"]["Policies"][1], 2);
        assert_eq!(never["PolicyDocument"]["Statement"].as_array().unwrap().as_slice(), &boundary[1..]);
        // With rights on everything, as if somebody had widened the role by hand.
        let mut widened = boundary[1..].to_vec();
        widened.push(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
        assert!(allows(&widened, "lambda:DeleteFunctionConcurrency", "*"));
        assert!(!allows(&widened, "lambda:DeleteFunction", "*") && !allows(&widened, "rds:StopDBInstance", "*"));
    }
}
