//! The custom resources: one for each guardrail, and two that look after open runs, when the stack changes and when it goes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use guardrails_aws::catalog::Catalog;
use guardrails_model::config::{Config, Guardrail};
use guardrails_model::prices::PriceList;
use guardrails_model::wire;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::boundary::OF_BUDGET;
use super::{lists, pascal};

/// CloudFormation waits so many seconds for a guardrail's budget.
const SERVICE_TIMEOUT: u32 = 300;

/// The resources with which runs work. None of them changes before the open runs were looked at.
const WORKED_WITH: [&str; 4] =
    ["AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"];
/// The resources with which open runs are looked at, and which have to be there first.
const LOOKED_WITH: [&str; 3] = [OF_BUDGET, "BudgetFunction", "BudgetRole"];

/// Fails a deployment that would take the rights away with which an open run is put back, or goes on. `resources` are those with
/// all rights in them: it looks again when any of them is another, since an action may ask for others with the same parameters.
pub(super) fn open_runs(catalog: &Catalog, config: &Config, resources: &Map<String, Json>) -> Result<Json> {
    let stages = config.guardrails.values().flat_map(|guardrail| &guardrail.stages);
    let mut scopes = BTreeSet::new();
    for spec in stages.flat_map(|stage| stage.waves.iter().flatten()) {
        let formerly = catalog.read(spec)?.formerly();
        let known = std::iter::once(&spec.params).chain(&formerly);
        scopes.extend(known.map(|params| wire::scope_digest(spec.name.as_str(), params)));
    }
    let rights = resources.iter().filter(|(_, one)| one["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::IAM::")));
    let rights = json!(rights.collect::<BTreeMap<_, _>>()).to_string();
    Ok(json!({
        "Type": "Custom::OpenRuns",
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["BudgetFunction", "Arn"]},
            "ServiceTimeout": SERVICE_TIMEOUT,
            "Scopes": scopes,
            "Guardrails": config.guardrails.keys().map(ToString::to_string).collect::<Vec<_>>(),
            "Rights": format!("{:x}", Sha256::digest(rights)),
        },
    }))
}

/// Has CloudFormation change the resources of runs only once `open_runs` let it. A role that is narrowed and put back again would
/// have refused a run's calls meanwhile, and a refusal is final for a step.
pub(super) fn look_first(resources: &mut Map<String, Json>, open_runs: &str) -> Result<()> {
    for (name, resource) in resources.iter_mut().filter(|(name, _)| !LOOKED_WITH.contains(&name.as_str())) {
        if !resource["Type"].as_str().is_some_and(|kind| WORKED_WITH.contains(&kind)) {
            continue;
        }
        let mut waits = match resource.get("DependsOn") {
            None => Vec::new(),
            Some(Json::Array(others)) => others.clone(),
            Some(other) => bail!("`{name}` depends on {other}, where a list is expected"),
        };
        waits.push(json!(open_runs));
        resource["DependsOn"] = waits.into();
    }
    Ok(())
}

/// Fails the deletion of a stack that holds something, before anything of it is gone: nothing depends on this resource, so it
/// goes first, and its dependencies stay when it does not go. `conditional` are resources with their conditions: none of them can
/// be a dependency where it is not made.
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

/// The price list, which the ledger keeps for the functions and the commands. It is written once the roles may.
pub(super) fn prices(list: &PriceList, open_runs: &str) -> Result<Json> {
    Ok(json!({
        "Type": "Custom::Prices",
        "DependsOn": [open_runs],
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["BudgetFunction", "Arn"]},
            "ServiceTimeout": SERVICE_TIMEOUT,
            "Prices": list.deployable().map_err(anyhow::Error::msg)?,
        },
    }))
}

/// One resource for each guardrail. The first depends on all `others`, and the rest on it: they are made last and deleted first, and 200
/// lists of all others would be half of the template.
pub(super) fn add_all(template: &mut Json, config: &Config, others: &[String]) -> Result<()> {
    let mut definitions = BTreeMap::new();
    for guardrail in config.guardrails.values() {
        let definition = serde_json::to_string(guardrail).context("writing a guardrail as JSON")?;
        definitions.insert(logical_id(guardrail), definition);
    }
    let shared = lists::shared(definitions.values());
    lists::add(template, &shared);
    let resources = super::resources_of(template)?;
    let mut depends_on: Vec<String> = others.to_vec();
    for (name, definition) in definitions {
        resources.insert(name.clone(), custom(&definition, config, &shared, &depends_on)?);
        if depends_on.len() > 1 {
            depends_on = vec![name];
        }
    }
    Ok(())
}

fn custom(definition: &str, config: &Config, shared: &[String], depends_on: &[String]) -> Result<Json> {
    let mut operators: Vec<Json> = config.operators.iter().map(|operator| json!(operator)).collect();
    operators.push(json!({"Ref": "Deployer"}));
    Ok(json!({
        "Type": "Custom::Guardrail",
        "DependsOn": depends_on,
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["BudgetFunction", "Arn"]},
            "ServiceTimeout": SERVICE_TIMEOUT,
            "DefinitionHash": format!("{:x}", Sha256::digest(definition)),
            "Definition": lists::written(definition, shared),
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
