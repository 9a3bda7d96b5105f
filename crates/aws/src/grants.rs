//! What a function may do: declared once beside the code that does it, rendered into its role, into `policies/`, and
//! checked against each other.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_model::config::Tags;
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

/// One right for each set of tags: to change all that carry them, in the Regions of every stage that selects by them. Each scope
/// is a stage's tags with the ARNs of its Regions.
#[must_use]
pub fn by_tag<'a>(
    name: &str,
    actions: &'static [&'static str],
    scopes: impl IntoIterator<Item = (&'a Tags, Vec<String>)>,
) -> Vec<Grant> {
    let mut by_tags: BTreeMap<String, (&Tags, Vec<String>)> = BTreeMap::new();
    for (tags, arns) in scopes {
        by_tags.entry(json!(tags).to_string()).or_insert((tags, Vec::new())).1.extend(arns);
    }
    let grant = |(index, (tags, arns)): (usize, (&Tags, Vec<String>))| Grant {
        sid: sid(&[name, &index.to_string()]),
        uses: &[Use::Apply, Use::Rollback],
        actions,
        resources: widest(arns),
        condition: tagged(tags),
        why_any: None,
    };
    by_tags.into_values().enumerate().map(grant).collect()
}

/// The condition that the resource carries all of `tags`.
fn tagged(tags: &Tags) -> Json {
    let tags = tags.iter().map(|(key, values)| (format!("aws:ResourceTag/{key}"), values));
    json!({"StringEquals": tags.collect::<BTreeMap<String, Vec<&str>>>()})
}

/// ARNs of one kind of resource, each once; those of every Region take in all the others.
#[must_use]
pub fn widest(arns: impl IntoIterator<Item = String>) -> Vec<String> {
    let arns: BTreeSet<String> = arns.into_iter().collect();
    let everywhere = arns.iter().find(|arn| arn.split(':').nth(3) == Some("*")).cloned();
    everywhere.map_or_else(|| arns.into_iter().collect(), |arn| vec![arn])
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
