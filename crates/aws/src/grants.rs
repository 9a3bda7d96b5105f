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

/// Actions, each with a reason.
pub type Reasons = &'static [(&'static str, &'static str)];

/// One right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// Its actions that no deployed test uses, each with the reason.
    pub unused: Reasons,
    /// Its actions that may be called on any resource of their kind, each with the reason.
    pub wide: Reasons,
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
        ..Grant::default()
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
    // The partition is CloudFormation's parameter, which has colons in it.
    let region = |arn: &String| arn.strip_prefix("arn:${AWS::Partition}:")?.split(':').nth(1).map(str::to_owned);
    let everywhere = arns.iter().find(|arn| region(arn).as_deref() == Some("*")).cloned();
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

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: &[&str] = &["rds:StopDBInstance"];

    fn arn(region: &str) -> String {
        format!("arn:${{AWS::Partition}}:rds:{region}:${{AWS::AccountId}}:db:*")
    }

    #[test]
    fn stages_with_the_same_tags_share_one_right() {
        let (beta, gamma) = (Tags::from([("Project", "Beta")]), Tags::from([("Project", "Gamma")]));
        let scopes = [(&beta, vec![arn("us-east-1")]), (&gamma, vec![arn("us-east-1")]), (&beta, vec![arn("eu-west-1")])];
        let grants = by_tag("Turn", TURN, scopes);
        let told: Vec<(&str, usize)> = grants.iter().map(|grant| (grant.sid.as_str(), grant.resources.len())).collect();
        assert_eq!(told, [("Turn0", 2), ("Turn1", 1)]);
        assert_eq!(grants[1].condition, json!({"StringEquals": {"aws:ResourceTag/Project": ["Gamma"]}}));
    }

    #[test]
    fn right_in_every_region_takes_in_the_others() {
        let tags = Tags::from([("Project", "Beta")]);
        let grants = by_tag("Turn", TURN, [(&tags, vec![arn("us-east-1")]), (&tags, vec![arn("*")])]);
        assert_eq!(grants[0].resources, [arn("*")]);
        assert_eq!(widest([arn("b"), arn("a"), arn("b")]), [arn("a"), arn("b")]);
    }
}
