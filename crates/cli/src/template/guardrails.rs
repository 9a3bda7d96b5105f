//! The custom resources: one that looks after open runs, and one for each guardrail.

use anyhow::{Context, Result};
use guardrails_aws::{actions, grants};
use guardrails_model::config::{Config, Guardrail};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::pascal;

/// CloudFormation waits so many seconds for a guardrail's budget.
const SERVICE_TIMEOUT: u32 = 300;

/// Fails a deployment that would take the rights away with which an open run is put back: everything is then as before. It
/// stands after the roles, so that they are rolled back with it. CloudFormation asks it only when a property changes: so the
/// rights are one, since another version may grant less for the same file.
pub(super) fn open_runs(config: &Config, depends_on: &[String]) -> Result<Json> {
    let stages = config.guardrails.values().flat_map(|guardrail| &guardrail.stages);
    let mut scopes: Vec<String> =
        stages.flat_map(|stage| stage.groups.iter().flatten()).map(|action| json!(action).to_string()).collect();
    scopes.sort();
    scopes.dedup();
    let rights = actions::ALL.iter().map(|action| Ok(grants::policy(&action.grants(config)?).to_string()));
    let rights = rights.collect::<Result<String>>()?;
    Ok(json!({
        "Type": "Custom::OpenRuns",
        "DependsOn": depends_on,
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["BudgetFunction", "Arn"]},
            "ServiceTimeout": SERVICE_TIMEOUT,
            "Actions": scopes,
            "Guardrails": config.guardrails.keys().map(ToString::to_string).collect::<Vec<_>>(),
            "Rights": format!("{:x}", Sha256::digest(rights)),
        },
    }))
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
