//! An action's calls, held against its grants: here by the words of the grant, and by `cargo xtask rights` with the evaluator that
//! judges the product's. It reads them from the folder that `GUARDRAILS_CALLS` names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::Catalog;
use guardrails_aws::grants::{Grant, policy, sid};
use guardrails_model::config::Config;
use guardrails_model::glob::glob;
use serde_json::{Value as Json, json};

use crate::story::Story;

/// IAM's action, the resource's ARN, and the resource's tags or other keys of conditions.
pub type Called = (String, String, BTreeMap<String, String>);

/// A file with one stage of one action, such as `stop-services: { tag: { Project: Beta } }`.
pub fn file_of(action: &str) -> Config {
    let text = "version: 1\nguardrails:\n  beta:\n    budget: { amount: 2 USD, period: monthly, tag: { Project: Beta } }\n    stages:\n      \
                - at: 80% actual\n        do:\n          - ";
    CATALOG.parse("guardrails.yaml", &format!("{text}{action}\n")).unwrap()
}

/// Holds the calls of a story against the grants of an action over `Project: Beta`, and writes them down.
pub fn judge(action: &str, story: &Story) {
    let config = file_of(&format!("{action}: {{ tag: {{ Project: Beta }} }}"));
    let told = story.world.account().told.clone();
    let regions = ("ec2:DescribeRegions".to_owned(), "*".to_owned(), BTreeMap::new());
    let calls: Vec<Called> = told.into_iter().chain([regions]).collect();
    hold_against(&CATALOG.find(action).unwrap().grants(&config).unwrap(), &calls);
    write(&CATALOG, action, &config, &calls);
}

/// Fails when a right of an action reaches beyond the Regions of its stage.
pub fn keeps_to_its_regions(action: &str) {
    let config = file_of(&format!("{action}: {{ tag: {{ Project: Beta }}, regions: [eu-west-1] }}"));
    for grant in CATALOG.find(action).unwrap().grants(&config).unwrap() {
        let is_look = grant
            .actions
            .iter()
            .all(|action| ["List", "Describe", "Get"].iter().any(|verb| action.contains(&format!(":{verb}"))));
        let is_held = grant.condition["StringEquals"]["aws:RequestedRegion"] == json!(["eu-west-1"]);
        let is_there = |arn: &String| match arn.as_str() {
            "*" => is_look || is_held,
            // The service has no Regions.
            arn => arn.contains(":eu-west-1:") || arn.contains("::"),
        };
        assert!(grant.resources.iter().all(is_there), "{}: {:?}", grant.sid, grant.resources);
    }
}

/// Fails when a call is not granted, or a grant is not used.
pub fn hold_against(grants: &[Grant], calls: &[Called]) {
    let mut used = BTreeSet::new();
    for (action, resource, tags) in calls {
        let granted = grants.iter().any(|grant| {
            let is_named = grant.actions.contains(&action.as_str());
            let mut wanted = grant.condition["StringEquals"].as_object().into_iter().flatten();
            let carries = |(key, values): (&String, &Json)| {
                let tag = tags.get(key.strip_prefix("aws:ResourceTag/").unwrap_or(key));
                values.as_array().is_some_and(|values| tag.is_some_and(|tag| values.contains(&json!(tag))))
            };
            let carries = wanted.all(carries);
            is_named && carries && grant.resources.iter().any(|pattern| glob(&filled(pattern), resource))
        });
        assert!(granted, "{action} on {resource} is not granted");
        used.insert(action.as_str());
    }
    let all: BTreeSet<&str> = grants.iter().flat_map(|grant| grant.actions).copied().collect();
    assert_eq!(used, all, "each grant is used");
}

/// Writes the calls down as the local AWS does, if anybody wants them.
pub fn write(catalog: &Catalog, action: &str, config: &Config, calls: &[Called]) {
    let Some(folder) = std::env::var_os("GUARDRAILS_CALLS") else { return };
    let grants = catalog.find(action).unwrap().grants(config).unwrap();
    let document: Json = serde_json::from_str(&filled(&policy(&grants).to_string())).unwrap();
    let logical = format!("{}Role", sid(&action.split('-').collect::<Vec<_>>()));
    let role = format!("example-{logical}-1");
    let principal = format!("arn:aws:sts::123456789012:assumed-role/{role}/example");
    let (digest, mut wide) = (action, BTreeMap::new());
    for grant in &grants {
        wide.extend(grant.wide.iter().copied());
    }
    let mut text = String::new();
    let identity = json!([{"name": action, "policy": document}]);
    writeln!(text, "{}", json!({"policies": digest, "identity": identity, "boundary": null})).unwrap();
    writeln!(text, "{}", json!({"reasons_of": logical, "wide": wide})).unwrap();
    for (action, resource, tags) in calls {
        let keys: BTreeMap<String, &String> = tags.iter().map(|(key, value)| (key_of(key), value)).collect();
        let call = json!({"role": role, "principal": principal, "policies": digest, "action": action, "resource": resource,
            "keys": keys, "decision": "Allow", "key_policy": null});
        writeln!(text, "{call}").unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(Path::new(&folder).join(format!("{action}.jsonl")), text).unwrap();
}

/// A tag's key, or a key of a service's own, as the evaluator has it.
fn key_of(name: &str) -> String {
    if name.contains(':') { name.to_ascii_lowercase() } else { format!("aws:resourcetag/{name}") }
}

fn filled(text: &str) -> String {
    let all = [("${AWS::Partition}", "aws"), ("${AWS::Region}", "us-east-1"), ("${AWS::AccountId}", "123456789012")];
    all.iter().fold(text.to_owned(), |text, (parameter, value)| text.replace(parameter, value))
}
