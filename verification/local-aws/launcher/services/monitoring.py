"""CloudWatch: its actions in CBOR, which MiniStack does not know, and the alarms and namespaces that they are on."""

import re

from harness.calls import Check

SERVICE = "monitoring"
_ON_ALARMS = ("DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions", "PutMetricAlarm", "SetAlarmState")


def action(_method, path, _query_params):
    rpc = re.fullmatch(r"/service/\w+/operation/(\w+)", path)
    return f"cloudwatch:{rpc[1]}" if rpc else None


def checks(call):
    """Each alarm is a resource. Data of a metric has none, and its namespace is a condition key."""
    if call.operation == "PutMetricData":
        return [Check(call.action, "*", {"cloudwatch:namespace": call.body.get("Namespace", "")})]
    if call.operation not in _ON_ALARMS:
        return None
    names = call.body.get("AlarmNames") or [call.body.get("AlarmName", "")]
    return [Check(call.action, f"arn:aws:cloudwatch:{call.region}:{call.account}:alarm:{name}") for name in names]
