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

/// The same rights in fewer statements: those that differ only in the values of their one tag are one, since any of the values is enough.
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
            same && only_tag(&other.condition).as_ref() == Some(&key)
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

/// The key of a condition that is about one tag and nothing else.
fn only_tag(condition: &Json) -> Option<String> {
    let operators = condition.as_object().filter(|operators| operators.len() == 1)?;
    let keys = operators.get("StringEquals")?.as_object().filter(|keys| keys.len() == 1)?;
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

    fn stop(tags: &Json, region: &str) -> Grant {
        Grant {
            sid: "Stop".to_owned(),
            uses: &[Use::Apply],
            actions: &["ec2:StopInstances"],
            resources: vec![format!("arn:aws:ec2:{region}:*:instance/*")],
            condition: json!({ "StringEquals": tags }),
            why_any: None,
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
