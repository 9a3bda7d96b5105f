//! The rights of the functions and of the state machine, as far as they follow from the actions and from `guardrails.yaml`.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use guardrails_aws::catalog::Entry;
use guardrails_aws::grants;
use guardrails_aws::iam::own_policy::{Kind, OwnPolicy, TEMPLATE};
use guardrails_model::config::{Config, Guardrail};
use serde_json::{Map, Value as Json, json};

use super::self_protection;

/// The rights that the action declares, and no more: its items of the ledger, its log, its calls.
pub(super) fn role(action: &Entry, config: &Config, logical: &str) -> Result<Json> {
    let mut statements = vec![
        json!({
            "Sid": "WriteLog",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": [format!("{logical}Log"), "Arn"]},
        }),
        ledger("ReadLedger", &["dynamodb:BatchGetItem", "dynamodb:Query"], &["RUN", "STEP#*", "FACET#*"]),
        // The run only while it plans again: a part that has nothing left to do is said there.
        ledger("WriteLedger", &["dynamodb:PutItem"], &["RUN", "STEP#*", "FACET#*"]),
    ];
    statements.extend(grants::together(action.grants(config)?).iter().map(|grant| with_pseudo_parameters(&grant.statement())));
    Ok(json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
                }],
            },
            "Policies": [{
                "PolicyName": action.name,
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            }],
        },
    }))
}

/// Rights on the ledger's items whose partitions begin so. Only for calls that name their partitions: others pass the condition.
fn ledger(sid: &str, actions: &[&str], partitions: &[&str]) -> Json {
    json!({
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": {"Fn::GetAtt": ["Ledger", "Arn"]},
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": partitions}},
    })
}

/// Texts with `${AWS::...}` in them become `Fn::Sub`.
fn with_pseudo_parameters(statement: &Json) -> Json {
    match statement {
        Json::String(text) if text.contains("${AWS::") => json!({"Fn::Sub": text}),
        Json::Array(items) => items.iter().map(with_pseudo_parameters).collect(),
        Json::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), with_pseudo_parameters(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// One of the stack's own Deny policies. A list never changes under its name: CloudFormation could not replace it, and a principal that
/// has it attached would lose it. The statement on the stack's parts does change, in its place.
/// `theirs` are functions of the user's that actions call: the closing policy closes them too.
pub(super) fn own_policy(policy: &OwnPolicy, theirs: &BTreeSet<String>) -> Json {
    let mut document = policy.document.clone();
    let of_the_stack = match policy.kind {
        Kind::Closing => self_protection::statements().into_iter().chain(self_protection::of_functions(theirs)).collect(),
        Kind::Former => vec![self_protection::former()],
        Kind::Listed => Vec::new(),
    };
    if let Some(statements) = document["Statement"].as_array_mut() {
        statements.extend(of_the_stack);
    }
    let description = match policy.kind {
        Kind::Closing => "Closes the guardrails themselves. Attached by Budget Guardrails while a budget is exceeded.",
        // IAM cannot change a description, so CloudFormation would replace the policy.
        Kind::Listed | Kind::Former => "Attached by Budget Guardrails while a budget is exceeded.",
    };
    json!({
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "ManagedPolicyName": {"Fn::Sub": policy.name(&TEMPLATE)},
            "Description": description,
            "PolicyDocument": document,
        },
    })
}

/// Lets the state machine call the action's function.
pub(super) fn callable(machine_role: &mut Json, logical: &str) -> Result<()> {
    let statement = &mut machine_role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0];
    let is_it = statement["Sid"] == "CallFunctions";
    let functions = statement["Resource"].as_array_mut().filter(|_| is_it);
    let functions = functions.ok_or_else(|| anyhow!("the machine's role does not begin with the functions that it calls"))?;
    functions.push(json!({"Fn::GetAtt": [format!("{logical}Function"), "Arn"]}));
    Ok(())
}

/// Lets the reconciler have the action's stages rehearsed.
pub(super) fn rehearsed(reconcile_role: &mut Json, logical: &str) -> Result<()> {
    let statements = reconcile_role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array_mut();
    let statement = statements.and_then(|statements| statements.iter_mut().find(|one| one["Sid"] == "HaveStagesRehearsed"));
    let functions = statement.and_then(|statement| statement["Resource"].as_array_mut());
    let functions = functions.ok_or_else(|| anyhow!("the reconciler's role does not say which functions rehearse"))?;
    functions.push(json!({"Fn::GetAtt": [format!("{logical}Function"), "Arn"]}));
    Ok(())
}

/// The reconciler reads the budgets of the guardrails, and the custom resource changes them: no others.
pub(super) fn budgets(resources: &mut Map<String, Json>, config: &Config) -> Result<()> {
    let names = config.guardrails.values().map(Guardrail::budget_name);
    let arns: Json = names
        .map(|name| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:budgets::${{AWS::AccountId}}:budget/{name}")}))
        .collect();
    for (role, sid) in [("ReconcileRole", "ReadBudgets"), ("BudgetRole", "KeepBudgets")] {
        let statements = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array_mut();
        let statement = statements.and_then(|statements| statements.iter_mut().find(|one| one["Sid"] == sid));
        let statement = statement.ok_or_else(|| anyhow!("`{role}` has no statement `{sid}`"))?;
        statement["Resource"] = arns.clone();
    }
    Ok(())
}
