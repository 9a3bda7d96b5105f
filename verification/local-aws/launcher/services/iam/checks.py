"""The resource and the condition keys of IAM's own calls."""

from ministack.services import iam

from harness.calls import Check, tag_keys

# The first of these parameters that is there names the resource: AddUserToGroup is a call on the group, not on the user.
_ENTITIES = (
    ("InstanceProfileName", "instance-profile", iam._instance_profiles),
    ("GroupName", "group", iam._groups),
    ("RoleName", "role", iam._roles),
    ("UserName", "user", iam._users),
)


def checks(call):
    policy = call.param("PolicyArn")
    for name_parameter, kind, store in _ENTITIES:
        name = call.param(name_parameter)
        if not name:
            continue
        record = store.get(name) or {}
        resource = record.get("Arn") or f"arn:aws:iam::{call.account}:{kind}{call.param('Path') or '/'}{name}"
        keys = tag_keys("iam", record.get("Tags"))
        if policy:
            keys["iam:PolicyARN"] = policy
        boundary = call.param("PermissionsBoundary") or record.get("PermissionsBoundary")
        if boundary:
            keys["iam:PermissionsBoundary"] = boundary
        return [Check(call.action, resource, keys)]
    if call.operation == "CreatePolicy":
        policy = f"arn:aws:iam::{call.account}:policy{call.param('Path') or '/'}{call.param('PolicyName')}"
    return [Check(call.action, policy or call.param("PolicySourceArn") or "*")]
