//! How a stack comes, is replaced while it holds changes, and goes: upgrades, plain CloudFormation, and a ledger that is taken
//! over.

use std::io::Write;
use std::path::Path;

use aws_sdk_cloudformation::types::{Capability, ChangeSetStatus, ChangeSetType, Parameter, ResourceStatus, Stack, StackStatus};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, SseSpecification,
};
use guardrails_local_aws::ACCOUNT;
use guardrails_local_aws::walkthrough::Access;
use guardrails_model::record::RunState;
use guardrails_template::artifacts::{Local, PROGRAM, Runtime, pack};
use serde_json::Value as Json;

use super::doctor::{activate, is_well, subscribe};
use super::lab::{EXAMPLE, Lab, guardrails, real_alert, text};

/// The functions' program as it is, but for some bytes at its end, which nothing reads.
pub(super) fn changed_program() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join(PROGRAM);
    std::fs::copy(guardrails().with_file_name(PROGRAM), &to).unwrap();
    std::fs::File::options().append(true).open(&to).unwrap().write_all(b"another build").unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_replaced_in_mid_run_go_on_with_it_both_ways() {
    let lab = Lab::with(EXAMPLE, 4.0).await;
    let before = lab.snapshot().await;
    let code = async |function: &str| {
        let client = aws_sdk_lambda::Client::new(&lab.root);
        let found = client.get_function().function_name(format!("budget-guardrails-{function}")).send().await.unwrap();
        found.configuration.unwrap().code_sha256.unwrap()
    };
    let first = code("master").await;
    assert_eq!(code("stop-instances").await, first, "they run one program");
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Applying).await;
    let changed = changed_program();
    lab.say(&["deploy", "--yes", "--functions", changed.path().to_str().unwrap()]).await;
    assert!(code("master").await != first && code("stop-instances").await != first);
    let run = lab.run_when(RunState::Enforced).await;
    assert_eq!(run.attempts.apply, 1, "the execution that was under way did it");
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);

    // And back again, while instances start.
    let back = async {
        lab.run_when(RunState::RollingBack).await;
        lab.say(&["deploy", "--yes"]).await
    };
    let (said, _) = tokio::join!(lab.say(&["rollback", "project-beta", "--yes"]), back);
    assert!(said.contains("rolled back"), "{said}");
    assert_eq!((code("master").await, code("stop-instances").await), (first.clone(), first));
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn package_is_deployed_by_cloudformation_alone_and_guards() {
    let mut lab = Lab::bare(EXAMPLE).await;
    let before = lab.snapshot().await;
    let said = lab.say(&["package", "--out", "out"]).await;
    for words in [
        "aws s3 cp --recursive out/guardrails s3://BUCKET/guardrails",
        "aws cloudformation deploy --template-file out/template.json --stack-name budget-guardrails --s3-bucket BUCKET",
        "sam deploy --template-file out/template.json",
        "--capabilities CAPABILITY_IAM --parameter-overrides ArtifactBucket=BUCKET Architecture=x86_64 Deployer=",
    ] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
    let out = lab.folder.path().join("out");
    upload(&lab, &out).await;
    deploy_as_the_aws_cli_does(&lab).await;

    lab.say(&["simulate", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    // `guardrails deploy` goes on with such a stack, and leaves its topics without a key as they are; the doctor asks for none.
    let outputs = lab.say(&["deploy", "--yes", "--bucket", BUCKET, "--output", "json"]).await;
    lab.outputs = serde_json::from_str(&outputs).unwrap();
    for topic in ["AlertTopicArn", "NotifyTopicArn"] {
        let found = aws_sdk_sns::Client::new(&lab.root).get_topic_attributes().topic_arn(&lab.outputs[topic]).send().await;
        assert!(!found.unwrap().attributes.unwrap().contains_key("KmsMasterKeyId"), "{topic} has a key");
    }
    activate(&lab).await;
    subscribe(&lab, "NotifyTopicArn", "email", "finops@example.com").await;
    lab.say(&["reconcile"]).await;
    is_well(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_called_like_a_part_guards_like_any_other() {
    let lab = Lab::bare(EXAMPLE).await;
    let before = lab.snapshot().await;
    lab.say(&["deploy", "--yes", "--stack-name", "master"]).await;
    lab.say(&["simulate", "project-beta", "--yes", "--stack-name", "master"]).await;
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);
    lab.say(&["rollback", "project-beta", "--yes", "--stack-name", "master"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn code_not_packed_here_is_neither_deployed_nor_left_to_run() {
    let lab = Lab::bare(EXAMPLE).await;
    let here = Runtime::ThisMachine(Local::proven().unwrap());
    let ours = pack(guardrails().parent().unwrap(), here).unwrap();
    let foreign = pack(changed_program().path(), here).unwrap();
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&lab.root).force_path_style(true).build());
    let bucket = "guardrails-123456789012-us-east-1";
    s3.create_bucket().bucket(bucket).send().await.unwrap();
    let put = async |key: &str, body: Vec<u8>| s3.put_object().bucket(bucket).key(key).body(body.into()).send().await.unwrap();
    put(&ours.key, foreign.zip.clone()).await;
    let refused = async |words: &str| {
        let output = lab.run(&["deploy", "--yes"]).await;
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(words), "no {words:?} in: {said}");
    };
    refused(&format!("{} in {bucket} is not the code that was packed here", ours.key)).await;
    let there = s3.get_object().bucket(bucket).key(&ours.key).send().await.unwrap();
    assert_eq!(there.body.collect().await.unwrap().to_vec(), foreign.zip, "it is left to be looked at");
    let stacks = aws_sdk_cloudformation::Client::new(&lab.root).describe_stacks().send().await.unwrap();
    assert!(stacks.stacks().iter().all(|stack| stack.stack_name() != Some("budget-guardrails")), "nothing was begun");

    // The right zip is taken, also when it was put there by a tool that leaves no SHA-256.
    s3.delete_object().bucket(bucket).key(&ours.key).send().await.unwrap();
    put(&ours.key, ours.zip.clone()).await;
    lab.say(&["deploy", "--yes"]).await;
    let lambda = aws_sdk_lambda::Client::new(&lab.root);
    let update = lambda.update_function_code().function_name("budget-guardrails-notify").zip_file(foreign.zip.into());
    update.send().await.unwrap();
    refused("the function budget-guardrails-notify runs code that was not packed here").await;
}

pub(super) const BUCKET: &str = "code-of-ours";

/// The work of `aws s3 cp --recursive`, and of `aws cloudformation deploy` with the template.
pub(super) async fn upload(lab: &Lab, out: &Path) {
    let s3 = aws_sdk_s3::config::Builder::from(&lab.root).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    let zips = std::fs::read_dir(out.join("guardrails")).unwrap().map(|entry| entry.unwrap().path());
    for file in zips.chain([out.join("template.json")]) {
        let key = format!("guardrails/{}", file.file_name().unwrap().to_str().unwrap());
        s3.put_object().bucket(BUCKET).key(key).body(std::fs::read(&file).unwrap().into()).send().await.unwrap();
    }
}

pub(super) async fn deploy_as_the_aws_cli_does(lab: &Lab) {
    let client = aws_sdk_cloudformation::Client::new(&lab.root);
    let given = [
        ("ArtifactBucket", BUCKET),
        ("Architecture", "x86_64"),
        ("Deployer", "arn:aws:iam::123456789012:root"),
        ("EncryptTopics", "false"),
    ];
    let given = given.map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build());
    let made = client
        .create_change_set()
        .stack_name("budget-guardrails")
        .change_set_name("awscli-cloudformation-package-deploy")
        .change_set_type(ChangeSetType::Create)
        .template_url(format!("{}/{BUCKET}/guardrails/template.json", lab.local.endpoint()))
        .set_parameters(Some(given.to_vec()))
        .capabilities(Capability::CapabilityIam);
    let id = made.send().await.unwrap().id.unwrap();
    lab.eventually("the change set", || async {
        let set = client.describe_change_set().change_set_name(&id).send().await.unwrap();
        assert_ne!(set.status, Some(ChangeSetStatus::Failed), "{:?}", set.status_reason);
        (set.status == Some(ChangeSetStatus::CreateComplete)).then_some(())
    })
    .await;
    client.execute_change_set().change_set_name(&id).send().await.unwrap();
    let stack = settled(lab).await.unwrap();
    assert_eq!(stack.stack_status, Some(StackStatus::CreateComplete), "{:?}", stack.stack_status_reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_of_deleted_stack_is_adopted_and_its_holds_put_back() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let table = lab.outputs["LedgerTable"].clone();
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let second = |table: &str| ["deploy", "--yes", "--stack-name", "second", "--adopt-ledger", table].map(str::to_owned).to_vec();
    let refused = async |arguments: Vec<String>, words: &str| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = lab.run(&arguments).await;
        assert_eq!(output.status.code(), Some(1), "{words}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{words}: {}", text(&output.stderr));
    };
    // As long as its stack is there it is that stack's.
    refused(second(&table), "the stack `budget-guardrails` (CREATE_COMPLETE) uses the ledger").await;

    // The stack does not go as long as a run is open; somebody has it go all the same, and the resource that refused stays
    // behind.
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    cloudformation.delete_stack().stack_name("budget-guardrails").send().await.unwrap();
    let failed = settled(&lab).await.unwrap();
    assert_eq!(failed.stack_status, Some(StackStatus::DeleteFailed));
    refused(second(&table), "uses the ledger").await;
    delete_by_force(&lab).await;
    let budgets = aws_sdk_budgets::Client::new(&lab.root);
    budgets.delete_budget().account_id(ACCOUNT).budget_name("project-beta").send().await.unwrap();

    what_is_no_ledger_is_refused(&lab, &refused, &second).await;
    // A file without the held guardrail would leave the functions without the rights to put it back.
    let file = lab.folder.path().join("guardrails.yaml");
    std::fs::write(&file, EXAMPLE.replace("project-beta:", "project-gamma:")).unwrap();
    refused(second(&table), "guardrails.yaml has no such guardrail").await;
    std::fs::write(&file, EXAMPLE).unwrap();

    let arguments = second(&table);
    let adopted = lab.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(adopted.status.success(), "{}\n{}", text(&adopted.stderr), lab.local.log_tail());
    assert!(
        text(&adopted.stderr).contains(&format!("run {} of `project-beta` still holds", run.id)),
        "{}",
        text(&adopted.stderr)
    );
    let history = lab.say(&["history", "--stack-name", "second", "--output", "json"]).await;
    let history: Json = serde_json::from_str(&history).unwrap();
    let of_the_run = history.as_array().unwrap().iter().filter(|entry| entry["run"] == run.id.as_str());
    assert!(of_the_run.count() > 5, "{history}");
    lab.say(&["rollback", "project-beta", "--stack-name", "second", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    // It stays with this stack at the next deployment, and another is not taken in its place.
    let again = lab.run(&["deploy", "--yes", "--stack-name", "second"]).await;
    assert!(again.status.success() && text(&again.stderr).contains("nothing to change"), "{}", text(&again.stderr));
    refused(second("another"), "has the ledger").await;
    assert_eq!(lab.ledger.run(&run.id).await.unwrap().unwrap().value.state, RunState::RolledBack);
}

/// Tables of somebody else's, and ledgers that are not kept as one.
async fn what_is_no_ledger_is_refused<R, S>(lab: &Lab, refused: &R, second: &S)
where
    R: AsyncFn(Vec<String>, &str),
    S: Fn(&str) -> Vec<String>,
{
    let client = aws_sdk_dynamodb::Client::new(&lab.root);
    let made = async |name: &str, keys: [&str; 2], encrypted: bool, protected: bool| {
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        let mut call = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in keys.into_iter().zip([KeyType::Hash, KeyType::Range]) {
            let text = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
            call = call.key_schema(key(name, kind)).attribute_definitions(text.build().unwrap());
        }
        let sse = encrypted.then(|| SseSpecification::builder().enabled(true).build());
        call.set_sse_specification(sse).deletion_protection_enabled(protected).send().await.unwrap();
    };
    made("orders", ["customer", "order"], true, true).await;
    made("plain", ["pk", "sk"], false, true).await;
    made("fleeting", ["pk", "sk"], true, false).await;
    made("single", ["pk", "sk"], true, true).await;
    for (table, words) in [
        ("nowhere", "looking at the table nowhere"),
        ("orders", "its keys are not the texts pk and sk"),
        ("plain", "--sse-specification Enabled=true"),
        ("fleeting", "--deletion-protection-enabled"),
        ("single", "nothing of one in it"),
    ] {
        refused(second(table), words).await;
    }
}

/// A resource that refuses to go is left behind, as often as one does.
async fn delete_by_force(lab: &Lab) {
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    while settled(lab).await.is_some() {
        let left = cloudformation.describe_stack_resources().stack_name("budget-guardrails").send().await.unwrap();
        let refused = left.stack_resources.unwrap_or_default().into_iter().filter(|one| {
            let is_ours = one.resource_type().is_some_and(|kind| kind.starts_with("Custom::"));
            is_ours && one.resource_status() == Some(&ResourceStatus::DeleteFailed)
        });
        let refused = refused.filter_map(|one| one.logical_resource_id).collect();
        cloudformation.delete_stack().stack_name("budget-guardrails").set_retain_resources(Some(refused)).send().await.unwrap();
    }
}

/// The stack once it stands still; none when it is gone.
pub(super) async fn settled(lab: &Lab) -> Option<Stack> {
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    lab.eventually("the stack's end", || async {
        let Ok(found) = cloudformation.describe_stacks().stack_name("budget-guardrails").send().await else { return Some(None) };
        let stack = found.stacks.unwrap_or_default().into_iter().next()?;
        match stack.stack_status()? {
            StackStatus::DeleteComplete => Some(None),
            status if status.as_str().ends_with("_IN_PROGRESS") => None,
            _ => Some(Some(stack)),
        }
    })
    .await
}
