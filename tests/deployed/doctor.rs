//! `guardrails doctor` over a deployed stack: one thing after another is broken, found with its remedy, and put back.

use aws_sdk_budgets::types::{ComparisonOperator, Notification, NotificationType, Subscriber, SubscriptionType, ThresholdType};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_costexplorer::types::{CostAllocationTagStatus, CostAllocationTagStatusEntry};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::types::{DestinationConfig, LastUpdateStatus, OnFailure};
use aws_sdk_scheduler::types::ScheduleState;
use guardrails_local_aws::ACCOUNT;
use guardrails_model::clock::{Clock, SystemClock};
use serde_json::{Value as Json, json};

use super::lab::{EXAMPLE, Lab, guardrails, text};

const MASTER: &str = "budget-guardrails-master";
const SCHEDULE: &str = "budget-guardrails-reconcile";

/// The exit code of doctor, and its findings.
async fn examine(lab: &Lab) -> (i32, Json) {
    read(&lab.run(&["doctor", "--output", "json"]).await)
}

fn read(output: &std::process::Output) -> (i32, Json) {
    let said = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), said.unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr))))
}

fn findings(said: &Json) -> Vec<&Json> {
    said["areas"].as_array().unwrap().iter().flat_map(|area| area["findings"].as_array().unwrap()).collect()
}

/// Doctor finds this, says how to put it right, and ends with this code.
pub async fn finds(lab: &Lab, code: i32, severity: &str, found: &str, remedy: &str) {
    let (ended, said) = examine(lab).await;
    let has = |finding: &&Json, field: &str, words: &str| finding[field].as_str().unwrap().contains(words);
    let hit = findings(&said).into_iter().find(|one| has(one, "found", found) && one["severity"] == severity);
    let hit = hit.unwrap_or_else(|| panic!("no {severity} `{found}` among {:#}", json!(findings(&said))));
    assert!(has(&hit, "remedy", remedy), "{hit:#}");
    assert_eq!(ended, code, "{:#}", json!(findings(&said)));
}

pub async fn is_well(lab: &Lab) {
    let (code, said) = examine(lab).await;
    assert_eq!(findings(&said), Vec::<&Json>::new());
    assert_eq!((code, &said["verdict"]), (0, &json!("well")));
    for area in said["areas"].as_array().unwrap() {
        assert!(!area["well"].as_array().unwrap().is_empty(), "nothing was looked at in {}", area["area"]);
    }
}

/// Doctor finds nothing in the functions' logs.
pub async fn logs_are_without_errors(lab: &Lab) {
    let (_, said) = examine(lab).await;
    let functions = said["areas"].as_array().unwrap().iter().find(|area| area["area"] == "functions").unwrap();
    assert_eq!(functions["findings"], json!([]), "{functions:#}");
    let well = functions["well"].as_array().unwrap().iter().filter_map(Json::as_str);
    assert!(well.filter(|words| words.contains("no error in its log")).count() > 1, "{functions:#}");
}

async fn forget_the_rounds(lab: &Lab) {
    let client = aws_sdk_dynamodb::Client::new(&lab.root);
    let part = |name| (name, AttributeValue::S("ROUND".to_owned()));
    let mut call = client.delete_item().table_name(&lab.outputs["LedgerTable"]);
    for (name, value) in [part("pk"), part("sk")] {
        call = call.key(name, value);
    }
    call.send().await.unwrap();
}

/// A stack whose tag is active, that tells a person, and whose reconciler had its first round.
async fn healthy() -> Lab {
    let lab = Box::pin(Lab::new()).await;
    activate(&lab).await;
    subscribe(&lab, "NotifyTopicArn", "email", "finops@example.com").await;
    lab
}

pub async fn activate(lab: &Lab) {
    let active = CostAllocationTagStatusEntry::builder().tag_key("Project").status(CostAllocationTagStatus::Active).build();
    let client = aws_sdk_costexplorer::Client::new(&lab.root);
    let done = client.update_cost_allocation_tags_status().cost_allocation_tags_status(active.unwrap()).send().await.unwrap();
    assert!(done.errors().is_empty());
}

pub async fn subscribe(lab: &Lab, topic: &str, protocol: &str, endpoint: &str) {
    let call =
        aws_sdk_sns::Client::new(&lab.root).subscribe().topic_arn(&lab.outputs[topic]).protocol(protocol).endpoint(endpoint);
    call.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_deployment_is_told_what_it_lacks_until_it_is_well() {
    let lab = Lab::new().await;
    finds(&lab, 11, "failure", "it is not active", "update-cost-allocation-tags-status").await;
    activate(&lab).await;
    // As after a deployment by other tools than `guardrails deploy`, which begins with a round.
    forget_the_rounds(&lab).await;
    finds(&lab, 11, "warning", "there was none yet", "guardrails reconcile").await;
    lab.say(&["reconcile"]).await;
    finds(&lab, 11, "failure", "only programs are subscribed", "--notify-email").await;
    subscribe(&lab, "NotifyTopicArn", "https", "https://example.com/pager").await;
    finds(&lab, 11, "failure", "nobody has confirmed: https https://example.com/pager", "open the link").await;
    subscribe(&lab, "NotifyTopicArn", "email", "finops@example.com").await;
    finds(&lab, 10, "warning", "not confirmed yet", "delete the subscription").await;

    // In words: findings stand first, and well parts are shown when asked for.
    let output = lab.run(&["doctor", "--all"]).await;
    let said = text(&output.stdout);
    assert!(said.starts_with("WARNING  notify topic: somebody is told: not confirmed yet"), "{said}");
    assert!(said.contains("well  queue DeadLetters is empty") && said.ends_with("stack budget-guardrails: warnings\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_that_silences_alerts_is_found_and_put_right() {
    let lab = healthy().await;
    is_well(&lab).await;
    let well = text(&lab.run(&["doctor", "--all"]).await.stdout);
    for (topic, service) in [("alert", "budgets"), ("notify", "cloudwatch")] {
        let may = format!("{topic} topic: its encryption: {service}.amazonaws.com may use the key");
        assert!(well.contains(&may), "the stack's own key: {well}");
    }
    let sns = aws_sdk_sns::Client::new(&lab.root);
    let topic = &lab.outputs["AlertTopicArn"];

    // The topic's policy.
    let attributes = sns.get_topic_attributes().topic_arn(topic).send().await.unwrap().attributes.unwrap();
    let policy =
        |policy: String| sns.set_topic_attributes().topic_arn(topic).attribute_name("Policy").attribute_value(policy).send();
    let owner = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sns:*",
        "Resource": topic}]});
    policy(owner.to_string()).await.unwrap();
    finds(&lab, 11, "failure", "it does not let budgets.amazonaws.com publish", "aws sns set-topic-attributes").await;
    policy(attributes["Policy"].clone()).await.unwrap();
    is_well(&lab).await;

    // Its key.
    let kms = aws_sdk_kms::Client::new(&lab.root);
    let key =
        |id: String| sns.set_topic_attributes().topic_arn(topic).attribute_name("KmsMasterKeyId").attribute_value(id).send();
    key("alias/aws/sns".to_owned()).await.unwrap();
    finds(&lab, 11, "failure", "AWS managed key alias/aws/sns", "customer managed key").await;
    let made = kms.create_key().send().await.unwrap().key_metadata.unwrap().key_id;
    key(made.clone()).await.unwrap();
    finds(&lab, 11, "failure", "the key's policy does not let budgets.amazonaws.com do kms:GenerateDataKey", "put-key-policy")
        .await;
    let open = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"Service": "budgets.amazonaws.com"}, "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
            "Resource": "*"}]});
    kms.put_key_policy().key_id(&made).policy_name("default").policy(open.to_string()).send().await.unwrap();
    is_well(&lab).await;
    kms.disable_key().key_id(&made).send().await.unwrap();
    finds(&lab, 11, "failure", "is Disabled", "aws kms enable-key").await;
    key(String::new()).await.unwrap();
    is_well(&lab).await;

    // The subscription.
    let listed = sns.list_subscriptions_by_topic().topic_arn(topic).send().await.unwrap().subscriptions.unwrap();
    let arn = listed[0].subscription_arn.clone().unwrap();
    let redrive = sns.get_subscription_attributes().subscription_arn(&arn).send().await.unwrap().attributes.unwrap();
    let redrive = redrive["RedrivePolicy"].clone();
    sns.unsubscribe().subscription_arn(arn).send().await.unwrap();
    finds(&lab, 11, "failure", "the master function is not subscribed", "aws sns subscribe").await;
    let master = listed[0].endpoint.clone().unwrap();
    let again = sns.subscribe().topic_arn(topic).protocol("lambda").endpoint(&master).return_subscription_arn(true).send().await;
    finds(&lab, 11, "failure", "no redrive policy", "aws sns set-subscription-attributes").await;
    let set = sns.set_subscription_attributes().subscription_arn(again.unwrap().subscription_arn.unwrap());
    set.attribute_name("RedrivePolicy").attribute_value(redrive).send().await.unwrap();

    // The function's own policy, and where its failures go.
    let lambda = aws_sdk_lambda::Client::new(&lab.root);
    let policy: Json =
        serde_json::from_str(&lambda.get_policy().function_name(MASTER).send().await.unwrap().policy.unwrap()).unwrap();
    let statement = policy["Statement"][0]["Sid"].as_str().unwrap();
    lambda.remove_permission().function_name(MASTER).statement_id(statement).send().await.unwrap();
    finds(&lab, 11, "failure", "no statement of the function's policy lets the topic call it", "aws lambda add-permission").await;
    let back = lambda.add_permission().function_name(MASTER).statement_id(statement).action("lambda:InvokeFunction");
    back.principal("sns.amazonaws.com").source_arn(topic).send().await.unwrap();
    #[allow(clippy::disallowed_methods, reason = "a person's mistake, which doctor finds")]
    let deleted = lambda.delete_function_event_invoke_config().function_name(MASTER).qualifier("$LATEST");
    deleted.send().await.unwrap();
    finds(&lab, 11, "failure", "nowhere", "put-function-event-invoke-config").await;
    let queue = serde_json::from_str::<Json>(&listed_redrive(&sns, topic).await).unwrap()["deadLetterTargetArn"].clone();
    let queue = OnFailure::builder().destination(queue.as_str().unwrap()).build();
    let back = lambda.put_function_event_invoke_config().function_name(MASTER).qualifier("$LATEST");
    back.destination_config(DestinationConfig::builder().on_failure(queue).build()).send().await.unwrap();
}

async fn listed_redrive(sns: &aws_sdk_sns::Client, topic: &str) -> String {
    let listed = sns.list_subscriptions_by_topic().topic_arn(topic).send().await.unwrap().subscriptions.unwrap();
    let arn = listed[0].subscription_arn.clone().unwrap();
    sns.get_subscription_attributes().subscription_arn(arn).send().await.unwrap().attributes.unwrap()["RedrivePolicy"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_that_stops_the_rest_is_found_and_put_right() {
    let lab = healthy().await;

    // A dead letter.
    let (sqs, queue) = (aws_sdk_sqs::Client::new(&lab.root), &lab.outputs["DeadLetterQueueUrl"]);
    sqs.send_message().queue_url(queue).message_body("an alert").send().await.unwrap();
    finds(&lab, 11, "failure", "1 message", "guardrails explain").await;
    sqs.purge_queue().queue_url(queue).send().await.unwrap();
    is_well(&lab).await;

    // A notification that goes elsewhere, and a budget that is another.
    let budgets = aws_sdk_budgets::Client::new(&lab.root);
    let notification = Notification::builder()
        .notification_type(NotificationType::Actual)
        .comparison_operator(ComparisonOperator::GreaterThan)
        .threshold(100.0)
        .threshold_type(ThresholdType::Percentage)
        .build()
        .unwrap();
    let subscriber =
        |kind: SubscriptionType, address: &str| Subscriber::builder().subscription_type(kind).address(address).build().unwrap();
    let ours = subscriber(SubscriptionType::Sns, &lab.outputs["AlertTopicArn"]);
    let call = budgets.create_subscriber().account_id(ACCOUNT).budget_name("project-beta").notification(notification.clone());
    call.subscriber(subscriber(SubscriptionType::Email, "a@example.com")).send().await.unwrap();
    let call = budgets.delete_subscriber().account_id(ACCOUNT).budget_name("project-beta").notification(notification.clone());
    call.subscriber(ours.clone()).send().await.unwrap();
    finds(&lab, 11, "failure", "the notification at 100% actual does not go to the alert topic", "guardrails deploy").await;
    let call = budgets.create_subscriber().account_id(ACCOUNT).budget_name("project-beta").notification(notification);
    call.subscriber(ours).send().await.unwrap();
    let mut guardrail = lab.ledger.config().await.unwrap().guardrails.into_values().next().unwrap();
    let deployed = guardrail.clone();
    guardrail.budget.amount = "3 USD".parse().unwrap();
    lab.ledger.define(guardrail, Vec::new(), guardrails_model::pace::Pace::default()).await.unwrap();
    finds(&lab, 11, "failure", "amount: 2 USD, not 3 USD", "guardrails deploy").await;
    finds(&lab, 11, "failure", "`project-beta` is another in the ledger", "guardrails deploy").await;
    lab.ledger.define(deployed, Vec::new(), guardrails_model::pace::Pace::default()).await.unwrap();
    is_well(&lab).await;

    // A function that may not run, one that somebody changed, and an alarm that is silenced.
    let lambda = aws_sdk_lambda::Client::new(&lab.root);
    lambda.put_function_concurrency().function_name(MASTER).reserved_concurrent_executions(0).send().await.unwrap();
    finds(&lab, 11, "failure", "its reserved concurrency is 0", "delete-function-concurrency").await;
    lambda.delete_function_concurrency().function_name(MASTER).send().await.unwrap();
    change_timeout(&lab, &lambda, 3).await;
    finds(&lab, 10, "warning", "/Timeout is 3, not 60", "guardrails deploy").await;
    change_timeout(&lab, &lambda, 60).await;
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&lab.root);
    let alarms = cloudwatch.describe_alarms().send().await.unwrap();
    let alarm = alarms.metric_alarms().iter().find(|one| one.metric_name() == Some("ExecutionsFailed")).unwrap();
    let alarm = alarm.alarm_name().unwrap();
    cloudwatch.disable_alarm_actions().alarm_names(alarm).send().await.unwrap();
    finds(&lab, 11, "failure", "its actions are disabled", "enable-alarm-actions").await;
    cloudwatch.enable_alarm_actions().alarm_names(alarm).send().await.unwrap();
    is_well(&lab).await;

    // A reconciler that is called no more.
    let calls = |state: ScheduleState, target: &str| schedule(&lab, state, target.to_owned());
    let reconciler = schedule(&lab, ScheduleState::Disabled, String::new()).await;
    finds(&lab, 11, "failure", "it is disabled", "--state ENABLED").await;
    calls(ScheduleState::Enabled, &reconciler.replace("-reconcile", "-master")).await;
    finds(&lab, 11, "failure", "budget-guardrails-master, not", "guardrails deploy").await;
    calls(ScheduleState::Enabled, &reconciler).await;
    is_well(&lab).await;

    // An error in a log stays there for a day.
    let (logs, log) = (aws_sdk_cloudwatchlogs::Client::new(&lab.root), format!("/aws/lambda/{MASTER}"));
    let now = SystemClock.now().as_millisecond();
    let event = |words: &str| InputLogEvent::builder().timestamp(now).message(words).build().unwrap();
    logs.create_log_stream().log_group_name(&log).log_stream_name("a").send().await.unwrap();
    let put = logs.put_log_events().log_group_name(&log).log_stream_name("a").log_events(event("{\"level\":\"INFO\"}"));
    put.log_events(event("{\"level\":\"ERROR\",\"fields\":{\"message\":\"no room\"}}")).send().await.unwrap();
    finds(&lab, 10, "warning", "errors in its log in the last 24 hours: 1, the last at", "aws logs tail").await;
    #[expect(clippy::disallowed_methods, reason = "somebody else deletes it: that is what is found")]
    let delete = lambda.delete_function();
    delete.function_name("budget-guardrails-notify").send().await.unwrap();
    finds(&lab, 11, "failure", "there is no such function", "guardrails deploy").await;

    // An error in a round stays found until one goes well; the schedule itself may be gone too.
    budgets.delete_budget().account_id(ACCOUNT).budget_name("project-beta").send().await.unwrap();
    assert_eq!(lab.run(&["reconcile"]).await.status.code(), Some(1));
    let trouble = "project-beta: AWS Budgets has no budget of this name: deploy again (the last that went well: ";
    finds(&lab, 11, "failure", trouble, "then guardrails reconcile").await;
    aws_sdk_scheduler::Client::new(&lab.root).delete_schedule().name(SCHEDULE).send().await.unwrap();
    finds(&lab, 11, "failure", "there is no schedule budget-guardrails-reconcile", "guardrails deploy").await;
}

/// Switches the reconciler's schedule, and has it call something else where something is named. Answers with its former target.
async fn schedule(lab: &Lab, state: ScheduleState, target: String) -> String {
    let client = aws_sdk_scheduler::Client::new(&lab.root);
    let seen = client.get_schedule().name(SCHEDULE).send().await.unwrap();
    let mut calls = seen.target.unwrap();
    let before = calls.arn.clone();
    if !target.is_empty() {
        calls.arn = target;
    }
    let update = client.update_schedule().name(SCHEDULE).state(state).set_schedule_expression(seen.schedule_expression);
    update.target(calls).set_flexible_time_window(seen.flexible_time_window).send().await.unwrap();
    before
}

/// Changes the master function past CloudFormation, and waits until Lambda is done with it.
async fn change_timeout(lab: &Lab, lambda: &aws_sdk_lambda::Client, seconds: i32) {
    lambda.update_function_configuration().function_name(MASTER).timeout(seconds).send().await.unwrap();
    lab.eventually("the function's update", || async {
        let config = lambda.get_function_configuration().function_name(MASTER).send().await.unwrap();
        (config.last_update_status() == Some(&LastUpdateStatus::Successful)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn part_that_one_may_not_read_is_never_well() {
    let lab = healthy().await;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    iam.create_user().user_name("visitor").send().await.unwrap();
    let only = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",
        "Action": ["cloudformation:DescribeStacks", "cloudformation:ListStackResources", "sts:GetCallerIdentity"]}]});
    iam.put_user_policy().user_name("visitor").policy_name("look").policy_document(only.to_string()).send().await.unwrap();
    let key = iam.create_access_key().user_name("visitor").send().await.unwrap().access_key.unwrap();
    let mut command = lab.local.command(guardrails());
    command.args(["doctor", "--output", "json"]);
    command.env("AWS_ACCESS_KEY_ID", &key.access_key_id).env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (code, said) = read(&output);
    assert_eq!(code, 12, "{:#}", json!(findings(&said)));
    let remedies: Vec<&str> = findings(&said).iter().filter_map(|finding| finding["remedy"].as_str()).collect();
    for permission in [
        "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic",
        "lambda:GetPolicy",
        "dynamodb:Query",
        "lambda:GetFunctionConfiguration",
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionEventInvokeConfig",
        "logs:FilterLogEvents",
        "cloudwatch:GetMetricStatistics",
        "sqs:GetQueueAttributes",
        "cloudwatch:DescribeAlarms",
        "dynamodb:Scan",
        "scheduler:GetSchedule",
        "cloudformation:DetectStackDrift",
    ] {
        assert!(
            remedies.iter().any(|remedy| remedy.contains("let who runs doctor do") && remedy.contains(permission)),
            "{permission}: {remedies:#?}"
        );
    }
    for area in said["areas"].as_array().unwrap() {
        let well = area["well"].as_array().unwrap();
        assert!(area["area"] == "stack" && well.len() == 1 || well.is_empty(), "{area:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_tells_nobody_says_so() {
    let lab = Lab::new().await;
    let deployed = lab.run(&["deploy", "--yes"]).await;
    assert!(text(&deployed.stderr).contains("only programs are subscribed"), "{}", text(&deployed.stderr));
    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE).unwrap();
    let deployed = lab.run(&["deploy", "--yes", "--notify-email", "finops@example.com"]).await;
    assert!(deployed.status.success(), "{}", text(&deployed.stderr));
    assert!(!text(&deployed.stderr).contains("only programs"), "{}", text(&deployed.stderr));
}
