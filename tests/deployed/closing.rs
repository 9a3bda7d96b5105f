//! A member under a Deny of the stack's own, who may do everything with the services that the guardrails are made of: with hers,
//! and not with ours.

use aws_sdk_budgets::types::{Budget, BudgetType, Spend, TimeUnit};
use aws_sdk_dynamodb::types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use guardrails_local_aws::walkthrough::GROUP;
use guardrails_local_aws::{ACCOUNT, SdkConfig};
use guardrails_model::record::{Run, RunState};
use guardrails_model::runs::execution_name;
use serde_json::json;

use super::lab::{EXAMPLE, Lab, real_alert};
use super::rights::{STACK, allow, item, member, otherwise_than_refused, physical};

const SWAP: &str = "swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }";
const RIGHTS: [&str; 17] = [
    "cloudwatch:*",
    "events:*",
    "logs:*",
    "sns:*",
    "lambda:*",
    "states:*",
    "dynamodb:*",
    "budgets:*",
    "ce:*",
    "sqs:*",
    "s3:*",
    "cloudformation:*",
    "scheduler:*",
    "kms:*",
    "sts:AssumeRole",
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
];

/// The calls that she tried, and that were not refused.
#[derive(Default)]
struct Open(Vec<String>);

impl Open {
    fn add(&mut self, what: &str, otherwise: Option<String>) {
        self.0.extend(otherwise.map(|how| format!("{what}: {how:.200}")));
    }
}

/// Tries a call, and notes it when it is not refused.
macro_rules! tried {
    ($open:expr, $what:expr, $call:expr) => {
        $open.add($what, otherwise_than_refused($call.send().await))
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn member_under_deny_with_all_other_rights_cannot_lift_or_forge() {
    let lab = Lab::with(&EXAMPLE.replace(SWAP, "deny-actions: { group: ProjectBeta }"), 0.1).await;
    let mallory = member(&lab, "mallory", &RIGHTS).await;
    own_table(&lab).await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let before = lab.snapshot().await;

    works_with_her_own(&mallory).await;
    let mut open = Open::default();
    functions(&lab, &mallory, &mut open).await;
    machine(&lab, &mallory, &run, &mut open).await;
    ledger(&lab, &mallory, &run, &mut open).await;
    sight(&lab, &mallory, &mut open).await;
    signs(&lab, &mallory, &mut open).await;
    stack(&lab, &mallory, &mut open).await;
    roles_and_key(&lab, &mallory, &mut open).await;
    assert!(open.0.is_empty(), "not refused:\n{}", open.0.join("\n"));
    assert_eq!(lab.snapshot().await, before);

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    let invoke = aws_sdk_lambda::Client::new(&mallory).invoke().function_name(format!("{STACK}-notify"));
    assert!(otherwise_than_refused(invoke.send().await).is_some(), "her rights were rights, and are again");
}

async fn own_table(lab: &Lab) {
    let attribute = AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().unwrap();
    let table = aws_sdk_dynamodb::Client::new(&lab.root).create_table().table_name("mallorys").attribute_definitions(attribute);
    table.key_schema(key).billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
}

async fn works_with_her_own(mallory: &SdkConfig) {
    let put = aws_sdk_dynamodb::Client::new(mallory).put_item().table_name("mallorys");
    put.item("pk", AttributeValue::S("mine".to_owned())).send().await.expect("a table of her own");
    let sqs = aws_sdk_sqs::Client::new(mallory);
    let queue = sqs.create_queue().queue_name("mallorys").send().await.expect("a queue of her own").queue_url.unwrap();
    sqs.send_message().queue_url(queue).message_body("mine").send().await.expect("a message of her own");
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(mallory).force_path_style(true).build());
    s3.create_bucket().bucket("mallorys").send().await.expect("a bucket of her own");
    s3.put_object().bucket("mallorys").key("mine").body(vec![0].into()).send().await.expect("an object of her own");
}

#[expect(clippy::disallowed_methods, reason = "it must be refused, and so it has to be tried")]
async fn functions(lab: &Lab, mallory: &SdkConfig, open: &mut Open) {
    let lambda = aws_sdk_lambda::Client::new(mallory);
    let envelope = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": lab.outputs["AlertTopicArn"],
        "MessageId": "1", "Timestamp": "2026-11-23T12:00:00Z", "Message": "This is a mock notification", "MessageAttributes": {}}}]});
    for name in ["master", "deny-actions", "reconcile", "budget"] {
        let function = format!("{STACK}-{name}");
        let payload = aws_sdk_lambda::primitives::Blob::new(envelope.to_string());
        tried!(open, "call a function", lambda.invoke().function_name(&function).payload(payload));
        let zip = aws_sdk_lambda::primitives::Blob::new(b"PK".to_vec());
        tried!(open, "give a function other code", lambda.update_function_code().function_name(&function).zip_file(zip));
        tried!(open, "change a function", lambda.update_function_configuration().function_name(&function).timeout(1));
        let none = lambda.put_function_concurrency().function_name(&function).reserved_concurrent_executions(0);
        tried!(open, "throttle a function", none);
        let let_in = lambda.add_permission().function_name(&function).statement_id("me").action("lambda:InvokeFunction");
        tried!(open, "let herself in", let_in.principal(ACCOUNT));
        tried!(open, "read a function", lambda.get_function().function_name(&function));
        tried!(open, "delete a function", lambda.delete_function().function_name(&function));
    }
}

async fn machine(lab: &Lab, mallory: &SdkConfig, run: &Run, open: &mut Open) {
    let (machine, sfn) = (&lab.outputs["StateMachineArn"], aws_sdk_sfn::Client::new(mallory));
    let execution = format!("{}:{}", machine.replace(":stateMachine:", ":execution:"), execution_name(run));
    tried!(open, "start the machine", sfn.start_execution().state_machine_arn(machine).input("{}"));
    tried!(open, "stop an execution", sfn.stop_execution().execution_arn(&execution));
    tried!(open, "read an execution", sfn.get_execution_history().execution_arn(&execution));
    tried!(open, "change the machine", sfn.update_state_machine().state_machine_arn(machine).definition("{}"));
    tried!(open, "delete the machine", sfn.delete_state_machine().state_machine_arn(machine));
    let scheduler = aws_sdk_scheduler::Client::new(mallory);
    tried!(open, "delete the schedule", scheduler.delete_schedule().name(format!("{STACK}-reconcile")));
}

async fn ledger(lab: &Lab, mallory: &SdkConfig, run: &Run, open: &mut Open) {
    let (table, dynamodb) = (&lab.outputs["LedgerTable"], aws_sdk_dynamodb::Client::new(mallory));
    let key = || Some(item("RUN", run.id.as_str()).into_iter().collect());
    tried!(open, "write a run", dynamodb.put_item().table_name(table).set_item(key()));
    tried!(open, "change a run", dynamodb.update_item().table_name(table).set_key(key()));
    tried!(open, "delete a run", dynamodb.delete_item().table_name(table).set_key(key()));
    tried!(open, "read a run", dynamodb.get_item().table_name(table).set_key(key()));
    let delete = format!("DELETE FROM \"{table}\" WHERE pk = 'RUN' AND sk = '{}'", run.id);
    tried!(open, "delete a run by PartiQL", dynamodb.execute_statement().statement(delete));
    tried!(open, "read the ledger", dynamodb.scan().table_name(table));
    tried!(open, "unprotect the ledger", dynamodb.update_table().table_name(table).deletion_protection_enabled(false));
    tried!(open, "delete the ledger", dynamodb.delete_table().table_name(table));
}

/// The budget, and the tag by which spending is counted.
async fn sight(lab: &Lab, mallory: &SdkConfig, open: &mut Open) {
    let budgets = aws_sdk_budgets::Client::new(mallory);
    let amount = Spend::builder().amount("1000000").unit("USD").build().unwrap();
    let raised = Budget::builder().budget_name("project-beta").budget_type(BudgetType::Cost).time_unit(TimeUnit::Monthly);
    let raised = raised.budget_limit(amount).build().unwrap();
    tried!(open, "raise the budget", budgets.update_budget().account_id(ACCOUNT).new_budget(raised));
    tried!(open, "delete the budget", budgets.delete_budget().account_id(ACCOUNT).budget_name("project-beta"));
    let arn = format!("arn:aws:budgets::{ACCOUNT}:budget/project-beta");
    tried!(open, "make the budget nobody's", budgets.untag_resource().resource_arn(arn).resource_tag_keys("guardrails:stack"));
    let sns = aws_sdk_sns::Client::new(mallory);
    let subscriptions = aws_sdk_sns::Client::new(&lab.root).list_subscriptions().send().await.unwrap().subscriptions.unwrap();
    let alerts = |one: &&aws_sdk_sns::types::Subscription| one.topic_arn.as_ref() == Some(&lab.outputs["AlertTopicArn"]);
    let alerts = subscriptions.iter().find(alerts).unwrap().subscription_arn().unwrap();
    tried!(open, "cut the subscription", sns.unsubscribe().subscription_arn(alerts));
    let filter = sns.set_subscription_attributes().subscription_arn(alerts).attribute_name("FilterPolicy");
    tried!(open, "filter all alerts out", filter.attribute_value("{\"none\": [\"such\"]}"));
}

/// The alarms, logs and figures by which people learn of a failure.
async fn signs(lab: &Lab, mallory: &SdkConfig, open: &mut Open) {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(mallory);
    let alarm = physical(lab, "MasterErrorAlarm").await;
    tried!(open, "delete an alarm", cloudwatch.delete_alarms().alarm_names(&alarm));
    tried!(open, "mute an alarm", cloudwatch.disable_alarm_actions().alarm_names(&alarm));
    let quiet = cloudwatch.set_alarm_state().alarm_name(&alarm).state_value(aws_sdk_cloudwatch::types::StateValue::Ok);
    tried!(open, "quieten an alarm", quiet.state_reason("all well"));
    let good = aws_sdk_cloudwatch::types::MetricDatum::builder().metric_name("Reconciled").value(1.0).build();
    tried!(open, "forge a good round", cloudwatch.put_metric_data().namespace("BudgetGuardrails").metric_data(good.clone()));
    let hers = cloudwatch.put_metric_data().namespace("Hers").metric_data(good).send().await;
    hers.expect("a figure of her own");
    let logs = aws_sdk_cloudwatchlogs::Client::new(mallory);
    tried!(open, "delete a log", logs.delete_log_group().log_group_name(format!("/aws/lambda/{STACK}-master")));
}

async fn stack(lab: &Lab, mallory: &SdkConfig, open: &mut Open) {
    let cloudformation = aws_sdk_cloudformation::Client::new(mallory);
    tried!(open, "read the template", cloudformation.get_template().stack_name(STACK));
    tried!(open, "update the stack", cloudformation.update_stack().stack_name(STACK).use_previous_template(true));
    tried!(open, "delete the stack", cloudformation.delete_stack().stack_name(STACK));
    let sqs = aws_sdk_sqs::Client::new(mallory);
    let letters = &lab.outputs["DeadLetterQueueUrl"];
    tried!(open, "take dead letters", sqs.receive_message().queue_url(letters));
    tried!(open, "delete the dead letters", sqs.purge_queue().queue_url(letters));
    tried!(open, "delete their queue", sqs.delete_queue().queue_url(letters));
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(mallory).force_path_style(true).build());
    let bucket = format!("guardrails-{ACCOUNT}-{}", guardrails_local_aws::REGION);
    tried!(open, "put code there", s3.put_object().bucket(&bucket).key("guardrails/master.zip").body(vec![0].into()));
    tried!(open, "delete code", s3.delete_object().bucket(&bucket).key("guardrails/master.zip"));
}

async fn roles_and_key(lab: &Lab, mallory: &SdkConfig, open: &mut Open) {
    let role = physical(lab, "DenyActionsRole").await;
    let iam = aws_sdk_iam::Client::new(mallory);
    let all = allow(&["*"]).to_string();
    tried!(open, "be let in by a role", iam.update_assume_role_policy().role_name(&role).policy_document(&all));
    tried!(open, "widen a role", iam.put_role_policy().role_name(&role).policy_name("all").policy_document(&all));
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let assume = aws_sdk_sts::Client::new(mallory).assume_role().role_arn(arn).role_session_name("mallory");
    tried!(open, "be a role", assume);
    let deny = "arn:aws:iam::123456789012:policy/any";
    tried!(open, "detach the Deny", iam.detach_group_policy().group_name(GROUP).policy_arn(deny));
    let (key, kms) = (physical(lab, "TopicKey").await, aws_sdk_kms::Client::new(mallory));
    tried!(open, "disable the topics' key", kms.disable_key().key_id(&key));
    tried!(open, "end the topics' key", kms.schedule_key_deletion().key_id(&key));
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_restored_under_its_name_gives_everything_back() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let (client, name) = (aws_sdk_dynamodb::Client::new(&lab.root), &lab.outputs["LedgerTable"]);
    let table = client.describe_table().table_name(name).send().await.unwrap().table.unwrap();
    let items = client.scan().table_name(name).into_paginator().items().send();
    let items: Vec<_> = items.collect::<Result<_, _>>().await.unwrap();
    assert!(items.len() > 5, "{items:?}");

    // Somebody deletes it by force: nothing is said to be well.
    client.update_table().table_name(name).deletion_protection_enabled(false).send().await.unwrap();
    client.delete_table().table_name(name).send().await.unwrap();
    assert_ne!(lab.run(&["status"]).await.status.code(), Some(0));
    assert_ne!(lab.run(&["rollback", "project-beta", "--yes"]).await.status.code(), Some(0));

    let restored = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    let restored = restored.set_key_schema(table.key_schema).set_attribute_definitions(table.attribute_definitions);
    restored.deletion_protection_enabled(true).send().await.unwrap();
    for item in items {
        client.put_item().table_name(name).set_item(Some(item)).send().await.unwrap();
    }
    let said = lab.say(&["status"]).await;
    assert!(said.contains(run.id.as_str()), "{said}");
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    assert_eq!(lab.ledger.run(&run.id).await.unwrap().unwrap().value.state, RunState::RolledBack);
}
