//! Whom IAM lets in, as far as a guardrail may restrict them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A group, a user or a role of the account, by its name without a path: names are unique for each kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Principal {
    /// The users in it.
    Group(String),
    /// One user.
    User(String),
    /// Whoever assumes it.
    Role(String),
}

impl Principal {
    /// What it is: `group`, `user` or `role`, as in its ARN.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Group(_) => "group",
            Self::User(_) => "user",
            Self::Role(_) => "role",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Group(name) | Self::User(name) | Self::Role(name) => name,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}
