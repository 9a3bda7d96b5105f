"""DynamoDB: items are authorized by their partition keys, and a template encrypts a table."""

import re

from ministack.services import dynamodb

from harness import resource_types
from harness.calls import Check

SERVICE = "dynamodb"


def install():
    # upstream: ignores the key of a table's encryption
    resource_types.around("AWS::DynamoDB::Table", after=_encrypt_table)


# ---- Checks ----

_TRANSACTION_ACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "ConditionCheck": "ConditionCheckItem",
}


def checks(call):
    """A transaction is checked item by item, a batch table by table, each with its own items' partition keys."""
    if "TransactItems" in call.body:
        return [
            Check(
                f"dynamodb:{_TRANSACTION_ACTIONS[member]}",
                _table_arn(call, part["TableName"]),
                {"dynamodb:EnclosingOperation": call.operation, **_leading_keys(part["TableName"], part)},
            )
            for item in call.body["TransactItems"]
            for member, part in item.items()
            if member in _TRANSACTION_ACTIONS
        ]
    if "RequestItems" in call.body:
        return [
            Check(call.action, _table_arn(call, table), _leading_keys(table, request))
            for table, request in call.body["RequestItems"].items()
        ]
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


# ---- AWS::DynamoDB::Table ----


def _encrypt_table(name, props):
    asked = props.get("SSESpecification") or {}
    spec = {
        to: asked[of]
        for of, to in (("SSEEnabled", "Enabled"), ("SSEType", "SSEType"), ("KMSMasterKeyId", "KMSMasterKeyId"))
        if of in asked
    }
    dynamodb._tables[name]["SSEDescription"] = dynamodb._sse_description_from_spec(spec)
