//! Renders the stack's template: `infra/guardrails.yaml` and what follows from the actions and from `guardrails.yaml`.

mod ledger;
mod limits;

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use guardrails_aws::actions::{self, Entry};
use guardrails_aws::grants;
use guardrails_model::config::{Config, Guardrail};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

pub use self::limits::{Limits, capability};
use crate::artifacts::{self, Architecture, FIXED_FUNCTIONS};

const SOURCE: &str = include_str!("../../../infra/guardrails.yaml");
const MACHINE: &str = include_str!("../../../statemachine/guardrails.asl.json");

/// The resource that looks after open runs.
const OPEN_RUNS: &str = "OpenRuns";
/// CloudFormation waits so many seconds for a guardrail's budget.
const SERVICE_TIMEOUT: u32 = 300;

/// The template for `config`, with the functions' code at `keys` in the artifact bucket.
///
/// # Errors
/// When the configuration asks for what no action takes, or a function has no key.
pub fn render(config: &Config, keys: &BTreeMap<&str, String>) -> Result<Json> {
    let mut template: Json = serde_saphyr::from_str(SOURCE).context("reading infra/guardrails.yaml")?;
    let machine: Json = serde_json::from_str(MACHINE).context("reading statemachine/guardrails.asl.json")?;
    template["Parameters"]["Deployer"] = json!({
        "Type": "String",
        "Default": "",
        "Description": "The ARN of who deploys. No guardrail may restrict them. `guardrails deploy` fills it in.",
    });
    let resources = resources_of(&mut template)?;
    resources["Machine"]["Properties"]["DefinitionString"] = json!(machine.to_string());
    for function in FIXED_FUNCTIONS {
        resources[&format!("{}Function", pascal(function))]["Properties"]["Code"]["S3Key"] = json!(key(keys, function)?);
    }
    for action in actions::ALL {
        let logical = pascal(action.name);
        resources.insert(format!("{logical}Log"), log(action.name));
        resources.insert(format!("{logical}Role"), role(action, config, &logical)?);
        resources.insert(format!("{logical}Function"), function(action, key(keys, action.name)?, &logical));
        callable(&mut resources["MachineRole"], &logical)?;
    }
    reconcile(resources, config)?;
    for function in artifacts::functions() {
        resources.insert(format!("{}ErrorAlarm", pascal(function)), error_alarm(function));
    }
    ledger::may_be_adopted(&mut template);
    let resources = resources_of(&mut template)?;
    // Made last, and deleted first: a guardrail that holds something refuses to go, and all that puts it back is still there.
    let others = resources.iter().filter(|(name, resource)| *name != "BudgetFunction" && resource["Condition"].is_null());
    let others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
    resources.insert(OPEN_RUNS.to_owned(), open_runs(config, &others));
    let others: Vec<String> = others.into_iter().chain([OPEN_RUNS.to_owned()]).collect();
    for guardrail in config.guardrails.values() {
        resources.insert(logical_id(guardrail), custom(guardrail, config, &others)?);
    }
    Ok(template)
}

/// Lets the template be deployed for `architecture` only: its code is for no other.
pub fn carry_code_for(template: &mut Json, architecture: Architecture) {
    let parameter = &mut template["Parameters"]["Architecture"];
    parameter["Default"] = json!(architecture.name());
    parameter["AllowedValues"] = json!([architecture.name()]);
}

fn resources_of(template: &mut Json) -> Result<&mut serde_json::Map<String, Json>> {
    template["Resources"].as_object_mut().ok_or_else(|| anyhow!("the template has no resources"))
}

fn key<'a>(keys: &'a BTreeMap<&str, String>, function: &str) -> Result<&'a str> {
    keys.get(function).map(String::as_str).ok_or_else(|| anyhow!("the function `{function}` has no code"))
}

fn log(name: &str) -> Json {
    json!({
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": {
            "LogGroupName": {"Fn::Sub": format!("/aws/lambda/${{AWS::StackName}}-{name}")},
            "RetentionInDays": {"Ref": "LogRetentionDays"},
        },
    })
}

fn function(action: &Entry, key: &str, logical: &str) -> Json {
    json!({
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": {"Fn::Sub": format!("${{AWS::StackName}}-{}", action.name)},
            "Description": format!("{}.", capitalised(action.changes)),
            "Runtime": "provided.al2023",
            "Architectures": [{"Ref": "Architecture"}],
            "Handler": "bootstrap",
            "MemorySize": 256,
            "Timeout": 120,
            "Role": {"Fn::GetAtt": [format!("{logical}Role"), "Arn"]},
            "LoggingConfig": {"LogGroup": {"Ref": format!("{logical}Log")}},
            "Code": {"S3Bucket": {"Ref": "ArtifactBucket"}, "S3Key": key},
            "Environment": {"Variables": {
                "STACK_NAME": {"Ref": "AWS::StackName"},
                "TABLE_NAME": {"Ref": "Ledger"},
            }},
        },
    })
}

/// What the action declares, and no more: its ledger, its log, its calls.
fn role(action: &Entry, config: &Config, logical: &str) -> Result<Json> {
    let mut statements = vec![
        json!({
            "Sid": "WriteLog",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": [format!("{logical}Log"), "Arn"]},
        }),
        json!({
            "Sid": "KeepLedger",
            "Effect": "Allow",
            "Action": ["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"],
            "Resource": {"Fn::GetAtt": ["Ledger", "Arn"]},
        }),
    ];
    statements.extend(action.grants(config)?.iter().map(|grant| with_pseudo_parameters(&grant.statement())));
    Ok(json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }],
            },
            "Policies": [{
                "PolicyName": action.name,
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            }],
        },
    }))
}

/// Resources with `${AWS::...}` in them become `Fn::Sub`.
fn with_pseudo_parameters(statement: &Json) -> Json {
    let mut statement = statement.clone();
    if let Some(resources) = statement["Resource"].as_array_mut() {
        for resource in resources {
            if resource.as_str().is_some_and(|text| text.contains("${")) {
                *resource = json!({"Fn::Sub": resource.clone()});
            }
        }
    }
    statement
}

/// Tells people that a function failed.
fn error_alarm(function: &str) -> Json {
    json!({
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": format!("The function {function} failed. See its log, and guardrails doctor."),
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": format!("{}Function", pascal(function))}}],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "NotifyTopic"}],
        },
    })
}

/// Lets the state machine call the action's function.
fn callable(machine_role: &mut Json, logical: &str) -> Result<()> {
    let statement = &mut machine_role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0];
    let is_it = statement["Sid"] == "CallFunctions";
    let functions = statement["Resource"].as_array_mut().filter(|_| is_it);
    let functions = functions.ok_or_else(|| anyhow!("the machine's role does not begin with the functions that it calls"))?;
    functions.push(json!({"Fn::GetAtt": [format!("{logical}Function"), "Arn"]}));
    Ok(())
}

/// The reconciler comes as often as the file says, and reads the budgets of the guardrails, no others.
fn reconcile(resources: &mut serde_json::Map<String, Json>, config: &Config) -> Result<()> {
    let every = config.reconcile.every.seconds();
    resources["ReconcileSchedule"]["Properties"]["ScheduleExpression"] = json!(format!("rate({} minutes)", every / 60));
    resources["ReconcileMissingAlarm"]["Properties"]["Period"] = json!(every);
    let statements = resources["ReconcileRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array_mut();
    let budgets = statements.and_then(|statements| statements.iter_mut().find(|one| one["Sid"] == "ReadBudgets"));
    let budgets = budgets.ok_or_else(|| anyhow!("the reconciler's role has no statement `ReadBudgets`"))?;
    let names = config.guardrails.keys();
    let arns =
        names.map(|name| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:budgets::${{AWS::AccountId}}:budget/{name}")}));
    budgets["Resource"] = arns.collect();
    Ok(())
}

/// Fails a deployment that would take the rights away with which an open run is put back: everything is then as before. It
/// stands after the roles, so that they are rolled back with it.
fn open_runs(config: &Config, depends_on: &[String]) -> Json {
    let stages = config.guardrails.values().flat_map(|guardrail| &guardrail.stages);
    let mut scopes: Vec<String> =
        stages.flat_map(|stage| stage.groups.iter().flatten()).map(|action| json!(action).to_string()).collect();
    scopes.sort();
    scopes.dedup();
    json!({
        "Type": "Custom::OpenRuns",
        "DependsOn": depends_on,
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["BudgetFunction", "Arn"]},
            "ServiceTimeout": SERVICE_TIMEOUT,
            "Actions": scopes,
            "Guardrails": config.guardrails.keys().map(ToString::to_string).collect::<Vec<_>>(),
        },
    })
}

fn custom(guardrail: &Guardrail, config: &Config, depends_on: &[String]) -> Result<Json> {
    let definition = serde_json::to_string(guardrail).context("writing a guardrail as JSON")?;
    let mut operators: Vec<Json> = config.operators.iter().map(|operator| json!(operator)).collect();
    operators.push(json!({"Ref": "Deployer"}));
    Ok(json!({
        "Type": "Custom::Guardrail",
        "DependsOn": depends_on,
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["BudgetFunction", "Arn"]},
            "ServiceTimeout": SERVICE_TIMEOUT,
            "DefinitionHash": format!("{:x}", Sha256::digest(&definition)),
            "Definition": definition,
            "Pace": serde_json::to_string(&config.pace).context("writing the pace as JSON")?,
            "Operators": operators,
        },
    }))
}

/// Stable for a name, and never another name's: the letters alone would be the same for `a-1b` and `a1b`.
fn logical_id(guardrail: &Guardrail) -> String {
    let name = guardrail.name.as_str();
    let hash = format!("{:x}", Sha256::digest(name));
    format!("Guardrail{}{}", pascal(name), &hash[..6])
}

fn pascal(name: &str) -> String {
    grants::sid(&name.split('-').collect::<Vec<_>>())
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
