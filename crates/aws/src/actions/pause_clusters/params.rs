//! The keys of `pause-clusters` in guardrails.yaml, besides those that all actions on resources have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::switch::Options;

/// Keys of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Keys {
    /// The rule for clusters whose node type can have tables without a backup, such as `dc2.large`: a resume does not bring these
    /// tables back.
    #[serde(skip_serializing_if = "NoBackupTables::is_keep")]
    #[schemars(extend("default" = "keep"))]
    no_backup_tables: NoBackupTables,
}

impl Keys {
    /// Why a cluster of this node type is left alone, if it is. Redshift does not say which tables a cluster has.
    pub(super) fn reason(self, node_type: &str) -> Option<String> {
        let keeps = may_lose_tables(node_type) && self.no_backup_tables == NoBackupTables::Keep;
        keeps.then(|| {
            format!(
                "a pause would lose its tables that were made with BACKUP NO, which {node_type} can have: see `no-backup-tables`"
            )
        })
    }
}

impl Options for Keys {}

/// The rule for clusters that can have tables without a backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum NoBackupTables {
    /// Leave them alone.
    #[default]
    Keep,
    /// Pause them all the same: these tables are gone, and rollback does not bring them back.
    Lose,
}

impl NoBackupTables {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_keep(&self) -> bool {
        *self == Self::Keep
    }
}

/// Can nodes of this type have tables that no snapshot holds? On RA3 and RG nodes every table is backed up, whatever its definition
/// says.
pub(super) fn may_lose_tables(node_type: &str) -> bool {
    !["ra3.", "rg."].iter().any(|family| node_type.starts_with(family))
}
