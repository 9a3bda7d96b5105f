//! The permissions boundaries of the stack's roles: the most that any of them may do, whatever else is attached to it. The budget
//! function has one of its own, since it is asked before any other role's may change.
//!
//! What it allows is what the roles are granted, so that a role that is widened by hand gains nothing. What none may ever do it
//! forbids besides, by rules of its own, so that no declaration of an action can let it in either. Groups that hold operators
//! cannot be told from the file, and IAM has no condition for a group's members: the actions look at each plan and apply.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use guardrails_aws::iam::of_stack;
use serde_json::{Map, Value as Json, json};

/// The boundary in the template.
pub(super) const BOUNDARY: &str = "Boundary";
/// That of the budget function.
pub(super) const OF_BUDGET: &str = "BudgetBoundary";

/// Rights that would let a role get itself, or another, more rights; or act as another.
const MORE_RIGHTS: &[&str] = &[
    "iam:Add*",
    "iam:Create*",
    "iam:Delete*",
    "iam:PassRole",
    "iam:Put*",
    "iam:Remove*",
    "iam:Set*",
    "iam:Tag*",
    "iam:Untag*",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
    "kms:PutKeyPolicy",
    "lambda:AddPermission",
    "lambda:Update*",
    "sns:AddPermission",
    "sns:SetTopicAttributes",
    "sqs:AddPermission",
    "sqs:SetQueueAttributes",
    "sts:*",
];

/// What cannot be put back. A wildcard over services is none to IAM, so each service in use is named; the state machine has to
/// be able to delete its own log delivery, for which AWS knows no resource.
const FOR_GOOD: &[&str] = &[
    "autoscaling:Delete*",
    "autoscaling:Terminate*",
    "cloudwatch:Delete*",
    "dynamodb:Delete*",
    "dynamodb:PartiQL*",
    "ec2:Delete*",
    "ec2:Terminate*",
    "elasticloadbalancing:Delete*",
    "kms:DisableKey",
    "kms:ScheduleKeyDeletion",
    "lambda:Delete*",
    "logs:DeleteLogGroup",
    "logs:DeleteLogStream",
    "sns:Delete*",
    "sqs:DeleteQueue",
    "sqs:PurgeQueue",
    "states:Delete*",
];

/// What may be done to what is protected: to look at it.
const LOOKS: &[&str] = &["iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy"];

/// Fills the boundaries in, when all roles are there. `trusted` are the operators and who deploys.
pub(super) fn fill(resources: &mut Map<String, Json>, trusted: &[Json]) -> Result<()> {
    for name in [BOUNDARY, OF_BUDGET] {
        let mut granted = BTreeSet::new();
        let within = |role: &&Json| role["Type"] == "AWS::IAM::Role" && role["Properties"]["PermissionsBoundary"]["Ref"] == name;
        for role in resources.values().filter(within) {
            for policy in role["Properties"]["Policies"].as_array().into_iter().flatten() {
                collect(&policy["PolicyDocument"]["Statement"], &mut granted);
            }
        }
        let mut protected = vec![own("role"), own("policy")];
        protected.extend(trusted.iter().cloned());
        let statements = json!([
            {"Sid": "WhatTheRolesAreGranted", "Effect": "Allow", "Action": granted, "Resource": "*"},
            {"Sid": "NeverItselfNorTheOperators", "Effect": "Deny", "NotAction": LOOKS, "Resource": protected},
            {"Sid": "NeverMoreRights", "Effect": "Deny", "Action": MORE_RIGHTS, "Resource": "*"},
            {"Sid": "NeverForGood", "Effect": "Deny", "Action": FOR_GOOD, "Resource": "*"},
        ]);
        let boundary = resources.get_mut(name).ok_or_else(|| anyhow!("the template has no `{name}`"))?;
        boundary["Properties"]["PolicyDocument"]["Statement"] = statements;
    }
    Ok(())
}

/// What CloudFormation named after the stack.
fn own(kind: &str) -> Json {
    let named = of_stack::named_after(kind, "${AWS::StackName}");
    json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{named}")})
}

/// The actions that `statement` allows: one, many, or one under a condition of the template.
fn collect(statement: &Json, granted: &mut BTreeSet<String>) {
    match statement {
        Json::Array(all) => {
            for one in all {
                collect(one, granted);
            }
        }
        Json::Object(fields) if fields.contains_key("Fn::If") => collect(&fields["Fn::If"], granted),
        Json::Object(fields) => {
            let actions = match fields.get("Action") {
                Some(Json::Array(actions)) => actions.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => &[],
            };
            granted.extend(actions.iter().filter_map(|action| action.as_str().map(str::to_owned)));
        }
        _ => {}
    }
}
