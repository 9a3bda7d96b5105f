"""The API of Auto Scaling as far as MiniStack lacks it."""

import re
import time

from ministack.core.responses import now_iso
from ministack.services import alb, autoscaling, ec2

from services.autoscaling import groups
from services.ec2.states import transition_seconds

_PROCESSES = (
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
)


def _of_group(change):
    """A change of one group, which must exist. It answers an error, or nothing."""

    def handle(p):
        name = autoscaling._p(p, "AutoScalingGroupName")
        group = autoscaling._asgs.get(name)
        if not group:
            return _invalid("AutoScalingGroup name not found - null")
        operation = autoscaling._p(p, "Action")
        return change(p, group) or autoscaling._xml(200, f"{operation}Response", f"<{operation}Result/>")

    return handle


def _invalid(message):
    return autoscaling._error("ValidationError", message)


# ---- Groups ----


def create_group(p):
    wanted = {
        "LaunchConfigurationName": autoscaling._p(p, "LaunchConfigurationName"),
        "LaunchTemplate": {
            "LaunchTemplateId": autoscaling._p(p, "LaunchTemplate.LaunchTemplateId")
            or autoscaling._p(p, "LaunchTemplate.LaunchTemplateName"),
            "Version": autoscaling._p(p, "LaunchTemplate.Version") or "$Default",
        },
    }
    if not groups.launch_specification(wanted):
        return _invalid("Valid requests must contain either a launch template or a launch configuration that exists.")
    balancers = autoscaling._parse_member_list(p, "LoadBalancerNames")
    targets = autoscaling._parse_member_list(p, "TargetGroupARNs")
    if balancers or any(arn not in alb._tgs for arn in targets):
        return _invalid("Provided Load Balancers or Target Groups may not be valid. Please ensure they exist and try again.")
    error = _capacity_error(p, {})
    if error:
        return error
    answer = autoscaling._create_asg(p)
    if answer[0] == 200:
        group = autoscaling._asgs[autoscaling._p(p, "AutoScalingGroupName")]
        group["TargetGroupARNs"] = targets
        for member in group["Instances"]:
            for arn in targets:
                alb._targets[arn].append({"Id": member["InstanceId"]})
    return answer


def update_group(p):
    """Without a desired capacity, the present one is brought within the new sizes."""
    group = autoscaling._asgs.get(autoscaling._p(p, "AutoScalingGroupName"))
    if not group:
        return _invalid("AutoScalingGroup name not found - null")
    error = _capacity_error(p, group)
    if error:
        return error
    if not autoscaling._p(p, "DesiredCapacity"):
        least, most = (int(autoscaling._p(p, name) or group[name]) for name in ("MinSize", "MaxSize"))
        p = {**p, "DesiredCapacity": str(min(max(group["DesiredCapacity"], least), most))}
    return autoscaling._update_asg(p)


def set_desired_capacity(p):
    group = autoscaling._asgs.get(autoscaling._p(p, "AutoScalingGroupName"))
    error = group and _capacity_error(p, group)
    return error or autoscaling._set_desired_capacity(p)


def _capacity_error(p, group):
    least, most = (int(autoscaling._p(p, name) or group.get(name, 0)) for name in ("MinSize", "MaxSize"))
    desired = autoscaling._p(p, "DesiredCapacity")
    if least > most:
        return _invalid(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
    if desired and not least <= int(desired) <= most:
        return _invalid(f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}")
    return None


@_of_group
def delete_group(p, group):
    if group["Instances"] and autoscaling._p(p, "ForceDelete") != "true":
        return autoscaling._error(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending "
            "Spot instance request(s) still in the group.",
        )
    for member in group["Instances"]:
        ec2._terminate_instances({"InstanceId.1": member["InstanceId"]})
        groups.leave_target_groups(group, member["InstanceId"])
    return autoscaling._delete_asg(p)


def describe_groups(p):
    names = autoscaling._parse_member_list(p, "AutoScalingGroupNames")
    filters = {each["Name"]: each.get("Values", []) for each in autoscaling._parse_nested(p, "Filters") or []}
    for name in filters:
        if not re.fullmatch(r"tag-key|tag-value|tag:.+", name):
            return _invalid(f"Filter type {name} is not correct. Allowed Filter types are: tag-key, tag-value, tag:<key>")
    found = [
        _group_document(group)
        for name, group in autoscaling._asgs.items()
        if (not names or name in names) and _has_tags(group, filters)
    ]
    return _page(p, "DescribeAutoScalingGroups", "AutoScalingGroups", found, most=100)


def _has_tags(group, filters):
    tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}

    def matches(name, values):
        if name.startswith("tag:"):
            return tags.get(name[4:]) in values
        return any(value in (tags if name == "tag-key" else tags.values()) for value in values)

    return all(matches(name, values) for name, values in filters.items())


def _group_document(group):
    shown = (
        "AutoScalingGroupName",
        "AutoScalingGroupARN",
        "MinSize",
        "MaxSize",
        "DesiredCapacity",
        "DefaultCooldown",
        "AvailabilityZones",
        "HealthCheckType",
        "HealthCheckGracePeriod",
        "CreatedTime",
        "VPCZoneIdentifier",
        "TerminationPolicies",
        "NewInstancesProtectedFromScaleIn",
        "Tags",
    )
    either = ("LaunchConfigurationName", "LaunchTemplate")
    suspended = group.get("SuspendedProcesses", {})
    return {
        **{name: group[name] for name in shown},
        **{name: group[name] for name in either if group[name]},
        "LoadBalancerNames": [],
        "TargetGroupARNs": group.get("TargetGroupARNs", []),
        "EnabledMetrics": [],
        "SuspendedProcesses": [{"ProcessName": process, "SuspensionReason": reason} for process, reason in suspended.items()],
        "Instances": [_member_document(member) for member in group["Instances"]],
    }


def _member_document(member):
    shown = ("InstanceId", "AvailabilityZone", "LifecycleState", "HealthStatus", "ProtectedFromScaleIn")
    either = ("LaunchConfigurationName", "LaunchTemplate")
    instance = ec2._instances.get(member["InstanceId"]) or {}
    return {
        **{name: member[name] for name in shown},
        **{name: member[name] for name in either if member[name]},
        **({"InstanceType": instance["InstanceType"]} if instance else {}),
    }


def _page(p, operation, element, found, most):
    limit = int(autoscaling._p(p, "MaxRecords") or 50)
    if not 1 <= limit <= most:
        return _invalid(f"MaxRecords must be between 1 and {most}")
    start = int(autoscaling._p(p, "NextToken") or 0)
    result = {element: found[start : start + limit]}
    if start + limit < len(found):
        result["NextToken"] = start + limit
    return autoscaling._xml(
        200, f"{operation}Response", f"<{operation}Result>{autoscaling._member_xml(result)}</{operation}Result>"
    )


# ---- Members ----


@_of_group
def attach_instances(p, group):
    ids = autoscaling._parse_member_list(p, "InstanceIds")
    for instance_id in ids:
        state = (ec2._instances.get(instance_id) or {}).get("State", {}).get("Name")
        if state != "running" or groups.of_instance(instance_id)[0]:
            return _invalid(f"Instance {instance_id} is not in correct state")
    if group["DesiredCapacity"] + len(ids) > group["MaxSize"]:
        return _invalid("New SetDesiredCapacity value is above max value for the AutoScalingGroup.")
    for instance_id in ids:
        groups.add(group, instance_id, "InService", until=time.monotonic())
    group["DesiredCapacity"] += len(ids)
    return None


@_of_group
def detach_instances(p, group):
    ids = autoscaling._parse_member_list(p, "InstanceIds")
    if not set(ids) <= {member["InstanceId"] for member in group["Instances"]}:
        return _invalid("The instances are not part of the Auto Scaling group")
    for instance_id in ids:
        groups.remove(group, instance_id)
    if autoscaling._p(p, "ShouldDecrementDesiredCapacity") == "true":
        group["DesiredCapacity"] -= len(ids)
    return None


@_of_group
def enter_standby(p, group):
    members = _members_in(p, group, "InService")
    if not isinstance(members, list):
        return members
    if autoscaling._p(p, "ShouldDecrementDesiredCapacity") == "true":
        if group["DesiredCapacity"] - len(members) < group["MinSize"]:
            sizes = f"min-size={group['MinSize']}, max-size={group['MaxSize']}, and desired-size={group['DesiredCapacity']}"
            return _invalid(
                f"AutoScalingGroup {group['AutoScalingGroupName']} has {sizes}. To place into standby {len(members)} "
                "instance, please update the AutoScalingGroup sizes appropriately."
            )
        group["DesiredCapacity"] -= len(members)
    for member in members:
        groups.set_aside(group, member)
    return None


@_of_group
def exit_standby(p, group):
    if "Launch" in group.get("SuspendedProcesses", {}):
        return _invalid(f"The Launch process of AutoScalingGroup {group['AutoScalingGroupName']} is suspended")
    members = _members_in(p, group, "Standby")
    if not isinstance(members, list):
        return members
    if group["DesiredCapacity"] + len(members) > group["MaxSize"]:
        return _invalid("New SetDesiredCapacity value is above max value for the AutoScalingGroup.")
    group["DesiredCapacity"] += len(members)
    for member in members:
        groups.take_back(group, member)
    return None


def _members_in(p, group, state):
    """The members that are named, all in `state`; or the error."""
    ids = autoscaling._parse_member_list(p, "InstanceIds")
    if not 1 <= len(ids) <= 20:
        return _invalid("Between 1 and 20 instances can be moved at once")
    members = {member["InstanceId"]: member for member in group["Instances"]}
    for instance_id in ids:
        if instance_id not in members or members[instance_id]["LifecycleState"] != state:
            return _invalid(f"The instance {instance_id} is not in {state}.")
    return [members[instance_id] for instance_id in ids]


def describe_instances(p):
    ids = autoscaling._parse_member_list(p, "InstanceIds")
    if len(ids) > 50:
        return _invalid("At most 50 instances can be described at once")
    found = [
        {**_member_document(member), "AutoScalingGroupName": name}
        for name, group in autoscaling._asgs.items()
        for member in group["Instances"]
        if not ids or member["InstanceId"] in ids
    ]
    return _page(p, "DescribeAutoScalingInstances", "AutoScalingInstances", found, most=50)


def set_instance_health(p):
    """Without the grace period, which only delays what a load balancer or a person finds unhealthy."""
    instance_id, health = autoscaling._p(p, "InstanceId"), autoscaling._p(p, "HealthStatus")
    _group, member = groups.of_instance(instance_id)
    if not member:
        return _invalid(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
    if health not in ("Healthy", "Unhealthy"):
        return _invalid(f"Instance health status {health} is not valid: Healthy or Unhealthy")
    member["HealthStatus"] = health
    return autoscaling._xml(200, "SetInstanceHealthResponse", "")


# ---- Processes and activities ----


@_of_group
def suspend(p, group):
    processes = autoscaling._parse_member_list(p, "ScalingProcesses") or _PROCESSES
    if not set(processes) <= set(_PROCESSES):
        return _invalid(f"Processes must be among {', '.join(_PROCESSES)}")
    suspended = group.setdefault("SuspendedProcesses", {})
    for process in processes:
        suspended.setdefault(process, f"User suspended at {now_iso()[:-5]}Z")
    return None


@_of_group
def resume(p, group):
    processes = autoscaling._parse_member_list(p, "ScalingProcesses") or _PROCESSES
    if not set(processes) <= set(_PROCESSES):
        return _invalid(f"Processes must be among {', '.join(_PROCESSES)}")
    for process in processes:
        group.get("SuspendedProcesses", {}).pop(process, None)
    return None


@_of_group
def start_instance_refresh(p, group):
    """It takes its time, and waits while it is suspended. It replaces nobody, as MiniStack's does not."""
    answer = autoscaling._start_instance_refresh(p)
    group["InstanceRefreshes"][0] |= {"Status": "InProgress", "StatusReason": "", "Ends": time.monotonic() + transition_seconds()}
    return answer


def describe_activities(p):
    """The newest first. Those of deleted groups are forgotten."""
    name, ids = autoscaling._p(p, "AutoScalingGroupName"), autoscaling._parse_member_list(p, "ActivityIds")
    if name and name not in autoscaling._asgs:
        return _invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    activities = [
        activity
        for group in autoscaling._asgs.values()
        if name in ("", group["AutoScalingGroupName"])
        for activity in group.get("Activities", [])
        if not ids or activity["ActivityId"] in ids
    ]
    return _page(p, "DescribeScalingActivities", "Activities", list(map(_activity_document, activities)), most=100)


def _activity_document(activity):
    document = {name: value for name, value in activity.items() if name != "Ends"}
    if time.monotonic() < activity["Ends"]:
        return {**document, "StatusCode": "InProgress", "Progress": 50, "Details": "{}"}
    return {**document, "StatusCode": "Successful", "Progress": 100, "Details": "{}", "EndTime": activity["StartTime"]}
