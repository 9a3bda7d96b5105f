//! The principals that IAM lets in, as far as a guardrail may restrict them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::FacetId;

/// A group, a user or a role of the account, by its name without a path: names are unique for each kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Principal {
    /// The users in it.
    Group(String),
    /// One user.
    User(String),
    /// A role, and every principal that assumes it.
    Role(String),
}

impl Principal {
    /// The user or the role of an ARN of IAM's, or of a session of a role.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let resource = arn.splitn(6, ':').nth(5)?;
        match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["user", .., name] => Some(Self::User((*name).to_owned())),
            ["role", .., name] | ["assumed-role", name, ..] => Some(Self::Role((*name).to_owned())),
            _ => None,
        }
    }

    /// The principal whose managed policy a facet turns.
    #[must_use]
    pub fn of_policy(facet: &FacetId) -> Option<Self> {
        let (kind, name, _) = facet.parts();
        let name = name.to_owned();
        match kind {
            "group-policy" => Some(Self::Group(name)),
            "user-policy" => Some(Self::User(name)),
            "role-policy" => Some(Self::Role(name)),
            _ => None,
        }
    }

    /// The same for comparing: to IAM a name is one name, whatever the case of its letters.
    #[must_use]
    pub fn folded(&self) -> Self {
        let name = self.name().to_ascii_lowercase();
        match self {
            Self::Group(_) => Self::Group(name),
            Self::User(_) => Self::User(name),
            Self::Role(_) => Self::Role(name),
        }
    }

    /// Its kind: `group`, `user` or `role`, as in its ARN.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_role_are_known_by_arn_and_role_by_session() {
        let of = |resource: &str| Principal::of_arn(&format!("arn:aws:iam::123456789012:{resource}"));
        assert_eq!(of("user/team/finops"), Some(Principal::User("finops".to_owned())));
        assert_eq!(of("role/team/FinOps"), Some(Principal::Role("FinOps".to_owned())));
        assert_eq!(of("root"), None);
        let session = "arn:aws:sts::123456789012:assumed-role/FinOps/ann";
        assert_eq!(Principal::of_arn(session), Some(Principal::Role("FinOps".to_owned())));
    }
}
