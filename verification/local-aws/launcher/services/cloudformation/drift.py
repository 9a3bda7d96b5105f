"""Drift detection with the rights of the caller.

cloudformation-handlers.json has the permissions that CloudFormation's own resource types ask for.
"""

import contextvars
import json
import pathlib
import re

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudformation
from ministack.services.cloudformation import handlers

_LAUNCHER = pathlib.Path(__file__).resolve().parents[2]
_READS = json.loads((_LAUNCHER / "cloudformation-handlers.json").read_text())["reads"]
# A function's and a machine's handler ask for it where those have a key of their own.
_NOT_NEEDED = {"kms:Decrypt"}
# AWS knows no resource for these, or asks about all of them.
_ON_ANY = {
    "cloudwatch:DescribeAlarms",
    "kms:ListAliases",
    "logs:DescribeIndexPolicies",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "sns:GetSubscriptionAttributes",
}
_asks = contextvars.ContextVar("launcher_asks_for_drift", default=None)


def remembering(original):
    def enforce(access_key_id, iam_action, service, region, **rest):
        verdict = original(access_key_id, iam_action, service, region, **rest)
        if iam_action == "cloudformation:DetectStackDrift":
            _asks.set(access_key_id)
        return verdict

    return enforce


def with_rights(original):
    """A resource that the caller may not read is not looked at, and the whole detection has failed."""

    def detect(params):
        status, headers, body = original(params)
        stack = cloudformation._stacks.get(handlers._p(params, "StackName")) or {}
        detection = stack.get("_drift_detections", {}).get(_text(body, "StackDriftDetectionId"))
        unread = (
            {name: lacking for name, record in stack.get("_resources", {}).items() if (lacking := _lacking(record, stack))}
            if detection
            else {}
        )
        if unread:
            reasons = "; ".join(
                f"{name}: Access denied for operation '{', '.join(lacking)}'" for name, lacking in sorted(unread.items())
            )
            detection.pop("DriftedStackResourceCount", None)
            detection |= {"DetectionStatus": "DETECTION_FAILED", "DetectionStatusReason": f"Failed to detect drift: {reasons}"}
        return status, headers, body

    return detect


def _text(body, tag):
    found = re.search(f"<{tag}>(.*?)</{tag}>", body.decode())
    return found[1] if found else None


def _lacking(record, stack):
    actions = [action for action in _READS.get(record["ResourceType"], ()) if action not in _NOT_NEEDED]
    return [action for action in actions if _denied(action, "*" if action in _ON_ANY else _arn(record, stack))]


def _denied(action, resource):
    return iam_evaluator.enforce(_asks.get(), action, action.partition(":")[0], get_region(), resource_arn=resource)


def _arn(record, stack):
    kind, name = record["ResourceType"], record["PhysicalResourceId"]
    if name.startswith("arn:"):
        return name
    if kind in ("AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig"):
        template = stack["_template"]["Resources"]
        function = template[record["LogicalResourceId"]]["Properties"]["FunctionName"]
        name = stack["_resources"][function["Ref"]]["PhysicalResourceId"]
    place = f"{get_region()}:{get_account_id()}"
    return {
        "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{place}:alarm:{name}",
        "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{place}:table/{name}",
        "AWS::Events::Rule": f"arn:aws:events:{place}:rule/{name}",
        "AWS::IAM::Role": f"arn:aws:iam::{get_account_id()}:role/{name}",
        "AWS::KMS::Key": f"arn:aws:kms:{place}:key/{name}",
        "AWS::Lambda::EventInvokeConfig": f"arn:aws:lambda:{place}:function:{name}",
        "AWS::Lambda::Function": f"arn:aws:lambda:{place}:function:{name}",
        "AWS::Lambda::Permission": f"arn:aws:lambda:{place}:function:{name}",
        "AWS::Logs::LogGroup": f"arn:aws:logs:{place}:log-group:{name}",
        "AWS::SQS::Queue": f"arn:aws:sqs:{place}:{name.rpartition('/')[2]}",
        "AWS::Scheduler::Schedule": f"arn:aws:scheduler:{place}:schedule/default/{name}",
    }[kind]
