//! The principal that undid a change, as far as the service's own history says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The principal that undid a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ChangedBy {
    /// This principal.
    Known {
        /// Such as `role jenkins`.
        who: String,
    },
    /// The history does not show it yet: it is asked again.
    NotYet,
    /// The history does not say, for this reason.
    Unknown {
        /// In words.
        why: String,
    },
}

impl ChangedBy {
    /// In words, after `by whom: `.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Known { who } => who.clone(),
            Self::NotYet => "not known yet, and asked again".to_owned(),
            Self::Unknown { why } => format!("not known: {why}"),
        }
    }
}
