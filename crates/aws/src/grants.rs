//! What a function may do: declared once beside the code that does it, rendered into its role, into `policies/`, and
//! checked against each other.

use serde::Serialize;
use serde_json::{Value as Json, json};

/// When a right is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Use {
    /// Reads, to plan and to observe.
    Plan,
    /// Changes, towards what the stage wants.
    Apply,
    /// Changes back.
    Rollback,
}

/// One right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its name in the policy.
    pub sid: String,
    /// What it is used for.
    pub uses: &'static [Use],
    /// The IAM actions.
    pub actions: &'static [&'static str],
    /// On what; `${AWS::Partition}`, `${AWS::Region}` and `${AWS::AccountId}` are filled in where it is rendered.
    pub resources: Vec<String>,
    /// Under which conditions; `null` when none.
    pub condition: Json,
    /// Why the resource is `*`: AWS knows no resource for the action. Required where it is.
    pub why_any: Option<&'static str>,
}

impl Grant {
    /// The statement of an IAM policy.
    #[must_use]
    pub fn statement(&self) -> Json {
        let mut statement = json!({
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": self.actions,
            "Resource": self.resources,
        });
        if !self.condition.is_null() {
            statement["Condition"] = self.condition.clone();
        }
        statement
    }
}

/// An IAM policy of `grants`.
#[must_use]
pub fn policy(grants: &[Grant]) -> Json {
    json!({"Version": "2012-10-17", "Statement": grants.iter().map(Grant::statement).collect::<Vec<_>>()})
}

/// A Sid of the letters and digits in `words`, as IAM wants it.
#[must_use]
pub fn sid(words: &[&str]) -> String {
    let part = |word: &&str| {
        let mut letters = word.chars().filter(char::is_ascii_alphanumeric);
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    words.iter().map(part).collect()
}
