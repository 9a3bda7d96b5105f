//! What a run changes of policies, as far as it bears on who can launch.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::Way;
use super::record::Person;
use crate::ids::ActionName;
use crate::phase::Phase;
use crate::principal::Principal;
use crate::record::Step;

/// The action whose policies deny.
const DENIES: &str = "deny-actions";
/// The policies that a run takes from whom, and those whom it denies what they did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    detached: BTreeMap<String, BTreeSet<Principal>>,
    denied: BTreeSet<Principal>,
}

impl Changes {
    /// Takes in a step of an action that is done, or that would be.
    pub fn add(&mut self, action: &ActionName, step: &Step) {
        let of_deny = action.as_str() == DENIES;
        if !matches!(step.phase, Phase::Applied | Phase::Applying | Phase::Planned) {
            return;
        }
        let (kind, whose, policy) = step.facet.parts();
        // The kinds of facets that are a managed policy of somebody.
        let whose = match kind {
            "group-policy" => Principal::Group(whose.to_owned()),
            "user-policy" => Principal::User(whose.to_owned()),
            "role-policy" => Principal::Role(whose.to_owned()),
            _ => return,
        };
        match step.wanted.as_str() {
            "detached" => {
                let name = policy.rsplit('/').next().unwrap_or(policy).to_owned();
                self.detached.entry(name).or_default().insert(whose);
            }
            "attached" if of_deny => {
                self.denied.insert(whose);
            }
            _ => {}
        }
    }

    /// Is there anything in `way` that these changes close?
    #[must_use]
    pub fn close(&self, person: &Person, way: &Way) -> bool {
        let whom = whom(person, way);
        self.denies(&whom) || way.policies.iter().any(|policy| self.takes(&whom, policy))
    }

    /// What is left of their ways after these changes.
    #[must_use]
    pub fn left(&self, person: &Person) -> Vec<Way> {
        let left = person.ways.iter().filter_map(|way| {
            let whom = whom(person, way);
            let policies: Vec<String> = way.policies.iter().filter(|policy| !self.takes(&whom, policy)).cloned().collect();
            let closed = self.denies(&whom) || (policies.is_empty() && !way.policies.is_empty());
            (!closed).then(|| Way { policies, ..way.clone() })
        });
        left.collect()
    }

    fn denies(&self, whom: &[Principal]) -> bool {
        whom.iter().any(|principal| self.denied.contains(principal))
    }

    /// Is the policy taken from one of them? The simulator tells policies by their names only.
    fn takes(&self, whom: &[Principal], policy: &str) -> bool {
        self.detached.get(policy).is_some_and(|from| whom.iter().any(|principal| from.contains(principal)))
    }
}

/// Whose policies make a way: the person's and their groups', or those of the role that they assume.
fn whom(person: &Person, way: &Way) -> Vec<Principal> {
    way.through.as_ref().map_or_else(|| person.by.clone(), |role| vec![Principal::Role(role.clone())])
}
