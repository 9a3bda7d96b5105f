"""ECS: a service is authorized by its own ARN and tags, and a DAEMON has no count."""

from ministack.core.responses import error_response_json
from ministack.services import ecs

from harness.calls import Check, tag_keys

SERVICE = "ecs"

# Calls that take no resource.
_LISTS = ("ListClusters", "ListServices", "ListTasks")


def install():
    # upstream: sets the count of a DAEMON, which has none
    ecs._ACTION_MAP["UpdateService"] = _update_service(ecs._ACTION_MAP["UpdateService"])


def checks(call):
    """A call on services, tasks, clusters or capacity providers is on each of them, by its ARN and tags."""
    if call.operation in _LISTS:
        return [Check(call.action)]
    cluster = call.body.get("cluster", "default").rpartition("/")[2]
    named = {
        "UpdateService": ([call.body.get("service", "")], f"service/{cluster}"),
        "DescribeServices": (call.body.get("services", []), f"service/{cluster}"),
        "GetTaskProtection": (call.body.get("tasks", []), f"task/{cluster}"),
        "DescribeClusters": (call.body.get("clusters", []), "cluster"),
        "DescribeCapacityProviders": (call.body.get("capacityProviders", []), "capacity-provider"),
    }.get(call.operation)
    if not named:
        return None
    names, kind = named
    arns = [name if name.startswith("arn:") else f"arn:aws:ecs:{call.region}:{call.account}:{kind}/{name}" for name in names]
    return [Check(call.action, arn, tag_keys("ecs", _tags(arn))) for arn in arns]


def _tags(arn):
    return [{"Key": tag["key"], "Value": tag.get("value", "")} for tag in ecs._tags.get(arn) or []]


def _update_service(original):
    def handle(data):
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        service = ecs._services.get(f"{cluster}/{data.get('service', '').rpartition('/')[2]}")
        if service and service["schedulingStrategy"] == "DAEMON" and "desiredCount" in data:
            reason = "The daemon scheduling strategy does not support a desired count for services."
            return error_response_json("InvalidParameterException", reason, 400)
        return original(data)

    return handle
