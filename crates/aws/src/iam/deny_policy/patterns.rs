//! Writes a list of actions shorter, by patterns that stand for actions of the list and for no others.

use std::collections::{BTreeMap, BTreeSet};

/// Patterns, each with all the actions of AWS that it stands for. `.ci/actions_exist.py` holds it against AWS's own list.
const PATTERNS: &str = include_str!("patterns.json");

/// `actions`, where a pattern takes the place of all actions that it stands for. Where one of these is not listed, the others
/// stay as they are: the result never means an action that is not on the list.
#[must_use]
pub fn shortened(actions: &[String]) -> Vec<String> {
    let listed: BTreeSet<&str> = actions.iter().map(String::as_str).collect();
    let patterns: BTreeMap<String, Vec<String>> = serde_json::from_str(PATTERNS).unwrap_or_default();
    let usable = patterns.iter().filter(|(_, all)| all.iter().all(|action| listed.contains(action.as_str())));
    let (mut shorter, mut replaced) = (Vec::new(), BTreeSet::new());
    for (pattern, all) in usable {
        shorter.push(pattern.clone());
        replaced.extend(all.iter().map(String::as_str));
    }
    shorter.extend(actions.iter().filter(|action| !replaced.contains(action.as_str())).cloned());
    shorter.sort();
    shorter
}

#[cfg(test)]
mod tests {
    use guardrails_model::glob::glob;

    use super::*;
    use crate::iam::own_policy::spending;

    #[test]
    fn a_shorter_list_means_what_the_long_one_does() {
        let actions = spending();
        let shorter = shortened(&actions);
        assert!(shorter.join(",").len() + 500 < actions.join(",").len());
        for action in &actions {
            assert!(shorter.iter().any(|pattern| glob(pattern, action)), "{action} is lost");
        }
        let patterns: BTreeMap<String, Vec<String>> = serde_json::from_str(PATTERNS).unwrap();
        for (pattern, all) in &patterns {
            assert!(all.len() > 1 && all.iter().all(|action| glob(pattern, action)), "{pattern}");
            let listed = shorter.contains(pattern);
            assert_eq!(listed, all.iter().all(|action| actions.contains(action)), "{pattern}");
        }
    }

    #[test]
    fn a_list_that_leaves_one_out_is_not_made_wider() {
        let actions = ["rds:RestoreDBInstanceFromS3", "rds:RestoreDBClusterFromS3", "codebuild:StartBuild"].map(str::to_owned);
        assert_eq!(shortened(&actions), ["codebuild:StartBuild", "rds:RestoreDBClusterFromS3", "rds:RestoreDBInstanceFromS3"]);
    }
}
