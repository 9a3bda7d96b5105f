//! The grants of the template's roles, whether they made calls or not.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use guardrails_aws::actions::CATALOG;
use guardrails_template::render;
use serde_json::Value as Json;

const EXAMPLE: &str = include_str!("../../../examples/guardrails.yaml");

/// Each role of the example's stack, with every action that it is granted.
///
/// # Errors
/// When the example cannot be rendered.
pub fn grants() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let config = CATALOG.parse("examples/guardrails.yaml", EXAMPLE).context("reading the example")?;
    let template = render(&config, "functions.zip")?;
    let resources = template["Resources"].as_object().into_iter().flatten();
    let roles = resources.filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role");
    Ok(roles
        .map(|(name, role)| {
            let mut actions = BTreeSet::new();
            collect(&role["Properties"]["Policies"], &mut actions);
            (name.clone(), actions)
        })
        .collect())
}

/// The actions of every statement that allows, under a condition of the template or not.
fn collect(value: &Json, actions: &mut BTreeSet<String>) {
    match value {
        Json::Array(all) => all.iter().for_each(|one| collect(one, actions)),
        Json::Object(fields) if fields.get("Effect").is_some_and(|effect| effect == "Allow") => {
            let listed =
                fields.get("Action").map(|listed| listed.as_array().map_or_else(|| vec![listed], |all| all.iter().collect()));
            actions.extend(listed.into_iter().flatten().filter_map(|action| action.as_str().map(str::to_owned)));
        }
        Json::Object(fields) => fields.values().for_each(|one| collect(one, actions)),
        _ => {}
    }
}
