//! The deletion of a ledger, which only a person asks for.

use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{TableDescription, TableStatus};
use guardrails_aws::error::Failure;

use super::stack::{self, Stacks};
use crate::deployment::between_looks;
use crate::output;

/// How long DynamoDB may take to let the table go.
const PATIENCE: Duration = Duration::from_mins(5);

/// # Errors
/// When a stack other than the one with the id `but` uses the table.
pub(super) async fn is_of_no_other(stacks: &Stacks<'_>, table: &str, but: Option<&str>) -> Result<()> {
    let user = stacks.all().await?.into_iter().find(|one| one.stack_id() != but && stack::ledger(one).as_deref() == Some(table));
    if let Some(user) = user {
        bail!(
            "the ledger {table} is not deleted: the stack `{}` uses it\nhint: remove without --delete-ledger",
            user.stack_name().unwrap_or_default()
        );
    }
    Ok(())
}

/// The table, where it is there.
pub(super) async fn described(sdk: &SdkConfig, table: &str) -> Result<Option<TableDescription>> {
    match Client::new(sdk).describe_table().table_name(table).send().await {
        Ok(found) => Ok(found.table),
        Err(error) => {
            let failure = Failure::of(&error);
            if failure.is("ResourceNotFoundException") {
                Ok(None)
            } else {
                Err(anyhow!("looking at the table {table}: {}", failure.message))
            }
        }
    }
}

/// Is the table there, and not on its way out?
pub(super) async fn is_there(sdk: &SdkConfig, table: &str) -> Result<bool> {
    Ok(described(sdk, table).await?.is_some_and(|found| found.table_status() != Some(&TableStatus::Deleting)))
}

/// Lifts the table's protection, and deletes it.
pub(super) async fn delete(sdk: &SdkConfig, table: &str) -> Result<()> {
    let client = Client::new(sdk);
    let found = described(sdk, table).await?;
    if found.is_some_and(|found| found.deletion_protection_enabled() == Some(true)) {
        let lifted = client.update_table().table_name(table).deletion_protection_enabled(false).send().await;
        lifted.map_err(|error| anyhow!("lifting the protection of the ledger {table}: {}", Failure::of(&error).message))?;
    }
    let mut waited = Duration::ZERO;
    loop {
        let Err(error) = client.delete_table().table_name(table).send().await else { break };
        let failure = Failure::of(&error);
        if failure.is("ResourceNotFoundException") {
            break;
        }
        // The table is still busy with the change before.
        ensure!(
            failure.is("ResourceInUseException") && waited < PATIENCE,
            "deleting the ledger {table}: {}\nhint: policies/delete-ledger.json has the rights; guardrails remove --delete-ledger goes on \
             from here",
            failure.message
        );
        waited += between_looks();
        tokio::time::sleep(between_looks()).await;
    }
    output::tell(&format!("the ledger {table} is deleted"));
    Ok(())
}
