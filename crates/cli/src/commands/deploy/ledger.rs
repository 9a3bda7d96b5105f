//! Is this table the ledger of an earlier stack, fit to go on with, and nobody else's? Looked at before anything is changed.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{KeyType, ScalarAttributeType, SseStatus, TableDescription, TableStatus};
use guardrails_aws::context::Home;
use guardrails_aws::error::Failure;
use guardrails_aws::iam::own_policy;
use guardrails_aws::store::DynamoStore;
use guardrails_model::config::Config;
use guardrails_model::ledger::Ledger;
use guardrails_model::record::Run;

use crate::deployment::LEDGER_OUTPUT;
use crate::output;

/// Checks that `stack`, whose ledger is `present` where it has one, may go on with `table`.
///
/// # Errors
/// When it may not, with what to do about it.
pub(super) async fn check(sdk: &SdkConfig, stack: &str, present: Option<&str>, table: &str, config: &Config) -> Result<()> {
    match present {
        Some(own) if own == table => return Ok(()),
        Some(own) => bail!(
            "the stack `{stack}` has the ledger {own} already, and what that holds could not be put back any more without it\nhint: \
             adopt {table} with a stack of another name (--stack-name)"
        ),
        None => {}
    }
    not_in_use(sdk, table).await?;
    let client = aws_sdk_dynamodb::Client::new(sdk);
    let described = client.describe_table().table_name(table).send().await;
    let described = described.map_err(|error| anyhow!("looking at the table {table}: {}", Failure::of(&error).message))?;
    is_kept_as_a_ledger(&described.table.unwrap_or_else(|| TableDescription::builder().build()), table)?;

    let ledger = Ledger::new(Arc::new(DynamoStore::new(client, table.to_owned())));
    let newest = ledger.runs(Some(1)).await.context("reading the ledger")?;
    let round = ledger.round().await.context("reading the ledger")?;
    let known = ledger.config().await.context("reading the ledger")?;
    ensure!(
        !newest.is_empty() || round.is_some() || !known.guardrails.is_empty(),
        "the table {table} has the keys of a ledger, and nothing of one in it: no run, no guardrail, no round"
    );
    let open = ledger.open_runs(None).await.context("reading the ledger")?;
    for run in &open {
        ensure!(
            config.guardrails.contains_key(&run.guardrail),
            "run {} of `{}` still holds what it changed, and guardrails.yaml has no such guardrail: the functions could not put it \
             back\nhint: add the guardrail as it was, deploy, and `guardrails rollback {}`",
            run.id,
            run.guardrail,
            run.guardrail
        );
    }
    its_own_policies(sdk, stack, &ledger, &open).await?;
    for run in &open {
        output::tell(&format!("run {} of `{}` still holds what it changed: this stack goes on with it", run.id, run.guardrail));
    }
    Ok(())
}

/// The roles of a stack may attach and detach its own Deny policies, and no other stack's.
async fn its_own_policies(sdk: &SdkConfig, stack: &str, ledger: &Ledger, open: &[Run]) -> Result<()> {
    let region = sdk.region().map_or("", |region| region.as_ref());
    let home = Home { partition: "", account: "", region, stack };
    let Some((run, facet)) = own_policy::held_of_another(ledger, open, &home).await.context("reading the ledger")? else {
        return Ok(());
    };
    let (kind, whose, policy) = facet.parts();
    let name = policy.rsplit('/').next().unwrap_or(policy);
    let old = name.rsplit_once("-deny-").map_or(name, |(stack, _)| stack.strip_suffix(&format!("-{region}")).unwrap_or(stack));
    bail!(
        "run {run} holds {policy} on the {} {whose}: that policy is of the stack `{old}`, and the functions of `{stack}` could not detach \
         it\nhint: roll it back with the old stack while there is one; or detach the policy by hand, delete it, adopt the ledger with \
         --stack-name {old}, and then guardrails abandon {run} --only {facet}",
        kind.trim_end_matches("-policy")
    )
}

/// Two stacks on one ledger would each take the other's runs for theirs.
async fn not_in_use(sdk: &SdkConfig, table: &str) -> Result<()> {
    let mut pages = aws_sdk_cloudformation::Client::new(sdk).describe_stacks().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| anyhow!("looking for stacks that use {table}: {}", Failure::of(&error).message))?;
        for stack in page.stacks() {
            let is_it = |output: &aws_sdk_cloudformation::types::Output| {
                output.output_key() == Some(LEDGER_OUTPUT) && output.output_value() == Some(table)
            };
            if stack.outputs().iter().any(is_it) {
                let name = stack.stack_name().unwrap_or_default();
                let state = stack.stack_status().map_or("", |status| status.as_str());
                bail!(
                    "the stack `{name}` ({state}) uses the ledger {table}\nhint: a ledger can be adopted once its stack is deleted: aws \
                     cloudformation delete-stack --stack-name {name}"
                );
            }
        }
    }
    Ok(())
}

/// A ledger that a stack adopts must have the settings of one that it makes.
fn is_kept_as_a_ledger(found: &TableDescription, table: &str) -> Result<()> {
    ensure!(found.table_status() == Some(&TableStatus::Active), "the table {table} is not active");
    let keys: Vec<_> = found.key_schema().iter().map(|key| (key.attribute_name(), key.key_type().clone())).collect();
    let is_text = |name| {
        let mut attributes = found.attribute_definitions().iter();
        attributes.any(|one| one.attribute_name() == name && *one.attribute_type() == ScalarAttributeType::S)
    };
    ensure!(
        keys == [("pk", KeyType::Hash), ("sk", KeyType::Range)] && is_text("pk") && is_text("sk"),
        "the table {table} is no ledger: its keys are not the texts pk and sk"
    );
    let encrypted = found.sse_description().and_then(|sse| sse.status()) == Some(&SseStatus::Enabled);
    ensure!(
        encrypted,
        "the table {table} is not encrypted under a key of this account\nhint: aws dynamodb update-table --table-name {table} \
         --sse-specification Enabled=true"
    );
    ensure!(
        found.deletion_protection_enabled() == Some(true),
        "the table {table} can be deleted by mistake\nhint: aws dynamodb update-table --table-name {table} \
         --deletion-protection-enabled"
    );
    Ok(())
}
