"""CloudWatch Logs: resources of its calls, and filter patterns."""

import re

from ministack.services import cloudwatch_logs

from harness.calls import Check

SERVICE = "logs"


def install():
    # upstream: a pattern of optional words wants all of them, and a letter before each
    cloudwatch_logs._compile_filter_pattern = _any_of(cloudwatch_logs._compile_filter_pattern)


def checks(call):
    """A log group's resource carries its streams, which is why policies must end in `:*`."""
    if "Tag" in call.operation:
        return None
    group, stream = call.body.get("logGroupName", ""), call.body.get("logStreamName", "")
    return [Check(call.action, f"arn:aws:logs:{call.region}:{call.account}:log-group:{group}:log-stream:{stream}")]


def _any_of(original):
    """`?A ?"B C"` finds each message that has one of these words."""

    def compiled(pattern):
        words = [quoted or plain for quoted, plain in re.findall(r'\?(?:"([^"]*)"|(\S+))', pattern or "")]
        if not (pattern or "").lstrip().startswith("?"):
            return original(pattern)
        return lambda message: any(word in message for word in words)

    return compiled
