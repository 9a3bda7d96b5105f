"""The behaviour of Auto Scaling groups. MiniStack's members are ids without instances, and nothing ever happens to them.

Here members are instances. A group finds a member unhealthy that does not run, terminates it, and launches another, as far as
its processes are not suspended. AWS takes minutes for it; here it is done before the next call to EC2, Auto Scaling or Elastic
Load Balancing is answered, so a group that is not suspended in time shows at once.
"""

import time
from itertools import cycle

from ministack.core.responses import new_uuid, now_iso
from ministack.services import alb, autoscaling, ec2

from services.ec2.states import begin_transition, settle_instances, transition_seconds

GROUP_TAG = "aws:autoscaling:groupName"


def act():
    """All that the groups of this account and Region would have done by now."""
    settle_instances()
    for group in autoscaling._asgs.values():
        act_on(group)


def act_on(group):
    _finish_changes(group)
    if _active(group, "HealthCheck"):
        _check_health(group)
    if _active(group, "ReplaceUnhealthy", "Terminate"):
        # It never recovers by itself: who started it again must also say that it is healthy.
        for member in _in_service(group):
            if member["HealthStatus"] == "Unhealthy":
                _terminate(group, member, "an instance was taken out of service in response to an EC2 health check")
    _keep_desired_capacity(group)
    _finish_changes(group)


def _active(group, *processes):
    return not set(processes) & set(group.get("SuspendedProcesses", ()))


def _in_service(group):
    return [member for member in group["Instances"] if member["LifecycleState"] == "InService"]


def _check_health(group):
    for member in _in_service(group):
        instance = ec2._instances.get(member["InstanceId"])
        if not instance or instance["State"]["Name"] != "running":
            member["HealthStatus"] = "Unhealthy"


def _keep_desired_capacity(group):
    present = [member for member in group["Instances"] if member["LifecycleState"] in ("Pending", "InService")]
    missing = group["DesiredCapacity"] - len(present)
    cause = f"the capacity of the group is to be {group['DesiredCapacity']}"
    if missing > 0 and _active(group, "Launch") and launch_specification(group):
        _launch(group, missing, cause)
    if missing < 0 and _active(group, "Terminate"):
        unprotected = [member for member in present if not member["ProtectedFromScaleIn"]]
        for member in unprotected[:-missing]:
            _terminate(group, member, cause)


def _finish_changes(group):
    now = time.monotonic()
    for member in list(group["Instances"]):
        if now < member.get("ChangesUntil", now):
            continue
        if member["LifecycleState"] == "EnteringStandby":
            member["LifecycleState"] = "Standby"
        elif member["LifecycleState"] == "Pending" and _runs(member):
            member["LifecycleState"] = "InService"
            member.pop("WasAside", None)
        elif member["LifecycleState"] == "Pending" and member.pop("WasAside", False):
            # Terminate protects members in service alone.
            _terminate(group, member, "an instance did not come into service")
        elif member["LifecycleState"] == "Terminating":
            group["Instances"].remove(member)
    for refresh in group.get("InstanceRefreshes", []):
        if refresh["Status"] == "InProgress" and now >= refresh["Ends"] and _active(group, "InstanceRefresh"):
            refresh["Status"] = "Successful"


def _runs(member):
    instance = ec2._instances.get(member["InstanceId"])
    return bool(instance) and instance["State"]["Name"] == "running"


def set_aside(group, member):
    """A member in Standby is neither checked nor counted, and gets no traffic."""
    member["LifecycleState"] = "EnteringStandby"
    member["ChangesUntil"] = _record(group, "Moving", member["InstanceId"], "in response to a user request")
    leave_target_groups(group, member["InstanceId"])


def take_back(group, member):
    member["LifecycleState"] = "Pending"
    member["WasAside"] = True
    member["ChangesUntil"] = _record(group, "Moving", member["InstanceId"], "in response to a user request")
    for arn in group.get("TargetGroupARNs", ()):
        alb._targets[arn].append({"Id": member["InstanceId"]})


# ---- Launching and terminating ----


def _launch(group, count, cause):
    specification = launch_specification(group)
    subnet = (group["VPCZoneIdentifier"] or ec2._DEFAULT_SUBNET_ID).partition(",")[0]
    launched = ec2._launch_instances_internal(specification["ImageId"], specification["InstanceType"], subnet, count)
    zones = cycle(group["AvailabilityZones"])
    for instance in launched:
        instance["Placement"]["AvailabilityZone"] = next(zones)
        ec2._tags[instance["InstanceId"]] = [
            {"Key": tag["Key"], "Value": tag["Value"]} for tag in group["Tags"] if tag["PropagateAtLaunch"]
        ]
        begin_transition(instance, "pending", "running")
        add(group, instance["InstanceId"], "Pending", until=_record(group, "Launching a new", instance["InstanceId"], cause))
    settle_instances()


def _terminate(group, member, cause):
    """Neither the instance's own protection nor its state keeps a group from it."""
    ec2._terminate_instances({"InstanceId.1": member["InstanceId"]})
    leave_target_groups(group, member["InstanceId"])
    member["LifecycleState"] = "Terminating"
    member["ChangesUntil"] = _record(group, "Terminating", member["InstanceId"], cause)


def launch_specification(group):
    """Image and type of new members. None where the group's launch template or configuration does not exist."""
    configuration = autoscaling._launch_configs.get(group["LaunchConfigurationName"])
    if configuration:
        return configuration
    wanted = group["LaunchTemplate"] or {}
    for template in ec2._launch_templates.values():
        if wanted.get("LaunchTemplateId") not in (template["LaunchTemplateId"], template["LaunchTemplateName"]):
            continue
        number = {"$Default": template["DefaultVersionNumber"], "$Latest": template["LatestVersionNumber"]}.get(
            wanted["Version"], wanted["Version"]
        )
        for version in template["Versions"]:
            if str(version["VersionNumber"]) == str(number):
                return {"InstanceType": "t3.micro", "ImageId": "ami-00000000", **version["LaunchTemplateData"]}
    return None


def _record(group, verb, instance_id, cause):
    """Writes down an activity, and says when it ends."""
    ends = time.monotonic() + transition_seconds()
    group.setdefault("Activities", []).insert(
        0,
        {
            "ActivityId": new_uuid(),
            "AutoScalingGroupName": group["AutoScalingGroupName"],
            "Ends": ends,
            "Description": f"{verb} EC2 instance: {instance_id}",
            "Cause": f"At {now_iso()} {cause}.",
            "StartTime": now_iso(),
        },
    )
    return ends


# ---- Members ----


def add(group, instance_id, state, until):
    group["Instances"].append(
        {
            "InstanceId": instance_id,
            "LifecycleState": state,
            "HealthStatus": "Healthy",
            "ChangesUntil": until,
            "AvailabilityZone": ec2._instances[instance_id]["Placement"]["AvailabilityZone"],
            "ProtectedFromScaleIn": group["NewInstancesProtectedFromScaleIn"],
            "LaunchTemplate": group["LaunchTemplate"],
            "LaunchConfigurationName": group["LaunchConfigurationName"],
        }
    )
    tags = [tag for tag in ec2._tags.get(instance_id) or [] if tag["Key"] != GROUP_TAG]
    ec2._tags[instance_id] = [*tags, {"Key": GROUP_TAG, "Value": group["AutoScalingGroupName"]}]
    for arn in group.get("TargetGroupARNs", ()):
        alb._targets[arn].append({"Id": instance_id})


def remove(group, instance_id):
    """The instance runs on, and is the group's no longer."""
    group["Instances"] = [member for member in group["Instances"] if member["InstanceId"] != instance_id]
    ec2._tags[instance_id] = [tag for tag in ec2._tags.get(instance_id) or [] if tag["Key"] != GROUP_TAG]
    leave_target_groups(group, instance_id)


def leave_target_groups(group, instance_id):
    for arn in group.get("TargetGroupARNs", ()):
        alb._targets[arn] = [target for target in alb._targets[arn] if target["Id"] != instance_id]


def of_instance(instance_id):
    """The group and the member that the instance is, or nothing twice."""
    for group in autoscaling._asgs.values():
        for member in group["Instances"]:
            if member["InstanceId"] == instance_id:
                return group, member
    return None, None
