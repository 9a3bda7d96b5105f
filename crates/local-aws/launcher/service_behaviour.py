"""Behaviour of EC2, Auto Scaling, IAM and Lambda that the product meets on AWS and that MiniStack lacks.

EC2_TRANSITION_SECONDS (default 0) is how long an instance stays `stopping` or `pending`.
"""

import os
import re
import time

from ministack.core.responses import get_account_id
from ministack.services import autoscaling, ec2, iam, lambda_svc

_TRANSITION_SECONDS = float(os.environ.get("EC2_TRANSITION_SECONDS", "0"))


def install():
    ec2._ACTION_MAP |= {
        "RunInstances": _run_instances,
        "DescribeInstances": _describe_instances,
        "StopInstances": _stop_instances,
        "StartInstances": _start_instances,
        "TerminateInstances": _terminate_instances,
        "ModifyInstanceAttribute": _modify_instance_attribute,
        "DescribeInstanceAttribute": _describe_instance_attribute,
    }
    for action, handler in ec2._ACTION_MAP.items():
        ec2._ACTION_MAP[action] = _request(handler)
    autoscaling._ACTION_MAP |= {
        "AttachInstances": _attach_instances,
        "DetachInstances": _detach_instances,
        "DescribeAutoScalingInstances": _describe_auto_scaling_instances,
    }
    iam._IAM_HANDLERS["AttachGroupPolicy"] = _attach_group_policy
    lambda_svc._provided_worker_env = _function_environment(lambda_svc._provided_worker_env)


# ---- EC2: reading ----

def _request(handler):
    """Every call sees the states of its time, and DryRun, which MiniStack ignores, does nothing."""
    def handle(p):
        _settle_instances()
        if ec2._p(p, "DryRun") == "true":
            return ec2._error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        return handler(p)
    return handle


_FILTERS = {
    "instance-id": lambda instance: instance["InstanceId"],
    "instance-state-name": lambda instance: instance["State"]["Name"],
    "instance-type": lambda instance: instance["InstanceType"],
    "image-id": lambda instance: instance["ImageId"],
    "vpc-id": lambda instance: instance["VpcId"],
    "subnet-id": lambda instance: instance["SubnetId"],
    "availability-zone": lambda instance: instance["Placement"]["AvailabilityZone"],
}


def _describe_instances(p):
    """MiniStack has no pages, and a filter that it does not know matches every instance."""
    filters, ids, limit = ec2._parse_filters(p), ec2._parse_member_list(p, "InstanceId"), ec2._p(p, "MaxResults")
    for name in filters:
        if name not in _FILTERS and not name.startswith("tag"):
            return ec2._error("InvalidParameterValue", f"The filter '{name}' is invalid", 400)
    if limit and ids:
        return ec2._error("InvalidParameterCombination",
                          "The parameter instancesSet cannot be used with the parameter maxResults", 400)
    if limit and not 5 <= int(limit) <= 1000:
        return ec2._error("InvalidParameterValue", f"Value ( {limit} ) for parameter maxResults is invalid. "
                                                   "Expecting a value between 5 and 1000.", 400)
    ec2._cleanup_terminated()
    instances, error = _named_instances(ids)
    if error:
        return error
    found = [instance for instance in instances or ec2._instances.values() if _matches(instance, filters)]
    start = int(ec2._p(p, "NextToken") or 0)
    end = start + int(limit or 1000)
    items = "".join(f"<item><reservationId>r-{instance['InstanceId'][2:]}</reservationId>"
                    f"<ownerId>{get_account_id()}</ownerId><groupSet/>"
                    f"<instancesSet>{ec2._instance_xml(instance)}</instancesSet></item>"
                    for instance in found[start:end])
    token = f"<nextToken>{end}</nextToken>" if end < len(found) else ""
    return ec2._xml(200, "DescribeInstancesResponse", f"<reservationSet>{items}</reservationSet>{token}")


def _matches(instance, filters):
    return ec2._resource_matches_tag_filters(instance["InstanceId"], filters) and all(
        any(ec2._glob_match(value, read(instance)) for value in filters[name])
        for name, read in _FILTERS.items() if name in filters)


def _named_instances(ids):
    """One id that is wrong fails the whole call."""
    for instance_id in ids:
        if not ec2._INSTANCE_ID_RE.match(instance_id):
            return None, ec2._error("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"', 400)
    missing = [instance_id for instance_id in ids if instance_id not in ec2._instances]
    if missing:
        named = (f"The instance ID '{missing[0]}' does not exist" if len(missing) == 1
                 else f"The instance IDs '{', '.join(missing)}' do not exist")
        return None, ec2._error("InvalidInstanceID.NotFound", named, 400)
    return [ec2._instances[instance_id] for instance_id in dict.fromkeys(ids)], None


# ---- EC2: changing ----

_STATE_CODES = {"pending": 0, "running": 16, "stopping": 64, "stopped": 80}
_transitions = []  # (when, instance, through, to), in the order of time


def _stop_instances(p):
    return _change_state(p, "stop", through="stopping", to="stopped", protection="disableApiStop")


def _start_instances(p):
    return _change_state(p, "start", through="pending", to="running")


def _change_state(p, verb, through, to, protection=None):
    """MiniStack changes state at once, also that of a terminated instance, and knows no protection."""
    instances, error = _named_instances(ec2._parse_member_list(p, "InstanceId"))
    if error:
        return error
    allowed = {"stop": ("pending", "running", "stopping", "stopped"), "start": ("stopped", "pending", "running")}[verb]
    done = "stopped" if verb == "stop" else "started"
    for instance in instances:
        if instance["State"]["Name"] not in allowed:
            return ec2._error("IncorrectInstanceState", f"The instance '{instance['InstanceId']}' is not in a state "
                                                        f"from which it can be {done}.", 400)
        if protection and instance.get(protection) == "true":
            return _protected(instance, done, protection)
    items = ""
    for instance in instances:
        before = instance["State"]["Name"]
        if before not in (through, to):
            _set_state(instance, through)
            _transitions.append((time.monotonic() + _TRANSITION_SECONDS, instance, through, to))
        items += f"<item><instanceId>{instance['InstanceId']}</instanceId>"
        for element, name in (("previousState", before), ("currentState", instance["State"]["Name"])):
            items += f"<{element}><code>{_STATE_CODES[name]}</code><name>{name}</name></{element}>"
        items += "</item>"
    return ec2._xml(200, f"{verb.title()}InstancesResponse", f"<instancesSet>{items}</instancesSet>")


def _settle_instances():
    while _transitions and time.monotonic() >= _transitions[0][0]:
        _when, instance, through, to = _transitions.pop(0)
        if instance["State"]["Name"] == through:
            _set_state(instance, to)


def _set_state(instance, name):
    instance["State"] = {"Code": _STATE_CODES[name], "Name": name}


def _protected(instance, done, attribute):
    return ec2._error("OperationNotPermitted", f"The instance '{instance['InstanceId']}' may not be {done}. Modify its "
                                               f"'{attribute}' instance attribute and try again.", 400)


def _terminate_instances(p):
    for instance_id in ec2._parse_member_list(p, "InstanceId"):
        instance = ec2._instances.get(instance_id) or {}
        if instance.get("disableApiTermination") == "true":
            return _protected(instance, "terminated", "disableApiTermination")
    return ec2._terminate_instances(p)


# Attribute of the API -> parameter of the requests that set it.
_PROTECTIONS = {"disableApiStop": "DisableApiStop", "disableApiTermination": "DisableApiTermination"}


def _run_instances(p):
    before = set(ec2._instances)
    answer = ec2._run_instances(p)
    for instance_id in set(ec2._instances) - before:
        for attribute, parameter in _PROTECTIONS.items():
            ec2._instances[instance_id][attribute] = ec2._p(p, parameter) or "false"
    return answer


def _modify_instance_attribute(p):
    instances, error = _named_instances([ec2._p(p, "InstanceId")])
    if error:
        return error
    for attribute, parameter in _PROTECTIONS.items():
        value = ec2._p(p, f"{parameter}.Value") or (ec2._p(p, "Attribute") == attribute and ec2._p(p, "Value"))
        if value:
            instances[0][attribute] = value
            return ec2._xml(200, "ModifyInstanceAttributeResponse", "<return>true</return>")
    return ec2._error("InvalidParameterCombination", "No attributes specified.", 400)


def _describe_instance_attribute(p):
    attribute = ec2._p(p, "Attribute")
    if attribute not in _PROTECTIONS:
        return ec2._describe_instance_attribute(p)
    instances, error = _named_instances([ec2._p(p, "InstanceId")])
    if error:
        return error
    return ec2._xml(200, "DescribeInstanceAttributeResponse",
                    f"<instanceId>{instances[0]['InstanceId']}</instanceId>"
                    f"<{attribute}><value>{instances[0].get(attribute, 'false')}</value></{attribute}>")


# ---- Auto Scaling ----

def _attach_instances(p):
    """Makes running instances members of a group: MiniStack's own members are ids without instances."""
    group = autoscaling._asgs.get(autoscaling._p(p, "AutoScalingGroupName"))
    ids = autoscaling._parse_member_list(p, "InstanceIds")
    _settle_instances()
    if not group:
        return autoscaling._error("ValidationError", "AutoScalingGroup name not found - null")
    members = {member["InstanceId"] for each in autoscaling._asgs.values() for member in each["Instances"]}
    for instance_id in ids:
        state = (ec2._instances.get(instance_id) or {}).get("State", {}).get("Name")
        if state != "running" or instance_id in members:
            return autoscaling._error("ValidationError", f"Instance {instance_id} is not in correct state")
    if len(group["Instances"]) + len(ids) > group["MaxSize"]:
        return autoscaling._error("ValidationError", "New SetDesiredCapacity value is above max value for the "
                                                     "AutoScalingGroup.")
    for instance_id in ids:
        group["Instances"].append({
            "InstanceId": instance_id, "LifecycleState": "InService", "HealthStatus": "Healthy",
            "AvailabilityZone": ec2._instances[instance_id]["Placement"]["AvailabilityZone"],
            "ProtectedFromScaleIn": group["NewInstancesProtectedFromScaleIn"], "LaunchTemplate": group["LaunchTemplate"],
            "LaunchConfigurationName": group["LaunchConfigurationName"]})
    group["DesiredCapacity"] = len(group["Instances"])
    return autoscaling._xml(200, "AttachInstancesResponse", "")


def _detach_instances(p):
    group = autoscaling._asgs.get(autoscaling._p(p, "AutoScalingGroupName"))
    ids = autoscaling._parse_member_list(p, "InstanceIds")
    if not group or not set(ids) <= {member["InstanceId"] for member in group["Instances"]}:
        return autoscaling._error("ValidationError", "The instances are not part of the Auto Scaling group")
    group["Instances"] = [member for member in group["Instances"] if member["InstanceId"] not in ids]
    if autoscaling._p(p, "ShouldDecrementDesiredCapacity") == "true":
        group["DesiredCapacity"] = len(group["Instances"])
    return autoscaling._xml(200, "DetachInstancesResponse", "<DetachInstancesResult><Activities/></DetachInstancesResult>")


def _describe_auto_scaling_instances(p):
    """Pages of 50, and at most 50 ids."""
    ids = autoscaling._parse_member_list(p, "InstanceIds")
    limit = int(autoscaling._p(p, "MaxRecords") or 50)
    if len(ids) > 50 or limit > 50:
        return autoscaling._error("ValidationError", "At most 50 instances can be described at once")
    found = [autoscaling._instance_member_xml(member, include_group_name=name)
             for name, group in autoscaling._asgs.items() for member in group["Instances"]
             if not ids or member["InstanceId"] in ids]
    start = int(autoscaling._p(p, "NextToken") or 0)
    token = f"<NextToken>{start + limit}</NextToken>" if start + limit < len(found) else ""
    return autoscaling._xml(200, "DescribeAutoScalingInstancesResponse",
                            "<DescribeAutoScalingInstancesResult><AutoScalingInstances>"
                            f"{''.join(found[start:start + limit])}</AutoScalingInstances>{token}"
                            "</DescribeAutoScalingInstancesResult>")


# ---- IAM ----

_POLICIES_PER_GROUP = 10


def _attach_group_policy(p):
    """MiniStack attaches policies that do not exist, and any number of them."""
    group, policy = iam._groups.get(iam._p(p, "GroupName")), iam._p(p, "PolicyArn")
    if group and not iam._lookup_policy(policy):
        return iam._error(404, "NoSuchEntity", f"Policy {policy} does not exist or is not attachable.", ns="iam")
    attached = group["AttachedPolicies"] if group else []
    if policy not in attached and len(attached) >= _POLICIES_PER_GROUP:
        return iam._error(409, "LimitExceeded", f"Cannot exceed quota for PoliciesPerGroup: {_POLICIES_PER_GROUP}", ns="iam")
    return iam._attach_group_policy(p)


# ---- Lambda ----

_RUNTIME_VARIABLES = re.compile(r"AWS_(LAMBDA_.*|REGION|DEFAULT_REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)"
                                r"|AWS_ENDPOINT_URL.*|_HANDLER|_X_AMZN_.*|LAMBDA_TASK_ROOT|PATH|TMPDIR")


def _function_environment(original):
    """A function sees its own variables and Lambda's, where MiniStack hands down everything of the host's, such as a
    developer's AWS_PROFILE. What stays of the host's is PATH, TMPDIR and where the SDK shall call."""
    def environment(config, *rest):
        own = (config.get("Environment") or {}).get("Variables") or {}
        inherited = {name: value for name, value in original(config, *rest).items()
                     if name in own or _RUNTIME_VARIABLES.fullmatch(name)}
        logging = config.get("LoggingConfig") or {}
        return {"TZ": ":UTC", "LANG": "en_US.UTF-8", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
                "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup", f"/aws/lambda/{config['FunctionName']}"), **inherited}
    return environment
