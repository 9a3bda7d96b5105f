//! A function of the user's in Python, called by the deployed stack: with the rights that its own function has, and by its version.

use std::io::{Cursor, Write};
use std::path::Path;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use guardrails_local_aws::ACCOUNT;
use guardrails_model::record::RunState;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::lab::{EXAMPLE, Lab, real_alert};

const PROGRAM: &str = include_str!("../../examples/run-function/pause_queues.py");
const NAME: &str = "pause-queues";
const STOP: &str = "stop-instances: { tag: { Project: Beta }, watch-health: 1s }";
const RUN: &str = "run-function: { function: pause-queues, tags: { Project: Beta } }";
const QUEUES: &str =
    r#"[{"queue": "nightly", "state": "running", "tags": {"Project": "Beta"}}, {"queue": "other", "state": "running"}]"#;

fn zipped(program: &str) -> Blob {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("pause_queues.py", SimpleFileOptions::default()).unwrap();
    zip.write_all(program.as_bytes()).unwrap();
    Blob::new(zip.finish().unwrap().into_inner())
}

/// Makes the function, and publishes a version of it.
async fn make(lab: &Lab, queues: &Path) -> aws_sdk_lambda::Client {
    let trust = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    iam.create_role().role_name(NAME).assume_role_policy_document(trust).send().await.unwrap();
    let lambda = aws_sdk_lambda::Client::new(&lab.root);
    let made = lambda.create_function().function_name(NAME).runtime(Runtime::Python311).handler("pause_queues.handler");
    let made = made.role(format!("arn:aws:iam::{ACCOUNT}:role/{NAME}")).timeout(10).publish(true);
    let made = made.code(FunctionCode::builder().zip_file(zipped(PROGRAM)).build());
    let made = made.environment(Environment::builder().variables("QUEUES_FILE", queues.display().to_string()).build());
    made.send().await.unwrap();
    lambda
}

#[tokio::test(flavor = "multi_thread")]
async fn program_in_python_is_applied_and_rolled_back_by_its_version() {
    assert!(EXAMPLE.contains(STOP));
    let lab = Lab::with(&EXAMPLE.replace(STOP, RUN), 0.1).await;
    let queues = lab.folder.path().join("queues.json");
    std::fs::write(&queues, QUEUES).unwrap();
    let states = || {
        let queues: serde_json::Value = serde_json::from_slice(&std::fs::read(&queues).unwrap()).unwrap();
        [queues[0]["state"].as_str().unwrap().to_owned(), queues[1]["state"].as_str().unwrap().to_owned()]
    };
    let lambda = make(&lab, &queues).await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    assert_eq!(states(), ["paused", "running"]);
    let steps = lab.steps(&run).await;
    let programs: Vec<&str> = steps.iter().filter_map(|step| step.program.as_deref()).collect();
    assert!(programs.len() == 1 && programs[0].starts_with("1 "), "{programs:?}");

    // A later deployment, which could roll nothing back.
    let worse = PROGRAM.replace("\"rollback\": change,", "");
    lambda.update_function_code().function_name(NAME).zip_file(zipped(&worse)).publish(true).send().await.unwrap();
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    lab.run_when(RunState::RolledBack).await;
    assert_eq!(states(), ["running", "running"]);

    // The numbers of the run are kept: the kit begins above them.
    let kit = ["contract", "--function", NAME, "--qualifier", "1", "--tag", "Project=Beta", "--change", "nightly"];
    let said = lab.say(&kit).await;
    assert!(said.contains("holds") && !said.contains("BROKEN") && !said.contains("not tried"), "{said}");
    assert_eq!(states(), ["running", "running"]);
}
