//! The names that things go by. Each is a type of its own, so that a facet can never stand where a run is meant. Each is checked
//! where it enters, so that the ledger holds only well-formed names.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name that is not of the form its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {expected}")]
pub struct BadName {
    /// The name as it was given.
    pub value: String,
    /// The form that its kind asks for, as the end of the sentence "... is not".
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(value: String) -> Result<Self, BadName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&value) { Ok(Self(value)) } else { Err(BadName { value, expected: $expected }) }
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(value: &str) -> Result<Self, BadName> {
                Self::try_from(value.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

fn kebab(value: &str, longest: usize) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !value.is_empty()
        && value.len() <= longest
        && value.chars().all(|c| plain(c) || c == '-')
        && value.starts_with(plain)
        && value.ends_with(plain)
}

name!(
    /// A guardrail, and the AWS budget of the same name.
    GuardrailName,
    "a guardrail's name: 1 to 60 lower-case letters, digits and hyphens, with a letter or digit at both ends",
    |v| kebab(v, 60)
);
name!(
    /// A budget in AWS Budgets that was there before, such as `My Monthly Budget`. A pattern to IAM, or a substitution to
    /// CloudFormation, would grant more than that one budget.
    BudgetName,
    "the name of an AWS budget: 1 to 100 characters, none of them `:`, `\\`, `*`, `?`, `$`, `<` or `>`, and no `/action/`",
    |v| {
        let fits = |c: char| !c.is_control() && !":\\*?$<>".contains(c);
        !v.is_empty() && v.chars().count() <= 100 && v.trim() == v && v.chars().all(fits) && !v.contains("/action/")
    }
);
name!(
    /// A kind of change. Stored in the ledger, so a name that was used once is never used for something else.
    ActionName,
    "an action's name: 1 to 40 lower-case letters, digits and hyphens",
    |v| kebab(v, 40)
);
name!(
    /// One enforcement of one stage, such as `r-20261123-014653-7f3k9q`. Sorts by the time it began.
    RunId,
    "a run's id, such as `r-20261123-014653-7f3k9q`",
    |v| v.starts_with("r-") && kebab(v, 40)
);
name!(
    /// A place that an action works in, such as the Region `eu-west-1`.
    Place,
    "a place: 1 to 40 lower-case letters, digits and hyphens, such as the Region `eu-west-1`",
    |v| kebab(v, 40)
);
name!(
    /// One switch of one target, such as `instance-power/us-east-1/i-0abc` or `group-policy/Beta/arn:...`. The first
    /// part is the kind of switch, not the action, so that two actions that turn the same switch meet in the ledger.
    FacetId,
    "a facet: its kind, its target and its switch with slashes between, 960 characters at most",
    // A step's key has the facet in it, and DynamoDB takes keys of 1024 bytes.
    |v| v.len() <= 960 && v.split('/').count() >= 3 && v.split('/').all(|part| !part.is_empty())
);

name!(
    /// A selector of facets: one, or all whose ids begin so, such as `instance-power/eu-west-1/`.
    Selector,
    "a facet, or the beginning of some with a slash at its end, such as `instance-power/eu-west-1/`",
    |v| v.len() <= 960 && v.contains('/') && v.strip_suffix('/').unwrap_or(v).split('/').all(|part| !part.is_empty())
);

impl Selector {
    /// Does it mean `facet`?
    #[must_use]
    pub fn means(&self, facet: &FacetId) -> bool {
        facet.as_str() == self.0 || (self.means_more() && facet.as_str().starts_with(&self.0))
    }

    /// Does it mean all facets that begin so, and not one?
    #[must_use]
    pub fn means_more(&self) -> bool {
        self.0.ends_with('/')
    }
}

impl From<FacetId> for Selector {
    fn from(facet: FacetId) -> Self {
        Self(facet.0)
    }
}

impl RunId {
    /// A new id for a run that begins at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(format!("r-{}-{}", now.strftime("%Y%m%d-%H%M%S"), random_word(6)))
    }
}

impl FacetId {
    /// The facet `switch` of `target`.
    ///
    /// # Errors
    /// When a part is empty, or `kind` or `target` holds a slash (only the switch may).
    pub fn new(kind: &str, target: &str, switch: &str) -> Result<Self, BadName> {
        let whole = format!("{kind}/{target}/{switch}");
        if kind.contains('/') || target.contains('/') {
            return Err(BadName { value: whole, expected: "a facet: only its last part may hold a slash" });
        }
        Self::try_from(whole)
    }

    /// Kind, target and switch.
    #[must_use]
    pub fn parts(&self) -> (&str, &str, &str) {
        let mut parts = self.0.splitn(3, '/');
        let mut next = || parts.next().unwrap_or_default();
        (next(), next(), next())
    }
}

/// A facet's present or wanted value: `running`, `stopped`, `attached`, `detached`, later also a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Value(String);

impl Value {
    /// The value called `name`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A word that nobody else writes, by which a writer recognises its own write when the answer to it was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Nonce(String);

impl Nonce {
    /// A nonce that was not there before.
    #[must_use]
    pub fn fresh() -> Self {
        Self(random_word(26))
    }

    /// The nonce as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Nonce {
    fn from(word: String) -> Self {
        Self(word)
    }
}

fn random_word(length: usize) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut random = rand::rng();
    (0..length).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_sorts_by_time_and_fits_an_execution_name() {
        let early = RunId::new("2026-01-02T03:04:05Z".parse().unwrap());
        let late = RunId::new("2026-01-02T03:04:06Z".parse().unwrap());
        assert!(early < late);
        assert!(early.as_str().starts_with("r-20260102-030405-"));
        assert!(format!("rollback-{early}-{}", u32::MAX).len() <= 80);
    }

    #[test]
    fn names_that_budgets_or_functions_could_not_carry_are_refused() {
        for bad in ["", "-a", "a-", "A", "a b", "a:b", "a/b", &"a".repeat(61)] {
            assert!(bad.parse::<GuardrailName>().is_err(), "{bad:?}");
        }
        assert!("project-beta".parse::<GuardrailName>().is_ok());
    }

    #[test]
    fn a_selector_means_a_facet_or_all_that_begin_so() {
        let facet = FacetId::new("instance-power", "eu-west-1", "i-1").unwrap();
        let means = |selector: &str| selector.parse::<Selector>().unwrap().means(&facet);
        assert!(means("instance-power/eu-west-1/i-1") && means("instance-power/eu-west-1/") && means("instance-power/"));
        assert!(
            !means("instance-power/eu-west-1")
                && !means("instance-power/eu-west-1/i-")
                && !means("instance-power/eu-west-1/i-12")
        );
        for bad in ["", "/", "instance-power", "a//b", "//"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_last_part_of_a_facet_may_hold_slashes() {
        let facet = FacetId::new("group-policy", "Beta", "arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap();
        assert_eq!(facet.parts(), ("group-policy", "Beta", "arn:aws:iam::aws:policy/ReadOnlyAccess"));
        assert!(FacetId::new("group-policy", "a/b", "c").is_err());
        assert!(FacetId::new("group-policy", "", "c").is_err());
    }
}
