//! A stack that a test begins with is the same as one that was deployed for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_sdk_iam::types::PolicyScopeType;
use guardrails_local_aws::{Fleets, LocalAws, Options, REGION};

use super::lab::{EXAMPLE, Lab};

/// The account as its APIs list it: each kind of resource with all of its properties, without the port that the local AWS has.
async fn listed(lab: &Lab, local: &LocalAws) -> BTreeMap<&'static str, Vec<String>> {
    let root = local.sdk_config().await.unwrap();
    let mut listed = BTreeMap::new();
    // The answers themselves differ in their request ids, so only one member of each is compared.
    macro_rules! list {
        ($($name:literal: $call:expr, $member:ident;)*) => {
            $(listed.insert($name, lines(&$call.send().await.unwrap().$member, local));)*
        };
    }
    let (iam, ec2) = (aws_sdk_iam::Client::new(&root), aws_sdk_ec2::Client::new(&root));
    let (scaling, lambda) = (aws_sdk_autoscaling::Client::new(&root), aws_sdk_lambda::Client::new(&root));
    let (stacks, budgets) = (aws_sdk_cloudformation::Client::new(&root), aws_sdk_budgets::Client::new(&root));
    let (sns, sqs) = (aws_sdk_sns::Client::new(&root), aws_sdk_sqs::Client::new(&root));
    let (tables, machines) = (aws_sdk_dynamodb::Client::new(&root), aws_sdk_sfn::Client::new(&root));
    let (alarms, logs) = (aws_sdk_cloudwatch::Client::new(&root), aws_sdk_cloudwatchlogs::Client::new(&root));
    let (schedules, objects) = (aws_sdk_scheduler::Client::new(&root), aws_sdk_s3::Client::new(&root));
    let queue = sqs.get_queue_url().queue_name("inbox").send().await.unwrap().queue_url.unwrap();
    let (stack, master) = ("budget-guardrails", "budget-guardrails-master");
    let account = guardrails_local_aws::ACCOUNT;
    list! {
        "users": iam.get_account_authorization_details(), user_detail_list;
        "groups": iam.get_account_authorization_details(), group_detail_list;
        "roles": iam.get_account_authorization_details(), role_detail_list;
        "policies": iam.list_policies().scope(PolicyScopeType::Local), policies;
        "instances": ec2.describe_instances(), reservations;
        "scaling groups": scaling.describe_auto_scaling_groups(), auto_scaling_groups;
        "stacks": stacks.describe_stacks(), stacks;
        "stack's resources": stacks.describe_stack_resources().stack_name(stack), stack_resources;
        "stack's events": stacks.describe_stack_events().stack_name(stack), stack_events;
        "stack's template": stacks.get_template().stack_name(stack), template_body;
        "functions": lambda.list_functions(), functions;
        "master's retries": lambda.get_function_event_invoke_config().function_name(master).qualifier("$LATEST"), destination_config;
        "master's policy": lambda.get_policy().function_name(master), policy;
        "topics": sns.list_topics(), topics;
        "alert topic": sns.get_topic_attributes().topic_arn(&lab.outputs["AlertTopicArn"]), attributes;
        "subscriptions": sns.list_subscriptions(), subscriptions;
        "queues": sqs.list_queues(), queue_urls;
        "ledger": tables.scan().table_name(&lab.outputs["LedgerTable"]), items;
        "ledger's table": tables.describe_table().table_name(&lab.outputs["LedgerTable"]), table;
        "machine": machines.describe_state_machine().state_machine_arn(&lab.outputs["StateMachineArn"]), definition;
        "alarms": alarms.describe_alarms(), metric_alarms;
        "log groups": logs.describe_log_groups(), log_groups;
        "schedules": schedules.list_schedules(), schedules;
        "budgets": budgets.describe_budgets().account_id(account), budgets;
        "inbox": sqs.get_queue_attributes().queue_url(&queue).attribute_names("All".into()), attributes;
        "objects": objects.list_objects_v2().bucket(format!("guardrails-{account}-{REGION}")), contents;
    };
    listed
}

/// A value line by line. The lines are sorted, since the SDK's maps have no order.
fn lines(value: &impl fmt::Debug, local: &LocalAws) -> Vec<String> {
    let text = format!("{value:#?}").replace(local.endpoint(), "ENDPOINT");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_stack_is_the_same_as_a_deployed_one() {
    let lab = Lab::deploy(Options::default(), EXAMPLE).await;
    let before = listed(&lab, &lab.local).await;
    let world = lab.snapshot().await;
    let saved = Some(Arc::new(lab.local.save().await.unwrap()));
    let start = async || LocalAws::start(Options { saved: saved.clone(), ..Options::default() }).await.unwrap();
    let (one, other) = (start().await, start().await);
    for (name, was) in &before {
        assert!(was.len() > 1 || was[0].len() > 40, "the deployed stack has none of the {name}: {was:?}");
    }
    let now = listed(&lab, &one).await;
    for (name, was) in &before {
        assert_eq!(&now[name], was, "{name}");
    }
    assert_eq!(lab.world.in_copy(&one).await.unwrap().snapshot().await.unwrap(), world);

    // Each has a state of its own.
    let iam = aws_sdk_iam::Client::new(&one.sdk_config().await.unwrap());
    iam.create_group().group_name("only-here").send().await.unwrap();
    for others in [&lab.local, &other] {
        let iam = aws_sdk_iam::Client::new(&others.sdk_config().await.unwrap());
        let groups = iam.list_groups().send().await.unwrap().groups;
        assert!(groups.iter().all(|group| group.group_name() != "only-here"), "{groups:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_is_also_another_process_s_is_not_saved() {
    let local = LocalAws::start(Options { fleets: Fleets::Moto, ..Options::default() }).await.unwrap();
    let refused = local.save().await.unwrap_err().to_string();
    assert!(refused.contains("the fleets are another process's"), "{refused}");
}
