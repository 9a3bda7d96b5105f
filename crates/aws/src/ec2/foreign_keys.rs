//! Keys of other accounts that volumes are encrypted under. EC2 asks for a grant to the key in the caller's name when an instance starts.
//! The function's own policy lets it have one on any account's key. The key's policy has to let it too, and nobody outside that account
//! can read that policy: so the plan says it, and stops the instance all the same.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::Volume;

use super::instances::{Lister, filter};
use super::limits::DESCRIBE_REQUESTS;
use crate::error::Failure;

/// Instances that one question takes. All filters of a call may have 200 values, and one more says that the volume is encrypted.
const INSTANCES: usize = 199;
/// Volumes a page.
const PAGE: i32 = 500;

/// The keys of other accounts, by the instances that need them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignKeys {
    keys: BTreeMap<String, BTreeSet<String>>,
    /// Why EC2 did not say, if it refused to.
    unknown: Option<String>,
}

impl Lister {
    /// Looks up the keys of accounts other than `account` that volumes of these instances are encrypted under. A call that fails keeps
    /// no instance on: then nothing is known of them.
    pub async fn foreign_keys(&self, ids: &[&str], account: &str) -> ForeignKeys {
        let mut found = ForeignKeys::default();
        for batch in ids.chunks(INSTANCES) {
            let filters = vec![filter("attachment.instance-id", batch.iter().copied()), filter("encrypted", ["true"])];
            let mut pages = self.ec2.describe_volumes().set_filters(Some(filters)).max_results(PAGE).into_paginator().send();
            while let Some(page) = pages.next().await {
                self.pacer.spend(DESCRIBE_REQUESTS, 1);
                match page {
                    Ok(page) => page.volumes().iter().for_each(|volume| found.add(volume, account)),
                    Err(error) => {
                        found.unknown = Some(format!("asking for the keys of volumes: {}", Failure::of(&error).message));
                        return found;
                    }
                }
            }
        }
        found
    }
}

impl ForeignKeys {
    fn add(&mut self, volume: &Volume, account: &str) {
        let Some(key) = volume.kms_key_id().filter(|key| account_of(key).is_some_and(|of| of != account)) else { return };
        for id in volume.attachments().iter().filter_map(|attachment| attachment.instance_id()) {
            self.keys.entry(id.to_owned()).or_default().insert(key.to_owned());
        }
    }

    /// A note on an instance that may not start again for its key, and on how its start is made sure of.
    #[must_use]
    pub fn note(&self, instance: &str) -> Option<String> {
        let Some(keys) = self.keys.get(instance) else {
            let unknown = self.unknown.as_ref()?;
            return Some(format!("whether a volume of it is encrypted under another account's key is not known: {unknown}"));
        };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        Some(format!(
            "a volume of it is encrypted under {}, of another account: it would not start again by us unless that key's policy lets the role \
             of the function stop-instances do kms:CreateGrant. An administrator of that account can add this, now or while it is stopped; \
             the tag guardrails:exempt leaves the instance alone",
            keys.join(" and ")
        ))
    }
}

/// The account of a key's ARN, if it is one.
fn account_of(key: &str) -> Option<&str> {
    key.strip_prefix("arn:")?.split(':').nth(3).filter(|account| !account.is_empty())
}
