//! Renders the stack's template: `infra/guardrails.yaml` and the resources that follow from the actions and from
//! `guardrails.yaml`.

mod alarms;
pub mod artifacts;
mod boundary;
mod functions;
mod guardrails;
mod ledger;
mod lengths;
mod limits;
mod lists;
mod parameters;
mod roles;
mod room;
mod self_protection;
mod spread;
mod trusted_principals;
mod wakes;

use anyhow::{Context, Result, anyhow};
use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::{Catalog, Entry};
use guardrails_aws::grants;
use guardrails_aws::iam::of_stack;
use guardrails_model::config::Config;
use serde_json::{Map, Value as Json, json};

use self::artifacts::{Architecture, FIXED_FUNCTIONS};
pub use self::functions::parts;
pub use self::limits::{LONGEST_STACK_NAME, Limits, capability, check_stack_name};
pub use self::parameters::check_parameters;
pub use self::room::{Allowance, room};
pub use self::self_protection::OPENING_BUCKET;

const SOURCE: &str = include_str!("../../../infra/guardrails.yaml");
const MACHINE: &str = include_str!("../../../statemachine/guardrails.asl.json");

/// The output that names the functions' code: its bucket and, after a slash, its key.
pub const CODE_OUTPUT: &str = "FunctionsCode";

/// The resource that looks after open runs.
const OPEN_RUNS: &str = "OpenRuns";

/// The template for `config`, with the functions' code at `key` in the artifact bucket.
///
/// # Errors
/// When the configuration has options that no action takes, or asks for more than IAM takes.
pub fn render(config: &Config, key: &str) -> Result<Json> {
    render_of(&CATALOG, config, key)
}

/// The same where the actions are those of `catalog`.
///
/// # Errors
/// As [`render`].
pub fn render_of(catalog: &Catalog, config: &Config, key: &str) -> Result<Json> {
    let mut template: Json = serde_saphyr::from_str(SOURCE).context("reading infra/guardrails.yaml")?;
    let machine: Json = serde_json::from_str(MACHINE).context("reading statemachine/guardrails.asl.json")?;
    template["Parameters"]["Deployer"] = json!({
        "Type": "String",
        // No default: whoever deploys without it would be shut out by the topics' policies, in the middle of it.
        "AllowedPattern": "arn:[^:]+:(iam|sts)::[0-9]{12}:.+",
        "ConstraintDescription": "the ARN of who deploys: Deployer=$(aws sts get-caller-identity --query Arn --output text). With a \
                                  service role (--role-arn), that role has to be among the operators of guardrails.yaml.",
        "Description": "The ARN of who deploys. No guardrail may restrict them. `guardrails deploy` fills it in.",
    });
    // Doctor holds the functions against it.
    template["Outputs"][CODE_OUTPUT]["Value"] = json!({"Fn::Sub": format!("${{ArtifactBucket}}/{key}")});
    let resources = resources_of(&mut template)?;
    resources["Machine"]["Properties"]["DefinitionString"] = json!(machine.to_string());
    for function in FIXED_FUNCTIONS {
        resources[&format!("{}Function", pascal(function))]["Properties"]["Code"]["S3Key"] = json!(key);
    }
    let used: Vec<&Entry> = catalog.entries().iter().filter(|action| action.is_used(config)).collect();
    let theirs = catalog.called(config)?;
    for action in &used {
        let logical = of_stack::logical(action.name);
        resources.insert(format!("{logical}Log"), functions::log(action.name));
        resources.insert(format!("{logical}Role"), roles::role(action, config, &logical)?);
        resources.insert(format!("{logical}Function"), functions::function(action, key, &logical, &theirs)?);
        resources.insert(format!("{logical}ErrorAlarm"), alarms::error_alarm(action.name, &logical));
        roles::callable(&mut resources["MachineRole"], &logical)?;
        roles::rehearsed(&mut resources["ReconcileRole"], &logical)?;
        if let Some(pattern) = action.about.wakes {
            wakes::add(resources, action.name, &logical, pattern)?;
        }
        for policy in action.own_policies(config)? {
            resources.insert(format!("DenyPolicy{}", policy.hash), roles::own_policy(&policy, &theirs));
        }
    }
    for function in FIXED_FUNCTIONS {
        let logical = pascal(function);
        resources.insert(format!("{logical}ErrorAlarm"), alarms::error_alarm(function, &logical));
    }
    alarms::publish(resources)?;
    schedule(resources, config);
    roles::budgets(resources, config)?;
    let trusted = trusted_principals::patterns(config);
    trusted_principals::add(resources, &trusted)?;
    boundary::add(&mut template, &trusted)?;
    ledger::may_be_adopted(&mut template);
    spread::spread(&mut template)?;
    let resources = resources_of(&mut template)?;
    let open_runs = guardrails::open_runs(catalog, config, resources)?;
    resources.insert(OPEN_RUNS.to_owned(), open_runs);
    guardrails::look_first(resources, OPEN_RUNS)?;
    if let Some(list) = &config.prices {
        resources.insert("Prices".to_owned(), guardrails::prices(list, OPEN_RUNS)?);
    }
    // Made last, and deleted first: a guardrail that holds something refuses to go, and all that puts it back is still there.
    let others = resources.iter().filter(|(name, resource)| *name != "BudgetFunction" && resource["Condition"].is_null());
    let others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
    let conditional = resources.iter().filter_map(|(name, one)| Some((name.clone(), one["Condition"].as_str()?.to_owned())));
    let conditional: Vec<(String, String)> = conditional.collect();
    guardrails::add_all(&mut template, config, &others)?;
    let resources = resources_of(&mut template)?;
    let all: Vec<String> = others.into_iter().chain(config.guardrails.values().map(guardrails::logical_id)).collect();
    resources.insert("NothingIsHeld".to_owned(), guardrails::nothing_is_held(&all, &conditional));
    lengths::check(&template)?;
    Ok(template)
}

/// Lets the template be deployed for `architecture` only: its code is for no other.
pub fn carry_code_for(template: &mut Json, architecture: Architecture) {
    let parameter = &mut template["Parameters"]["Architecture"];
    parameter["Default"] = json!(architecture.name());
    parameter["AllowedValues"] = json!([architecture.name()]);
}

fn resources_of(template: &mut Json) -> Result<&mut Map<String, Json>> {
    template["Resources"].as_object_mut().ok_or_else(|| anyhow!("the template has no resources"))
}

/// The reconciler comes as often as the file says.
fn schedule(resources: &mut Map<String, Json>, config: &Config) {
    let every = config.reconcile.every.seconds();
    resources["ReconcileSchedule"]["Properties"]["ScheduleExpression"] = json!(format!("rate({} minutes)", every / 60));
    resources["ReconcileMissingAlarm"]["Properties"]["Period"] = json!(every);
}

fn pascal(name: &str) -> String {
    grants::sid(&name.split('-').collect::<Vec<_>>())
}
