"""What the product's templates need and MiniStack's CloudFormation lacks: resource types, properties, and refusals.

Types are registered as MiniStack registers its own: `create` answers the physical id and the attributes of Fn::GetAtt, and
raises ValueError with the reason of a failed resource. The refusals are those by which AWS fails a deployment whose roles
lack something: better seen here than in the first real account.
"""

import json
import re

from ministack.services import dynamodb, ec2, iam, lambda_svc, sns
from ministack.services import cloudformation
from ministack.services.cloudformation import provisioners, stacks

from service_roles import assumable, denial, sending_action

_HANDLERS = provisioners._RESOURCE_HANDLERS


def install():
    _register("AWS::IAM::Group", _create_group, _update_group, _delete_group, replaced_by=("GroupName",))
    _register("AWS::IAM::UserToGroupAddition", _create_membership, _update_membership, _delete_membership)
    _register("AWS::IAM::AccessKey", _create_access_key, _update_access_key, _delete_access_key,
              replaced_by=("UserName", "Serial"))
    _register("AWS::EC2::Instance", _create_instance, _update_instance, _delete_instance,
              replaced_by=("ImageId", "SubnetId", "KeyName", "AvailabilityZone"))
    provisioners._STACK_TAG_PROPERTY["AWS::EC2::Instance"] = ("Tags", "list")
    _around("AWS::DynamoDB::Table", after=_encrypt_table)
    _around("AWS::IAM::Role", after=_set_permissions_boundary)
    _around("AWS::SNS::Topic", after=_set_key)
    _around("AWS::IAM::ManagedPolicy", before=_check_policy)
    _keep_attached_policies()
    _around("AWS::Lambda::Function", before=_check_function, after=_complete_function)
    _around("AWS::Lambda::EventInvokeConfig", before=_check_destinations)
    _around("AWS::StepFunctions::StateMachine", before=_check_machine)
    _keep_what_a_failed_deletion_needs()


def _register(resource_type, create, update, delete, replaced_by=()):
    _HANDLERS[resource_type] = {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
    provisioners._REPLACING_PROPERTIES[resource_type] = replaced_by


def _around(resource_type, before=lambda props: None, after=lambda physical_id, props: None):
    """Adds to what MiniStack's own create and update do."""
    handlers = _HANDLERS[resource_type]
    create, update = handlers["create"], handlers["update"]

    def created(logical_id, props, stack_name):
        before(props)
        made = create(logical_id, props, stack_name)
        after(made[0], props)
        return made

    def updated(physical_id, old_props, new_props, *rest):
        before(new_props)
        made = update(physical_id, old_props, new_props, *rest)
        after(made[0], new_props)
        return made

    handlers.update(create=created, update=updated)


def _keep_what_a_failed_deletion_needs():
    """AWS deletes nothing on which a resource depends that could not be deleted; MiniStack goes on with it."""
    delete = stacks._delete_resource

    def deleted(resource_type, physical_id, props, stack_name, logical_id, *rest):
        stack = cloudformation._stacks.get(stack_name) or {}
        resources = stack.get("_resources", {})
        failed = [name for name, resource in resources.items() if resource.get("ResourceStatus") == "DELETE_FAILED"]
        failed = [name for name in failed if name != logical_id and stack.get("StackStatus") == "DELETE_IN_PROGRESS"]
        definitions = (stack.get("_template") or {}).get("Resources", {})
        if logical_id in stacks._with_dependencies(failed, definitions, set(resources)):
            raise ValueError(f"{', '.join(failed)} needs it, and could not be deleted")
        return delete(resource_type, physical_id, props, stack_name, logical_id, *rest)

    stacks._delete_resource = deleted


def _call(handler, parameters):
    """Calls a handler of a Query API; its error becomes the resource's reason."""
    status, _headers, body = handler(parameters)
    text = body.decode()
    if status >= 400:
        code, message = (re.search(f"<{tag}>\\s*(.*?)\\s*</{tag}>", text, re.S)[1] for tag in ("Code", "Message"))
        raise ValueError(f"{message} (Error Code: {code})")
    return text


# ---- AWS::IAM::Group ----

def _create_group(logical_id, props, stack_name):
    name = props.get("GroupName") or provisioners._physical_name(stack_name, logical_id, max_len=128)
    _call(iam._create_group, {"GroupName": name, "Path": props.get("Path", "/")})
    return _update_group(name, {}, props)


def _update_group(name, old_props, new_props, _stack_name=None, _logical_id=None):
    """Only what the template itself changes: a policy swapped by someone else stays, as on AWS."""
    group = iam._groups[name]
    old_policies, new_policies = (set(props.get("ManagedPolicyArns") or []) for props in (old_props, new_props))
    for policy in sorted(old_policies - new_policies):
        iam.detach_managed_policy(group, policy)
    for policy in sorted(new_policies - old_policies):
        _call(iam._IAM_HANDLERS["AttachGroupPolicy"], {"GroupName": name, "PolicyArn": policy})
    old_inline, new_inline = (provisioners._iam_user_policies(props) for props in (old_props, new_props))
    for policy in old_inline.keys() - new_inline.keys():
        _call(iam._delete_group_policy, {"GroupName": name, "PolicyName": policy})
    for policy, document in new_inline.items():
        _call(iam._put_group_policy, {"GroupName": name, "PolicyName": policy, "PolicyDocument": document})
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
    _call(iam._delete_group, {"GroupName": name})


# ---- AWS::IAM::UserToGroupAddition ----

def _create_membership(logical_id, props, stack_name):
    for user in props["Users"]:
        _call(iam._add_user_to_group, {"GroupName": props["GroupName"], "UserName": user})
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
    answer = _call(iam._create_access_key, {"UserName": props["UserName"]})
    key = re.search("<AccessKeyId>(.*?)</AccessKeyId>", answer)[1]
    return _update_access_key(key, {}, props)


def _update_access_key(key, _old_props, new_props, _stack_name=None, _logical_id=None):
    record = iam._access_keys[key]
    record["Status"] = new_props.get("Status", "Active")
    return key, {"SecretAccessKey": record["SecretAccessKey"]}


def _delete_access_key(key, _props):
    iam._access_keys.pop(key, None)


# ---- AWS::EC2::Instance ----

def _create_instance(_logical_id, props, _stack_name):
    ec2._ensure_defaults_initialized()
    same_name = ("ImageId", "InstanceType", "SubnetId", "KeyName", "UserData")
    parameters = {name: str(props[name]) for name in same_name if name in props}
    parameters |= {f"SecurityGroupId.{at}": group for at, group in enumerate(props.get("SecurityGroupIds") or [], 1)}
    if "IamInstanceProfile" in props:
        parameters["IamInstanceProfile.Name"] = props["IamInstanceProfile"]
    answer = _call(ec2._ACTION_MAP["RunInstances"], parameters | {"MinCount": "1", "MaxCount": "1"})
    return _update_instance(re.search("<instanceId>(.*?)</instanceId>", answer)[1], {}, props)


def _update_instance(instance_id, old_props, new_props, _stack_name=None, _logical_id=None):
    instance = ec2._instances[instance_id]
    instance["InstanceType"] = new_props.get("InstanceType", instance["InstanceType"])
    instance["disableApiTermination"] = str(new_props.get("DisableApiTermination", False)).lower()
    provisioners._ec2_apply_tags(instance_id, new_props, old_props)
    return instance_id, {
        "InstanceId": instance_id, "VpcId": instance["VpcId"], "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
        "PrivateIp": instance["PrivateIpAddress"], "PrivateDnsName": instance["PrivateDnsName"],
        "PublicIp": instance["PublicIpAddress"], "PublicDnsName": instance["PublicDnsName"],
    }


def _delete_instance(instance_id, _props):
    if instance_id in ec2._instances:
        _call(ec2._ACTION_MAP["TerminateInstances"], {"InstanceId.1": instance_id})


# ---- Additions to MiniStack's own types ----

def _complete_function(name, props):
    function = lambda_svc._functions[name]
    function["concurrency"] = props.get("ReservedConcurrentExecutions")
    function["config"]["DeadLetterConfig"] = props.get("DeadLetterConfig") or {}


def _set_key(topic, props):
    attributes = sns._topics[topic]["attributes"]
    attributes.pop("KmsMasterKeyId", None)
    if props.get("KmsMasterKeyId"):
        attributes["KmsMasterKeyId"] = props["KmsMasterKeyId"]


def _encrypt_table(name, props):
    asked = props.get("SSESpecification") or {}
    spec = {to: asked[of] for of, to in (("SSEEnabled", "Enabled"), ("SSEType", "SSEType"),
                                          ("KMSMasterKeyId", "KMSMasterKeyId")) if of in asked}
    dynamodb._tables[name]["SSEDescription"] = dynamodb._sse_description_from_spec(spec)


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
    handlers = _HANDLERS["AWS::IAM::ManagedPolicy"]
    delete = handlers["delete"]

    def deleted(arn, props, *rest):
        provisioners._iam_policy_reconcile_entities(arn, props, {})
        holders = [holder for store in (iam._groups, iam._users, iam._roles) for holder in store.values()]
        if any(arn in holder["AttachedPolicies"] for holder in holders):
            raise ValueError("Cannot delete a policy attached to entities. (Error Code: DeleteConflict)")
        return delete(arn, props, *rest)

    handlers["delete"] = deleted


def _check_function(props):
    """MiniStack makes a function without code where the object is missing, and answers its invocations with 200."""
    code = props["Code"]
    if "S3Key" in code and not lambda_svc._fetch_code_from_s3(code["S3Bucket"], code["S3Key"], code.get("S3ObjectVersion")):
        raise ValueError("Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does "
                         "not exist. (Error Code: InvalidParameterValueException)")
    if not assumable(props["Role"], "lambda.amazonaws.com"):
        raise ValueError("The role defined for the function cannot be assumed by Lambda. "
                         "(Error Code: InvalidParameterValueException)")
    target = (props.get("DeadLetterConfig") or {}).get("TargetArn")
    if target:
        _check_may_send(props["Role"], target)


def _check_destinations(props):
    function, _config, _name = lambda_svc._get_func_record_for_ref(props["FunctionName"])
    for destination in (props.get("DestinationConfig") or {}).values():
        if function and destination.get("Destination"):
            _check_may_send(function["config"]["Role"], destination["Destination"])


def _check_may_send(role, target):
    action = sending_action(target)
    if denial(role, "lambda", action, target):
        raise ValueError(f"The function's execution role does not have permissions to call {action} on {target} "
                         "(Error Code: InvalidParameterValueException)")


_LOG_DELIVERY_ACTIONS = ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery",
                         "ListLogDeliveries", "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")


def _check_machine(props):
    role = props["RoleArn"]
    if not assumable(role, "states.amazonaws.com"):
        raise ValueError("Neither the global service principal states.amazonaws.com, nor the regional one is authorized to "
                         "assume the provided role. (Error Code: AccessDeniedException)")
    if (props.get("LoggingConfiguration") or {}).get("Level", "OFF") == "OFF":
        return
    lacking = [action for action in _LOG_DELIVERY_ACTIONS if denial(role, "states", f"logs:{action}", "*")]
    if lacking:
        raise ValueError("The state machine IAM Role is not authorized to access the Log Destination: it lacks logs:"
                         f"{', logs:'.join(lacking)} on * (Error Code: AccessDeniedException)")
