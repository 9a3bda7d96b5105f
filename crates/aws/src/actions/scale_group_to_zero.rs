//! `scale-group-to-zero`: takes Auto Scaling groups to no members at all, and back to the size that they had. It terminates the
//! members, with all data on their local disks: for fleets whose members are disposable, and the only action that lets anything
//! be terminated. It does nothing unless the stage says `members-are-disposable: true`.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::ids::Value;

use crate::context::Context;
use crate::declared::{About, Counted, Noun, Priced, Service};
use crate::ec2::bystanders::{Bystanders, Exempt, Facts};
use crate::ec2::groups::{self, Groups};
use crate::ec2::instances::Lister;
use crate::ec2::operators::{self, Operators};
use crate::error::Failure;
use crate::grants::Grant;
use crate::switch::{Calling, Drift, Found, NoOptions, OptIn, Reach, Resource, Switch, Switched, Which};

/// The process that a group needs to get smaller, and that must not be suspended.
const TERMINATE: &str = "Terminate";

/// The action.
pub type ScaleGroupToZero = Switched<GroupSize>;

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

/// The size of Auto Scaling groups, in one Region.
pub struct GroupSize {
    lister: Lister,
    groups: Groups,
    operators: Operators,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Switch for GroupSize {
    const ABOUT: About = About {
        warning: Some(
            "scale-group-to-zero TERMINATES the groups' members, with what is on their local disks: rollback brings back the \
             groups' sizes, never the members",
        ),
        services: &[Service {
            name: "Auto Scaling groups of disposable members",
            stops: "the members, with their volumes and addresses that end with them",
            goes_on: "volumes that outlive their instance, load balancers",
            lost: "the members and the data on them: the group launches new ones",
        }],
        ..About::new(
            "scale-group-to-zero",
            "takes the Auto Scaling groups that carry the tags to zero: their members are TERMINATED; off unless the stage says so",
            "each group's minimum, desired and maximum size: it launches new members",
        )
    };
    const TARGET: Counted = Counted {
        facet: "group-size",
        noun: Noun { one: "Auto Scaling group", many: "Auto Scaling groups" },
        doing: ("scaling to zero", "scaling back"),
        limits: None,
        price: Priced::Unknown("the members of", "that would go to zero"),
    };
    const RESOURCE: Resource = Resource {
        service: "autoscaling",
        arn: "autoScalingGroup:*:autoScalingGroupName/*",
        lists: &["ec2:DescribeInstances", "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes"],
        reads: &[],
        wide: &[],
        turns: &["autoscaling:UpdateAutoScalingGroup"],
    };
    const DRIFT: Drift = Drift::Report;
    const OPT_IN: Option<OptIn> = Some(OptIn {
        key: "members-are-disposable",
        means: "Must be `true`: the members are terminated, and nothing brings back what they held.",
        refusal: "this terminates the groups' members: say `members-are-disposable: true`, or use `stop-instances`, which stops \
                  members and starts them again",
    });
    const PATIENCE: Patience = Patience { poll: 5, limit: 600, give_up: 3600 };
    const TAKES_TIME: bool = false;
    type Options = NoOptions;
    type Item = AutoScalingGroup;

    fn new(context: &Context<'_>, _: &NoOptions) -> Self {
        Self {
            lister: Lister { ec2: aws_sdk_ec2::Client::new(&context.sdk), pacer: Arc::clone(&context.pacer) },
            groups: Groups {
                client: aws_sdk_autoscaling::Client::new(&context.sdk),
                changes: aws_sdk_autoscaling::Client::new(&context.sdk_for_changes()),
            },
            operators: Operators::new(context.operators, context.stack.clone(), context.sdk.clone()),
            clock: Arc::clone(&context.clock),
        }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<AutoScalingGroup>, ActionError> {
        match which {
            Which::Tagged(_) => self.groups.all().await,
            Which::Ids(names) => Ok(self.groups.named(names.iter().cloned()).await?.into_values().collect()),
        }
    }

    fn found(&self, group: &AutoScalingGroup) -> Found {
        let name = groups::name(group);
        let members = group.instances().len();
        let tags = group.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())));
        let suspended = || format!("its {TERMINATE} process is suspended: it would keep its members");
        Found {
            tags: tags.collect(),
            note: (members > 0).then(|| format!("its {members} members will be TERMINATED, and others launched in their place")),
            left_alone: groups::is_suspended(group, TERMINATE).then(suspended),
            ending: groups::going(group).map(|going| format!("the {going}")),
            ..Found::new(name, format!("group {name}"), Seen::Is(Size::of(group).value()), Size::ZERO.value())
        }
    }

    async fn against(&self, group: &AutoScalingGroup) -> Result<Option<String>, ActionError> {
        if let Some(why) = self.member_against(group).await? {
            return Ok(Some(why));
        }
        let refreshing = self.groups.refreshing(groups::name(group)).await?;
        Ok(refreshing.then(|| "an instance refresh of it is under way".to_owned()))
    }

    async fn set(&self, name: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        let size = Size::read(to).ok_or_else(|| Failure::refused(format!("`{to}` is no size of a group")))?;
        let call = self.groups.changes.update_auto_scaling_group().auto_scaling_group_name(name);
        let call = call.min_size(size.min).desired_capacity(size.desired).max_size(size.max);
        calling.make("autoscaling:UpdateAutoScalingGroup", call.send()).await.map(drop)
    }

    fn more_grants(_: &Reach<'_>) -> Vec<Grant> {
        vec![operators::grant()]
    }
}

impl GroupSize {
    /// A member that must not be terminated, because of its tags or of the guardrails' own needs, or because another service
    /// keeps it.
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
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::declared::Checked;

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
        let read = |params: serde_json::Value| {
            serde_json::from_value::<Checked<ScaleGroupToZero>>(params).map_err(|error| error.to_string())
        };
        assert!(read(json!({"tag": {"Project": "Beta"}})).is_err());
        let refused = read(json!({"tag": {"Project": "Beta"}, "members-are-disposable": false})).unwrap_err();
        assert!(refused.contains("terminates the groups' members"), "{refused}");
        assert!(read(json!({"tag": {"Project": "Beta"}, "members-are-disposable": true})).is_ok());
    }
}
