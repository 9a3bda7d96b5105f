"""Lambda: its routes and qualified resources, a function's environment and destinations, and refusals of templates."""

import logging
import re
import socketserver
from urllib.parse import unquote

from ministack.core import iam_actions
from ministack.core.responses import error_response_json, json_response
from ministack.services import lambda_svc

from harness import resource_types
from harness.calls import Check
from harness.roles import assumable, denial, sending_action

SERVICE = "lambda"
log = logging.getLogger("launcher")


def install():
    # upstream: does not know Lambda's routes by botocore's model
    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]
    # upstream: hands everything of the host's environment down to a function
    lambda_svc._provided_worker_env = _function_environment(lambda_svc._provided_worker_env)
    # upstream: sends an event in two packets, and the second waits 40 ms until the function acknowledges the first
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    # upstream: sends a failed event to its destination without asking for the role's permission
    lambda_svc._route_async_failure = _authorized_destination(lambda_svc._route_async_failure)
    # upstream: answers a list of a function's provisioned concurrency as if none were there
    lambda_svc._get_provisioned_concurrency = _listed_provisioned(lambda_svc._get_provisioned_concurrency)
    # upstream: reserves more than the account has
    lambda_svc._put_function_concurrency = _within_the_pool(lambda_svc._put_function_concurrency)
    # upstream: makes a function without code, and ignores its concurrency and dead-letter queue
    resource_types.around("AWS::Lambda::Function", before=_check_function, after=_complete_function)
    # upstream: takes a destination that the function's role may not send to
    resource_types.around("AWS::Lambda::EventInvokeConfig", before=_check_destinations)


# ---- Checks ----


def action(method, path, query_params):
    """MiniStack knows few of Lambda's routes; others it lets through."""
    operation = iam_actions._match_rest_action("lambda", method, path, query_params)
    if not operation:
        return None
    return f"lambda:{ {'Invoke': 'InvokeFunction', 'InvokeAsync': 'InvokeFunction'}.get(operation, operation) }"


def checks(call):
    """A call on a version or an alias is a call on the qualified ARN, with the tags of its function."""
    found = re.search(r"/functions/([^/]+)", call.path)
    if not found:
        return None
    qualifier = call.param("Qualifier")
    function = unquote(found[1])
    if not function.startswith("arn:"):
        function = f"arn:aws:lambda:{call.region}:{call.account}:function:{function}"
    tags = (lambda_svc._functions.get(function.split(":")[6]) or {}).get("tags") or {}
    if not (qualifier or tags):
        return None
    resource = f"{function}:{qualifier}" if qualifier and function.count(":") == 6 else function
    return [Check(call.action, resource, {f"aws:ResourceTag/{key}": value for key, value in tags.items()})]


# ---- Environment ----

_RUNTIME_VARIABLES = re.compile(
    r"AWS_(LAMBDA_.*|REGION|DEFAULT_REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)"
    r"|AWS_ENDPOINT_URL.*|_HANDLER|_X_AMZN_.*|LAMBDA_TASK_ROOT|PATH|TMPDIR"
)


def _function_environment(original):
    """A function sees its own variables and Lambda's, and nothing such as a developer's AWS_PROFILE.

    Of the host's environment it keeps PATH, TMPDIR and the SDK's endpoints.
    """

    def environment(config, *rest):
        own = (config.get("Environment") or {}).get("Variables") or {}
        inherited = {
            name: value for name, value in original(config, *rest).items() if name in own or _RUNTIME_VARIABLES.fullmatch(name)
        }
        logging = config.get("LoggingConfig") or {}
        return {
            "TZ": ":UTC",
            "LANG": "en_US.UTF-8",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
            "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup", f"/aws/lambda/{config['FunctionName']}"),
            **inherited,
        }

    return environment


# ---- Failure destinations ----


def _authorized_destination(original):
    def route(target_arn, function_name, event, result):
        role = lambda_svc._functions[function_name]["config"]["Role"]
        refusal = denial(role, function_name, sending_action(target_arn), target_arn)
        if refusal:
            log.warning("Lambda: the failed event of %s is lost: %s", function_name, refusal)
            return
        original(target_arn, function_name, event, result)

    return route


# ---- Concurrency ----

_LIMIT, _UNRESERVED = 1000, 100


def _listed_provisioned(original):
    def get(name, qualifier=None):
        function = lambda_svc._functions.get(name)
        if qualifier or not function:
            return original(name, qualifier)
        configs = sorted((function.get("provisioned_concurrency") or {}).items())
        listed = [{**config, "FunctionArn": f"{lambda_svc._func_arn(name)}:{of}"} for of, config in configs]
        return json_response({"ProvisionedConcurrencyConfigs": listed})

    return get


def _within_the_pool(original):
    def put(name, data):
        wanted = data.get("ReservedConcurrentExecutions", 0)
        others = sum(lambda_svc._functions[other].get("concurrency") or 0 for other in lambda_svc._functions if other != name)
        if wanted and _LIMIT - others - wanted < _UNRESERVED:
            return error_response_json(
                "InvalidParameterValueException",
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
                f"minimum value of [{_UNRESERVED}].",
                400,
            )
        return original(name, data)

    return put


# ---- Templates ----


def _complete_function(name, props):
    function = lambda_svc._functions[name]
    function["concurrency"] = props.get("ReservedConcurrentExecutions")
    function["config"]["DeadLetterConfig"] = props.get("DeadLetterConfig") or {}


def _check_function(props):
    """Without code MiniStack would answer invocations with 200."""
    code = props["Code"]
    if "S3Key" in code and not lambda_svc._fetch_code_from_s3(code["S3Bucket"], code["S3Key"], code.get("S3ObjectVersion")):
        raise ValueError(
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does "
            "not exist. (Error Code: InvalidParameterValueException)"
        )
    if not assumable(props["Role"], "lambda.amazonaws.com"):
        raise ValueError(
            "The role defined for the function cannot be assumed by Lambda. (Error Code: InvalidParameterValueException)"
        )
    target = (props.get("DeadLetterConfig") or {}).get("TargetArn")
    if target:
        _check_may_send(props["Role"], target)


def _check_destinations(props):
    function, _config, _name = lambda_svc._get_func_record_for_ref(props["FunctionName"])
    for destination in (props.get("DestinationConfig") or {}).values():
        if function and destination.get("Destination"):
            _check_may_send(function["config"]["Role"], destination["Destination"])


def _check_may_send(role, target):
    action = sending_action(target)
    if denial(role, "lambda", action, target):
        raise ValueError(
            f"The function's execution role does not have permissions to call {action} on {target} "
            "(Error Code: InvalidParameterValueException)"
        )
