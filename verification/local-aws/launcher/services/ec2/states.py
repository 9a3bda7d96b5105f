"""An instance's power state and protections. A state takes its time."""

import os
import time

from ministack.services import ec2

from services.ec2.reading import named_instances

_STATE_CODES = {"pending": 0, "running": 16, "stopping": 64, "stopped": 80}
_transitions = []  # (when, instance, through, to), in the order of time


def transition_seconds():
    return float(os.environ.get("EC2_TRANSITION_SECONDS", "0"))


def stop_instances(p):
    return _change_state(p, "stop", through="stopping", to="stopped", protection="disableApiStop")


def start_instances(p):
    return _change_state(p, "start", through="pending", to="running")


def _change_state(p, verb, through, to, protection=None):
    """MiniStack changes state at once, also that of a terminated instance, and knows no protection."""
    instances, error = named_instances(ec2._parse_member_list(p, "InstanceId"))
    if error:
        return error
    allowed = {"stop": ("pending", "running", "stopping", "stopped"), "start": ("stopped", "pending", "running")}[verb]
    done = "stopped" if verb == "stop" else "started"
    for instance in instances:
        error = verb == "stop" and _cannot_be_stopped(instance, hibernate=ec2._p(p, "Hibernate") == "true")
        if error:
            return error
        if instance["State"]["Name"] not in allowed:
            return ec2._error(
                "IncorrectInstanceState",
                f"The instance '{instance['InstanceId']}' is not in a state from which it can be {done}.",
                400,
            )
        if protection and instance.get(protection) == "true":
            return _protected(instance, done, protection)
    items = ""
    for instance in instances:
        before = instance["State"]["Name"]
        if before not in (through, to):
            begin_transition(instance, through, to)
        items += f"<item><instanceId>{instance['InstanceId']}</instanceId>"
        for element, name in (("previousState", before), ("currentState", instance["State"]["Name"])):
            items += f"<{element}><code>{_STATE_CODES[name]}</code><name>{name}</name></{element}>"
        items += "</item>"
    return ec2._xml(200, f"{verb.title()}InstancesResponse", f"<instancesSet>{items}</instancesSet>")


def _cannot_be_stopped(instance, hibernate):
    instance_id = instance["InstanceId"]
    if (instance.get("Spot") or {}).get("Type") == "one-time":
        return ec2._error(
            "UnsupportedOperation",
            f"You can't stop the Spot Instance '{instance_id}' because it is associated with a one-time Spot "
            "Instance request. You can only stop Spot Instances associated with persistent Spot Instance "
            "requests.",
            400,
        )
    if hibernate and not instance.get("Hibernation"):
        return ec2._error(
            "UnsupportedHibernationConfiguration", f"The instance '{instance_id}' is not enabled for hibernation.", 400
        )
    return None


# ---- Transitions ----


def begin_transition(instance, through, to):
    _set_state(instance, through)
    _transitions.append((time.monotonic() + transition_seconds(), instance, through, to))


def settle_instances():
    while _transitions and time.monotonic() >= _transitions[0][0]:
        _when, instance, through, to = _transitions.pop(0)
        if instance["State"]["Name"] == through:
            _set_state(instance, to)


def _set_state(instance, name):
    instance["State"] = {"Code": _STATE_CODES[name], "Name": name}


# ---- Protections ----

# Attribute of the API -> parameter of the requests that set it.
_PROTECTIONS = {"disableApiStop": "DisableApiStop", "disableApiTermination": "DisableApiTermination"}


def _protected(instance, done, attribute):
    return ec2._error(
        "OperationNotPermitted",
        f"The instance '{instance['InstanceId']}' may not be {done}. Modify its '{attribute}' instance attribute and try again.",
        400,
    )


def terminate_instances(p):
    for instance_id in ec2._parse_member_list(p, "InstanceId"):
        instance = ec2._instances.get(instance_id) or {}
        if instance.get("disableApiTermination") == "true":
            return _protected(instance, "terminated", "disableApiTermination")
    return ec2._terminate_instances(p)


def run_instances(p):
    """MiniStack launches the smallest number that is asked for, where AWS launches as many as it can."""
    before = set(ec2._instances)
    least, most = int(ec2._p(p, "MinCount") or 1), int(ec2._p(p, "MaxCount") or 1)
    answer = ec2._run_instances({**p, "MinCount": str(max(least, most))})
    for instance_id in set(ec2._instances) - before:
        instance = ec2._instances[instance_id]
        for attribute, parameter in _PROTECTIONS.items():
            instance[attribute] = ec2._p(p, parameter) or "false"
        instance["Hibernation"] = ec2._p(p, "HibernationOptions.Configured") == "true"
        if ec2._p(p, "InstanceMarketOptions.MarketType") == "spot":
            kind = ec2._p(p, "InstanceMarketOptions.SpotOptions.SpotInstanceType") or "one-time"
            instance["Spot"] = {"Request": f"sir-{instance_id[-8:]}", "Type": kind}
    return answer


def modify_instance_attribute(p):
    instances, error = named_instances([ec2._p(p, "InstanceId")])
    if error:
        return error
    for attribute, parameter in _PROTECTIONS.items():
        value = ec2._p(p, f"{parameter}.Value") or (ec2._p(p, "Attribute") == attribute and ec2._p(p, "Value"))
        if value:
            instances[0][attribute] = value
            return ec2._xml(200, "ModifyInstanceAttributeResponse", "<return>true</return>")
    return ec2._error("InvalidParameterCombination", "No attributes specified.", 400)


def describe_instance_attribute(p):
    attribute = ec2._p(p, "Attribute")
    if attribute not in _PROTECTIONS:
        return ec2._describe_instance_attribute(p)
    instances, error = named_instances([ec2._p(p, "InstanceId")])
    if error:
        return error
    return ec2._xml(
        200,
        "DescribeInstanceAttributeResponse",
        f"<instanceId>{instances[0]['InstanceId']}</instanceId>"
        f"<{attribute}><value>{instances[0].get(attribute, 'false')}</value></{attribute}>",
    )
