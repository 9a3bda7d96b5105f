"""Cost allocation tags: MiniStack has no Cost Explorer.

Cost Explorer knows the tags that resources carry (here: instances, at once; on AWS within a day). Each is inactive until a person
activates it. A budget that filters by an inactive tag watches nothing, and does not say so.
"""

from ministack.core import router
from ministack.core.responses import error_response_json, json_response
from ministack.services import ec2

from harness.calls import Check, json_body

SERVICE = "ce"


_active = set()


def install():
    from ministack import app  # it starts when it is imported, so not before the patches of `harness`

    # upstream: has no such service
    router.SERVICE_PATTERNS["ce"] = {"target_prefixes": ["AWSInsightsIndexService"], "credential_scope": "ce"}
    # upstream: has no such service
    app.SERVICE_HANDLERS["ce"] = _handle


def checks(call):
    """Its lists take no resource."""
    return [Check(call.action)]


async def _handle(method, path, headers, body, query_params):
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    handler = {
        "ListCostAllocationTags": _list,
        "UpdateCostAllocationTagsStatus": _update,
        "GetTags": _values,
        "GetDimensionValues": _dimensions,
    }.get(operation)
    if not handler:
        return error_response_json("InvalidAction", f"Operation '{operation}' not implemented", 400)
    return json_response(handler(json_body(body)))


def _known():
    return {tag["Key"] for tags in ec2._tags.values() for tag in tags}


def _list(request):
    keys = _known() & set(request.get("TagKeys") or _known())
    tags = [{"TagKey": key, "Type": "UserDefined", "Status": "Active" if key in _active else "Inactive"} for key in sorted(keys)]
    return {"CostAllocationTags": [tag for tag in tags if request.get("Status", tag["Status"]) == tag["Status"]]}


def _values(request):
    key = request["TagKey"]
    values = sorted({tag["Value"] for tags in ec2._tags.values() for tag in tags if tag["Key"] == key})
    return {"Tags": values, "ReturnSize": len(values), "TotalSize": len(values)}


def _dimensions(request):
    """The services of instances, whose costs are all that is known here."""
    names = ["Amazon Elastic Compute Cloud - Compute", "EC2 - Other"] if request["Dimension"] == "SERVICE" else []
    values = [{"Value": name, "Attributes": {}} for name in names]
    return {"DimensionValues": values, "ReturnSize": len(values), "TotalSize": len(values)}


def _update(request):
    errors = []
    for entry in request.get("CostAllocationTagsStatus") or []:
        key = entry["TagKey"]
        if key not in _known():
            errors.append({"TagKey": key, "Code": "TagKeysNotFoundException", "Message": "Tag keys not found"})
        elif entry["Status"] == "Active":
            _active.add(key)
        else:
            _active.discard(key)
    return {"Errors": errors}
