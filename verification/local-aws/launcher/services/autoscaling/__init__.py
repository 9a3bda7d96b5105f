"""Auto Scaling: the API as far as MiniStack lacks it (api.py), and the groups' own behaviour (groups.py)."""

from ministack.services import alb, autoscaling, ec2

from harness.calls import Check, tag_keys
from services.autoscaling import api, groups

SERVICE = "autoscaling"
# It wraps their calls: before each of them the groups have acted.
AFTER = ("ec2", "elasticloadbalancing")


def install():
    # upstream: members are ids without instances, and nothing ever happens to them
    autoscaling._reconcile_instances = groups.act_on
    autoscaling._ACTION_MAP |= {
        # upstream: takes launch templates, target groups and sizes that AWS refuses
        "CreateAutoScalingGroup": api.create_group,
        # upstream: takes sizes that AWS refuses, and leaves the desired capacity outside of them
        "UpdateAutoScalingGroup": api.update_group,
        # upstream: takes capacities outside of the group's sizes
        "SetDesiredCapacity": api.set_desired_capacity,
        # upstream: deletes a group that has members
        "DeleteAutoScalingGroup": api.delete_group,
        # upstream: has no filters, no pages and no suspended processes
        "DescribeAutoScalingGroups": api.describe_groups,
        # upstream: has no pages, and shows members without instances
        "DescribeAutoScalingInstances": api.describe_instances,
        # upstream: its groups do nothing, so it has no activities
        "DescribeScalingActivities": api.describe_activities,
        # upstream: has no such call
        "AttachInstances": api.attach_instances,
        # upstream: has no such call
        "DetachInstances": api.detach_instances,
        # upstream: has no such call
        "EnterStandby": api.enter_standby,
        # upstream: has no such call
        "ExitStandby": api.exit_standby,
        # upstream: has no suspended processes
        "SuspendProcesses": api.suspend,
        # upstream: has no suspended processes
        "ResumeProcesses": api.resume,
        # upstream: has no such call
        "SetInstanceHealth": api.set_instance_health,
        # upstream: a refresh has ended as soon as it began
        "StartInstanceRefresh": api.start_instance_refresh,
    }
    for actions in (autoscaling._ACTION_MAP, ec2._ACTION_MAP, alb._ACTION_MAP):
        for action, handler in actions.items():
            # ours: the groups act before each answer, where AWS's take minutes
            actions[action] = _after_the_groups_acted(handler)


def _after_the_groups_acted(handler):
    def handle(p):
        groups.act()
        return handler(p)

    return handle


def checks(call):
    """Reads take no resource. A group's ARN has an id of its own in it, so it is looked up; some calls name only a member."""
    group = autoscaling._asgs.get(call.param("AutoScalingGroupName"))
    if not group and call.param("InstanceId"):
        group, _member = groups.of_instance(call.param("InstanceId"))
    if call.operation.startswith("Describe"):
        return [Check(call.action)]
    if not group:
        return None
    return [Check(call.action, group["AutoScalingGroupARN"], tag_keys("autoscaling", group.get("Tags")) | _request_keys(call))]


def _request_keys(call):
    """What a request would set, as far as IAM's condition keys tell it apart. A field that is not in it has no key."""
    if call.operation != "UpdateAutoScalingGroup":
        return {}
    fields = {
        "MinSize": "MinSize",
        "MaxSize": "MaxSize",
        "LaunchConfigurationName": "LaunchConfigurationName",
        "VPCZoneIdentifiers": "VPCZoneIdentifier",
    }
    keys = {f"autoscaling:{key}": call.param(field) for key, field in fields.items() if call.param(field)}
    template = "LaunchTemplate."
    if call.param(template + "LaunchTemplateId") or call.param(template + "LaunchTemplateName"):
        keys["autoscaling:LaunchTemplateVersionSpecified"] = str(bool(call.param(template + "Version"))).lower()
    return keys
