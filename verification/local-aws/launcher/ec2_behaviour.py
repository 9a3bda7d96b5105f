"""Behaviour of EC2 that the product meets on AWS and that MiniStack lacks.

EC2_TRANSITION_SECONDS (default 0) is how long an instance stays `stopping` or `pending`.
"""

import os
import re
import time

from ministack.core.responses import get_account_id
from ministack.services import ec2

TRANSITION_SECONDS = float(os.environ.get("EC2_TRANSITION_SECONDS", "0"))

# AWS enables 17 by default. A few are enough to be several, and keep a run over all of them quick.
_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")


def install():
    ec2._ACTION_MAP |= {
        "RunInstances": _run_instances,
        "DescribeInstances": _describe_instances,
        "DescribeInstanceStatus": _describe_instance_status,
        "DescribeInstanceTypes": _describe_instance_types,
        "DescribeSpotInstanceRequests": _describe_spot_instance_requests,
        "StopInstances": _stop_instances,
        "StartInstances": _start_instances,
        "TerminateInstances": _terminate_instances,
        "ModifyInstanceAttribute": _modify_instance_attribute,
        "DescribeInstanceAttribute": _describe_instance_attribute,
    }
    for action, handler in ec2._ACTION_MAP.items():
        ec2._ACTION_MAP[action] = _request(handler)
    ec2._instance_xml = _instance_item(ec2._instance_xml)
    ec2._AWS_REGIONS[:] = [(region, "opt-in-not-required") for region in _REGIONS]


# ---- Reading ----

def _request(handler):
    """Every call sees the states of its time, and DryRun, which MiniStack ignores, does nothing."""
    def handle(p):
        settle_instances()
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
    "instance-lifecycle": lambda instance: "spot" if instance.get("Spot") else "",
}


def _describe_instances(p):
    """MiniStack has no pages, and a filter that it does not know matches every instance."""
    filters, ids = ec2._parse_filters(p), ec2._parse_member_list(p, "InstanceId")
    tags = {name: filters.pop(name) for name in list(filters) if name.startswith("tag")}
    ec2._cleanup_terminated()
    instances, error = _named_instances(ids)
    error = error or _refusal(p, filters, _FILTERS, ids)
    if error:
        return error
    found = [instance for instance in instances or ec2._instances.values() if _matches(instance, filters, _FILTERS)
             and ec2._resource_matches_tag_filters(instance["InstanceId"], tags)]
    return _page(p, "DescribeInstances", "reservationSet", found, lambda instance: (
        f"<item><reservationId>r-{instance['InstanceId'][2:]}</reservationId><ownerId>{get_account_id()}</ownerId>"
        f"<groupSet/><instancesSet>{ec2._instance_xml(instance)}</instancesSet></item>"))


def _describe_instance_status(p):
    """Checks pass as soon as an instance runs; what does not run has none. MiniStack says `ok` of everything."""
    filters, ids = ec2._parse_filters(p), ec2._parse_member_list(p, "InstanceId")
    instances, error = _named_instances(ids)
    error = error or _refusal(p, filters, _FILTERS, ids)
    if error:
        return error
    everything = ec2._p(p, "IncludeAllInstances") == "true"
    found = [instance for instance in instances or ec2._instances.values() if _matches(instance, filters, _FILTERS)
             and (everything or instance["State"]["Name"] == "running")]
    return _page(p, "DescribeInstanceStatus", "instanceStatusSet", found, _status_item)


def _status_item(instance):
    state = instance["State"]
    check = "<status>not-applicable</status>"
    if state["Name"] == "running":
        check = "<status>ok</status><details><item><name>reachability</name><status>passed</status></item></details>"
    return (f"<item><instanceId>{instance['InstanceId']}</instanceId>"
            f"<availabilityZone>{instance['Placement']['AvailabilityZone']}</availabilityZone>"
            f"<instanceState><code>{state['Code']}</code><name>{state['Name']}</name></instanceState>"
            f"<systemStatus>{check}</systemStatus><instanceStatus>{check}</instanceStatus></item>")


def _refusal(p, filters, known, ids=()):
    for name in filters:
        if name not in known:
            return ec2._error("InvalidParameterValue", f"The filter '{name}' is invalid", 400)
    limit = ec2._p(p, "MaxResults")
    if limit and ids:
        return ec2._error("InvalidParameterCombination",
                          "The parameter instancesSet cannot be used with the parameter maxResults", 400)
    if limit and not 5 <= int(limit) <= 1000:
        return ec2._error("InvalidParameterValue", f"Value ( {limit} ) for parameter maxResults is invalid. "
                                                   "Expecting a value between 5 and 1000.", 400)
    return None


def _matches(record, filters, known):
    return all(any(ec2._glob_match(value, known[name](record)) for value in values) for name, values in filters.items())


def _page(p, operation, element, found, item):
    start = int(ec2._p(p, "NextToken") or 0)
    end = start + int(ec2._p(p, "MaxResults") or 1000)
    token = f"<nextToken>{end}</nextToken>" if end < len(found) else ""
    return ec2._xml(200, f"{operation}Response",
                    f"<{element}>{''.join(map(item, found[start:end]))}</{element}>{token}")


# Families with instance store volumes: those named so (m5d, c5ad, g4dn), and those for storage or with disks all along.
_INSTANCE_STORE = re.compile(r"[a-z]+\d+[a-z-]*d[a-z]*|(d|h|i|im|is|x)\d[a-z]*|(c|g|m|r)3|(f|hs)1|g[56]e?")


def _describe_instance_types(p):
    """MiniStack has no type with an instance store, and answers for types that are none."""
    filters, types = ec2._parse_filters(p), ec2._parse_member_list(p, "InstanceType")
    for name in types:
        if not re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", name):
            return ec2._error("InvalidInstanceType", f"The following supplied instance types do not exist: [{name}]", 400)
    known = {"instance-type": str, "instance-storage-supported": _has_instance_store}
    error = _refusal(p, filters, known)
    if error:
        return error
    types = types or ["t3.micro", "t3.small", "m5.large", "m5d.large", "c5.large", "c5d.large", "i3.large"]
    found = [name for name in types if _matches(name, filters, known)]
    return _page(p, "DescribeInstanceTypes", "instanceTypeSet", found, _type_item)


def _has_instance_store(instance_type):
    return "true" if _INSTANCE_STORE.fullmatch(instance_type.partition(".")[0]) else "false"


def _type_item(instance_type):
    text = ec2._describe_instance_types({"InstanceType.1": instance_type})[2].decode()
    item = re.search(r"<instanceTypeSet>(.*)</instanceTypeSet>", text, re.DOTALL)[1]
    return item.replace("<instanceStorageSupported>false<",
                        f"<instanceStorageSupported>{_has_instance_store(instance_type)}<")


def _instance_item(original):
    """MiniStack knows neither hibernation nor spot."""
    def item(instance):
        configured = "true" if instance.get("Hibernation") else "false"
        more = f"<hibernationOptions><configured>{configured}</configured></hibernationOptions>"
        if instance.get("Spot"):
            more += (f"<instanceLifecycle>spot</instanceLifecycle>"
                     f"<spotInstanceRequestId>{instance['Spot']['Request']}</spotInstanceRequestId>")
        return original(instance).removesuffix("</item>") + more + "</item>"
    return item


_SPOT_FILTERS = {
    "instance-id": lambda instance: instance["InstanceId"],
    "spot-instance-request-id": lambda instance: instance["Spot"]["Request"],
    "type": lambda instance: instance["Spot"]["Type"],
    "state": lambda instance: _spot_state(instance)[0],
}


def _describe_spot_instance_requests(p):
    """Requests are made here by RunInstances only, and are fulfilled at once."""
    filters, ids = ec2._parse_filters(p), ec2._parse_member_list(p, "SpotInstanceRequestId")
    error = _refusal(p, filters, _SPOT_FILTERS, ids)
    if error:
        return error
    found = [instance for instance in ec2._instances.values() if instance.get("Spot")
             and (not ids or instance["Spot"]["Request"] in ids) and _matches(instance, filters, _SPOT_FILTERS)]
    return _page(p, "DescribeSpotInstanceRequests", "spotInstanceRequestSet", found, _spot_item)


def _spot_state(instance):
    return {"running": ("active", "fulfilled"), "pending": ("active", "fulfilled"),
            "terminated": ("closed", "instance-terminated-by-user")}.get(
        instance["State"]["Name"], ("disabled", "instance-stopped-by-user"))


def _spot_item(instance):
    state, code = _spot_state(instance)
    return (f"<item><spotInstanceRequestId>{instance['Spot']['Request']}</spotInstanceRequestId>"
            f"<instanceId>{instance['InstanceId']}</instanceId><type>{instance['Spot']['Type']}</type>"
            f"<state>{state}</state><status><code>{code}</code></status>"
            f"<createTime>{instance['LaunchTime']}</createTime></item>")


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


# ---- Changing ----

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
        error = verb == "stop" and _cannot_be_stopped(instance, hibernate=ec2._p(p, "Hibernate") == "true")
        if error:
            return error
        if instance["State"]["Name"] not in allowed:
            return ec2._error("IncorrectInstanceState", f"The instance '{instance['InstanceId']}' is not in a state "
                                                        f"from which it can be {done}.", 400)
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
        return ec2._error("UnsupportedOperation",
                          f"You can't stop the Spot Instance '{instance_id}' because it is associated with a one-time Spot "
                          "Instance request. You can only stop Spot Instances associated with persistent Spot Instance "
                          "requests.", 400)
    if hibernate and not instance.get("Hibernation"):
        return ec2._error("UnsupportedHibernationConfiguration",
                          f"The instance '{instance_id}' is not enabled for hibernation.", 400)
    return None


def begin_transition(instance, through, to):
    _set_state(instance, through)
    _transitions.append((time.monotonic() + TRANSITION_SECONDS, instance, through, to))


def settle_instances():
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
