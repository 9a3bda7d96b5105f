"""Makes MiniStack authorize API calls as AWS does: every check that a request needs, with its condition keys.

MiniStack names one resource for a request by the first parameter that looks like a name. That is wrong for three kinds of call.
Some are on several resources (StopInstances). In some the parameter is only a condition (AttachGroupPolicy's PolicyArn). And some
services' actions are not their operations (Budgets). So each service says its own checks (services/).

MiniStack's dispatcher asks `extract_resource_arn` for the resource of a request, and then asks `enforce` for a verdict. The whole
request is seen in the first, so the checks are worked out there and kept for the second.
"""

import contextvars
import functools
from dataclasses import dataclass

import cbor2
from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam

from harness.calls import Call, Check, json_body


@dataclass
class _Pending:
    service: str
    checks: list
    decided: bool = False
    verdict: object = None
    denied: Check | None = None


_pending = contextvars.ContextVar("launcher_pending", default=None)


# By MiniStack's name of the service.
_checks = {}
_actions = {}


def register(service, checks=None, action=None):
    """`checks(call)` answers the checks of a call, or None where MiniStack's own reading is right.

    `action(method, path, query_params)` answers the IAM action of a request that MiniStack does not recognise, or None.
    """
    if checks:
        _checks[service] = checks
    if action:
        _actions[service] = action


def install():
    # upstream: recognises few routes of the REST services and no CBOR operation, and lets those requests through unchecked
    iam_actions.extract_iam_action = _wrap(iam_actions.extract_iam_action, _action)
    # ours: here the launcher sees the whole request, and works out its checks
    iam_actions.extract_resource_arn = _wrap(iam_actions.extract_resource_arn, _resource)
    # upstream: checks one resource and one action for each request
    iam_evaluator.enforce = _wrap(iam_evaluator.enforce, _enforce)
    # upstream: aws:PrincipalArn of a session is the session's ARN, and a service that acts for itself has one
    iam_evaluator._resolve_condition_key = _wrap(iam_evaluator._resolve_condition_key, _condition_key)
    # upstream: names the operation and `*` instead of the action and the resource, and answers CBOR callers in XML
    iam_actions.access_denied_response = _wrap(iam_actions.access_denied_response, _denial)


def _wrap(original, replacement):
    return functools.wraps(original)(functools.partial(replacement, original))


def _action(original, service, method, path, headers, body, query_params):
    named = _actions[service](method, path, query_params) if service in _actions else None
    return named or original(service, method, path, headers, body, query_params)


def _resource(original, service, method, path, headers, body, query_params, region, account_id):
    checks = None
    if service in _checks:
        action = iam_actions.extract_iam_action(service, method, path, headers, body, query_params)
        content = _cbor_body(body) if _is_cbor(path) else json_body(body)
        checks = _checks[service](Call(service, action, path, query_params, content, region, account_id))
    _pending.set(_Pending(service, checks) if checks else None)
    if _is_cbor(path):
        body = b""  # MiniStack would read it as JSON
    return original(service, method, path, headers, body, query_params, region, account_id)


def _is_cbor(path):
    return path.startswith("/service/")


def _cbor_body(body):
    parsed = cbor2.loads(body) if body else {}
    return parsed if isinstance(parsed, dict) else {}


def _enforce(original, access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    pending = _pending.get()
    if pending is None or pending.service != service:
        return original(access_key_id, iam_action, service, region, resource_arn=resource_arn, service_context=service_context)
    if not pending.decided:
        pending.decided = True
        for check in pending.checks:
            pending.verdict = original(
                access_key_id,
                check.action,
                check.service or service,
                region,
                resource_arn=check.resource,
                service_context={**(service_context or {}), **check.keys},
            )
            if pending.verdict:
                pending.denied = check
                break
    return pending.verdict


def _condition_key(original, key, context):
    """aws:PrincipalArn of a session is its role's, and an AWS service that acts for itself has none."""
    name = key.lower()
    if name == "aws:principalisawsservice":
        return str(context.principal_type == "Service").lower()
    if name != "aws:principalarn":
        return original(key, context)
    if context.principal_type == "Service":
        return None
    account, _, resource = context.principal_arn.partition("::")[2].partition(":")
    kind, _, session = resource.partition("/")
    if kind != "assumed-role":
        return context.principal_arn
    role = session.partition("/")[0]
    return (iam._roles.get(role) or {}).get("Arn") or f"arn:aws:iam::{account}:role/{role}"


def _denial(
    original,
    service,
    action,
    principal_arn,
    request_id,
    *,
    error_code="",
    message="",
    headers=None,
    resource_arn="*",
    explicit_deny=False,
    resource_policy_arn="",
):
    """Names the action and the resource that were denied: the only way to find what a policy lacks."""
    pending = _pending.get()
    if pending and pending.denied:
        action, resource_arn = pending.denied.action, pending.denied.resource
    if not (error_code or message or resource_policy_arn):
        message = iam_actions.identity_denial_message(action, principal_arn, resource_arn, explicit_deny)
        if service == "ec2":
            message = f"You are not authorized to perform this operation. {message}"
    if (headers or {}).get("smithy-protocol") == "rpc-v2-cbor" and not error_code:
        reply = cbor2.dumps({"__type": "AccessDeniedException", "message": message})
        return 403, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, reply
    status, reply_headers, body = original(
        service,
        action,
        principal_arn,
        request_id,
        error_code=error_code,
        message=message,
        headers=headers,
        resource_arn=resource_arn,
        explicit_deny=explicit_deny,
        resource_policy_arn=resource_policy_arn,
    )
    if status == 403 and not error_code and (headers or {}).get("x-amz-target"):
        status = 400  # the JSON protocols answer every client error with 400
    return status, reply_headers, body
