//! Attackers on the deployed stack with IAM enforced: a member of the restricted group, somebody who may do everything with
//! topics, a function whose role was widened by hand. And that the logs hold no keys.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardrails_local_aws::walkthrough::{GROUP, Role};
use guardrails_local_aws::{ACCOUNT, SdkConfig};
use guardrails_model::record::RunState;
use serde_json::{Value as Json, json};

use super::lab::{EXAMPLE, Lab, real_alert};

pub(super) const STACK: &str = "budget-guardrails";
const OPERATOR: &str = include_str!("../../policies/operator.json");

/// A user called `name`, in the restricted group, who besides has `rights`.
pub(super) async fn member(lab: &Lab, name: &str, rights: &[&str]) -> SdkConfig {
    let user = user(lab, name, (!rights.is_empty()).then(|| allow(rights).to_string())).await;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    iam.add_user_to_group().group_name(GROUP).user_name(name).send().await.unwrap();
    user
}

/// A user with the rights of `policy`.
async fn user(lab: &Lab, name: &str, policy: Option<String>) -> SdkConfig {
    let iam = aws_sdk_iam::Client::new(&lab.root);
    iam.create_user().user_name(name).send().await.unwrap();
    if let Some(policy) = policy {
        iam.put_user_policy().user_name(name).policy_name("besides").policy_document(policy).send().await.unwrap();
    }
    let key = iam.create_access_key().user_name(name).send().await.unwrap().access_key.unwrap();
    lab.local.sdk_config_as(key.access_key_id(), key.secret_access_key()).await.unwrap()
}

pub(super) fn allow(actions: &[&str]) -> Json {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
}

/// The caller was refused: for want of a right, or by a policy that says no.
fn is_refused<T: std::fmt::Debug, E, R>(what: &str, answer: Result<T, SdkError<E, R>>)
where
    E: ProvideErrorMetadata + std::fmt::Debug,
    R: std::fmt::Debug,
{
    if let Some(otherwise) = otherwise_than_refused(answer) {
        panic!("{what}: {otherwise}");
    }
}

/// The outcome of a call, unless the caller was refused.
pub(super) fn otherwise_than_refused<T: std::fmt::Debug, E, R>(answer: Result<T, SdkError<E, R>>) -> Option<String>
where
    E: ProvideErrorMetadata + std::fmt::Debug,
    R: std::fmt::Debug,
{
    let Err(error) = answer else { return Some(format!("it was done: {answer:?}")) };
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let refusals = ["AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"];
    (!refusals.contains(&code)).then(|| format!("{error:?}"))
}

/// CloudFormation's name for a resource.
pub(super) async fn physical(lab: &Lab, logical: &str) -> String {
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    let found = cloudformation.describe_stack_resource().stack_name(STACK).logical_resource_id(logical).send().await.unwrap();
    found.stack_resource_detail.unwrap().physical_resource_id.unwrap()
}

/// A session of a role of the stack, for a test: somebody who may change IAM let `thief` assume it.
async fn session(lab: &Lab, thief: &SdkConfig, logical: &str) -> (String, SdkConfig) {
    let role = physical(lab, logical).await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}}]});
    let iam = aws_sdk_iam::Client::new(&lab.root);
    iam.update_assume_role_policy().role_name(&role).policy_document(trust.to_string()).send().await.unwrap();
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let assumed = aws_sdk_sts::Client::new(thief).assume_role().role_arn(arn).role_session_name("thief").send().await.unwrap();
    let keys = assumed.credentials.unwrap();
    let provider = aws_sdk_sts::config::SharedCredentialsProvider::new(aws_sdk_sts::config::Credentials::new(
        keys.access_key_id,
        keys.secret_access_key,
        Some(keys.session_token),
        None,
        "a test",
    ));
    (role, thief.to_builder().credentials_provider(provider).build())
}

pub(super) fn item(pk: &str, sk: &str) -> BTreeMap<String, AttributeValue> {
    [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn member_with_all_of_sns_cannot_forge_alert_or_open_topics() {
    let lab = Lab::new().await;
    let mallory = member(&lab, "mallory", &["sns:*", "kms:*"]).await;
    let (sns, root) = (aws_sdk_sns::Client::new(&mallory), aws_sdk_sns::Client::new(&lab.root));
    let other = root.create_topic().name("other").send().await.unwrap().topic_arn.unwrap();
    sns.publish().topic_arn(&other).message("a topic of somebody else's").send().await.expect("her right is a right");
    for topic in ["AlertTopicArn", "NotifyTopicArn"].map(|output| &lab.outputs[output]) {
        is_refused("publish", sns.publish().topic_arn(topic).message(real_alert()).send().await);
        let batch = aws_sdk_sns::types::PublishBatchRequestEntry::builder().id("1").message(real_alert()).build().unwrap();
        is_refused("publish many", sns.publish_batch().topic_arn(topic).publish_batch_request_entries(batch).send().await);
        is_refused("subscribe", sns.subscribe().topic_arn(topic).protocol("email").endpoint("m@example.com").send().await);
        let open = allow(&["sns:Publish"]).to_string();
        let set = sns.set_topic_attributes().topic_arn(topic).attribute_name("Policy").attribute_value(open);
        is_refused("open it", set.send().await);
        let add = sns.add_permission().topic_arn(topic).label("me").aws_account_id(ACCOUNT).action_name("Publish");
        is_refused("let herself in", add.send().await);
        is_refused("take the guard away", sns.remove_permission().topic_arn(topic).label("BudgetsPublish").send().await);
        is_refused("delete it", sns.delete_topic().topic_arn(topic).send().await);
    }
    assert!(lab.ledger.runs(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn member_with_all_of_kms_and_sqs_cannot_silence_or_plant() {
    let lab = Lab::new().await;
    let mallory = member(&lab, "mallory", &["kms:*", "sqs:*"]).await;
    let (kms, sqs) = (aws_sdk_kms::Client::new(&mallory), aws_sdk_sqs::Client::new(&mallory));
    let hers = sqs.create_queue().queue_name("hers").send().await.unwrap().queue_url.unwrap();
    sqs.send_message().queue_url(hers).message_body("mine").send().await.expect("her right is a right");

    let key = physical(&lab, "TopicKey").await;
    is_refused("disable the key", kms.disable_key().key_id(&key).send().await);
    is_refused("end the key", kms.schedule_key_deletion().key_id(&key).send().await);
    let open = allow(&["kms:*"]).to_string();
    is_refused("let herself in", kms.put_key_policy().key_id(&key).policy_name("default").policy(open).send().await);
    let letters = &lab.outputs["DeadLetterQueueUrl"];
    is_refused("plant a letter", sqs.send_message().queue_url(letters).message_body(real_alert()).send().await);
    is_refused("lose the letters", sqs.purge_queue().queue_url(letters).send().await);
    is_refused("delete a letter", sqs.delete_message().queue_url(letters).receipt_handle("any").send().await);
    is_refused("delete the queue", sqs.delete_queue().queue_url(letters).send().await);
    let none = sqs.set_queue_attributes().queue_url(letters).attributes(aws_sdk_sqs::types::QueueAttributeName::Policy, "");
    is_refused("take the guard away", none.send().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn false_alert_of_an_operator_is_not_believed() {
    assert!(EXAMPLE.contains("user/finops"), "the example's operator");
    let lab = Lab::new().await;
    let operator = aws_sdk_sns::Client::new(&user(&lab, "finops", Some(OPERATOR.to_owned())).await);
    let publish = || operator.publish().topic_arn(&lab.outputs["AlertTopicArn"]).message("This is a mock notification").send();
    publish().await.expect("the key's policy lets operators use it for the topic");
    lab.runs_when(|runs| runs.iter().any(|run| run.simulated)).await;
    // As a stolen key would: an alert that is not marked as simulated is held against the figures of AWS Budgets.
    lab.local.spend("project-beta", "0.20", None).await.unwrap();
    operator.publish().topic_arn(&lab.outputs["AlertTopicArn"]).message(real_alert()).send().await.unwrap();
    // In the first days of a month it is told as one of the old month, later a person is asked.
    while !lab.told().await.1.contains("AWS Budgets shows $0.20") {}
    let runs = lab.runs_when(|runs| !runs.is_empty()).await;
    assert!(runs.iter().all(|run| run.simulated || run.state == RunState::Waiting), "{runs:?}");

    // The key is looked at: without its statement the same call is refused.
    let kms = aws_sdk_kms::Client::new(&lab.root);
    let key = physical(&lab, "TopicKey").await;
    let policy = kms.get_key_policy().key_id(&key).policy_name("default").send().await.unwrap().policy.unwrap();
    let mut policy: Json = serde_json::from_str(&policy).unwrap();
    policy["Statement"].as_array_mut().unwrap().retain(|statement| statement["Sid"] != "OperatorsPublish");
    kms.put_key_policy().key_id(&key).policy_name("default").policy(policy.to_string()).send().await.unwrap();
    is_refused("publish without the key", publish().await);
    assert!(kms.get_key_rotation_status().key_id(&key).send().await.unwrap().key_rotation_enabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_member_without_other_rights_is_refused_all_of_stack() {
    let lab = Lab::new().await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let mallory = member(&lab, "mallory", &[]).await;
    let before = lab.snapshot().await;

    let dynamodb = aws_sdk_dynamodb::Client::new(&mallory);
    let (table, key) = (&lab.outputs["LedgerTable"], item("RUN", run.id.as_str()));
    let put = dynamodb.put_item().table_name(table).set_item(Some(key.clone().into_iter().collect()));
    is_refused("write a run", put.send().await);
    let delete = dynamodb.delete_item().table_name(table).set_key(Some(key.into_iter().collect()));
    is_refused("delete a run", delete.send().await);
    is_refused("read the ledger", dynamodb.scan().table_name(table).send().await);
    is_refused("delete the ledger", dynamodb.delete_table().table_name(table).send().await);

    let machine = &lab.outputs["StateMachineArn"];
    let sfn = aws_sdk_sfn::Client::new(&mallory);
    is_refused("start the machine", sfn.start_execution().state_machine_arn(machine).input("{}").send().await);
    is_refused("look at the machine", sfn.list_executions().state_machine_arn(machine).send().await);
    is_refused("delete the machine", sfn.delete_state_machine().state_machine_arn(machine).send().await);

    let lambda = aws_sdk_lambda::Client::new(&mallory);
    for function in ["master", "swap-group-policy", "reconcile"] {
        is_refused("call a function", lambda.invoke().function_name(format!("{STACK}-{function}")).send().await);
    }
    let iam = aws_sdk_iam::Client::new(&mallory);
    let full = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
    is_refused("undo the swap", iam.attach_group_policy().group_name(GROUP).policy_arn(full).send().await);
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn role_widened_by_hand_stays_within_its_boundary() {
    let lab = Lab::new().await;
    let mallory = member(&lab, "mallory", &["sts:AssumeRole"]).await;
    let operator = "finops";
    user(&lab, operator, None).await;
    let (role, thief) = session(&lab, &mallory, "StopInstancesRole").await;
    let root = aws_sdk_iam::Client::new(&lab.root);
    root.put_role_policy().role_name(&role).policy_name("all").policy_document(allow(&["*"]).to_string()).send().await.unwrap();

    stays_within(&lab, &thief, &role).await;
    let boundary = physical(&lab, "StopInstancesBoundary").await;
    let version = aws_sdk_iam::Client::new(&thief).create_policy_version().policy_arn(&boundary);
    is_refused("widen the boundary", version.policy_document(allow(&["*"]).to_string()).set_as_default(true).send().await);

    // A company's boundary that allows everything: the role's own policy denies the same.
    let company = root.create_policy().policy_name("company").policy_document(allow(&["*"]).to_string()).send().await.unwrap();
    let company = company.policy.unwrap().arn.unwrap();
    lab.say(&["deploy", "--yes", "--parameter", &format!("PermissionsBoundary={company}")]).await;
    let limit = root.get_role().role_name(&role).send().await.unwrap().role.unwrap().permissions_boundary.unwrap();
    assert_eq!(limit.permissions_boundary_arn(), Some(company.as_str()));
    stays_within(&lab, &thief, &role).await;
    // Without the hand-made policy, the role still does its work under it, both ways.
    root.delete_role_policy().role_name(&role).policy_name("all").send().await.unwrap();
    let before = lab.snapshot().await;
    lab.say(&["simulate", "project-beta", "--yes"]).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

/// A session of a role that was widened by hand comes to no more than the role is granted.
async fn stays_within(lab: &Lab, thief: &SdkConfig, role: &str) {
    let operator = "finops";
    let (iam, ec2) = (aws_sdk_iam::Client::new(thief), aws_sdk_ec2::Client::new(thief));
    let untagged = &lab.world.with_role(Role::Untagged).next().unwrap().id;
    ec2.stop_instances().instance_ids(untagged).send().await.expect("the role was widened");
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    is_refused("take its boundary away", iam.delete_role_permissions_boundary().role_name(role).send().await);
    is_refused("widen itself", iam.attach_role_policy().role_name(role).policy_arn(admin).send().await);
    is_refused("widen the operator", iam.attach_user_policy().user_name(operator).policy_arn(admin).send().await);
    let all = allow(&["*"]).to_string();
    is_refused("write a policy", iam.put_group_policy().group_name(GROUP).policy_name("a").policy_document(&all).send().await);
    is_refused("make a user", iam.create_user().user_name("another").send().await);
    #[expect(clippy::disallowed_methods, reason = "it must be refused, and so it has to be tried")]
    let terminate = ec2.terminate_instances().instance_ids(untagged);
    is_refused("terminate", terminate.send().await);
    let run = ec2.run_instances().image_id("ami-0123456789abcdef0").min_count(1).max_count(1);
    is_refused("launch", run.send().await);
    let own = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let assume = aws_sdk_sts::Client::new(thief).assume_role().role_arn(own).role_session_name("again");
    is_refused("be another", assume.send().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn role_of_function_has_only_its_own_items_of_the_ledger() {
    let lab = Lab::new().await;
    let mallory = member(&lab, "mallory", &["sts:AssumeRole"]).await;
    let table = &lab.outputs["LedgerTable"];
    for (role, own, others) in [
        ("StopInstancesRole", Some("FACET#test"), &["GUARDRAIL", "STAGE#project-beta", "ALERT#1"][..]),
        ("BudgetRole", Some("GUARDRAIL"), &["RUN", "FACET#test"]),
        ("NotifyRole", None, &["RUN"]),
        ("MasterRole", Some("ALERT#test"), &["GUARDRAIL", "FACET#test", "STEP#test"]),
        ("ReconcileRole", Some("ROUND"), &["GUARDRAIL", "FACET#test"]),
    ] {
        let (_, thief) = session(&lab, &mallory, role).await;
        let dynamodb = aws_sdk_dynamodb::Client::new(&thief);
        let put = |pk: &str| dynamodb.put_item().table_name(table).set_item(Some(item(pk, "test").into_iter().collect())).send();
        if let Some(own) = own {
            put(own).await.unwrap_or_else(|error| panic!("{role} may not write {own}: {error:?}"));
        }
        for other in others {
            is_refused(&format!("{role}: write {other}"), put(other).await);
        }
        is_refused("read all of it", dynamodb.scan().table_name(table).send().await);
        let first = item("RUN", "test").into_iter().collect();
        is_refused("delete", dynamodb.delete_item().table_name(table).set_key(Some(first)).send().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_writes_only_the_records_that_commands_write() {
    let lab = Lab::new().await;
    let (operator, table) = (user(&lab, "finops", Some(OPERATOR.to_owned())).await, &lab.outputs["LedgerTable"]);
    let dynamodb = aws_sdk_dynamodb::Client::new(&operator);
    let put = |pk: &str| dynamodb.put_item().table_name(table).set_item(Some(item(pk, "test").into_iter().collect())).send();
    for own in ["RUN", "STAGE#project-beta", "STEP#test", "FACET#test"] {
        put(own).await.unwrap_or_else(|error| panic!("the operator may not write {own}: {error:?}"));
    }
    for other in ["GUARDRAIL", "ALERT#1", "ALERTS", "SPEND", "VERIFY#test", "ROUND"] {
        is_refused(&format!("write {other}"), put(other).await);
    }
    let key = || Some(item("RUN", "test").into_iter().collect());
    is_refused("delete", dynamodb.delete_item().table_name(table).set_key(key()).send().await);
    is_refused("update", dynamodb.update_item().table_name(table).set_key(key()).send().await);
    is_refused("delete the ledger", dynamodb.delete_table().table_name(table).send().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_messages_hold_no_key_and_no_task_token() {
    let file = EXAMPLE.replace("      - at: 100% actual\n", "      - at: 100% actual\n        approval: {}\n");
    let lab = Lab::with(&file, 0.2).await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Waiting).await;
    let mut told = format!("{:?}", lab.told().await);
    let secrets = lab.local.keys_of_functions().unwrap();
    assert!(secrets.iter().any(|secret| secret.starts_with("ASIA")), "no function's keys were found to look for");

    // It wakes who waits: only the ledger and the state machine know it.
    let asked = lab.ledger.run(&run.id).await.unwrap().unwrap().value;
    let token = asked.approval.unwrap().question.unwrap().token.expect("a task token to look for");

    told += &lab.say(&["approve", run.id.as_str(), "--reason", "fine", "--yes"]).await;
    lab.run_when(RunState::Enforced).await;
    told += &lab.say(&["rollback", "project-beta", "--yes"]).await;
    told += &lab.say(&["history", "--run", run.id.as_str(), "--output", "json"]).await;
    told += &lab.say(&["status", "--output", "json"]).await;
    let logged = lab.local.logged().await.unwrap();
    assert!(logged.contains("budget-guardrails-master: "), "nothing is logged: {logged}");
    for secret in secrets.iter().chain([&token]) {
        assert!(!logged.contains(secret.as_str()), "a log holds {secret}");
        assert!(!told.contains(secret.as_str()), "people are told {secret}");
    }
}
