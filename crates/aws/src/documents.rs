//! Tables and policies in the repository that follow from a catalogue: `cargo xtask generate` writes them.

mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use guardrails_model::config::Config;
use serde_json::{Value as Json, json};

use self::schema::Schema;
use crate::catalog::{Catalog, CatalogError};
use crate::declared::Service;
use crate::grants::{self, Use, sid};
use crate::{stop_all, unstoppable};

/// How the names of an operator's statements begin that are made of the actions' grants.
const PLAN: &str = "Plan";

/// The table of actions with a section of parameters for each, as Markdown.
#[must_use]
pub fn actions(catalog: &Catalog) -> String {
    let mut page = String::from("| action | what it does | what rollback puts back |\n| --- | --- | --- |\n");
    for action in catalog.entries() {
        let _ = writeln!(page, "| [`{0}`](#{0}) | {1} | {2} |", action.name, action.changes, action.puts_back);
    }
    let root = catalog.schema().to_value();
    for action in catalog.entries() {
        let file = format!("crates/aws/src/actions/{}.rs", action.name.replace('-', "_"));
        let _ = write!(page, "\n## {}\n\nSource: [{file}](../{file}).", action.name);
        if let Some(warning) = action.warning {
            let _ = write!(page, " **{warning}.**");
        }
        let _ = write!(page, "\n\n{}", Schema::new(&root).parameters(action.name).unwrap_or_default());
    }
    if catalog.entries().iter().any(|entry| entry.joins_stop_all.is_some()) {
        let keys = Schema::new(&root).parameters("stop-all").unwrap_or_default();
        let _ = write!(page, "\n## stop-all\n\nOne line for several actions: see [stop-all.md](stop-all.md).\n\n{keys}");
    }
    page
}

/// The table of the sets of `stop-all`, as Markdown.
#[must_use]
pub fn stop_all(catalog: &Catalog) -> String {
    stop_all::table(catalog.entries())
}

/// The table of the keys of guardrails.yaml, as Markdown.
#[must_use]
pub fn configuration(catalog: &Catalog) -> String {
    Schema::new(&catalog.schema().to_value()).sections("The file")
}

/// The table of services whose cost an action stops, as Markdown.
#[must_use]
pub fn services(catalog: &Catalog) -> String {
    let mut table = String::from(
        "| my money goes to | action | cost that stops | cost that goes on | does not come back |\n| --- | --- | --- | --- | --- |\n",
    );
    for action in catalog.entries() {
        for Service { name, stops, goes_on, lost } in action.services {
            let _ = writeln!(table, "| {name} | [`{0}`](actions.md#{0}) | {stops} | {goes_on} | {lost} |", action.name);
        }
    }
    table
}

/// The table of services whose cost no action stops, as Markdown.
#[must_use]
pub fn unstoppable(catalog: &Catalog) -> String {
    unstoppable::table(catalog)
}

/// The table of rights: the calls that each action's function may make, their use and their resources, as Markdown.
///
/// # Errors
/// When `config` holds parameters that an action does not take.
pub fn rights(catalog: &Catalog, config: &Config) -> Result<String, CatalogError> {
    let mut table = String::from("| action | used to | may call | on |\n| --- | --- | --- | --- |\n");
    for action in catalog.entries() {
        for grant in action.grants(config)? {
            let uses = grant.uses.iter().map(|used| format!("{used:?}").to_lowercase()).collect::<Vec<_>>().join(", ");
            let on = grant.why_any.map_or_else(|| grant.resources.join(" "), |why| format!("everything: {why}"));
            let under = if grant.condition.is_null() { String::new() } else { format!(", under `{}`", grant.condition) };
            let _ = writeln!(table, "| `{}` | {uses} | {} | {on}{under} |", action.name, grant.actions.join(" "));
        }
    }
    Ok(table)
}

/// An operator's policy: `guardrails plan` reads with it all that the actions read to plan, on any resource of the kind. A narrow grant
/// keeps its resources and its condition. The other statements stay as they are in `present`.
///
/// # Errors
/// When `config` holds parameters that an action does not take.
pub fn operator(catalog: &Catalog, config: &Config, present: &Json) -> Result<Json, CatalogError> {
    planning(catalog, config, present, |_| true)
}

/// The policy of a person who plans by a file before anything is deployed: the same statements, of reads alone.
///
/// # Errors
/// When the configuration holds parameters that an action does not take.
pub fn planner(catalog: &Catalog, config: &Config, present: &Json) -> Result<Json, CatalogError> {
    planning(catalog, config, present, grants::is_read)
}

/// The statements of `present` with others than it has of plans.
fn planning(catalog: &Catalog, config: &Config, present: &Json, takes: fn(&str) -> bool) -> Result<Json, CatalogError> {
    // By the action, and by the condition as text, which has an order.
    let mut on: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for action in catalog.entries() {
        for grant in action.grants(config)?.iter().filter(|grant| grant.uses.contains(&Use::Plan)) {
            let kept = if grant.narrow { any_version } else { widened };
            let resources: BTreeSet<String> = grant.resources.iter().map(|arn| kept(arn)).collect();
            let condition = if grant.narrow { &grant.condition } else { &Json::Null };
            for action in grant.actions.iter().copied().filter(|action| takes(action)) {
                on.entry((action, condition.to_string())).or_default().extend(resources.clone());
            }
        }
    }
    let mut alike: BTreeMap<(BTreeSet<String>, String), Vec<&str>> = BTreeMap::new();
    for ((action, condition), resources) in on {
        alike.entry((resources, condition)).or_default().push(action);
    }
    let others = present["Statement"].as_array().into_iter().flatten();
    let others = others.filter(|one| !one["Sid"].as_str().is_some_and(|sid| sid.starts_with(PLAN)));
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let plan = alike.into_iter().map(|((resources, condition), actions)| {
        let all: Vec<String> = resources.iter().map(|arn| widened(arn)).collect();
        let kinds: BTreeSet<&str> = all.iter().map(|arn| kind(arn)).collect();
        let name = sid(&[PLAN].into_iter().chain(kinds).collect::<Vec<_>>());
        let number = named.entry(name.clone()).and_modify(|number| *number += 1).or_insert(1);
        // IAM takes each name once.
        let name = if *number == 1 { name } else { format!("{name}{number}") };
        let mut statement = json!({"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources});
        if let Some(condition) = serde_json::from_str(&condition).ok().filter(|condition: &Json| !condition.is_null()) {
            statement["Condition"] = condition;
        }
        statement
    });
    let statements: Vec<Json> = others.cloned().chain(plan).collect();
    Ok(json!({"Version": "2012-10-17", "Statement": statements}))
}

/// The same resource, of which any version is meant where any number is. IAM allows a policy so many letters.
fn any_version(arn: &str) -> String {
    match arn.rsplit_once(':') {
        Some((function, number)) if number.len() == 2 && number.ends_with('*') => format!("{function}:*"),
        _ => arn.to_owned(),
    }
}

/// All resources of the kind, in every Region.
fn widened(arn: &str) -> String {
    // CloudFormation's parameters have colons in them.
    let plain = arn.replace("${AWS::", "${AWS..");
    let parts: Vec<&str> = plain.splitn(6, ':').collect();
    let [_, _, service, region, account, resource] = parts.as_slice() else { return arn.to_owned() };
    let region = if region.is_empty() { "" } else { "*" };
    let of_kind = |mark: char| resource.split_once(mark).map(|(kind, _)| format!("{kind}{mark}*"));
    let kind = of_kind('/').or_else(|| of_kind(':')).unwrap_or_else(|| "*".to_owned());
    format!("arn:${{AWS::Partition}}:{service}:{region}:{account}:{kind}").replace("${AWS..", "${AWS::")
}

/// `group` of the ARN of groups, and `anywhere` of `*`.
fn kind(arn: &str) -> &str {
    let resource = arn.strip_suffix(":*").unwrap_or(arn).rsplit(':').next().filter(|_| arn != "*");
    resource.map_or("anywhere", |resource| resource.split('/').next().unwrap_or_default())
}
