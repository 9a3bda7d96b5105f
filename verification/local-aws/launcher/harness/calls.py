"""One request, and the checks that AWS makes of it."""

import json
from dataclasses import dataclass, field


@dataclass
class Check:
    action: str
    resource: str = "*"
    keys: dict = field(default_factory=dict)
    service: str | None = None  # whose resource it is, when not the call's own


@dataclass
class Call:
    """One request: `params` are those of the Query protocol, `body` is a JSON protocol's."""

    service: str
    action: str
    path: str
    params: dict
    body: dict
    region: str
    account: str

    @property
    def operation(self):
        return self.action.partition(":")[2]

    def param(self, name):
        value = self.params.get(name, "")
        return value[0] if isinstance(value, list) and value else value or ""

    def members(self, prefix):
        """EC2's lists: prefix.1, prefix.2, ..."""
        found = []
        while value := self.param(f"{prefix}.{len(found) + 1}"):
            found.append(value)
        return found


def tag_keys(namespace, tags):
    """A resource's tags, under aws:ResourceTag and under the service's own older spelling."""
    return {f"{prefix}:ResourceTag/{tag['Key']}": tag.get("Value", "") for prefix in ("aws", namespace) for tag in tags or []}


def json_body(body):
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, UnicodeDecodeError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
