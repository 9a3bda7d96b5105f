//! Spreads the rights of a role that are longer than its inline policies may be. Long lists in them, such as the names of groups or the
//! values of a tag, go to managed policies that are attached to the role.
//!
//! A deployment changes these policies while runs are under way, and IAM refuses a call whose right is gone for a moment. So an entry
//! of a list keeps its policy when others come and go: it is chosen by a hash of the entry (rendezvous hashing). When the number of
//! policies grows, entries only move to the new one, and each policy waits for those of higher numbers: the new one is attached
//! before an entry leaves its old one. When the number shrinks, CloudFormation deletes the last policy after all others changed.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::lengths::{self, MOST_INLINE, MOST_MANAGED};

/// Managed policies that IAM lets a role have, where nobody asked for more.
pub(super) const MOST_POLICIES: usize = 10;
/// A statement of fewer letters stays whole.
const SHORT: usize = 1000;
/// Operators whose values are alternatives: any of them is enough, so they can stand in several statements.
const ALTERNATIVES: [&str; 6] =
    ["StringEquals", "StringLike", "StringEqualsIfExists", "ArnEquals", "ArnLike", "ArnEqualsIfExists"];

/// The letters of a role's rights, and of how many there is room.
pub(super) struct Letters {
    /// The role's name in the template.
    pub(super) role: String,
    /// Letters of all its policies.
    pub(super) used: usize,
    /// Letters that they may have together, about: lists that are spread do not fill every policy to its end.
    pub(super) most: usize,
}

/// A long list in a statement.
#[derive(Debug, Clone)]
enum List {
    Resource,
    Condition { operator: String, key: String },
}

/// A statement that is spread, and its list.
struct Long {
    statement: Json,
    list: List,
}

/// Moves the rights that do not fit into the inline policies of each role of `template` to managed policies.
///
/// # Errors
/// When a role's rights are longer than all of its policies may be.
pub(super) fn spread(template: &mut Json) -> Result<()> {
    let resources = super::resources_of(template)?;
    let roles: Vec<String> =
        resources.iter().filter(|(_, one)| one["Type"] == "AWS::IAM::Role").map(|(name, _)| name.clone()).collect();
    for role in roles {
        let (inline, policies) = divided(template, &role)?;
        let resources = super::resources_of(template)?;
        resources[&role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"] = inline.into();
        let name = |number: usize| format!("{}Rights{}", role.strip_suffix("Role").unwrap_or(&role), number + 1);
        let count = policies.len();
        for (number, statements) in policies.into_iter().enumerate() {
            resources.insert(name(number), policy(&role, &statements, (number + 1 < count).then(|| name(number + 1))));
        }
    }
    Ok(())
}

/// How much room is left in each role of a rendered `template`.
pub(super) fn rooms(template: &Json) -> Vec<Letters> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    let roles = resources.clone().filter(|(_, one)| one["Type"] == "AWS::IAM::Role");
    let room = |(name, role): (&String, &Json)| {
        let attached = resources.clone().filter(|(_, one)| is_of(one, name));
        let attached: usize = attached.map(|(_, one)| lengths::letters(&one["Properties"]["PolicyDocument"], template)).sum();
        let used = lengths::inline(role, template) + attached;
        Letters { role: name.clone(), used, most: MOST_INLINE + MOST_POLICIES * MOST_MANAGED * 3 / 4 }
    };
    roles.map(room).collect()
}

/// Is this a policy of the role `name`?
fn is_of(resource: &Json, name: &str) -> bool {
    resource["Type"] == "AWS::IAM::ManagedPolicy" && resource["Properties"]["Roles"][0]["Ref"] == name
}

/// The statements that stay inline, and those of each managed policy.
fn divided(template: &Json, role: &str) -> Result<(Vec<Json>, Vec<Vec<Json>>)> {
    let resource = &template["Resources"][role];
    let all = resource["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array().cloned().unwrap_or_default();
    let total = lengths::inline(resource, template);
    if total <= MOST_INLINE {
        return Ok((all, Vec::new()));
    }
    let mut used = total - lengths::letters(&json!(all), template);
    let all = joined(all);
    let (mut inline, mut long, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for statement in all {
        let letters = lengths::letters(&statement, template) + 1;
        match longest_list(&statement).filter(|_| letters > SHORT) {
            Some(list) => long.push(Long { statement, list }),
            None if used + letters <= MOST_INLINE => {
                used += letters;
                inline.push(statement);
            }
            None => whole.push(statement),
        }
    }
    let entries = entries(&mut long, whole, template);
    for count in 1..=MOST_POLICIES {
        if let Some(policies) = policies(&long, &entries, count, template) {
            return Ok((inline, policies));
        }
    }
    bail!(
        "the rights of `{role}` would have {total} characters, which is more than IAM takes in the {MOST_POLICIES} policies of a \
         role\nhint: put some of the guardrails into a file and a stack of their own (--stack-name), or name fewer groups, users, \
         roles and tags in each"
    )
}

/// Has each list of groups, users or roles stand once: the calls that look at them share a statement with those that attach and detach.
/// A call that looks names no policy, and one that attaches or detaches always does, so the condition binds the same calls as before.
fn joined(statements: Vec<Json>) -> Vec<Json> {
    let mut joined: Vec<Json> = Vec::with_capacity(statements.len());
    for statement in statements {
        let named = &statement["Condition"]["ArnEquals"]["iam:PolicyARN"];
        let actions = texts(&statement["Action"]);
        let turns = actions.iter().all(|action| action.starts_with("iam:Attach") || action.starts_with("iam:Detach"));
        let looks = |other: &&mut Json| {
            let only =
                texts(&other["Action"]).iter().all(|action| action.starts_with("iam:Get") || action.starts_with("iam:List"));
            only && other["Condition"].is_null() && covers(&other["Resource"], &statement["Resource"])
        };
        let look = joined.iter_mut().find(looks).filter(|_| turns && !named.is_null());
        match look {
            // Others of the list may have other policies attached: each has its own statement from here on.
            Some(look) => {
                let mut both = statement.clone();
                both["Action"] = texts(&look["Action"]).into_iter().chain(actions).collect();
                both["Condition"] = json!({"ArnEqualsIfExists": {"iam:PolicyARN": named}});
                let moved = statement["Resource"].as_array().cloned().unwrap_or_default();
                if let Some(left) = look["Resource"].as_array_mut() {
                    left.retain(|one| !moved.contains(one));
                }
                joined.push(both);
            }
            None => joined.push(statement),
        }
    }
    joined.retain(|statement| statement["Resource"].as_array().is_none_or(|resources| !resources.is_empty()));
    joined
}

/// Does the list `all` have every entry of `some`?
fn covers(all: &Json, some: &Json) -> bool {
    let (Some(all), Some(some)) = (all.as_array(), some.as_array()) else { return false };
    let all: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    some.iter().all(|one| all.contains(&one.to_string()))
}

fn texts(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// An entry of a long list, or a statement that stays whole.
struct Entry {
    /// The long statement that it is of; none where it is a statement.
    of: Option<usize>,
    value: Json,
    letters: usize,
    /// How well it fits each policy: it stands in the one with the highest.
    scores: Vec<u64>,
}

impl Entry {
    fn new(of: Option<usize>, value: Json, template: &Json) -> Self {
        let mut unnamed = value.clone();
        // A statement's number may change when others come and go.
        if of.is_none() {
            unnamed["Sid"].take();
        }
        let text = unnamed.to_string();
        let score = |number: usize| {
            let digest = Sha256::digest(format!("{number} {text}"));
            digest.iter().take(8).fold(0, |score: u64, byte| (score << 8) | u64::from(*byte))
        };
        // With the comma after it.
        let letters = lengths::letters(&value, template) + 1;
        Self { of, value, letters, scores: (0..MOST_POLICIES).map(score).collect() }
    }

    /// The one of `count` policies in which it stands.
    fn place(&self, count: usize) -> usize {
        (0..count).max_by_key(|number| self.scores[*number]).unwrap_or_default()
    }
}

/// Takes the lists out of the long statements: all of their entries, and the statements that stay whole.
fn entries(long: &mut [Long], whole: Vec<Json>, template: &Json) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (at, Long { statement, list }) in long.iter_mut().enumerate() {
        let values = list.of(statement).map(std::mem::take).unwrap_or_default();
        entries.extend(values.into_iter().map(|value| Entry::new(Some(at), value, template)));
    }
    entries.extend(whole.into_iter().map(|statement| Entry::new(None, statement, template)));
    entries
}

/// The statements of so many policies, if each of them has some and none has more than IAM takes.
fn policies(long: &[Long], entries: &[Entry], count: usize, template: &Json) -> Option<Vec<Vec<Json>>> {
    let mut places: Vec<Vec<&Entry>> = vec![Vec::new(); count];
    for entry in entries {
        places[entry.place(count)].push(entry);
    }
    let rest: Vec<usize> = long.iter().map(|long| lengths::letters(&long.statement, template) + 1).collect();
    let fits = |all: &Vec<&Entry>| {
        let statements: BTreeSet<usize> = all.iter().filter_map(|entry| entry.of).collect();
        let letters = statements.iter().map(|at| rest[*at]).chain(all.iter().map(|entry| entry.letters)).sum::<usize>();
        !all.is_empty() && letters + lengths::letters(&document(&[]), template) <= MOST_MANAGED
    };
    if !places.iter().all(fits) {
        return None;
    }
    let statements = |all: Vec<&Entry>| {
        let of_lists = long.iter().enumerate().filter_map(|(at, Long { statement, list })| {
            let mut statement = statement.clone();
            let values: Vec<Json> = all.iter().filter(|entry| entry.of == Some(at)).map(|entry| entry.value.clone()).collect();
            *list.of(&mut statement)? = values;
            list.of(&mut statement).is_some_and(|values| !values.is_empty()).then_some(statement)
        });
        of_lists.chain(all.iter().filter(|entry| entry.of.is_none()).map(|entry| entry.value.clone())).collect()
    };
    Some(places.into_iter().map(statements).collect())
}

/// The longest of the lists that can stand in several statements.
fn longest_list(statement: &Json) -> Option<List> {
    let mut lists = vec![(&statement["Resource"], List::Resource)];
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            if ALTERNATIVES.contains(&operator.as_str()) {
                lists.push((values, List::Condition { operator: operator.clone(), key: key.clone() }));
            }
        }
    }
    let lists = lists.into_iter().filter_map(|(values, list)| Some((values.as_array()?.len(), list)));
    lists.filter(|(length, _)| *length > 1).max_by_key(|(length, _)| *length).map(|(_, list)| list)
}

impl List {
    fn of<'a>(&self, statement: &'a mut Json) -> Option<&'a mut Vec<Json>> {
        match self {
            Self::Resource => statement["Resource"].as_array_mut(),
            Self::Condition { operator, key } => statement["Condition"][operator][key].as_array_mut(),
        }
    }
}

fn document(statements: &[Json]) -> Json {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn policy(role: &str, statements: &[Json], after: Option<String>) -> Json {
    let mut policy = Map::new();
    policy.insert("Type".to_owned(), json!("AWS::IAM::ManagedPolicy"));
    if let Some(after) = after {
        policy.insert("DependsOn".to_owned(), json!([after]));
    }
    let properties = json!({
        "Description": format!("Rights of the role {role} of this Budget Guardrails stack for which its inline policy has no room."),
        "Roles": [{"Ref": role}],
        "PolicyDocument": document(statements),
    });
    policy.insert("Properties".to_owned(), properties);
    policy.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A template with a role that may do something to so many groups.
    fn template(groups: usize) -> Json {
        let arn = |number: usize| json!({"Fn::Sub": format!("arn:aws:iam::${{AWS::AccountId}}:group/a-team-of-ours-{number}")});
        let attach = json!({"Sid": "Attach", "Effect": "Allow", "Action": ["iam:AttachGroupPolicy"],
            "Resource": (0..groups).map(arn).collect::<Vec<_>>(), "Condition": {"ArnEquals": {"iam:PolicyARN": ["a", "b"]}}});
        let look = json!({"Sid": "Look", "Effect": "Allow", "Action": ["iam:GetPolicy"], "Resource": ["*"]});
        let policy = json!({"PolicyName": "test", "PolicyDocument": document(&[look, attach])});
        let mut template = json!({"Resources": {"TestRole": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy]}}}});
        spread(&mut template).unwrap();
        template
    }

    /// Each entry of the long list, with the name of where it stands.
    fn entries(template: &Json) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (name, resource) in template["Resources"].as_object().unwrap() {
            let documents = resource["Properties"]["Policies"].as_array().cloned().unwrap_or_default();
            let documents = documents.into_iter().chain([resource["Properties"].clone()]);
            for statement in documents.flat_map(|one| one["PolicyDocument"]["Statement"].as_array().cloned().unwrap_or_default())
            {
                let entries = statement["Resource"].as_array().cloned().unwrap_or_default();
                let attaches = statement["Sid"] == "Attach";
                assert!(!attaches || statement["Condition"]["ArnEquals"]["iam:PolicyARN"] == json!(["a", "b"]));
                found.extend(entries.iter().filter(|_| attaches).map(|one| (one.to_string(), name.clone())));
            }
        }
        found
    }

    #[test]
    fn rights_that_fit_stay_inline() {
        let small = template(50);
        assert_eq!(small["Resources"].as_object().unwrap().len(), 1);
        assert_eq!(entries(&small).len(), 50);
    }

    #[test]
    fn a_long_list_is_spread_and_each_entry_stands_once() {
        for groups in [200, 400] {
            let template = template(groups);
            let entries = entries(&template);
            assert_eq!(entries.len(), groups);
            assert!(entries.iter().all(|(_, place)| place.starts_with("TestRights")), "{entries:?}");
            lengths::check(&template).unwrap();
        }
    }

    #[test]
    fn an_entry_moves_only_to_a_new_policy() {
        let (few, many) = (template(200), template(400));
        let policies = |template: &Json| template["Resources"].as_object().unwrap().len() - 1;
        let had = policies(&few);
        assert!(policies(&many) > had, "the test is about a number that grows");
        let after = entries(&many);
        for (entry, place) in entries(&few) {
            let moved = after.iter().find(|(other, _)| *other == entry).unwrap();
            let number: usize = moved.1.trim_start_matches("TestRights").parse().unwrap();
            assert!(moved.1 == place || number > had, "{entry} moved from {place} to {}", moved.1);
        }
        for number in 1..policies(&many) {
            let waits = &many["Resources"][format!("TestRights{number}")]["DependsOn"];
            assert_eq!(waits, &json!([format!("TestRights{}", number + 1)]));
        }
    }

    #[test]
    fn more_than_ten_policies_are_refused() {
        let mut template = template(0);
        let groups: Vec<Json> =
            (0..900).map(|number| json!(format!("arn:aws:iam::123456789012:group/a-team-of-{number:060}"))).collect();
        template["Resources"]["TestRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][1]["Resource"] =
            groups.into();
        let said = spread(&mut template).unwrap_err().to_string();
        assert!(said.contains("the rights of `TestRole`") && said.contains("a stack of their own"), "{said}");
    }
}
