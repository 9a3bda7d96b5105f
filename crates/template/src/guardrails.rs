//! The custom resources: one for each guardrail, and two that look after open runs, when the stack changes and when it goes.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use guardrails_model::config::{Config, Guardrail};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::boundary::OF_BUDGET;
use super::pascal;

/// CloudFormation waits so many seconds for a guardrail's budget.
const SERVICE_TIMEOUT: u32 = 300;

/// What runs work with. None of it changes before the open ones were looked at.
const WORKED_WITH: [&str; 4] =
    ["AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"];
/// What they are looked at with, which has to be there first.
const LOOKED_WITH: [&str; 3] = [OF_BUDGET, "BudgetFunction", "BudgetRole"];

/// Fails a deployment that would take the rights away with which an open run is put back, or goes on. `resources` are those with
/// all rights in them: it looks again when any of them is another, since an action may ask for others with the same parameters.
pub(super) fn open_runs(config: &Config, resources: &Map<String, Json>) -> Json {
    let stages = config.guardrails.values().flat_map(|guardrail| &guardrail.stages);
    let mut scopes: Vec<String> =
        stages.flat_map(|stage| stage.groups.iter().flatten()).map(|action| json!(action).to_string()).collect();
    scopes.sort();
    scopes.dedup();
    let rights = resources.iter().filter(|(_, one)| one["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::IAM::")));
    let rights = json!(rights.collect::<BTreeMap<_, _>>()).to_string();
    json!({
        "Type": "Custom::OpenRuns",
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["BudgetFunction", "Arn"]},
            "ServiceTimeout": SERVICE_TIMEOUT,
            "Actions": scopes,
            "Guardrails": config.guardrails.keys().map(ToString::to_string).collect::<Vec<_>>(),
            "Rights": format!("{:x}", Sha256::digest(rights)),
        },
    })
}

/// Has CloudFormation change what runs work with only once `open_runs` let it: a role that is narrowed and put back again would
/// have refused a run's calls meanwhile, and a refusal is final for a step.
pub(super) fn look_first(resources: &mut Map<String, Json>, open_runs: &str) -> Result<()> {
    for (name, resource) in resources.iter_mut().filter(|(name, _)| !LOOKED_WITH.contains(&name.as_str())) {
        if !resource["Type"].as_str().is_some_and(|kind| WORKED_WITH.contains(&kind)) {
            continue;
        }
        ensure!(resource.get("DependsOn").is_none(), "`{name}` has a `DependsOn` already, which would be lost");
        resource["DependsOn"] = json!([open_runs]);
    }
    Ok(())
}

/// Fails the deletion of a stack that holds something, before anything of it is gone: nothing depends on it, so it goes first, and
/// what it depends on stays when it does not go. `conditional` are resources with their conditions: none of them can be a
/// dependency where it is not made.
pub(super) fn nothing_is_held(depends_on: &[String], conditional: &[(String, String)]) -> Json {
    let keeps =
        conditional.iter().map(|(name, condition)| json!({"Fn::If": [condition, {"Ref": name}, {"Ref": "AWS::NoValue"}]}));
    json!({
        "Type": "Custom::NothingIsHeld",
        "DependsOn": depends_on,
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["BudgetFunction", "Arn"]},
            "ServiceTimeout": SERVICE_TIMEOUT,
            "Keeps": keeps.collect::<Vec<_>>(),
        },
    })
}

pub(super) fn custom(guardrail: &Guardrail, config: &Config, depends_on: &[String]) -> Result<Json> {
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
pub(super) fn logical_id(guardrail: &Guardrail) -> String {
    let name = guardrail.name.as_str();
    let hash = format!("{:x}", Sha256::digest(name));
    format!("Guardrail{}{}", pascal(name), &hash[..6])
}
