"""Makes services act with the permissions that they were given, where MiniStack lets its own services do anything.

A state machine's tasks need its role's permission, SNS needs the function's resource policy, and a failed event reaches its
destination only if the function's role may send it. (Functions already run with their role's own credentials.)
"""

import contextvars
import json
import logging
import re

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, lambda_svc, sns, stepfunctions

from request_checks import json_body

log = logging.getLogger("launcher")

_machine_role = contextvars.ContextVar("launcher_machine_role")


def install():
    stepfunctions._run_execution = _with_machine_role(stepfunctions._run_execution)
    stepfunctions._invoke_resource = _authorized_task(stepfunctions._invoke_resource)
    stepfunctions._invoke_with_callback = _authorized_task(stepfunctions._invoke_with_callback)
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
    return any(statement["Effect"] == "Allow" and iam_evaluator._service_principal_matches(statement.get("Principal"), service)
               for statement in (statements if isinstance(statements, list) else [statements]))


def sending_action(target_arn):
    return {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction",
            "events": "events:PutEvents"}[target_arn.split(":")[2]]


# ---- Step Functions ----

def _with_machine_role(original):
    def run(execution_arn):
        execution = stepfunctions._executions.get(execution_arn)
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) if execution else None
        token = _machine_role.set(machine["roleArn"] if machine else "")
        try:
            original(execution_arn)
        finally:
            _machine_role.reset(token)  # a nested synchronous execution runs in its parent's thread
    return run


def _authorized_task(original):
    def invoke(resource, arguments, *rest):
        _authorize_task(resource, arguments)
        return original(resource, arguments, *rest)
    return invoke


def _authorize_task(resource, arguments):
    error, action, target = _task_permission(resource, arguments)
    refusal = denial(_machine_role.get(), "execution", action, target)
    if refusal:
        raise stepfunctions._ExecutionError(error, refusal)


def _task_permission(resource, arguments):
    """The permission that a task needs, and the error of a task without it. An integration that is not here is refused:
    to run it unchecked would hide what the role lacks."""
    if resource.startswith("arn:aws:lambda:"):
        return "Lambda.AccessDeniedException", "lambda:InvokeFunction", resource
    integration = re.sub(r"^arn:aws:states:::(aws-sdk:)?|\.(sync(:2)?|waitForTaskToken)$", "", resource)
    here = f"{get_region()}:{get_account_id()}"
    match integration.split(":"):
        case ["lambda", "invoke"]:
            function = arguments["FunctionName"]
            target = function if function.startswith("arn:") else f"arn:aws:lambda:{here}:function:{function}"
            return "Lambda.AccessDeniedException", "lambda:InvokeFunction", target
        case ["states" | "sfn", "startExecution"]:
            return "StepFunctions.AccessDeniedException", "states:StartExecution", arguments["StateMachineArn"]
        case ["sns", "publish"]:
            return "SNS.AuthorizationErrorException", "sns:Publish", arguments["TopicArn"]
        case ["sqs", "sendMessage"]:
            queue = arguments["QueueUrl"].rpartition("/")[2]
            return "SQS.AccessDeniedException", "sqs:SendMessage", f"arn:aws:sqs:{here}:{queue}"
        case ["dynamodb", "getItem" | "putItem" | "updateItem" | "deleteItem" | "query" as operation]:
            table = arguments["TableName"]
            target = table if table.startswith("arn:") else f"arn:aws:dynamodb:{here}:table/{table}"
            return "DynamoDB.AccessDeniedException", f"dynamodb:{operation[0].upper()}{operation[1:]}", target
    raise stepfunctions._ExecutionError("States.Runtime", f"the launcher does not know which permission {resource} needs: "
                                                          "add it to service_roles.py")


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
    record = {"EventVersion": "1.0", "EventSubscriptionArn": subscription_arn, "EventSource": "aws:sns",
              "Sns": json.loads(envelope)}
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), {"Records": [record]})


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
