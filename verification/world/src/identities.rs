//! The identities in IAM, their rights, and IAM's answers about identities that do not exist.

use std::collections::BTreeMap;

use super::wire::{Refusal, tag};

/// The key of a request that names its Region.
pub(super) const REGION: &str = "aws:RequestedRegion";

/// A group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// ARNs of users.
    pub members: Vec<String>,
    /// ARNs of policies, in the order in which they were attached.
    pub attached: Vec<String>,
}

/// A role.
#[derive(Debug, Clone)]
pub struct Role {
    /// ARNs of policies, in the order in which they were attached.
    pub attached: Vec<String>,
    /// Where it is, such as `/`.
    pub path: String,
    /// The stack that CloudFormation made it for.
    pub stack: Option<String>,
}

/// A right that a policy gives somebody, or denies.
#[derive(Debug, Clone)]
pub struct Right {
    /// The simulator's name of the policy.
    pub policy: String,
    /// Whether it denies.
    pub denies: bool,
    /// Calls that begin so.
    pub action: String,
    /// On this, or on anything.
    pub resource: Option<String>,
    /// Only when the request has this key, and this in it.
    pub key: Option<(String, String)>,
}

/// The bounds of all rights that somebody has.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// The organization denies everything in other Regions than this one.
    pub region: Option<String>,
    /// It denies by a statement, and the simulator says so; else it only does not allow.
    pub by_statement: bool,
    /// The resource on which a boundary allows anything, by the ARN of the principal that has it.
    pub boundaries: BTreeMap<String, String>,
}

impl Right {
    /// To call the operations that begin with `action`.
    pub fn to(action: &str, policy: &str) -> Self {
        Self { policy: policy.to_owned(), denies: false, action: action.to_owned(), resource: None, key: None }
    }

    /// On this only.
    pub fn on(self, resource: &str) -> Self {
        Self { resource: Some(resource.to_owned()), ..self }
    }

    /// Only under a condition on `key`.
    pub fn under(self, key: &str) -> Self {
        Self { key: Some((key.to_owned(), "true".to_owned())), ..self }
    }

    /// Only in one Region.
    pub fn in_region(self, region: &str) -> Self {
        Self { key: Some((REGION.to_owned(), region.to_owned())), ..self }
    }

    /// The same as a Deny.
    pub fn denied(self) -> Self {
        Self { denies: true, ..self }
    }
}

pub(super) fn missing(message: String) -> Refusal {
    Refusal(404, "NoSuchEntity", message)
}

pub(super) fn truncated(next: Option<String>) -> String {
    match next {
        Some(marker) => format!("<IsTruncated>true</IsTruncated>{}", tag("Marker", &marker)),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    }
}
