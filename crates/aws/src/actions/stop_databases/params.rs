//! The keys of `stop-databases` in guardrails.yaml, besides those that all actions on resources have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::switch::Options;

/// Keys of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Keys {
    /// The rule for databases that have changes pending until their maintenance window: a stop removes these changes.
    #[serde(skip_serializing_if = "PendingChanges::is_keep")]
    #[schemars(extend("default" = "keep"))]
    pub(super) pending_changes: PendingChanges,
}

/// The rule for databases that have changes pending until their maintenance window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PendingChanges {
    /// Leave them alone.
    #[default]
    Keep,
    /// Stop them all the same: these changes are gone, and rollback does not bring them back.
    Lose,
}

impl PendingChanges {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_keep(&self) -> bool {
        *self == Self::Keep
    }

    /// Why a database with pending changes is left alone, if it is.
    pub(super) fn reason(self, is_pending: bool) -> Option<String> {
        let keeps = is_pending && self == Self::Keep;
        keeps.then(|| "a stop would remove the changes that wait for its maintenance window: see `pending-changes`".to_owned())
    }
}

impl Options for Keys {}
