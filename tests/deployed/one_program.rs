//! All functions run one program: which part each is, and how a stack fares that had a zip for each function.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write};
use std::path::Path;

use aws_sdk_budgets::types::{Budget, BudgetType, Spend, TimeUnit};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LastUpdateStatus;
use guardrails_local_aws::ACCOUNT;
use guardrails_local_aws::walkthrough::Access;
use guardrails_template::artifacts::{Local, Runtime, pack};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::doctor::finds;
use super::lab::{EXAMPLE, Lab, guardrails, text};
use super::shipping::{BUCKET, changed_program, deploy_as_the_aws_cli_does, upload};

const STACK: &str = "budget-guardrails";

#[tokio::test(flavor = "multi_thread")]
async fn failed_upgrade_goes_back_to_the_ten_zips() {
    let lab = Lab::bare(EXAMPLE).await;
    let before = lab.snapshot().await;
    lab.say(&["package", "--out", "out"]).await;
    let out = lab.folder.path().join("out");
    let keys = package_as_before_the_one_program(&out);
    upload(&lab, &out).await;
    deploy_as_the_aws_cli_does(&lab).await;
    let old = code(&lab).await;
    assert!(old.values().all(|(_, handler)| handler == "bootstrap"), "{old:?}");
    lab.say(&["simulate", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);

    // The functions are changed first; then the stack meets a budget that is not its own.
    somebody_s_budget(&lab, "project-gamma").await;
    let file = lab.folder.path().join("guardrails.yaml");
    let gamma =
        "  project-gamma:\n    budget: { amount: 5 USD, period: daily }\n    stages: [{ at: 50% actual, do: [notify] }]\n";
    std::fs::write(&file, EXAMPLE.to_owned() + gamma).unwrap();
    let deploy = ["deploy", "--yes", "--bucket", BUCKET];
    let refused = lab.run(&deploy).await;
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("it is not of this stack") && said.contains("UPDATE_ROLLBACK_COMPLETE"), "{said}");
    for function in ["MasterFunction", "BudgetFunction", "StopInstancesFunction"] {
        let updated = |line: &str| line.split_whitespace().eq(["UPDATE_COMPLETE", function]);
        assert!(said.lines().any(updated), "{function} was not changed before: {said}");
    }
    assert_eq!(code(&lab).await, old, "code and handler are those of the ten zips");
    lab.say(&["reconcile"]).await;
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied, "the run still holds");

    // An upgrade that goes well puts back the earlier version's changes, and leaves the ten zips where they are.
    std::fs::write(&file, EXAMPLE).unwrap();
    lab.say(&deploy).await;
    let new = code(&lab).await;
    let programs: BTreeSet<&String> = new.values().map(|(sum, _)| sum).collect();
    assert_eq!(programs.len(), 1, "{new:?}");
    assert!(new.iter().all(|(part, (_, handler))| part == handler), "{new:?}");
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&lab.root).force_path_style(true).build());
    for key in keys {
        s3.head_object().bucket(BUCKET).key(&key).send().await.unwrap_or_else(|_| panic!("{key} is gone"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn function_with_another_part_s_handler_refuses_to_work() {
    let lab = Lab::new().await;
    let lambda = aws_sdk_lambda::Client::new(&lab.root);
    let asked = async |function: &str| {
        let call = lambda.invoke().function_name(format!("{STACK}-{function}")).payload(Blob::new("{}"));
        let answer = call.send().await.unwrap();
        let payload: Json = serde_json::from_slice(answer.payload.unwrap().as_ref()).unwrap();
        (answer.function_error, payload)
    };
    assert_eq!(asked("reconcile").await.0, None);
    handler(&lambda, "reconcile", "master").await;
    let (error, answer) = asked("reconcile").await;
    assert!(error.is_some(), "{answer}");
    assert_eq!(answer["errorType"], "Guardrails.Failed");
    let message = answer["errorMessage"].as_str().unwrap();
    assert!(message.contains("is `reconcile`") && message.contains("says `master`"), "{message}");

    // A stack is answered all the same: it would wait for an hour otherwise.
    handler(&lambda, "budget", "notify").await;
    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE.replace("2 USD", "3 USD")).unwrap();
    let refused = lab.run(&["deploy", "--yes"]).await;
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("its handler says `notify`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_code_runs_where_only_signed_code_is_taken() {
    const SIGNED: &str = "guardrails/signed-1.zip";
    let lab = Lab::bare(EXAMPLE).await;
    let signing = "CodeSigningConfigArn=arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0";
    let here = Runtime::ThisMachine(Local::proven().unwrap());
    let ours = pack(guardrails().parent().unwrap(), here).unwrap();
    let refused = async |arguments: &[&str], words: &str| {
        let output = lab.run(arguments).await;
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(words), "no {words:?} in: {said}");
    };
    refused(&["deploy", "--yes", "--parameter", signing], "take only signed code").await;
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&lab.root).force_path_style(true).build());
    let bucket = "guardrails-123456789012-us-east-1";
    s3.head_object().bucket(bucket).key(&ours.key).send().await.expect("it is there to be signed");

    // Code that AWS Signer made of another program is not taken, nor code that it did not make. Code that it made of ours is.
    let foreign = pack(changed_program().path(), here).unwrap();
    let (signed, other) = (signed(ours.zip.clone()), signed(foreign.zip.clone()));
    let put = async |body: Vec<u8>| s3.put_object().bucket(bucket).key(SIGNED).body(body.into()).send().await.unwrap();
    let deploy = ["deploy", "--yes", "--signed-code", SIGNED, "--parameter", signing];
    refused(&deploy, "reading guardrails/signed-1.zip").await;
    put(other).await;
    refused(&deploy, "is not the signed form of").await;
    put(signed.clone()).await;
    lab.say(&deploy).await;
    let sum = aws_smithy_types::base64::encode(Sha256::digest(&signed));
    let code = code(&lab).await;
    assert!(code.len() > 5 && code.values().all(|(runs, _)| *runs == sum), "{sum}: {code:?}");

    // The parameter stays; the functions' code is held against the signed zip, by deploy and by doctor.
    refused(&["deploy", "--yes"], "take only signed code").await;
    let again = lab.run(&["deploy", "--yes", "--signed-code", SIGNED]).await;
    assert!(text(&again.stderr).contains("nothing to change"), "{}", text(&again.stderr));
    let well = lab.run(&["doctor", "--all"]).await;
    assert!(text(&well.stdout).contains("well  function budget-guardrails-notify: its code"), "{}", text(&well.stdout));
    let lambda = aws_sdk_lambda::Client::new(&lab.root);
    let update = lambda.update_function_code().function_name(format!("{STACK}-notify")).zip_file(foreign.zip.into());
    update.send().await.unwrap();
    finds(&lab, 11, "failure", &format!("s3://{bucket}/{SIGNED}, which was deployed"), "update-function-code").await;
    refused(&["deploy", "--yes", "--signed-code", SIGNED], "budget-guardrails-notify runs code that was not packed here").await;
}

/// As AWS Signer does it: the same entries, and a signature besides.
fn signed(zip: Vec<u8>) -> Vec<u8> {
    let mut zip = ZipWriter::new_append(Cursor::new(zip)).unwrap();
    zip.start_file("META-INF/aws_signer_signature_v1.0.SF", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"a signature").unwrap();
    zip.finish().unwrap().into_inner()
}

/// Each function's code and handler, by its part.
async fn code(lab: &Lab) -> BTreeMap<String, (String, String)> {
    let client = aws_sdk_lambda::Client::new(&lab.root);
    let functions = client.list_functions().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    let ours = functions.into_iter().filter_map(|function| {
        let part = function.function_name()?.strip_prefix(STACK)?.strip_prefix('-')?.to_owned();
        Some((part, (function.code_sha256?, function.handler?)))
    });
    ours.collect()
}

/// Makes the package of a version before the one program: a zip for each function, and a handler that names no part.
fn package_as_before_the_one_program(out: &Path) -> Vec<String> {
    let zips = out.join("guardrails");
    let old = pack(changed_program().path(), Runtime::ThisMachine(Local::proven().unwrap())).unwrap();
    let mut template: Json = serde_json::from_slice(&std::fs::read(out.join("template.json")).unwrap()).unwrap();
    let mut keys = Vec::new();
    for function in template["Resources"].as_object_mut().unwrap().values_mut() {
        if function["Type"] != "AWS::Lambda::Function" {
            continue;
        }
        let properties = &mut function["Properties"];
        let name = format!("{}-0123456789abcdef0123.zip", properties["Handler"].as_str().unwrap());
        std::fs::write(zips.join(&name), &old.zip).unwrap();
        let key = format!("guardrails/{name}");
        properties["Code"]["S3Key"] = json!(key);
        properties["Handler"] = json!("bootstrap");
        keys.push(key);
    }
    assert!(keys.len() > 5);
    std::fs::write(out.join("template.json"), template.to_string()).unwrap();
    keys
}

async fn somebody_s_budget(lab: &Lab, name: &str) {
    let limit = Spend::builder().amount("70").unit("USD").build().unwrap();
    let budget = Budget::builder().budget_name(name).budget_type(BudgetType::Cost).time_unit(TimeUnit::Monthly);
    let budget = budget.budget_limit(limit).build().unwrap();
    aws_sdk_budgets::Client::new(&lab.root).create_budget().account_id(ACCOUNT).budget(budget).send().await.unwrap();
}

/// Gives a function another handler, past CloudFormation.
async fn handler(lambda: &aws_sdk_lambda::Client, function: &str, handler: &str) {
    let name = format!("{STACK}-{function}");
    let update = lambda.update_function_configuration().function_name(&name).handler(handler);
    let updated = update.send().await.unwrap();
    assert_ne!(updated.last_update_status(), Some(&LastUpdateStatus::Failed));
}
