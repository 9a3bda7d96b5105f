"""EventBridge Scheduler: the resource of a schedule."""

import re
from urllib.parse import unquote

from harness.calls import Check

SERVICE = "scheduler"


def checks(call):
    """A schedule's ARN has its group in it."""
    name = re.fullmatch(r"/schedules/([^/]+)", call.path)
    group = call.body.get("GroupName") or call.param("groupName") or "default"
    return (
        [Check(call.action, f"arn:aws:scheduler:{call.region}:{call.account}:schedule/{group}/{unquote(name[1])}")]
        if name
        else None
    )
