"""Application Auto Scaling: MiniStack has none. Here it scales ECS services.

Each update of a scalable target puts the service's count into its bounds, whatever the update is. Every sub-field of a suspended
state that is not sent is `false`: it is not kept.
"""

from ministack.core import router
from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs

from harness.calls import Check, json_body

SERVICE = "application-autoscaling"

_FLAGS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
# By Region, resource and dimension.
_targets = {}


def install():
    from ministack import app  # it starts when it is imported, so not before the patches of `harness`

    # upstream: has no such service
    router.SERVICE_PATTERNS[SERVICE] = {"target_prefixes": ["AnyScaleFrontendService"], "credential_scope": SERVICE}
    # upstream: has no such service
    app.SERVICE_HANDLERS[SERVICE] = _handle


def checks(call):
    """A target is authorized by its namespace and its dimension; lists take no resource."""
    if call.operation != "RegisterScalableTarget":
        return [Check(call.action)]
    keys = {
        f"{SERVICE}:service-namespace": call.body.get("ServiceNamespace", ""),
        f"{SERVICE}:scalable-dimension": call.body.get("ScalableDimension", ""),
    }
    return [Check(call.action, f"arn:aws:{SERVICE}:{call.region}:{call.account}:scalable-target/of-{call.region}", keys)]


async def _handle(method, path, headers, body, query_params):
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    handler = {"RegisterScalableTarget": _register, "DescribeScalableTargets": _describe}.get(operation)
    if not handler:
        return error_response_json("ValidationException", f"Operation '{operation}' not implemented", 400)
    return handler(json_body(body))


def _register(request):
    resource = request["ResourceId"]
    service = _service(resource)
    if not service:
        return error_response_json("ValidationException", f"ECS service doesn't exist: {resource}", 400)
    key = (ecs.get_region(), resource, request["ScalableDimension"])
    target = _targets.get(key)
    if not target and not {"MinCapacity", "MaxCapacity"} <= request.keys():
        return error_response_json("ValidationException", "A new target needs MinCapacity and MaxCapacity.", 400)
    target = dict(target or {"SuspendedState": dict.fromkeys(_FLAGS, False)})
    target |= {name: request[name] for name in ("MinCapacity", "MaxCapacity") if name in request}
    if "SuspendedState" in request:
        target["SuspendedState"] = {flag: request["SuspendedState"].get(flag, False) for flag in _FLAGS}
    if target["MinCapacity"] > target["MaxCapacity"]:
        return error_response_json("ValidationException", "MinCapacity is larger than MaxCapacity.", 400)
    _targets[key] = target
    bounded = min(max(service["desiredCount"], target["MinCapacity"]), target["MaxCapacity"])
    if bounded != service["desiredCount"]:
        _, cluster, name = resource.split("/")
        ecs._update_service({"cluster": cluster, "service": name, "desiredCount": bounded})
    return json_response({"ScalableTargetARN": f"arn:aws:{SERVICE}:{key[0]}:{ecs.get_account_id()}:scalable-target/of-{key[0]}"})


def _describe(request):
    wanted = request.get("ResourceIds")
    found = [
        {
            **target,
            "ServiceNamespace": request["ServiceNamespace"],
            "ResourceId": resource,
            "ScalableDimension": dimension,
            "RoleARN": f"arn:aws:iam::{ecs.get_account_id()}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/ecs",
            "CreationTime": 0,
        }
        for (region, resource, dimension), target in sorted(_targets.items())
        if region == ecs.get_region() and dimension.startswith(request["ServiceNamespace"] + ":")
        if not wanted or resource in wanted
    ]
    return json_response({"ScalableTargets": found})


def _service(resource):
    _, _, key = resource.partition("/")
    service = ecs._services.get(key)
    return service if service and service["status"] == "ACTIVE" else None
