"""Which (action, resource, condition keys) AWS checks for a request, as its service authorization reference has them.

MiniStack names one resource for a request by the first parameter that looks like a name. That is wrong for a call on several
resources (StopInstances), for a call whose parameter is only a condition (AttachGroupPolicy's PolicyArn), and for services
whose actions are not their operations (Budgets).
"""

import json
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from ministack.services import autoscaling, budgets, dynamodb, ec2, iam, kms, sns

import scaling_groups


@dataclass
class Check:
    action: str
    resource: str = "*"
    keys: dict = field(default_factory=dict)
    service: str | None = None  # whose resource it is, when not the call's own


@dataclass
class Call:
    """One request: `params` are those of the Query protocol, `body` is a JSON protocol's."""

    service: str
    action: str
    path: str
    params: dict
    body: dict
    region: str
    account: str

    @property
    def operation(self):
        return self.action.partition(":")[2]

    def param(self, name):
        value = self.params.get(name, "")
        return value[0] if isinstance(value, list) and value else value or ""

    def members(self, prefix):
        """EC2's lists: prefix.1, prefix.2, ..."""
        found = []
        while value := self.param(f"{prefix}.{len(found) + 1}"):
            found.append(value)
        return found


def checks_for(call):
    """The checks of a call, all of which must pass, or None where MiniStack's own reading is right."""
    reader = _READERS.get(call.service)
    return reader(call) if reader else None


def _tag_keys(namespace, tags):
    """A resource's tags, under aws:ResourceTag and under the service's own older spelling."""
    return {f"{prefix}:ResourceTag/{tag['Key']}": tag.get("Value", "")
            for prefix in ("aws", namespace) for tag in tags or []}


# ---- IAM ----

# The first of these parameters that is there names the resource: AddUserToGroup is a call on the group, not on the user.
_IAM_ENTITIES = (
    ("InstanceProfileName", "instance-profile", iam._instance_profiles),
    ("GroupName", "group", iam._groups),
    ("RoleName", "role", iam._roles),
    ("UserName", "user", iam._users),
)


def _iam(call):
    policy = call.param("PolicyArn")
    for name_parameter, kind, store in _IAM_ENTITIES:
        name = call.param(name_parameter)
        if not name:
            continue
        record = store.get(name) or {}
        resource = record.get("Arn") or f"arn:aws:iam::{call.account}:{kind}{call.param('Path') or '/'}{name}"
        keys = _tag_keys("iam", record.get("Tags"))
        if policy:
            keys["iam:PolicyARN"] = policy
        boundary = call.param("PermissionsBoundary") or record.get("PermissionsBoundary")
        if boundary:
            keys["iam:PermissionsBoundary"] = boundary
        return [Check(call.action, resource, keys)]
    if call.operation == "CreatePolicy":
        policy = f"arn:aws:iam::{call.account}:policy{call.param('Path') or '/'}{call.param('PolicyName')}"
    return [Check(call.action, policy or call.param("PolicySourceArn") or "*")]


# ---- EC2 ----

_EC2_KINDS = {"i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image", "sg": "security-group", "vpc": "vpc",
              "subnet": "subnet", "eni": "network-interface", "lt": "launch-template", "key": "key-pair"}


def _ec2(call):
    region = {"ec2:Region": call.region}
    if call.operation == "RunInstances":
        return _run_instances(call, region)
    if call.operation in ("CreateTags", "DeleteTags"):
        return [Check(call.action, _ec2_arn(call, resource), {**region, **_tag_keys("ec2", ec2._tags.get(resource))})
                for resource in call.members("ResourceId")]
    if call.operation.startswith("Describe") and call.operation != "DescribeInstanceAttribute":
        return [Check(call.action, "*", region)]
    instances = call.members("InstanceId") or [call.param("InstanceId")]
    if instances == [""]:
        return None
    return [Check(call.action, _ec2_arn(call, instance),
                  {**region, **_tag_keys("ec2", ec2._tags.get(instance)),
                   "ec2:InstanceType": (ec2._instances.get(instance) or {}).get("InstanceType")})
            for instance in instances]


def _run_instances(call, region):
    """A launch needs every resource that it makes or uses, and CreateTags for each kind that it tags."""
    tags = _launch_tags(call)
    made = {kind: f"arn:aws:ec2:{call.region}:{call.account}:{kind}/*"
            for kind in ("instance", "network-interface", "volume")}
    used = [call.param("SubnetId") or ec2._DEFAULT_SUBNET_ID, *(call.members("SecurityGroupId") or [ec2._DEFAULT_SG_ID])]
    checks = [Check(call.action, f"arn:aws:ec2:{call.region}::image/{call.param('ImageId')}", region)]
    checks += [Check(call.action, arn, {**region, **_request_tags(tags, kind),
                                        "ec2:InstanceType": call.param("InstanceType") or None})
               for kind, arn in made.items()]
    checks += [Check(call.action, _ec2_arn(call, resource), {**region, **_tag_keys("ec2", ec2._tags.get(resource))})
               for resource in used]
    checks += [Check("ec2:CreateTags", made[kind], {**region, **_request_tags(tags, kind),
                                                    "ec2:CreateAction": "RunInstances"})
               for kind in tags if kind in made]
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


def _ec2_arn(call, resource_id):
    kind = _EC2_KINDS.get(resource_id.partition("-")[0], "*")
    return f"arn:aws:ec2:{call.region}:{call.account}:{kind}/{resource_id}"


# ---- DynamoDB ----

_TRANSACTION_ACTIONS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "Get": "GetItem",
                        "ConditionCheck": "ConditionCheckItem"}


def _dynamodb(call):
    """A transaction is checked item by item, a batch table by table, each with its own items' partition keys."""
    if "TransactItems" in call.body:
        return [Check(f"dynamodb:{_TRANSACTION_ACTIONS[member]}", _table_arn(call, part["TableName"]),
                      {"dynamodb:EnclosingOperation": call.operation, **_leading_keys(part["TableName"], part)})
                for item in call.body["TransactItems"] for member, part in item.items() if member in _TRANSACTION_ACTIONS]
    if "RequestItems" in call.body:
        return [Check(call.action, _table_arn(call, table), _leading_keys(table, request))
                for table, request in call.body["RequestItems"].items()]
    if statement := call.body.get("Statement"):
        return [_partiql(call, statement)]
    if not call.body.get("TableName"):
        return None
    index = call.body.get("IndexName")
    resource = _table_arn(call, call.body["TableName"]) + (f"/index/{index}" if index else "")
    return [Check(call.action, resource, _leading_keys(call.body["TableName"], call.body))]


def _partiql(call, statement):
    """A statement of PartiQL is an action of its own, by its verb, on the table after it."""
    found = re.match(r"\s*(\w+)(?:.*?\b(?:FROM|INTO))?\s+\"?([\w.-]+)", statement, re.I | re.S)
    return Check(f"dynamodb:PartiQL{found[1].capitalize()}", _table_arn(call, found[2])) if found else Check(call.action)


def _table_arn(call, table):
    return table if table.startswith("arn:") else f"arn:aws:dynamodb:{call.region}:{call.account}:table/{table}"


def _leading_keys(table, request):
    """dynamodb:LeadingKeys: the partition keys that the request names. A Scan names none, so the key is absent."""
    record = dynamodb._tables.get(table.rpartition("/")[2])
    if not record:
        return {}
    values = _partition_key_values(_partition_key(record, request), request)
    return {"dynamodb:LeadingKeys": values} if values else {}


def _partition_key(record, request):
    index = request.get("IndexName") if isinstance(request, dict) else None
    for definition in [*(record.get("GlobalSecondaryIndexes") or []), *(record.get("LocalSecondaryIndexes") or [])]:
        if index and definition["IndexName"] == index:
            return next(key["AttributeName"] for key in definition["KeySchema"] if key["KeyType"] == "HASH")
    return record["pk_name"]


def _partition_key_values(key, request):
    if isinstance(request, list):  # BatchWriteItem
        items = [next(iter(part.values())) for part in request]
        return [value for item in items for value in _partition_key_values(key, item)]
    items = [request.get("Key"), request.get("Item"), *(request.get("Keys") or [])]
    values = [item[key] for item in items if item and key in item]
    for name, placeholder in re.findall(r"([#\w]+)\s*=\s*(:\w+)", request.get("KeyConditionExpression") or ""):
        if (request.get("ExpressionAttributeNames") or {}).get(name, name) == key:
            values.append((request.get("ExpressionAttributeValues") or {}).get(placeholder, {"NULL": ""}))
    return [next(iter(value.values())) for value in values]


# ---- The others ----

def _autoscaling(call):
    """Reads take no resource. A group's ARN has an id of its own in it, so it is looked up; some calls name only a member."""
    group = autoscaling._asgs.get(call.param("AutoScalingGroupName"))
    if not group and call.param("InstanceId"):
        group, _member = scaling_groups.of_instance(call.param("InstanceId"))
    if call.operation.startswith("Describe"):
        return [Check(call.action)]
    if not group:
        return None
    return [Check(call.action, group["AutoScalingGroupARN"], _tag_keys("autoscaling", group.get("Tags")))]


def _budgets(call):
    """Budgets has permissions of its own: one to read, one to change."""
    if "Tag" in call.operation or "BudgetAction" in call.operation:
        return [Check(call.action, call.body.get("ResourceARN") or "*")]
    name = (call.body.get("Budget") or call.body.get("NewBudget") or call.body).get("BudgetName") or "*"
    budget = f"arn:aws:budgets::{call.account}:budget/{name}"
    tags = {f"aws:ResourceTag/{key}": value for key, value in (budgets._tags.get(budget) or {}).items()}
    checks = [Check("budgets:ViewBudget" if call.operation.startswith("Describe") else "budgets:ModifyBudget", budget, tags)]
    if call.body.get("ResourceTags"):
        checks.append(Check("budgets:TagResource", budget))
    return checks


def _cost_explorer(call):
    """Cost Explorer's lists take no resource."""
    return [Check(call.action)]


def _lambda(call):
    """A call on a version or an alias is a call on the qualified ARN."""
    found = re.search(r"/functions/([^/]+)", call.path)
    qualifier = call.param("Qualifier")
    if not found or not qualifier:
        return None
    function = unquote(found[1])
    if not function.startswith("arn:"):
        function = f"arn:aws:lambda:{call.region}:{call.account}:function:{function}"
    return [Check(call.action, function if function.count(":") > 6 else f"{function}:{qualifier}")]


def _logs(call):
    """A log group's resource carries its streams, which is why policies must end in `:*`."""
    if "Tag" in call.operation:
        return None
    group, stream = call.body.get("logGroupName", ""), call.body.get("logStreamName", "")
    return [Check(call.action, f"arn:aws:logs:{call.region}:{call.account}:log-group:{group}:log-stream:{stream}")]


def _sns(call):
    """Publishing to an encrypted topic takes its key, in the publisher's name."""
    topic = call.param("TopicArn") or call.param("TargetArn")
    if call.operation not in ("Publish", "PublishBatch") or not topic:
        return None
    checks = [Check("sns:Publish", topic)]
    key = (sns._topic_by_arn_any_scope(topic) or {}).get("attributes", {}).get("KmsMasterKeyId")
    record = kms._resolve_key(key) if key else None
    if record:
        keys = {"kms:ViaService": f"sns.{call.region}.amazonaws.com", "kms:CallerAccount": call.account}
        checks += [Check(action, record["Arn"], keys, "kms") for action in ("kms:GenerateDataKey", "kms:Decrypt")]
    return checks


def _scheduler(call):
    """A schedule's ARN has its group in it."""
    name = re.fullmatch(r"/schedules/([^/]+)", call.path)
    group = call.body.get("GroupName") or call.param("groupName") or "default"
    return [Check(call.action, f"arn:aws:scheduler:{call.region}:{call.account}:schedule/{group}/{unquote(name[1])}")] if name else None


def _load_balancing(call):
    """Reads take no resource; of the rest MiniStack's own reading does."""
    return [Check(call.action)] if call.operation.startswith("Describe") else None


_READERS = {"iam": _iam, "ec2": _ec2, "dynamodb": _dynamodb, "autoscaling": _autoscaling, "budgets": _budgets,
            "ce": _cost_explorer, "lambda": _lambda, "logs": _logs, "elasticloadbalancing": _load_balancing, "scheduler": _scheduler,
            "sns": _sns}


def json_body(body):
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, UnicodeDecodeError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
