"""Lets services act with the permissions that they were given, where MiniStack lets its own services do anything."""

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam

from harness.calls import json_body


def denial(role_arn, session, action, resource):
    """Why the role may not do this, as AWS words it, or None when it may."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    principal = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
    context = iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
    )
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    result = iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(name, account), *limits)
    resource_policy = iam_evaluator._resource_policy(action.partition(":")[0], resource)
    if resource_policy:
        result = iam_evaluator.combine_resource_policy(result, context, *resource_policy, limits=limits)
    if result.decision == "Allow":
        return None
    reason = (
        f"because no identity-based policy allows the {action} action"
        if result.decision == "ImplicitDeny"
        else "with an explicit deny"
    )
    return f"User: {principal} is not authorized to perform: {action} on resource: {resource} {reason}"


def assumable(role_arn, service):
    """Whether the role exists and its trust policy names the service. Conditions are not looked at."""
    role = iam._roles.get(role_arn.rpartition("/")[2])
    trust = json_body(role["AssumeRolePolicyDocument"]) if role else {}
    statements = trust.get("Statement", [])
    return any(
        statement["Effect"] == "Allow" and iam_evaluator._service_principal_matches(statement.get("Principal"), service)
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def sending_action(target_arn):
    return {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction", "events": "events:PutEvents"}[
        target_arn.split(":")[2]
    ]
