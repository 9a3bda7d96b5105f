//! The function may change only resources that carry the stage's tags. A group need not carry those of its members, and anything
//! may lose its tags while it is held: a call that is refused for this is said, with the remedy.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::{Region, SdkConfig};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use guardrails_model::action::{ActionError, Change, ChangeOutcome};
use guardrails_model::ids::FacetId;

use super::Stopping;
use super::params::{StopInstances, UntaggedGroups};
use crate::ec2::groups::{self, Groups};
use crate::ec2::instances::{self, instance_id};

impl StopInstances {
    /// The tags that the group lacks and by which its function is granted it, if any.
    fn not_granted(&self, group: &AutoScalingGroup) -> Option<String> {
        match self.untagged_groups {
            UntaggedGroups::Leave => self.tag.missing(|key| groups::tag(group, key)),
            UntaggedGroups::Stop => None,
        }
    }

    /// The groups among the held `facets` that its function may not resume, each with the reason: a version that was granted more
    /// may have suspended them.
    ///
    /// # Errors
    /// When Auto Scaling does not list the groups.
    pub(super) async fn groups_out_of_reach(&self, facets: &[FacetId], sdk: &SdkConfig) -> Result<Vec<String>, ActionError> {
        let mut held: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for facet in facets.iter().filter(|facet| groups::is_of_group(facet)) {
            held.entry(facet.parts().1).or_default().insert(groups::group_of(facet));
        }
        let mut told = Vec::new();
        for (region, names) in held {
            let client = aws_sdk_autoscaling::Client::new(&sdk.to_builder().region(Region::new(region.to_owned())).build());
            let found: BTreeMap<_, _> = Groups { changes: client.clone(), client }.named(names).await?.into_iter().collect();
            told.extend(found.iter().filter_map(|(name, group)| {
                let missing = self.not_granted(group).filter(|_| groups::going(group).is_none())?;
                Some(format!("the Auto Scaling group {name} in {region} does not carry {missing}"))
            }));
        }
        Ok(told)
    }
}

impl Stopping {
    /// Why the group may not be suspended, if it may not: nor may its members be stopped then.
    pub(super) fn untagged(&self, group: &AutoScalingGroup) -> Option<String> {
        self.params.not_granted(group).map(|missing| {
            format!(
                "its Auto Scaling group {} does not carry {missing} itself, so it may not be suspended, and would terminate what is \
                 stopped: tag the group, or let any be suspended with `untagged-groups: stop`",
                groups::name(group)
            )
        })
    }

    /// Says of a refused facet that it has lost its tags, where it has: AWS says only that it is not allowed.
    pub(super) async fn tell_lost_tags(&self, changes: &[Change], answers: &mut [ChangeOutcome], again: &str) {
        let refused = changes.iter().zip(answers).filter(|(_, answer)| matches!(answer, ChangeOutcome::Refused(_)));
        let refused: Vec<(&FacetId, &mut ChangeOutcome)> = refused.map(|(change, answer)| (&change.facet, answer)).collect();
        let facets: Vec<&FacetId> = refused.iter().map(|(facet, _)| *facet).collect();
        // AWS's words stand, also when the lookup says no more.
        let Ok(lost) = self.lost_tags(&facets).await else { return };
        for (facet, answer) in refused {
            if let (Some(lost), ChangeOutcome::Refused(why)) = (lost.get(facet), answer) {
                *why = format!("{lost} any more: give it back, and {again}. AWS says: {why}");
            }
        }
    }

    async fn lost_tags(&self, facets: &[&FacetId]) -> Result<BTreeMap<FacetId, String>, ActionError> {
        let (processes, powers): (Vec<&FacetId>, Vec<&FacetId>) = facets.iter().partition(|facet| groups::is_of_group(facet));
        let groups = self.groups.named(processes.iter().map(|facet| groups::group_of(facet))).await?;
        let ids: Vec<&str> = powers.iter().map(|facet| instance_id(facet)).collect();
        let instances = self.lister.with_ids(&ids).await?;
        let of_group = |facet: &FacetId| {
            let name = groups::group_of(facet);
            let missing = self.params.not_granted(groups.get(&name)?)?;
            Some(format!("the Auto Scaling group {name} does not carry {missing}"))
        };
        let of_instance = |facet: &FacetId| {
            let id = instance_id(facet);
            let instance = instances.iter().find(|instance| instance.instance_id() == Some(id))?;
            let missing = self.params.tag.missing(|key| instances::tag(instance, key))?;
            Some(format!("the instance {id} does not carry {missing}"))
        };
        let told = processes.iter().map(|facet| (*facet, of_group(facet)));
        let told = told.chain(powers.iter().map(|facet| (*facet, of_instance(facet))));
        Ok(told.filter_map(|(facet, lost)| Some((facet.clone(), lost?))).collect())
    }
}
