//! Reads back the configuration that is deployed: from the ledger, the stack's parameters and the schedule.

use std::sync::Arc;

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Stack;
use guardrails_aws::store::DynamoStore;
use guardrails_model::config::Duration;
use guardrails_model::ledger::Ledger;

use super::difference::Deployed;
use crate::commands::doctor::reconciler;
use crate::deployment::LEDGER_OUTPUT;

/// The configuration of the stack `present`; nothing where there is no stack, or none that has a ledger.
pub(super) async fn read(sdk: &SdkConfig, present: Option<&Stack>) -> Result<Deployed> {
    let Some(present) = present else { return Ok(Deployed::default()) };
    let table = present.outputs().iter().find(|output| output.output_key() == Some(LEDGER_OUTPUT));
    let Some(table) = table.and_then(|output| output.output_value()) else { return Ok(Deployed::default()) };
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(sdk), table.to_owned());
    let ledger = Ledger::new(Arc::new(store));
    let mut config = ledger.config().await.context("reading the deployed guardrails")?;
    config.prices = ledger.prices().await.context("reading the deployed price list")?;
    let deployer = present.parameters().iter().find(|parameter| parameter.parameter_key() == Some("Deployer"));
    let deployer = deployer.and_then(|parameter| parameter.parameter_value()).map(str::to_owned);
    Ok(Deployed { config, deployer, every: every(sdk, present.stack_name().unwrap_or_default()).await })
}

/// The interval of the rounds. It is in no record. Where the schedule cannot be read, it is left out.
async fn every(sdk: &SdkConfig, stack: &str) -> Option<Duration> {
    let schedule = aws_sdk_scheduler::Client::new(sdk).get_schedule().name(format!("{stack}-reconcile")).send().await.ok()?;
    let interval = reconciler::interval(schedule.schedule_expression()?)?;
    Some(Duration::from_secs(interval.as_secs()))
}
