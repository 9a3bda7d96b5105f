//! The rights of a function: declared once beside the code that uses them, rendered into its role, into `policies/`, and checked
//! against each other.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_model::config::Tags;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// When a right is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Use {
    /// Reads, to plan and to observe.
    Plan,
    /// Changes, towards the values that the stage wants.
    Apply,
    /// Changes back.
    Rollback,
}

/// How the names of IAM's actions begin that only read.
const READS: &[&str] = &["BatchGet", "Describe", "Get", "List", "Lookup", "Query", "Scan", "Simulate"];

/// Does this IAM action, such as `ec2:DescribeRegions`, only read?
#[must_use]
pub fn is_read(action: &str) -> bool {
    action.split_once(':').is_some_and(|(_, name)| READS.iter().any(|read| name.starts_with(read)))
}

/// Actions, each with a reason.
pub type Reasons = &'static [(&'static str, &'static str)];

/// One right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Its name in the policy.
    pub sid: String,
    /// Its uses.
    pub uses: &'static [Use],
    /// The IAM actions.
    pub actions: &'static [&'static str],
    /// The resources; `${AWS::Partition}`, `${AWS::Region}` and `${AWS::AccountId}` are filled in where it is rendered.
    pub resources: Vec<String>,
    /// Its condition; `null` when it has none.
    pub condition: Json,
    /// Why the resource is `*`: AWS knows no resource for the action. Required where it is.
    pub why_any: Option<&'static str>,
    /// Its actions that no deployed test uses, each with the reason.
    pub unused: Reasons,
    /// Its actions that may be called on any resource of their kind, each with the reason.
    pub wide: Reasons,
    /// Does an operator's policy keep its resources and its condition? It is so of calls that show more than a plan does, or that do more.
    pub narrow: bool,
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

/// The same rights in fewer statements: those that differ only in the values of their one tag are one, since any of the values is enough.
/// Other conditions of theirs have to be alike.
#[must_use]
pub fn together(grants: Vec<Grant>) -> Vec<Grant> {
    let mut together: Vec<Grant> = Vec::with_capacity(grants.len());
    for mut grant in grants {
        let Some(key) = only_tag(&grant.condition) else {
            together.push(grant);
            continue;
        };
        let is_alike = |other: &&mut Grant| {
            let same = (other.uses, other.actions, &other.resources) == (grant.uses, grant.actions, &grant.resources);
            same && only_tag(&other.condition).as_ref() == Some(&key) && besides(&other.condition) == besides(&grant.condition)
        };
        let Some(other) = together.iter_mut().find(is_alike) else {
            together.push(grant);
            continue;
        };
        if let (Some(all), Json::Array(more)) = (values(&mut other.condition, &key), grant.condition["StringEquals"][&key].take())
        {
            all.extend(more);
            all.sort_by_key(ToString::to_string);
            all.dedup();
        }
    }
    together
}

/// The rest of a condition, beside texts that are equal.
fn besides(condition: &Json) -> Json {
    let mut besides = condition.clone();
    besides.as_object_mut().map(|operators| operators.remove("StringEquals"));
    besides
}

/// The key of a condition that is about one tag and no other text.
fn only_tag(condition: &Json) -> Option<String> {
    let keys = condition.as_object()?.get("StringEquals")?.as_object().filter(|keys| keys.len() == 1)?;
    let (key, values) = keys.iter().next()?;
    (key.starts_with("aws:ResourceTag/") && values.is_array()).then(|| key.clone())
}

fn values<'a>(condition: &'a mut Json, key: &str) -> Option<&'a mut Vec<Json>> {
    condition["StringEquals"][key].as_array_mut()
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

    fn stop(tags: &Json, region: &str) -> Grant {
        Grant {
            sid: "Stop".to_owned(),
            uses: &[Use::Apply],
            actions: &["ec2:StopInstances"],
            resources: vec![format!("arn:aws:ec2:{region}:*:instance/*")],
            condition: json!({ "StringEquals": tags }),
            ..Grant::default()
        }
    }

    #[test]
    fn values_of_one_tag_share_a_statement() {
        let (beta, gamma) = (json!({"aws:ResourceTag/Project": ["Beta"]}), json!({"aws:ResourceTag/Project": ["Gamma", "Beta"]}));
        let two = json!({"aws:ResourceTag/Project": ["Beta"], "aws:ResourceTag/Stage": ["dev"]});
        let other = json!({"aws:ResourceTag/Team": ["Beta"]});
        let all = vec![stop(&beta, "*"), stop(&two, "*"), stop(&gamma, "*"), stop(&gamma, "eu-west-1"), stop(&other, "*")];
        let both = json!({"aws:ResourceTag/Project": ["Beta", "Gamma"]});
        let expected = vec![stop(&both, "*"), stop(&two, "*"), stop(&gamma, "eu-west-1"), stop(&other, "*")];
        assert_eq!(together(all), expected, "several tags together, other places and other keys stay apart");
    }
}
