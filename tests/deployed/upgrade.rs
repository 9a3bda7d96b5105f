//! A stack that version 5e03290 deployed is upgraded with open runs, which go on and are put back.
//!
//! Its template, its parameters and its ledger are that version's own (tests/fixtures/stack-of-5e03290). Its ten programs are not: each
//! function of the old template runs the present program. The ids of the instances are those of the local AWS here.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};
use aws_sdk_ec2::types::{InstanceType, ResourceType, Tag, TagSpecification};
use guardrails_aws::store::DynamoStore;
use guardrails_local_aws::walkthrough::Access;
use guardrails_model::ids::{Nonce, RunId};
use guardrails_model::ledger::{Key, Ledger, Store, Write};
use guardrails_model::record::RunState;
use guardrails_template::artifacts::{Local, Runtime, pack};
use serde_json::Value as Json;

use super::lab::{Lab, guardrails};
use super::shipping::settled;

const FILE: &str = include_str!("../fixtures/stack-of-5e03290/guardrails.yaml");
const TEMPLATE: &str = include_str!("../fixtures/stack-of-5e03290/template.json");
const PARAMETERS: &str = include_str!("../fixtures/stack-of-5e03290/parameters.json");
const LEDGER: &str = include_str!("../fixtures/stack-of-5e03290/ledger.json");
const POLICIES: &str = "arn:aws:iam::aws:policy/";

/// Makes the stack of the old template, and answers with its outputs.
async fn old_stack(lab: &Lab) -> BTreeMap<String, String> {
    let parameters: BTreeMap<String, String> = serde_json::from_str(PARAMETERS).unwrap();
    let bucket = &parameters["ArtifactBucket"];
    let s3 = aws_sdk_s3::config::Builder::from(&lab.root).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    s3.create_bucket().bucket(bucket).send().await.unwrap();
    let local = Local::proven().unwrap();
    let zip = pack(guardrails().parent().unwrap(), Runtime::ThisMachine(local)).unwrap().zip;
    let template: Json = serde_json::from_str(TEMPLATE).unwrap();
    let resources = template["Resources"].as_object().unwrap().values();
    let keys: BTreeSet<&str> = resources.filter_map(|one| one["Properties"]["Code"]["S3Key"].as_str()).collect();
    assert_eq!(keys.len(), 10);
    for key in keys {
        s3.put_object().bucket(bucket).key(key).body(zip.clone().into()).send().await.unwrap();
    }
    s3.put_object().bucket(bucket).key("template.json").body(TEMPLATE.as_bytes().to_vec().into()).send().await.unwrap();
    let given = parameters.iter().map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build());
    let client = aws_sdk_cloudformation::Client::new(&lab.root);
    let made = client.create_stack().stack_name("budget-guardrails").set_parameters(Some(given.collect()));
    let made = made.template_url(format!("{}/{bucket}/template.json", lab.local.endpoint()));
    let capabilities = [Capability::CapabilityIam, Capability::CapabilityNamedIam];
    made.set_capabilities(Some(capabilities.to_vec())).send().await.unwrap();
    let stack = settled(lab).await.unwrap();
    assert_eq!(
        stack.stack_status,
        Some(StackStatus::CreateComplete),
        "{:?}\n{}",
        stack.stack_status_reason,
        lab.local.log_tail()
    );
    let outputs = stack.outputs.unwrap_or_default().into_iter();
    outputs.map(|output| (output.output_key.unwrap_or_default(), output.output_value.unwrap_or_default())).collect()
}

/// The ids of all instances by their names.
async fn ids(lab: &Lab) -> BTreeMap<String, String> {
    let found = aws_sdk_ec2::Client::new(&lab.root).describe_instances().send().await.unwrap();
    let instances = found.reservations.unwrap_or_default().into_iter().flat_map(|one| one.instances.unwrap_or_default());
    let named = instances.filter_map(|one| {
        let name = one.tags().iter().find(|tag| tag.key() == Some("Name"))?.value()?.to_owned();
        Some((name, one.instance_id?))
    });
    named.collect()
}

async fn launch(lab: &Lab, name: &str, project: &str) {
    let tags = [("Name", name), ("Project", project)].map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags = TagSpecification::builder().resource_type(ResourceType::Instance).set_tags(Some(tags.to_vec())).build();
    let call = aws_sdk_ec2::Client::new(&lab.root).run_instances().image_id("ami-0123456789abcdef0");
    let call = call.instance_type(InstanceType::T3Micro).min_count(1).max_count(1).tag_specifications(tags);
    call.send().await.unwrap();
}

/// The account as the old version's runs left it.
async fn enforce(lab: &Lab, ids: &BTreeMap<String, String>, now: &Json) {
    let scaling = aws_sdk_autoscaling::Client::new(&lab.root);
    for process in now["fleet"]["suspended"].as_array().unwrap() {
        let call = scaling.suspend_processes().auto_scaling_group_name("beta-web").scaling_processes(process.as_str().unwrap());
        call.send().await.unwrap();
    }
    let ec2 = aws_sdk_ec2::Client::new(&lab.root);
    let stopped = ["beta-1", "beta-2", "beta-3", "beta-4", "beta-web"].map(|name| ids[name].clone());
    ec2.stop_instances().set_instance_ids(Some(stopped.to_vec())).send().await.unwrap();
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let texts = |of: &Json| of.as_array().unwrap().iter().map(|arn| arn.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    for arn in texts(&now["groups"]["ProjectBeta"]) {
        iam.attach_group_policy().group_name("ProjectBeta").policy_arn(arn).send().await.unwrap();
    }
    let full = format!("{POLICIES}AmazonEC2FullAccess");
    iam.detach_group_policy().group_name("ProjectBeta").policy_arn(full).send().await.unwrap();
    for arn in texts(&now["roles"]["beta-deployer"]) {
        iam.attach_role_policy().role_name("beta-deployer").policy_arn(arn).send().await.unwrap();
    }
}

/// Writes the old ledger's items, with the ids of the instances here. The definitions are there already.
async fn remember(lab: &Lab, old: &Json, ids: &BTreeMap<String, String>) {
    // The question is not over, whenever this runs.
    let mut text = LEDGER.replace("\"until\":\"2026-12-01T", "\"until\":\"2126-12-01T");
    assert_ne!(text, LEDGER);
    for instance in old["before"]["instances"].as_array().unwrap() {
        let name = instance["tags"].as_str().unwrap().split(' ').find_map(|tag| tag.strip_prefix("Name="));
        if let Some(id) = name.and_then(|name| ids.get(name)) {
            text = text.replace(instance["id"].as_str().unwrap(), id);
        }
    }
    let read: Json = serde_json::from_str(&text).unwrap();
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&lab.root), lab.outputs["LedgerTable"].clone());
    for item in read["items"].as_array().unwrap().iter().filter(|item| item["pk"] != "GUARDRAIL") {
        let word = |name: &str| item[name].as_str().unwrap().to_owned();
        let write = Write { key: Key { pk: word("pk"), sk: word("sk") }, expect: 0, doc: item["doc"].clone() };
        store.commit(&Nonce::fresh(), &[write]).await.unwrap();
    }
}

async fn run_of(lab: &Lab, guardrail: &str, stage: &str) -> RunId {
    let runs = lab.ledger.runs(None).await.unwrap().into_iter().map(|run| run.value);
    let mut found = runs.filter(|run| run.guardrail.as_str() == guardrail && run.stage.to_string() == stage);
    found.next().unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn stack_of_5e03290_is_upgraded_under_its_open_runs() {
    let mut lab = Lab::bare(FILE).await;
    for name in ["gamma-1", "gamma-2"] {
        launch(&lab, name, "Gamma").await;
    }
    lab.outputs = old_stack(&lab).await;
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&lab.root), lab.outputs["LedgerTable"].clone());
    lab.ledger = Ledger::new(std::sync::Arc::new(store));
    let ids = ids(&lab).await;
    let are = async |names: &[&str], wanted: &str| {
        let words = format!("{names:?} {wanted}");
        lab.eventually(&words, || async {
            let states = lab.snapshot().await.instances;
            names.iter().all(|name| states[&ids[*name]] == wanted).then_some(())
        })
        .await;
    };
    are(&["gamma-1", "gamma-2"], "running").await;
    let before = lab.snapshot().await;
    let old: Json = serde_json::from_str(LEDGER).unwrap();
    enforce(&lab, &ids, &old["now"]).await;
    remember(&lab, &old, &ids).await;

    lab.say(&["deploy", "--yes"]).await;
    let functions = aws_sdk_lambda::Client::new(&lab.root).list_functions().send().await.unwrap().functions.unwrap_or_default();
    let code: BTreeSet<&str> = functions.iter().filter_map(|function| function.code_sha256()).collect();
    assert_eq!(code.len(), 1, "all functions run one program now: {code:?}");
    // The present Deny has more calls on its list. The run holds the old one, which stands yet.
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);

    // A person answers the question that the old version asked. No execution waits for it any more.
    let asks = run_of(&lab, "asks-first", "100% actual").await;
    lab.say(&["approve", asks.as_str(), "--yes", "--reason", "it is time"]).await;
    lab.runs_when(|runs| runs.iter().any(|run| run.id == asks && run.state == RunState::Enforced)).await;
    are(&["gamma-1", "gamma-2"], "stopped").await;

    for guardrail in ["project-beta", "asks-first"] {
        lab.say(&["rollback", guardrail, "--yes"]).await;
    }
    assert_eq!(lab.snapshot().await, before);
}
