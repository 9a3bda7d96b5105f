//! The changes of a run to policies, as far as they bear on the right to launch.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::{LAUNCHES, Launching, Way, policy_words};
use super::person::{Person, Standing};
use crate::condition::strings;
use crate::glob::glob;
use crate::phase::Phase;
use crate::principal::Principal;
use crate::record::{Part, Step};
use schemars::JsonSchema;

/// The action whose policies deny.
const DENIES: &str = "deny-actions";
const ASSUME: &str = "sts:AssumeRole";

/// The policies that a run takes from principals, and the calls that it denies them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    detached: BTreeMap<String, BTreeSet<Principal>>,
    /// The ARNs of these policies.
    taken: BTreeMap<Principal, BTreeSet<String>>,
    denied: BTreeMap<Principal, Denied>,
}

/// The calls that a principal is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Denied {
    /// Calls: patterns in small letters.
    actions: BTreeSet<String>,
    /// Names of people's own policies, of which only IAM knows what they deny.
    untold: BTreeSet<String>,
}

/// Somebody as they would be after a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, JsonSchema)]
pub struct Left {
    /// The ways that are left to them.
    #[serde(flatten)]
    pub person: Person,
    /// Policies that the run takes from them, and that they may have from elsewhere too: IAM tells them by their names only.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unless: BTreeSet<String>,
}

impl Left {
    /// One line: how they stand now, which `now` says, and then.
    #[must_use]
    pub fn line_from(&self, now: &Person) -> String {
        let title = now.title();
        if self.person == *now {
            return match now.standing() {
                Standing::Can => format!("{title}: CAN STILL LAUNCH as now {}", now.ways_in_words()),
                Standing::CannotTell => format!("{title}: {}, as now", now.words()),
                Standing::Cannot => format!("{title}: cannot launch, as now"),
            };
        }
        format!("{title}: {} -> {}", now.words_before(), self.words())
    }

    /// How they stand then.
    #[must_use]
    pub fn words(&self) -> String {
        if self.person.standing() != Standing::Cannot || self.unless.is_empty() {
            return self.person.words();
        }
        let policies: Vec<&str> = self.unless.iter().map(String::as_str).collect();
        format!("{}, unless they have {} from elsewhere too", self.person.words(), policies.join(" or "))
    }
}

impl Changes {
    /// Takes in a step of a part that is done, or that would be.
    pub fn add(&mut self, part: &Part, step: &Step) {
        if !matches!(step.phase, Phase::Applied | Phase::Applying | Phase::Planned) {
            return;
        }
        let Some(whose) = Principal::of_policy(&step.facet) else { return };
        let (_, _, policy) = step.facet.parts();
        let name = policy.rsplit('/').next().unwrap_or(policy).to_owned();
        match step.wanted.as_str() {
            "detached" => {
                self.taken.entry(whose.clone()).or_default().insert(policy.to_owned());
                self.detached.entry(name).or_default().insert(whose);
            }
            "attached" if part.action.as_str() == DENIES => {
                let denied = self.denied.entry(whose).or_default();
                match part.params.get("actions") {
                    Some(actions) => denied.actions.extend(strings(actions).iter().map(|action| action.to_ascii_lowercase())),
                    None => {
                        denied.untold.insert(name);
                    }
                }
            }
            _ => {}
        }
    }

    /// Is there anything in `way` that these changes close, or may close?
    #[must_use]
    pub fn close(&self, person: &Person, way: &Way) -> bool {
        let whom = whom(person, way);
        way.actions.iter().any(|action| self.denies(&whom, action))
            || self.keeps_from_assuming(person, way)
            || !self.untold(person, way).is_empty()
            || way.policies.iter().any(|policy| self.takes(&whom, policy))
            || (way.more_policies > 0 && self.detached.keys().any(|policy| self.takes(&whom, policy)))
    }

    /// The ways that are left to them after these changes.
    #[must_use]
    pub fn left(&self, person: &Person) -> Left {
        let mut left = Left {
            person: Person { ways: Vec::new(), more_ways: 0, unasked_roles: 0, ..person.clone() },
            unless: BTreeSet::new(),
        };
        for way in &person.ways {
            let whom = whom(person, way);
            let actions: Vec<String> = way.actions.iter().filter(|action| !self.denies(&whom, action)).cloned().collect();
            if self.keeps_from_assuming(person, way) || actions.is_empty() {
                continue;
            }
            let (taken, policies): (Vec<String>, Vec<String>) =
                way.policies.iter().cloned().partition(|policy| self.takes(&whom, policy));
            let untold = self.untold(person, way);
            if policies.is_empty() && !taken.is_empty() && way.more_policies > 0 {
                let way = Way { actions, policies, ..way.clone() }.words();
                left.person.untold.push(format!("{way}, of which it is not known what the stage takes"));
            } else if policies.is_empty() && !taken.is_empty() {
                // A role has its policies from nowhere else.
                if whom.iter().any(|principal| !matches!(principal, Principal::Role(_))) && untold.is_empty() {
                    left.unless.extend(taken);
                }
            } else if untold.is_empty() {
                left.person.ways.push(Way { actions, policies, ..way.clone() });
            } else {
                let way = Way { actions, policies, ..way.clone() }.words();
                let why = format!("{way}, where what {} denies is not known before", untold.join(" and "));
                left.person.untold.push(why);
            }
        }
        // The ways that are not kept are through roles.
        let more = person.more_ways + person.unasked_roles;
        if more > 0 && !self.denies(&person.by, ASSUME) {
            if left.person.ways.is_empty() {
                left.person
                    .untold
                    .push(format!("what the stage leaves of the ways through {more} more roles is not known before"));
            } else {
                left.person.unasked_roles = more;
            }
        }
        left
    }

    /// The ARNs of the policies that are taken from any of `whom`.
    #[must_use]
    pub fn taken_from(&self, whom: &[Principal]) -> BTreeSet<String> {
        whom.iter().filter_map(|principal| self.taken.get(principal)).flatten().cloned().collect()
    }

    /// The same, where IAM said what they could launch by themselves if the policies that are taken from them were attached to nobody.
    ///
    /// IAM leaves a policy out wherever it is attached. So its "cannot" does not hold for a person who has the policy from elsewhere too.
    /// A policy that IAM names all the same has that name only, or IAM does not know the list: both are worked out by names, as before.
    #[must_use]
    pub fn left_as_asked(&self, person: &Person, without: &Launching) -> Left {
        let own = person.ways.iter().find(|way| way.through.is_none());
        let mut asked = person.clone();
        asked.ways.retain(|way| way.through.is_some());
        match without {
            Launching::Can { actions, policies } => {
                let policies = policies.iter().map(|id| policy_words(id, &person.arn)).collect();
                let way = Way { through: None, actions: actions.clone(), policies, more_policies: 0 };
                asked.ways.insert(0, way.kept());
            }
            Launching::Cannot => asked.ways.extend(own.map(|way| self.only_taken(person, way))),
            // Where it could not be told before either, the reason stands there already.
            Launching::CannotTell(why) if own.is_some() || person.untold.is_empty() => {
                if !LAUNCHES.iter().all(|launch| self.denies(&person.by, launch.action)) {
                    asked.untold.push(why.clone());
                }
            }
            Launching::CannotTell(_) => {}
        }
        self.left(&asked)
    }

    /// A way of their own, by none but the policies that are taken.
    fn only_taken(&self, person: &Person, way: &Way) -> Way {
        let mut policies: Vec<String> = way.policies.iter().filter(|policy| self.takes(&person.by, policy)).cloned().collect();
        if policies.is_empty() {
            policies = self.detached.keys().filter(|policy| self.takes(&person.by, policy)).cloned().collect();
        }
        Way { policies, more_policies: 0, ..way.clone() }
    }

    fn denies(&self, whom: &[Principal], action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let denied = whom.iter().filter_map(|principal| self.denied.get(principal));
        denied.flat_map(|denied| &denied.actions).any(|pattern| glob(pattern, &action))
    }

    /// Is the person denied to assume the role?
    fn keeps_from_assuming(&self, person: &Person, way: &Way) -> bool {
        way.through.is_some() && self.denies(&person.by, ASSUME)
    }

    /// People's own policies that may deny them this way.
    fn untold(&self, person: &Person, way: &Way) -> Vec<String> {
        let on_the_way = person.by.iter().filter(|_| way.through.is_some()).cloned();
        let whom: BTreeSet<Principal> = whom(person, way).into_iter().chain(on_the_way).collect();
        let names =
            whom.iter().filter_map(|principal| self.denied.get(principal)).flat_map(|denied| denied.untold.iter().cloned());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Is the policy taken from one of them? The simulator tells policies by their names only.
    fn takes(&self, whom: &[Principal], policy: &str) -> bool {
        self.detached.get(policy).is_some_and(|from| whom.iter().any(|principal| from.contains(principal)))
    }
}

/// The principals whose policies make a way: the person and their groups, or the role that they assume.
fn whom(person: &Person, way: &Way) -> Vec<Principal> {
    way.through.as_ref().map_or_else(|| person.by.clone(), |role| vec![Principal::Role(role.clone())])
}
