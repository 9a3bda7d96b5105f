#!/usr/bin/env python3
"""An action of Budget Guardrails in Python: pauses the queues of a batch system while a budget is exceeded.

It keeps the contract of docs/run-function.md. The batch system reads its queues from a DynamoDB table, whose items look like
{"queue": "nightly", "state": "running", "tags": {"Project": "Beta"}}. Put this file into a Lambda function with the handler
`pause_queues.handler` and the variable QUEUES_TABLE, and publish a version.

With QUEUES_FILE instead, it keeps the queues in a JSON file, reads one call from stdin, and prints one answer:

    QUEUES_FILE=queues.json guardrails contract --program ./pause_queues.py --tag Project=Beta --change nightly
"""

import datetime
import fcntl
import json
import os
import sys

CONTRACT = 1
PAUSED = "paused"


class Superseded(Exception):
    """A newer call for this queue came before."""


class Table:
    """The queues in DynamoDB. One conditional write checks the fencing number and makes the change: no other call comes between."""

    def __init__(self, name):
        import boto3  # Part of Lambda's Python. The file above needs no package at all.

        self.table = boto3.resource("dynamodb").Table(name)

    def all(self):
        page = self.table.scan(ConsistentRead=True)
        items = page["Items"]
        while "LastEvaluatedKey" in page:
            page = self.table.scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"])
            items += page["Items"]
        return {item["queue"]: item for item in items}

    def set(self, queue, state, fencing):
        try:
            self.table.update_item(
                Key={"queue": queue},
                UpdateExpression="SET #state = :state, fencing = :fencing",
                ConditionExpression="attribute_exists(queue) AND (attribute_not_exists(fencing) OR fencing <= :fencing)",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={":state": state, ":fencing": fencing},
            )
        except self.table.meta.client.exceptions.ConditionalCheckFailedException as error:
            raise Superseded from error


class File:
    """The queues in a JSON file, under a lock: for a try without AWS."""

    def __init__(self, path):
        self.path = path

    def all(self):
        with open(self.path, encoding="utf-8") as file:
            return {item["queue"]: item for item in json.load(file)}

    def set(self, queue, state, fencing):
        with open(self.path, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            items = json.load(file)
            for item in items:
                if item["queue"] == queue:
                    if fencing < item.get("fencing", 0):
                        raise Superseded
                    item.update(state=state, fencing=fencing)
            file.seek(0)
            file.truncate()
            json.dump(items, file)


def queues():
    if "QUEUES_TABLE" in os.environ:
        return Table(os.environ["QUEUES_TABLE"])
    return File(os.environ["QUEUES_FILE"])


def is_in_scope(item, tags):
    """Does the queue carry every tag of the stage, with one of its values?"""
    return all(item.get("tags", {}).get(key) in values for key, values in tags.items())


def plan(call):
    tags = call.get("tags", {})
    found = sorted(queues().all().items())
    facets = [
        {"facet": name, "label": f"queue {name}", "present": item["state"], "wanted": PAUSED}
        for name, item in found
        if is_in_scope(item, tags)
    ]
    return {"facets": facets}


def observe(call):
    item = queues().all().get(call["facet"])
    if item is None:
        return {"facet": call["facet"], "state": "gone", "reason": "there is no such queue"}
    return {"facet": call["facet"], "state": "is", "value": item["state"]}


def change(call):
    """Both directions: the queue gets the state that the call names."""
    answer = {"facet": call["facet"]}
    deadline = datetime.datetime.fromisoformat(call["deadline"].replace("Z", "+00:00"))
    if datetime.datetime.now(datetime.timezone.utc) > deadline:
        return {**answer, "outcome": "superseded", "reason": "the deadline of the call is over"}
    if call["facet"] not in queues().all():
        return {**answer, "outcome": "skipped", "reason": "there is no such queue"}
    try:
        queues().set(call["facet"], call["to"], call["fencing"])
    except Superseded:
        return {**answer, "outcome": "superseded", "reason": "a newer call came before this one"}
    return {**answer, "outcome": "accepted"}


OPERATIONS = {
    "places": lambda call: {"places": []},
    "plan": plan,
    "observe": observe,
    "apply": change,
    "rollback": change,
}


def handler(event, _context):
    if event["contract"] != CONTRACT:
        raise ValueError(f"this program knows contract {CONTRACT}, and the call has {event['contract']}")
    return {"contract": CONTRACT, **OPERATIONS[event["operation"]](event)}


if __name__ == "__main__":
    json.dump(handler(json.load(sys.stdin), None), sys.stdout)
