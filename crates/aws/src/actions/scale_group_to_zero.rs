//! `scale-group-to-zero`: takes Auto Scaling groups to no members at all, and back to the size that they had. It terminates
//! the members, with whatever is on their local disks: for fleets whose members are disposable, and the only action that
//! lets anything be terminated. It does nothing unless the stage says `members-are-disposable: true`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use guardrails_model::action::{Action, ActionError, Answer, Change, Patience, Planned, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::config::Tags;
use guardrails_model::ids::{FacetId, Place, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ActionType, Context};
use crate::calls;
use crate::ec2::bystanders::{Bystanders, EXEMPT_TAG, Exempt, Facts};
use crate::ec2::groups::{self, Groups};
use crate::ec2::instances::Lister;
use crate::ec2::operators::{self, Operators};
use crate::ec2::regions::Regions;
use crate::error::Failure;
use crate::grants::{Grant, Use, sid};

const FACET: &str = "group-size";
/// What a group must be able to do to get smaller, and what must not be going on.
const TERMINATE: &str = "Terminate";

/// Takes Auto Scaling groups to zero, by their own tags.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", try_from = "Raw")]
#[schemars(with = "Raw")]
pub struct Params {
    tag: Tags,
    #[serde(skip_serializing_if = "is_all")]
    regions: Regions,
    members_are_disposable: bool,
}

/// Takes Auto Scaling groups to zero members: they are TERMINATED, with what is on their local disks. Rollback gives the groups
/// their size back, and they launch new members.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "ScaleGroupToZero")]
struct Raw {
    /// The groups' own tags to select by: every key must match, with one of its values.
    tag: Tags,
    /// Where: `all` Regions that are enabled in the account, or a list of them.
    #[serde(default)]
    regions: Regions,
    /// Must be `true`: the members are terminated, and nothing brings back what they held.
    #[schemars(extend("const" = true))]
    members_are_disposable: bool,
}

fn is_all(regions: &Regions) -> bool {
    *regions == Regions::All
}

impl TryFrom<Raw> for Params {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        raw.tag.check()?;
        if raw.tag.is_empty() {
            return Err("`tag` is empty: name at least one tag of the groups, such as `{Project: Beta}`".to_owned());
        }
        if !raw.members_are_disposable {
            return Err(
                "this terminates the groups' members: say `members-are-disposable: true`, or use `stop-instances`, which stops \
                 members and starts them again"
                    .to_owned(),
            );
        }
        Ok(Self { tag: raw.tag, regions: raw.regions, members_are_disposable: true })
    }
}

/// How large a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    min: i32,
    desired: i32,
    max: i32,
}

impl Size {
    const ZERO: Self = Self { min: 0, desired: 0, max: 0 };

    fn of(group: &AutoScalingGroup) -> Self {
        let number = |number: Option<i32>| number.unwrap_or_default();
        Self { min: number(group.min_size()), desired: number(group.desired_capacity()), max: number(group.max_size()) }
    }

    fn value(self) -> Value {
        Value::new(format!("min {}, desired {}, max {}", self.min, self.desired, self.max))
    }

    fn read(value: &Value) -> Option<Self> {
        let words: Vec<&str> = value.as_str().split(", ").collect();
        let [min, desired, max] = words.as_slice() else { return None };
        let number = |word: &str, name: &str| word.strip_prefix(name)?.parse().ok();
        let (min, desired, max) = (number(min, "min ")?, number(desired, "desired ")?, number(max, "max ")?);
        Some(Self { min, desired, max })
    }
}

/// The action.
pub struct ScaleGroupToZero {
    params: Params,
    region: String,
    lister: Lister,
    groups: Groups,
    operators: Operators,
    clock: Arc<dyn Clock>,
}

impl ActionType for ScaleGroupToZero {
    const NAME: &'static str = "scale-group-to-zero";
    const CHANGES: &'static str =
        "takes the Auto Scaling groups that carry the tags to zero: their members are TERMINATED; off unless the stage says so";
    const PUTS_BACK: &'static str = "each group's minimum, desired and maximum size: it launches new members";
    const WARNING: Option<&'static str> = Some(
        "scale-group-to-zero TERMINATES the groups' members, with what is on their local disks: rollback brings back the groups' \
         sizes, never the members",
    );
    type Params = Params;

    fn wishes(_: &Params) -> Vec<(FacetId, Value)> {
        Vec::new()
    }

    fn grants(all: &[Params]) -> Vec<Grant> {
        if all.is_empty() {
            return Vec::new();
        }
        let mut grants = vec![
            operators::grant(),
            Grant {
                sid: "Look".to_owned(),
                uses: &[Use::Plan, Use::Apply, Use::Rollback],
                actions: &[
                    "ec2:DescribeRegions",
                    "ec2:DescribeInstances",
                    "autoscaling:DescribeAutoScalingGroups",
                    "autoscaling:DescribeInstanceRefreshes",
                ],
                resources: vec!["*".to_owned()],
                condition: json!(null),
                why_any: Some("AWS has no resource for these Describe calls"),
            },
        ];
        let mut scopes: BTreeMap<String, (&Params, BTreeSet<String>)> = BTreeMap::new();
        for params in all {
            let arns = params.regions.arns("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*");
            scopes.entry(json!(params.tag).to_string()).or_insert_with(|| (params, BTreeSet::new())).1.extend(arns);
        }
        grants.extend(scopes.into_values().enumerate().map(|(index, (params, arns))| {
            let tags = params.tag.iter().map(|(key, values)| (format!("aws:ResourceTag/{key}"), values));
            let tags: BTreeMap<String, Vec<&str>> = tags.collect();
            Grant {
                sid: sid(&["Resize", &index.to_string()]),
                uses: &[Use::Apply, Use::Rollback],
                actions: &["autoscaling:UpdateAutoScalingGroup"],
                resources: arns.into_iter().collect(),
                condition: json!({"StringEquals": tags}),
                why_any: None,
            }
        }));
        grants
    }

    fn new(params: Params, context: &Context<'_>) -> Self {
        Self {
            params,
            region: context.region(),
            lister: Lister { ec2: aws_sdk_ec2::Client::new(&context.sdk), pacer: Arc::clone(&context.pacer) },
            groups: Groups {
                client: aws_sdk_autoscaling::Client::new(&context.sdk),
                changes: aws_sdk_autoscaling::Client::new(&context.sdk_for_changes()),
            },
            operators: Operators::new(context.operators, context.stack.clone(), context.sdk.clone()),
            clock: Arc::clone(&context.clock),
        }
    }
}

#[async_trait]
impl Action for ScaleGroupToZero {
    async fn places(&self) -> Result<Vec<Place>, ActionError> {
        self.params.regions.places(&self.lister.ec2).await
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let mut planned = Vec::new();
        for group in self.groups.all().await?.iter().filter(|group| self.is_in_scope(group)) {
            let name = groups::name(group);
            let facet = FacetId::new(FACET, &self.region, &groups::written(name))
                .map_err(|error| ActionError::Refused(error.to_string()))?;
            let size = Size::of(group);
            let members = group.instances().len();
            let note =
                (members > 0).then(|| format!("its {members} members will be TERMINATED, and others launched in their place"));
            let skip = self.reason_against(group).await?;
            let plan = Planned::new(facet, format!("group {name}"), size.value(), Size::ZERO.value());
            planned.push(Planned { skip, note, ..plan });
        }
        Ok(planned)
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let groups = self.groups.named(facets.iter().map(group_of)).await?;
        let seen = facets.iter().map(|facet| {
            let name = group_of(facet);
            (facet.clone(), groups::seen(&name, groups.get(&name), |group| Size::of(group).value()))
        });
        Ok(seen.collect())
    }

    async fn apply(&self, changes: &[Change]) -> Vec<Answer> {
        // Somebody may have exempted it, or suspended its Terminate, since the plan.
        let groups = match self.groups.named(changes.iter().map(|change| group_of(&change.facet))).await {
            Ok(groups) => groups,
            Err(error) => return vec![error.into(); changes.len()],
        };
        let mut answers = Vec::new();
        for change in changes {
            let against = match groups.get(&group_of(&change.facet)) {
                Some(group) => self.reason_against(group).await,
                None => Ok(None),
            };
            answers.push(match against {
                Ok(None) => self.resize(change).await,
                Ok(Some(why)) => Answer::LeftAlone(why),
                Err(error) => error.into(),
            });
        }
        answers
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for change in changes {
            answers.push(self.resize(change).await);
        }
        answers
    }

    fn batch(&self) -> usize {
        20
    }

    fn patience(&self) -> Patience {
        Patience { poll: 5, limit: 600, give_up: 3600 }
    }
}

impl ScaleGroupToZero {
    fn is_in_scope(&self, group: &AutoScalingGroup) -> bool {
        self.params.tag.missing(|key| groups::tag(group, key)).is_none()
    }

    async fn reason_against(&self, group: &AutoScalingGroup) -> Result<Option<String>, ActionError> {
        if groups::tag(group, EXEMPT_TAG).is_some_and(|value| !value.eq_ignore_ascii_case("false")) {
            return Ok(Some(format!("it carries the tag {EXEMPT_TAG}")));
        }
        if let Some(going) = groups::going(group) {
            return Ok(Some(format!("the {going}")));
        }
        if groups::is_suspended(group, TERMINATE) {
            return Ok(Some(format!("its {TERMINATE} process is suspended: it would keep its members")));
        }
        if let Some(why) = self.member_against(group).await? {
            return Ok(Some(why));
        }
        let refreshing = self.groups.refreshing(groups::name(group)).await?;
        Ok(refreshing.then(|| "an instance refresh of it is under way".to_owned()))
    }

    /// A member that must not be terminated, for what people or the guardrails say of it, or because another service keeps it.
    async fn member_against(&self, group: &AutoScalingGroup) -> Result<Option<String>, ActionError> {
        let ids: Vec<&str> = group.instances().iter().filter_map(|member| member.instance_id()).collect();
        let members = self.lister.with_ids(&ids).await?;
        let by = Bystanders {
            exempt: &Exempt::default(),
            lose_data: true,
            controller: &self.operators.controller(&members).await?,
            facts: &Facts::default(),
            members: &members.iter().filter_map(|member| Some((member.instance_id()?.to_owned(), String::new()))).collect(),
            now: self.clock.now(),
        };
        Ok(members.iter().find_map(|member| {
            let keeper = || by.keeper(member).map(|keeper| format!("{keeper} looks after it"));
            let why = by.out_of_scope(member).or_else(keeper)?;
            Some(format!("its member {}: {why}", member.instance_id().unwrap_or_default()))
        }))
    }

    async fn resize(&self, change: &Change) -> Answer {
        let Some(size) = Size::read(&change.to) else { return Answer::Refused(format!("`{}` is no size of a group", change.to)) };
        let call = self.groups.changes.update_auto_scaling_group().auto_scaling_group_name(group_of(&change.facet));
        let call = call.min_size(size.min).desired_capacity(size.desired).max_size(size.max);
        let resized = calls::make("autoscaling:UpdateAutoScalingGroup", [change], call.send()).await;
        resized.map_or_else(Failure::answer, |_| Answer::Accepted)
    }
}

fn group_of(facet: &FacetId) -> String {
    groups::read(facet.parts().2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_down_and_read_back() {
        let size = Size { min: 1, desired: 4, max: 8 };
        assert_eq!(size.value(), Value::new("min 1, desired 4, max 8"));
        assert_eq!(Size::read(&size.value()), Some(size));
        for no_size in
            ["", "min 1, desired 4", "min 1, desired 4, max 8, more 1", "desired 1, min 4, max 8", "min a, desired 4, max 8"]
        {
            assert_eq!(Size::read(&Value::new(no_size)), None, "{no_size}");
        }
    }

    #[test]
    fn it_is_off_unless_the_stage_says_that_members_are_disposable() {
        let read = |params: serde_json::Value| serde_json::from_value::<Params>(params).map_err(|error| error.to_string());
        assert!(read(json!({"tag": {"Project": "Beta"}})).is_err());
        let refused = read(json!({"tag": {"Project": "Beta"}, "members-are-disposable": false})).unwrap_err();
        assert!(refused.contains("terminates the groups' members"), "{refused}");
        assert!(read(json!({"tag": {"Project": "Beta"}, "members-are-disposable": true})).is_ok());
    }
}
