"""Writes down the calls of roles, each with its resource, its condition keys and the role's rights at that moment.

Another evaluator judges them again: `cargo xtask rights`. GUARDRAILS_CALLS names a folder. Each launcher adds a file of its own,
with a JSON object a line. A call has `role`, `principal`, `policies`, `action`, `resource`, `keys`, `decision` and `key_policy`.
Before the first call that names them there is a line for its policies, with `policies`, `identity` and `boundary`. `key_policy`
is the policy of a KMS key, without which nobody may use it.
"""

import contextvars
import functools
import hashlib
import json
import os
import pathlib
import threading

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam, kms

# A fleet of thousands is thousands of resources and one kind of call: so many of a kind are enough to judge.
ALIKE = 20
SAVED = False  # each process has a file of its own (saved_state.py)

# A resource's own policy is judged by the same function, and says nothing of the role's.
_of_a_resource = contextvars.ContextVar("launcher_of_a_resource", default=False)

_lock = threading.Lock()
_seen = set()
_counts = {}


def install():
    judge, judge_resource = iam_evaluator.evaluate, iam_evaluator.evaluate_resource_policy

    def evaluate(context, policies, *limits):
        result = judge(context, policies, *limits)
        if (file := _file()) and ":assumed-role/" in context.principal_arn and not _of_a_resource.get():
            _record(file, context, result.decision)
        return result

    def evaluate_resource_policy(*arguments, **named):
        token = _of_a_resource.set(True)
        try:
            return judge_resource(*arguments, **named)
        finally:
            _of_a_resource.reset(token)

    # ours: each verdict about a role is written down
    iam_evaluator.evaluate = evaluate
    # ours: a verdict of a resource's own policy is none about the role
    iam_evaluator.evaluate_resource_policy = evaluate_resource_policy


@functools.cache
def _file():
    """Where this process writes, or nothing."""
    folder = os.environ.get("GUARDRAILS_CALLS")
    if not folder:
        return None
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return (path / f"{os.getpid()}-{os.urandom(4).hex()}.jsonl").open("w", buffering=1)


def _record(file, context, decision):
    name = iam_evaluator._role_name_from_assumed_arn(context.principal_arn)
    role = iam._roles.get_scoped(get_account_id(), None, name)
    if role is None:
        return
    policies = _policies(role)
    digest = hashlib.sha256(json.dumps(policies, sort_keys=True).encode()).hexdigest()[:16]
    keys = {key: value for key, value in context.service_context.items() if value not in (None, "", [])}
    call = {
        "role": name,
        "principal": context.principal_arn,
        "policies": digest,
        "action": context.action,
        "resource": context.resource_arn,
        "keys": keys,
        "decision": decision,
        "key_policy": _key_policy(context),
    }
    line = json.dumps(call, sort_keys=True)
    kind = (name, digest, context.action, decision, tuple(sorted(keys)))
    with _lock:
        if line in _seen or _counts.get(kind, 0) >= ALIKE:
            return
        _counts[kind] = _counts.get(kind, 0) + 1
        if digest not in _seen:
            _seen.add(digest)
            file.write(json.dumps({"policies": digest, **policies}) + "\n")
        _seen.add(line)
        file.write(line + "\n")


def _key_policy(context):
    record = kms._resolve_key(context.resource_arn) if context.action.startswith("kms:") else None
    return record and _document(record["Policy"])


def _policies(role):
    account = get_account_id()
    identity = [
        {"name": name, "policy": _document(document)} for name, document in sorted((role.get("InlinePolicies") or {}).items())
    ]
    identity += [
        {"name": arn, "policy": _document(iam_evaluator._resolve_managed_policy_document(arn, account))}
        for arn in sorted(role.get("AttachedPolicies", []))
    ]
    boundary = role.get("PermissionsBoundary")
    return {
        "identity": identity,
        "boundary": boundary and _document(iam_evaluator._resolve_managed_policy_document(boundary, account)),
    }


def _document(document):
    return json.loads(document) if isinstance(document, str) else document
