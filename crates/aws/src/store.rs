//! The ledger's store on DynamoDB: one table, each write conditional on the item's revision.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, KeysAndAttributes, Put, TransactWriteItem};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardrails_model::ids::Nonce;
use guardrails_model::ledger::{Item, Key, LedgerError, Page, Store, Write};

use crate::error::{Failure, FailureKind};
use crate::items;

/// The most keys that one read takes.
const MOST_READS: usize = 100;

/// A DynamoDB table with the string keys `pk` and `sk`.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
}

impl DynamoStore {
    /// The store in `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn get_batch(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        let wanted = keys.iter().map(items::key).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build().map_err(refused)?;
        let mut pending = std::collections::HashMap::from([(self.table.clone(), wanted)]);
        let mut found = Vec::new();
        // Keys for which DynamoDB had no capacity come back as unprocessed; the SDK's retries pace us when it has none at all.
        while !pending.is_empty() {
            let answer = self.client.batch_get_item().set_request_items(Some(pending)).send().await.map_err(|e| failed(&e))?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                found.push(items::read(item)?);
            }
            pending = answer.unprocessed_keys.unwrap_or_default();
        }
        Ok(found)
    }

    fn put(&self, nonce: &Nonce, write: &Write) -> Result<Put, LedgerError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(items::item(write, nonce)?));
        let put = match write.expect {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            rev => put.condition_expression("rev = :rev").expression_attribute_values(":rev", AttributeValue::N(rev.to_string())),
        };
        put.build().map_err(refused)
    }

    /// After a condition failed: was it our own write, whose answer was lost, that is there now?
    async fn ours(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        let present = self.get(&keys).await?;
        let ours = present.iter().all(|item| item.as_ref().is_some_and(|item| item.nonce == *nonce));
        if ours { Ok(()) } else { Err(LedgerError::Conflict) }
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError> {
        let mut distinct = keys.to_vec();
        distinct.sort();
        distinct.dedup();
        let mut found = std::collections::HashMap::new();
        for batch in distinct.chunks(MOST_READS) {
            found.extend(self.get_batch(batch).await?.into_iter().map(|item| (item.key.clone(), item)));
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(!page.newest_first)
            .expression_attribute_values(":pk", AttributeValue::S(page.pk.clone()));
        query = if page.prefix.is_empty() {
            query.key_condition_expression("pk = :pk")
        } else {
            query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", AttributeValue::S(page.prefix.clone()))
        };
        if let Some(after) = &page.after {
            let after = Key { pk: page.pk.clone(), sk: after.clone() };
            query = query.set_exclusive_start_key(Some(items::key(&after)));
        }
        if let Some(limit) = page.limit {
            query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        }
        let mut pages = query.into_paginator().send();
        let mut found = Vec::new();
        while let Some(answer) = pages.next().await {
            for item in answer.map_err(|error| failed(&error))?.items.unwrap_or_default() {
                found.push(items::read(item)?);
            }
            if page.limit.is_some_and(|limit| found.len() >= limit) {
                break;
            }
        }
        found.truncate(page.limit.unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn commit(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        let puts: Vec<Put> = writes.iter().map(|write| self.put(nonce, write)).collect::<Result<_, _>>()?;
        match puts.as_slice() {
            [] => return Ok(()),
            [put] => {
                let call = self
                    .client
                    .put_item()
                    .table_name(put.table_name())
                    .set_item(Some(put.item().clone()))
                    .set_condition_expression(put.condition_expression().map(str::to_owned))
                    .set_expression_attribute_values(put.expression_attribute_values().cloned());
                let Err(error) = call.send().await else { return Ok(()) };
                // Somebody's transaction is at the item: decide again on the item that it leaves.
                if error.as_service_error().is_some_and(PutItemError::is_transaction_conflict_exception) {
                    return Err(LedgerError::Conflict);
                }
                if !error
                    .as_service_error()
                    .is_some_and(aws_sdk_dynamodb::operation::put_item::PutItemError::is_conditional_check_failed_exception)
                {
                    return Err(failed(&error));
                }
            }
            many => {
                let many = many.iter().map(|put| TransactWriteItem::builder().put(put.clone()).build()).collect();
                let call = self.client.transact_write_items().set_transact_items(Some(many));
                let Err(error) = call.client_request_token(nonce.as_str()).send().await else { return Ok(()) };
                let reasons = error.as_service_error().map(cancellation).unwrap_or_default();
                let any = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
                if any("ThrottlingError") || any("ProvisionedThroughputExceeded") {
                    return Err(LedgerError::Unavailable(Failure::of(&error).message.into()));
                }
                if any("TransactionConflict") {
                    return Err(LedgerError::Conflict);
                }
                if !any("ConditionalCheckFailed") {
                    return Err(failed(&error));
                }
            }
        }
        self.ours(nonce, writes).await
    }
}

fn cancellation(error: &aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError) -> &[CancellationReason] {
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError as E;
    match error {
        E::TransactionCanceledException(canceled) => canceled.cancellation_reasons(),
        _ => &[],
    }
}

fn failed<E>(error: &SdkError<E, HttpResponse>) -> LedgerError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failure = Failure::of(error);
    match failure.kind {
        FailureKind::Refused => LedgerError::Refused(failure.message.into()),
        FailureKind::Later | FailureKind::NoRoom | FailureKind::Unknown => LedgerError::Unavailable(failure.message.into()),
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
    LedgerError::Refused(Box::new(error))
}
