"""Makes services act with the permissions that they were given, where MiniStack lets its own services do anything.

SNS needs the function's resource policy, and a failed event reaches its destination only if the function's role may send it.
Functions already run with their role's own credentials; a state machine's role is in workflows.py.
"""

import json
import logging

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, lambda_svc, sns

from request_checks import json_body

log = logging.getLogger("launcher")


def install():
    sns._deliver_to_lambda = _deliver_to_lambda
    lambda_svc._route_async_failure = _authorized_destination(lambda_svc._route_async_failure)


def denial(role_arn, session, action, resource):
    """Why the role may not do this, as AWS words it, or None when it may."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    principal = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
    context = iam_evaluator.EvalContext(
        principal_arn=principal, principal_type="AssumedRole", principal_account=account, action=action,
        resource_arn=resource, region=get_region())
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    result = iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(name, account), *limits)
    resource_policy = iam_evaluator._resource_policy(action.partition(":")[0], resource)
    if resource_policy:
        result = iam_evaluator.combine_resource_policy(result, context, *resource_policy, limits=limits)
    if result.decision == "Allow":
        return None
    reason = (f"because no identity-based policy allows the {action} action" if result.decision == "ImplicitDeny"
              else "with an explicit deny")
    return f"User: {principal} is not authorized to perform: {action} on resource: {resource} {reason}"


def assumable(role_arn, service):
    """Whether the role exists and its trust policy names the service. Conditions are not looked at."""
    role = iam._roles.get(role_arn.rpartition("/")[2])
    trust = json_body(role["AssumeRolePolicyDocument"]) if role else {}
    statements = trust.get("Statement", [])
    return any(statement["Effect"] == "Allow"
               and iam_evaluator._service_principal_matches(statement.get("Principal"), service)
               for statement in (statements if isinstance(statements, list) else [statements]))


def sending_action(target_arn):
    return {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction",
            "events": "events:PutEvents"}[target_arn.split(":")[2]]


# ---- SNS to Lambda ----

def _deliver_to_lambda(endpoint, envelope, topic_arn, subscription_arn, _message_id, _message, _attributes):
    """An asynchronous invocation, with Lambda's retries and failure destination, if the function lets the topic in."""
    function, config, name = lambda_svc._get_func_record_for_ref(endpoint)
    if not function or not config:
        log.warning("SNS: no function %s", name)
        return
    if not _topic_may_invoke(function["policy"], endpoint, topic_arn):
        log.warning("SNS: the resource policy of %s does not let %s invoke it: not delivered", endpoint, topic_arn)
        return
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription_arn,
              "Sns": _lambda_message(json.loads(envelope))}
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), {"Records": [record]})


def _lambda_message(message):
    """The message as functions see it, which is not as HTTP endpoints see it."""
    message = {name.replace("URL", "Url"): value for name, value in message.items()}
    return {"Subject": None, "MessageAttributes": {}, **message}


def _topic_may_invoke(policy, function_arn, topic_arn):
    context = iam_evaluator.EvalContext(
        principal_arn="sns.amazonaws.com", principal_type="Service", principal_account=get_account_id(),
        action="lambda:InvokeFunction", resource_arn=function_arn, region=get_region(),
        service_context={"aws:sourcearn": topic_arn, "aws:sourceaccount": topic_arn.split(":")[4]})
    return iam_evaluator.evaluate_resource_policy(policy, context, service="sns.amazonaws.com").decision == "Allow"


# ---- Lambda's failure destinations ----

def _authorized_destination(original):
    def route(target_arn, function_name, event, result):
        role = lambda_svc._functions[function_name]["config"]["Role"]
        refusal = denial(role, function_name, sending_action(target_arn), target_arn)
        if refusal:
            log.warning("Lambda: the failed event of %s is lost: %s", function_name, refusal)
            return
        original(target_arn, function_name, event, result)
    return route
