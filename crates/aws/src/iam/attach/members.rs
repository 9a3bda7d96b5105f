//! A group with an operator in it is left alone. For its other members each attachment is made by itself, so an operator who joins a
//! group keeps nobody else free.

use std::collections::BTreeMap;

use guardrails_model::action::{ActionError, Planned};
use guardrails_model::principal::Principal;

use super::attaching::Attaching;
use super::attachments::Desired;

/// Wishes, after groups with operators in them were spread over their members.
pub(super) struct Spread {
    /// All of them, those of the groups included.
    pub(super) desired: Vec<Desired>,
    /// Such groups, and the number of their other members.
    groups: BTreeMap<Principal, usize>,
}

impl Attaching {
    /// Adds wishes for the other members of each group that has an operator in it.
    pub(super) async fn spread(&self, desired: &[Desired]) -> Result<Spread, ActionError> {
        let mut spread = Spread { desired: desired.to_vec(), groups: BTreeMap::new() };
        if !self.one_by_one {
            return Ok(spread);
        }
        for Desired { principal, .. } in desired {
            let Principal::Group(name) = principal else { continue };
            if spread.groups.contains_key(principal) {
                continue;
            }
            let members = match self.protected.members(name).await {
                Ok(members) if members.operators.is_empty() => continue,
                Ok(members) => members,
                // A principal that cannot be looked at is refused, with that reason, a little later.
                Err(ActionError::Refused(_)) => continue,
                Err(error) => return Err(error),
            };
            // A group that has the policies already got them before the operator joined it.
            if !self.attachments.would_change(principal, desired).await? {
                continue;
            }
            spread.groups.insert(principal.clone(), members.others.len());
            for desire in desired.iter().filter(|desire| desire.principal == *principal) {
                members.others.iter().for_each(|member| spread.add(Desired { principal: member.clone(), ..desire.clone() }));
            }
        }
        Ok(spread)
    }
}

impl Spread {
    /// Adds a wish that is none yet: a user may be named besides, or be in two groups.
    fn add(&mut self, wish: Desired) {
        let same = |one: &Desired| one.policy == wish.policy && one.principal.folded() == wish.principal.folded();
        if !self.desired.iter().any(same) {
            self.desired.push(wish);
        }
    }

    /// Says of the groups that are `left` alone who is restricted instead.
    pub(super) fn explain(&self, left: &mut BTreeMap<Principal, String>) {
        for (group, others) in &self.groups {
            if let Some(why) = left.get_mut(group) {
                let instead = match others {
                    0 => "; nobody else is in it".to_owned(),
                    1 => ": its other member is restricted alone".to_owned(),
                    many => format!(": its other {many} members are restricted one by one"),
                };
                why.push_str(&instead);
            }
        }
    }

    /// A group whose other members are restricted is left alone on purpose.
    pub(super) fn are_seen_to(&self, planned: &mut [Planned]) {
        for one in planned.iter_mut().filter(|one| one.unplanned) {
            let group = Principal::of_policy(&one.facet);
            one.unplanned = group.is_none_or(|group| self.groups.get(&group).is_none_or(|others| *others == 0));
            one.spared = !one.unplanned;
        }
    }
}
