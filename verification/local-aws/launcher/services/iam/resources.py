"""IAM's resource types in templates, as far as MiniStack lacks them."""

import json
import re

from ministack.services import iam
from ministack.services.cloudformation import provisioners

from harness import resource_types
from harness.resource_types import call


def install():
    # upstream: has no such type
    resource_types.register("AWS::IAM::Group", _create_group, _update_group, _delete_group, replaced_by=("GroupName",))
    # upstream: has no such type
    resource_types.register("AWS::IAM::UserToGroupAddition", _create_membership, _update_membership, _delete_membership)
    # upstream: has no such type
    resource_types.register(
        "AWS::IAM::AccessKey", _create_access_key, _update_access_key, _delete_access_key, replaced_by=("UserName", "Serial")
    )
    # upstream: ignores the permissions boundary of a role
    resource_types.around("AWS::IAM::Role", after=_set_permissions_boundary)
    # upstream: takes policies of any length
    resource_types.around("AWS::IAM::ManagedPolicy", before=_check_policy)
    # upstream: deletes a policy that somebody else attached
    _keep_attached_policies()


# ---- AWS::IAM::Group ----


def _create_group(logical_id, props, stack_name):
    name = props.get("GroupName") or provisioners._physical_name(stack_name, logical_id, max_len=128)
    call(iam._create_group, {"GroupName": name, "Path": props.get("Path", "/")})
    return _update_group(name, {}, props)


def _update_group(name, old_props, new_props, _stack_name=None, _logical_id=None):
    """Only what the template itself changes: a policy swapped by someone else stays, as on AWS."""
    group = iam._groups[name]
    old_policies, new_policies = (set(props.get("ManagedPolicyArns") or []) for props in (old_props, new_props))
    for policy in sorted(old_policies - new_policies):
        iam.detach_managed_policy(group, policy)
    for policy in sorted(new_policies - old_policies):
        call(iam._IAM_HANDLERS["AttachGroupPolicy"], {"GroupName": name, "PolicyArn": policy})
    old_inline, new_inline = (provisioners._iam_user_policies(props) for props in (old_props, new_props))
    for policy in old_inline.keys() - new_inline.keys():
        call(iam._delete_group_policy, {"GroupName": name, "PolicyName": policy})
    for policy, document in new_inline.items():
        call(iam._put_group_policy, {"GroupName": name, "PolicyName": policy, "PolicyDocument": document})
    return name, {"Arn": group["Arn"]}


def _delete_group(name, props):
    """A policy that was attached by someone else makes it fail with DeleteConflict, as on AWS."""
    group = iam._groups.get(name)
    if not group:
        return
    for policy in props.get("ManagedPolicyArns") or []:
        iam.detach_managed_policy(group, policy)
    for policy in provisioners._iam_user_policies(props):
        iam._delete_group_policy({"GroupName": name, "PolicyName": policy})
    if group["AttachedPolicies"]:
        raise ValueError("Cannot delete entity, must detach all policies first. (Error Code: DeleteConflict)")
    call(iam._delete_group, {"GroupName": name})


# ---- AWS::IAM::UserToGroupAddition ----


def _create_membership(logical_id, props, stack_name):
    for user in props["Users"]:
        call(iam._add_user_to_group, {"GroupName": props["GroupName"], "UserName": user})
    return provisioners._physical_name(stack_name, logical_id), {}


def _update_membership(physical_id, old_props, new_props, stack_name, logical_id):
    _delete_membership(physical_id, old_props)
    _create_membership(logical_id, new_props, stack_name)
    return physical_id, {}


def _delete_membership(_physical_id, props):
    for user in props["Users"]:
        iam._remove_user_from_group({"GroupName": props["GroupName"], "UserName": user})


# ---- AWS::IAM::AccessKey ----


def _create_access_key(_logical_id, props, _stack_name):
    answer = call(iam._create_access_key, {"UserName": props["UserName"]})
    key = re.search("<AccessKeyId>(.*?)</AccessKeyId>", answer)[1]
    return _update_access_key(key, {}, props)


def _update_access_key(key, _old_props, new_props, _stack_name=None, _logical_id=None):
    record = iam._access_keys[key]
    record["Status"] = new_props.get("Status", "Active")
    return key, {"SecretAccessKey": record["SecretAccessKey"]}


def _delete_access_key(key, _props):
    iam._access_keys.pop(key, None)


# ---- Additions to MiniStack's own types ----


def _set_permissions_boundary(role_name, props):
    role = iam._roles[role_name]
    role.pop("PermissionsBoundary", None)
    if props.get("PermissionsBoundary"):
        role["PermissionsBoundary"] = props["PermissionsBoundary"]


_LONGEST_POLICY = 6144


def _check_policy(props):
    document = re.sub(r"\s", "", json.dumps(props.get("PolicyDocument", {})))
    if len(document) > _LONGEST_POLICY:
        raise ValueError(f"Cannot exceed quota for PolicySize: {_LONGEST_POLICY} (Error Code: LimitExceeded)")


def _keep_attached_policies():
    """A policy that was attached by someone else makes its deletion fail, as on AWS."""
    handlers = resource_types.HANDLERS["AWS::IAM::ManagedPolicy"]
    delete = handlers["delete"]

    def deleted(arn, props, *rest):
        provisioners._iam_policy_reconcile_entities(arn, props, {})
        holders = [holder for store in (iam._groups, iam._users, iam._roles) for holder in store.values()]
        if any(arn in holder["AttachedPolicies"] for holder in holders):
            raise ValueError("Cannot delete a policy attached to entities. (Error Code: DeleteConflict)")
        return delete(arn, props, *rest)

    handlers["delete"] = deleted
