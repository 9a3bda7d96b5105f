"""The resources and the condition keys of EC2's calls."""

from ministack.services import ec2

from harness.calls import Check, tag_keys

_KINDS = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "sg": "security-group",
    "vpc": "vpc",
    "subnet": "subnet",
    "eni": "network-interface",
    "lt": "launch-template",
    "key": "key-pair",
}


def checks(call):
    region = {"ec2:Region": call.region}
    if call.operation == "RunInstances":
        return _run_instances(call, region)
    if call.operation in ("CreateTags", "DeleteTags"):
        return [
            Check(call.action, _arn(call, resource), {**region, **tag_keys("ec2", ec2._tags.get(resource))})
            for resource in call.members("ResourceId")
        ]
    if call.operation.startswith("Describe") and call.operation != "DescribeInstanceAttribute":
        return [Check(call.action, "*", region)]
    instances = call.members("InstanceId") or [call.param("InstanceId")]
    if instances == [""]:
        return None
    return [
        Check(
            call.action,
            _arn(call, instance),
            {
                **region,
                **tag_keys("ec2", ec2._tags.get(instance)),
                "ec2:InstanceType": (ec2._instances.get(instance) or {}).get("InstanceType"),
            },
        )
        for instance in instances
    ]


def _run_instances(call, region):
    """A launch needs every resource that it makes or uses, and CreateTags for each kind that it tags."""
    tags = _launch_tags(call)
    made = {kind: f"arn:aws:ec2:{call.region}:{call.account}:{kind}/*" for kind in ("instance", "network-interface", "volume")}
    used = [call.param("SubnetId") or ec2._DEFAULT_SUBNET_ID, *(call.members("SecurityGroupId") or [ec2._DEFAULT_SG_ID])]
    checks = [Check(call.action, f"arn:aws:ec2:{call.region}::image/{call.param('ImageId')}", region)]
    checks += [
        Check(call.action, arn, {**region, **_request_tags(tags, kind), "ec2:InstanceType": call.param("InstanceType") or None})
        for kind, arn in made.items()
    ]
    checks += [
        Check(call.action, _arn(call, resource), {**region, **tag_keys("ec2", ec2._tags.get(resource))}) for resource in used
    ]
    checks += [
        Check("ec2:CreateTags", made[kind], {**region, **_request_tags(tags, kind), "ec2:CreateAction": "RunInstances"})
        for kind in tags
        if kind in made
    ]
    return checks


def _launch_tags(call):
    tags, number = {}, 1
    while kind := call.param(f"TagSpecification.{number}.ResourceType"):
        prefix = f"TagSpecification.{number}.Tag"
        keys = []
        while key := call.param(f"{prefix}.{len(keys) + 1}.Key"):
            keys.append(key)
        tags[kind] = {key: call.param(f"{prefix}.{at}.Value") for at, key in enumerate(keys, 1)}
        number += 1
    return tags


def _request_tags(tags, kind):
    """The tags for one kind. None takes away a key that MiniStack reads from the whole request: another kind's tag."""
    mine = tags.get(kind, {})
    others = {key: None for pairs in tags.values() for key in pairs}
    request_tags = {f"aws:RequestTag/{key}": value for key, value in {**others, **mine}.items()}
    return {**request_tags, "aws:TagKeys": list(mine) or None}


def _arn(call, resource_id):
    kind = _KINDS.get(resource_id.partition("-")[0], "*")
    return f"arn:aws:ec2:{call.region}:{call.account}:{kind}/{resource_id}"
