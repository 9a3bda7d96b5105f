//! A document of the ledger as a DynamoDB item, and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use guardrails_model::ids::Nonce;
use guardrails_model::ledger::{Item, Key, LedgerError, Write};
use serde_json::Value as Json;

pub(crate) type Attributes = HashMap<String, AttributeValue>;

pub(crate) fn key(key: &Key) -> Attributes {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

pub(crate) fn item(write: &Write, nonce: &Nonce) -> Result<Attributes, LedgerError> {
    let doc = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(&write.doc)
        .map_err(|error| unreadable(&write.key, &error.to_string()))?;
    let mut attributes = key(&write.key);
    attributes.insert("rev".to_owned(), AttributeValue::N((write.expect + 1).to_string()));
    attributes.insert("nonce".to_owned(), AttributeValue::S(nonce.as_str().to_owned()));
    attributes.insert("doc".to_owned(), doc);
    Ok(attributes)
}

pub(crate) fn read(mut attributes: Attributes) -> Result<Item, LedgerError> {
    let mut text = |name: &str| match attributes.remove(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Some(text),
        _ => None,
    };
    let key = Key { pk: text("pk").unwrap_or_default(), sk: text("sk").unwrap_or_default() };
    let rev = text("rev").and_then(|rev| rev.parse().ok()).ok_or_else(|| unreadable(&key, "it has no revision"))?;
    let nonce = Nonce::from(text("nonce").ok_or_else(|| unreadable(&key, "it has no nonce"))?);
    let doc = attributes.remove("doc").ok_or_else(|| unreadable(&key, "it has no document"))?;
    let doc: Json =
        serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(doc).map_err(|error| unreadable(&key, &error.to_string()))?;
    Ok(Item { key, rev, nonce, doc })
}

fn unreadable(key: &Key, why: &str) -> LedgerError {
    LedgerError::Unreadable { key: format!("{} {}", key.pk, key.sk), why: why.to_owned() }
}
