"""CloudWatch: MiniStack knows its actions in the Query protocol only, and lets others through."""

import re

SERVICE = "monitoring"


def action(_method, path, _query_params):
    rpc = re.fullmatch(r"/service/\w+/operation/(\w+)", path)
    return f"cloudwatch:{rpc[1]}" if rpc else None
