"""EC2's descriptions: instances, their checks and types, and spot requests, with filters and pages."""

import re

from ministack.core.responses import get_account_id
from ministack.services import ec2

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


def describe_instances(p):
    """MiniStack has no pages, and a filter that it does not know matches every instance."""
    filters, ids = ec2._parse_filters(p), ec2._parse_member_list(p, "InstanceId")
    tags = {name: filters.pop(name) for name in list(filters) if name.startswith("tag")}
    ec2._cleanup_terminated()
    instances, error = named_instances(ids)
    error = error or _refusal(p, filters, _FILTERS, ids)
    if error:
        return error
    found = [
        instance
        for instance in instances or ec2._instances.values()
        if _matches(instance, filters, _FILTERS) and ec2._resource_matches_tag_filters(instance["InstanceId"], tags)
    ]
    return _page(
        p,
        "DescribeInstances",
        "reservationSet",
        found,
        lambda instance: (
            f"<item><reservationId>r-{instance['InstanceId'][2:]}</reservationId><ownerId>{get_account_id()}</ownerId>"
            f"<groupSet/><instancesSet>{ec2._instance_xml(instance)}</instancesSet></item>"
        ),
    )


def describe_instance_status(p):
    """Checks pass as soon as an instance runs; what does not run has none. MiniStack says `ok` of everything."""
    filters, ids = ec2._parse_filters(p), ec2._parse_member_list(p, "InstanceId")
    instances, error = named_instances(ids)
    error = error or _refusal(p, filters, _FILTERS, ids)
    if error:
        return error
    everything = ec2._p(p, "IncludeAllInstances") == "true"
    found = [
        instance
        for instance in instances or ec2._instances.values()
        if _matches(instance, filters, _FILTERS) and (everything or instance["State"]["Name"] == "running")
    ]
    return _page(p, "DescribeInstanceStatus", "instanceStatusSet", found, _status_item)


def _status_item(instance):
    state = instance["State"]
    check = "<status>not-applicable</status>"
    if state["Name"] == "running":
        check = "<status>ok</status><details><item><name>reachability</name><status>passed</status></item></details>"
    return (
        f"<item><instanceId>{instance['InstanceId']}</instanceId>"
        f"<availabilityZone>{instance['Placement']['AvailabilityZone']}</availabilityZone>"
        f"<instanceState><code>{state['Code']}</code><name>{state['Name']}</name></instanceState>"
        f"<systemStatus>{check}</systemStatus><instanceStatus>{check}</instanceStatus></item>"
    )


def _refusal(p, filters, known, ids=()):
    for name in filters:
        if name not in known:
            return ec2._error("InvalidParameterValue", f"The filter '{name}' is invalid", 400)
    limit = ec2._p(p, "MaxResults")
    if limit and ids:
        return ec2._error(
            "InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults", 400
        )
    if limit and not 5 <= int(limit) <= 1000:
        return ec2._error(
            "InvalidParameterValue",
            f"Value ( {limit} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.",
            400,
        )
    return None


def _matches(record, filters, known):
    return all(any(ec2._glob_match(value, known[name](record)) for value in values) for name, values in filters.items())


def _page(p, operation, element, found, item):
    start = int(ec2._p(p, "NextToken") or 0)
    end = start + int(ec2._p(p, "MaxResults") or 1000)
    token = f"<nextToken>{end}</nextToken>" if end < len(found) else ""
    return ec2._xml(200, f"{operation}Response", f"<{element}>{''.join(map(item, found[start:end]))}</{element}>{token}")


# ---- Types ----

# Families with instance store volumes: those named so (m5d, c5ad, g4dn), and those for storage or with disks all along.
_INSTANCE_STORE = re.compile(r"[a-z]+\d+[a-z-]*d[a-z]*|(d|h|i|im|is|x)\d[a-z]*|(c|g|m|r)3|(f|hs)1|g[56]e?")


def describe_instance_types(p):
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
    return item.replace("<instanceStorageSupported>false<", f"<instanceStorageSupported>{_has_instance_store(instance_type)}<")


# ---- Spot ----


def instance_item(original):
    """MiniStack knows neither hibernation nor spot."""

    def item(instance):
        configured = "true" if instance.get("Hibernation") else "false"
        more = f"<hibernationOptions><configured>{configured}</configured></hibernationOptions>"
        if instance.get("Spot"):
            more += (
                f"<instanceLifecycle>spot</instanceLifecycle>"
                f"<spotInstanceRequestId>{instance['Spot']['Request']}</spotInstanceRequestId>"
            )
        return original(instance).removesuffix("</item>") + more + "</item>"

    return item


_SPOT_FILTERS = {
    "instance-id": lambda instance: instance["InstanceId"],
    "spot-instance-request-id": lambda instance: instance["Spot"]["Request"],
    "type": lambda instance: instance["Spot"]["Type"],
    "state": lambda instance: _spot_state(instance)[0],
}


def describe_spot_instance_requests(p):
    """Requests are made here by RunInstances only, and are fulfilled at once."""
    filters, ids = ec2._parse_filters(p), ec2._parse_member_list(p, "SpotInstanceRequestId")
    error = _refusal(p, filters, _SPOT_FILTERS, ids)
    if error:
        return error
    found = [
        instance
        for instance in ec2._instances.values()
        if instance.get("Spot") and (not ids or instance["Spot"]["Request"] in ids) and _matches(instance, filters, _SPOT_FILTERS)
    ]
    return _page(p, "DescribeSpotInstanceRequests", "spotInstanceRequestSet", found, _spot_item)


def _spot_state(instance):
    return {
        "running": ("active", "fulfilled"),
        "pending": ("active", "fulfilled"),
        "terminated": ("closed", "instance-terminated-by-user"),
    }.get(instance["State"]["Name"], ("disabled", "instance-stopped-by-user"))


def _spot_item(instance):
    state, code = _spot_state(instance)
    return (
        f"<item><spotInstanceRequestId>{instance['Spot']['Request']}</spotInstanceRequestId>"
        f"<instanceId>{instance['InstanceId']}</instanceId><type>{instance['Spot']['Type']}</type>"
        f"<state>{state}</state><status><code>{code}</code></status>"
        f"<createTime>{instance['LaunchTime']}</createTime></item>"
    )


# ---- Instances by id ----


def named_instances(ids):
    """One id that is wrong fails the whole call."""
    for instance_id in ids:
        if not ec2._INSTANCE_ID_RE.match(instance_id):
            return None, ec2._error("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"', 400)
    missing = [instance_id for instance_id in ids if instance_id not in ec2._instances]
    if missing:
        named = (
            f"The instance ID '{missing[0]}' does not exist"
            if len(missing) == 1
            else f"The instance IDs '{', '.join(missing)}' do not exist"
        )
        return None, ec2._error("InvalidInstanceID.NotFound", named, 400)
    return [ec2._instances[instance_id] for instance_id in dict.fromkeys(ids)], None
