//! The holds of the whole ledger, of every run: read through the whole table, for looking at a deployment from outside.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use guardrails_model::ids::{FacetId, GuardrailName, RunId};
use guardrails_model::ledger::LedgerError;
use guardrails_model::record::Facet;

use crate::error::Failure;
use crate::items;

/// A run's claim on a facet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The facet.
    pub facet: FacetId,
    /// The run.
    pub run: RunId,
    /// The guardrail of the run.
    pub guardrail: GuardrailName,
}

/// All that is held, as far as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// Each claim.
    pub held: Vec<Held>,
    /// The table has more than was read.
    pub more: bool,
}

/// The holds in the first `pages` pages of the table, each of 1 MiB.
///
/// # Errors
/// When the table cannot be read, or has records that this program does not know.
pub async fn held(client: &Client, table: &str, pages: usize) -> Result<Holds, LedgerError> {
    let (mut holds, mut from) = (Holds::default(), None);
    for _ in 0..pages {
        let call = client.scan().table_name(table).consistent_read(true).set_exclusive_start_key(from);
        let call = call.filter_expression("begins_with(pk, :facet)");
        let call = call.expression_attribute_values(":facet", AttributeValue::S("FACET#".to_owned()));
        let page = call.send().await.map_err(|error| LedgerError::Refused(Failure::of(&error).message.into()))?;
        for item in page.items.unwrap_or_default() {
            let item = items::read(item)?;
            let facet: Facet = serde_json::from_value(item.doc)
                .map_err(|error| LedgerError::Unreadable { key: item.key.pk.clone(), why: error.to_string() })?;
            holds.held.extend(facet.holders.into_values().map(|holder| Held {
                facet: facet.facet.clone(),
                run: holder.run,
                guardrail: holder.guardrail,
            }));
        }
        from = page.last_evaluated_key;
        if from.is_none() {
            return Ok(holds);
        }
    }
    holds.more = true;
    Ok(holds)
}
