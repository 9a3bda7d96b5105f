//! The list of all that a removed stack left, with its price a month and the commands that take it away.

mod price;

use std::fmt::Write as _;

use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Stack;
use aws_sdk_sqs::types::QueueAttributeName;
use guardrails_aws::error::Failure;
use guardrails_aws::store::DynamoStore;
use guardrails_model::ledger::Ledger;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

use self::price::Rate;
use super::ledger;
use super::remains::Remains;
use super::stack::{self, Stacks};
use crate::deployment::Caller;
use crate::output;

/// The folder of the functions' code and of large templates in the bucket.
const CODE: &str = "guardrails/";

/// Something that is left.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Left {
    kind: &'static str,
    name: String,
    /// About so many US dollars a month; none where it could not be looked at.
    usd_a_month: Option<Decimal>,
    note: String,
    /// The commands that take it away; none where that is not ours to say.
    remove_with: Vec<String>,
}

/// Looks at each of `remains`. One that is gone by now is left out, and one that cannot be looked at says so.
pub(super) async fn of(sdk: &SdkConfig, stacks: &Stacks<'_>, caller: &Caller, remains: &Remains) -> Result<Vec<Left>> {
    let others = stacks.all().await?;
    let mut left = Vec::new();
    for table in &remains.tables {
        left.extend(table_left(sdk, table, &others).await);
    }
    for queue in &remains.queues {
        left.extend(queue_left(sdk, queue).await);
    }
    for bucket in &remains.buckets {
        left.extend(bucket_left(sdk, bucket, caller, &others).await);
    }
    left.extend(logs_left(sdk, remains).await);
    left.extend(remains.keys.iter().map(|key| Left {
        kind: "key of the topics",
        name: key.clone(),
        usd_a_month: Some(Decimal::ZERO),
        note: "AWS deletes it after 30 days, and takes nothing meanwhile".to_owned(),
        remove_with: Vec::new(),
    }));
    left.extend(remains.others.iter().map(|(kind, id)| Left {
        kind: "kept resource",
        name: id.clone(),
        usd_a_month: None,
        note: kind.clone(),
        remove_with: Vec::new(),
    }));
    Ok(left)
}

/// The list for people.
pub(super) fn text(wide: bool, left: &[Left]) -> String {
    if left.is_empty() {
        return "Nothing of it is left.".to_owned();
    }
    let row = |one: &Left| {
        let price = one.usd_a_month.map_or_else(|| "not known".to_owned(), price::words);
        vec![one.kind.to_owned(), one.name.clone(), price, one.note.clone()]
    };
    let mut text = output::table(wide, &["left", "name", "a month", "note"], left.iter().map(row));
    let commands: Vec<&str> = left.iter().flat_map(|one| &one.remove_with).map(String::as_str).collect();
    if !commands.is_empty() {
        let _ = write!(text, "\nTo take that away too, when nobody needs it:\n  {}", commands.join("\n  "));
    }
    text
}

async fn table_left(sdk: &SdkConfig, table: &str, others: &[Stack]) -> Option<Left> {
    let left = |usd_a_month, note, remove_with| Left { kind: "ledger", name: table.to_owned(), usd_a_month, note, remove_with };
    if let Some(user) = user(others, |stack| stack::ledger(stack).as_deref() == Some(table)) {
        return Some(left(None, format!("the stack `{user}` uses it"), Vec::new()));
    }
    let found = match ledger::described(sdk, table).await {
        Ok(found) => found?,
        Err(why) => return Some(left(None, format!("{why:#}"), Vec::new())),
    };
    // Its size is counted every six hours: a new table has none yet.
    let note = format!(
        "all runs and their history; guardrails deploy --adopt-ledger {table} goes on with it{}",
        open_in(sdk, table).await
    );
    let commands = vec![
        format!("aws dynamodb update-table --table-name {table} --no-deletion-protection-enabled"),
        format!("aws dynamodb delete-table --table-name {table}"),
    ];
    Some(left(Some(Rate::LEDGER.of(found.table_size_bytes().unwrap_or_default().max(1))), note, commands))
}

/// Runs that hold something in a ledger without a stack. It is a note, and no reason to fail.
async fn open_in(sdk: &SdkConfig, table: &str) -> String {
    let ledger = Ledger::new(std::sync::Arc::new(DynamoStore::new(aws_sdk_dynamodb::Client::new(sdk), table.to_owned())));
    let open = ledger.open_runs(None).await.map_or(0, |open| open.len());
    let adopted = ledger.former_guardrails().await.unwrap_or_default();
    let budgets: Vec<String> =
        adopted.iter().filter(|one| one.budget.adopt.is_some()).map(|one| format!("`{}`", one.budget_name())).collect();
    let mut note = String::new();
    if open > 0 {
        let _ = write!(note, ". WARNING: it still has {}", output::count(open, "open run"));
    }
    if !budgets.is_empty() {
        let _ = write!(note, "; adopted budgets stay as they are: {}", budgets.join(", "));
    }
    note
}

async fn queue_left(sdk: &SdkConfig, url: &str) -> Option<Left> {
    let attribute = QueueAttributeName::ApproximateNumberOfMessages;
    let asked = aws_sdk_sqs::Client::new(sdk).get_queue_attributes().queue_url(url).attribute_names(attribute.clone());
    let note = match asked.send().await {
        Ok(found) => {
            let messages = found.attributes().and_then(|all| all.get(&attribute)).cloned().unwrap_or_default();
            format!("dead letters: {messages}; SQS keeps each for 14 days")
        }
        Err(error) => {
            let failure = Failure::of(&error);
            if failure.message.contains("NonExistentQueue") || failure.message.contains("QueueDoesNotExist") {
                return None;
            }
            format!("not looked at: {}", failure.message)
        }
    };
    let remove_with = vec![format!("aws sqs delete-queue --queue-url {url}")];
    Some(Left { kind: "queue", name: url.to_owned(), usd_a_month: Some(Decimal::ZERO), note, remove_with })
}

async fn bucket_left(sdk: &SdkConfig, bucket: &str, caller: &Caller, others: &[Stack]) -> Option<Left> {
    let left = |usd_a_month, note, remove_with| Left { kind: "bucket", name: bucket.to_owned(), usd_a_month, note, remove_with };
    // An endpoint of one's own has no name for each bucket.
    let config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(sdk.endpoint_url().is_some()).build();
    let listed = aws_sdk_s3::Client::from_conf(config).list_objects_v2().bucket(bucket).prefix(CODE);
    let mut pages = listed.expected_bucket_owner(&caller.account).into_paginator().send();
    let (mut objects, mut bytes) = (0, 0);
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => {
                objects += page.contents().len();
                bytes += page.contents().iter().filter_map(aws_sdk_s3::types::Object::size).sum::<i64>();
            }
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("NoSuchBucket") {
                    return None;
                }
                return Some(left(None, format!("not looked at: {}", failure.message), Vec::new()));
            }
        }
    }
    let note = format!("{} of code and templates under {CODE}", output::count(objects, "object"));
    let price = Some(Rate::OBJECTS.of(bytes));
    if let Some(user) = user(others, |stack| stack::parameter(stack, "ArtifactBucket").as_deref() == Some(bucket)) {
        return Some(left(price, format!("{note}; the stack `{user}` uses the bucket"), Vec::new()));
    }
    let own = bucket.starts_with(&format!("guardrails-{}-", caller.account));
    let command =
        if own { format!("aws s3 rb --force s3://{bucket}") } else { format!("aws s3 rm --recursive s3://{bucket}/{CODE}") };
    Some(left(price, note, vec![command]))
}

/// Log groups that are there again, or still.
async fn logs_left(sdk: &SdkConfig, remains: &Remains) -> Vec<Left> {
    let client = aws_sdk_cloudwatchlogs::Client::new(sdk);
    let mut left = Vec::new();
    for name in &remains.log_groups {
        let of = |usd_a_month, note, remove_with| Left { kind: "log group", name: name.clone(), usd_a_month, note, remove_with };
        match client.describe_log_groups().log_group_name_prefix(name).send().await {
            Ok(found) => {
                let group = found.log_groups().iter().find(|group| group.log_group_name() == Some(name));
                left.extend(group.map(|group| {
                    let price = Rate::LOGS.of(group.stored_bytes().unwrap_or_default());
                    of(Some(price), "logs".to_owned(), vec![format!("aws logs delete-log-group --log-group-name {name}")])
                }));
            }
            Err(error) => left.push(of(None, format!("not looked at: {}", Failure::of(&error).message), Vec::new())),
        }
    }
    left
}

/// The stack among `others` that `uses` says it of.
fn user(others: &[Stack], uses: impl Fn(&Stack) -> bool) -> Option<String> {
    others.iter().find(|stack| uses(stack)).map(|stack| stack.stack_name().unwrap_or_default().to_owned())
}
