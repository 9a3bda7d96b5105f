//! The tag of a first guardrail: the one that most resources carry which a stage can stop.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use guardrails_model::config::Tags;

use crate::tagged::{STOPPABLE, Stoppable, Tagged};

/// The tag of a file whose account has none yet.
const NONE_YET: (&str, &str) = ("Project", "my-project");
/// A name of one resource is no project.
const OF_ONE: &str = "Name";
/// Keys that people give to projects: of tags that are carried as often, one of these is meant.
const USUAL: &[&str] = &["project", "costcenter", "cost-center", "cost_center", "team", "application", "app", "service", "owner"];
/// Other tags that are named.
const OTHERS: usize = 3;

/// A tag, and the resources that carry it.
pub(super) struct Chosen {
    pub(super) tag: (String, String),
    /// The kinds that carry it, with how many there are.
    pub(super) kinds: Vec<(&'static Stoppable, usize)>,
    /// The next tags, with how many carry each.
    pub(super) others: Vec<(String, usize)>,
}

/// Reads `KEY=VALUE`.
pub(super) fn pair(words: &str) -> Result<(String, String), String> {
    let parts = words.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty());
    let (key, value) = parts.ok_or_else(|| "expected KEY=VALUE, such as Project=Beta".to_owned())?;
    check(key, value)?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Chosen {
    /// The given tag, or the one that most of `resources` carry.
    pub(super) fn of(resources: &[Tagged], given: Option<(String, String)>) -> Self {
        let mut carried: BTreeMap<&(String, String), usize> = BTreeMap::new();
        for one in resources {
            let usable = one.tags.iter().filter(|(key, value)| is_usable(key, value)).collect::<BTreeSet<_>>();
            for tag in usable {
                *carried.entry(tag).or_default() += 1;
            }
        }
        let mut ranked: Vec<(&(String, String), usize)> = carried.into_iter().collect();
        ranked.sort_by_key(|(tag, count)| (Reverse(*count), familiarity(&tag.0), *tag));
        let first = ranked.first().map(|(tag, _)| (*tag).clone());
        let tag = given.or(first).unwrap_or_else(|| (NONE_YET.0.to_owned(), NONE_YET.1.to_owned()));
        let others = ranked.iter().filter(|(other, _)| **other != tag).take(OTHERS);
        let others = others.map(|((key, value), count)| (format!("{key}={value}"), *count)).collect();
        let count = |kind: &str| resources.iter().filter(|one| one.kind == kind && one.tags.contains(&tag)).count();
        let kinds = STOPPABLE.iter().map(|one| (one, count(one.kind))).filter(|(_, count)| *count > 0);
        Self { kinds: kinds.collect(), others, tag }
    }

    /// Such as `2 instances, 1 DB instance`; nothing where no resource carries it.
    pub(super) fn counted(&self) -> Option<String> {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| kind.noun.count(*count)).collect();
        (!kinds.is_empty()).then(|| kinds.join(", "))
    }

    /// For people: the tag with its resources, and the others.
    pub(super) fn words(&self, of: usize, regions: usize) -> Vec<String> {
        let tag = format!("{}={}", self.tag.0, self.tag.1);
        let looked = format!("of {of} tagged resources that a stage can stop, in {regions} Regions");
        let mut words = vec![match self.counted() {
            Some(counted) => format!("tag: {tag}, which {counted} carry, {looked}"),
            None => format!("WARNING: nothing carries {tag} yet, {looked}: tag your resources, or write your own tag"),
        }];
        if !self.others.is_empty() {
            let others: Vec<String> = self.others.iter().map(|(tag, count)| format!("{tag} ({count})")).collect();
            words.push(format!("other tags: {}; `--tag KEY=VALUE` takes one of them", others.join(", ")));
        }
        words
    }
}

/// May a budget and a stage select by it?
fn is_usable(key: &str, value: &str) -> bool {
    key != OF_ONE && !key.starts_with("aws:") && check(key, value).is_ok()
}

/// Checks a tag as a file would be.
fn check(key: &str, value: &str) -> Result<(), String> {
    let tags = Tags::from([(key, value)]);
    tags.check().and_then(|()| tags.check_new())
}

fn familiarity(key: &str) -> usize {
    let key = key.to_lowercase();
    USUAL.iter().position(|usual| *usual == key).unwrap_or(USUAL.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: &str, tags: &[(&str, &str)]) -> Tagged {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Tagged { kind: kind.to_owned(), region: "us-east-1".parse().unwrap(), tags }
    }

    #[test]
    fn tag_that_most_resources_carry_is_chosen() {
        let resources = [
            one("ec2:instance", &[("Name", "web"), ("aws:autoscaling:groupName", "web"), ("Project", "Beta")]),
            one("ec2:instance", &[("Name", "web"), ("aws:autoscaling:groupName", "web"), ("Project", "Beta")]),
            one("rds:db", &[("Name", "web"), ("Project", "Beta"), ("Stage", "dev")]),
            one("rds:db", &[("Name", "web"), ("Project", "Gamma"), ("Stage", "dev"), ("Empty", "")]),
        ];
        let chosen = Chosen::of(&resources, None);
        assert_eq!(chosen.tag, ("Project".to_owned(), "Beta".to_owned()));
        assert_eq!(chosen.counted().as_deref(), Some("2 instances, 1 DB instance"));
        assert_eq!(chosen.others, [("Stage=dev".to_owned(), 2), ("Project=Gamma".to_owned(), 1)]);
        let given = Chosen::of(&resources, Some(("Project".to_owned(), "Gamma".to_owned())));
        assert_eq!(given.counted().as_deref(), Some("1 DB instance"));
    }

    #[test]
    fn of_tags_carried_as_often_a_project_is_meant() {
        let both = one("ec2:instance", &[("ManagedBy", "terraform"), ("Project", "Beta"), ("Zone", "x")]);
        assert_eq!(Chosen::of(&[both], None).tag.0, "Project");
    }

    #[test]
    fn account_without_tags_gets_one_to_replace() {
        let chosen = Chosen::of(&[], None);
        assert_eq!(chosen.tag.1, "my-project");
        assert!(chosen.words(0, 2)[0].starts_with("WARNING: nothing carries Project=my-project yet"), "{:?}", chosen.words(0, 2));
    }

    #[test]
    fn tag_of_the_command_line_is_a_key_and_a_value() {
        assert!(pair("Project=Beta").is_ok() && pair("Project=").is_err() && pair("Project").is_err() && pair("a$b=c").is_err());
    }
}
