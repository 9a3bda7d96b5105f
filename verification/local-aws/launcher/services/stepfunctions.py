"""Makes Step Functions act with the machine's role, and run JSONata workflows as AWS does where MiniStack does not.

MiniStack interprets a state machine in threads: `_run_execution` walks it, `_run_sub_machine` walks a branch of a Parallel
or an item of a Map, `_execute_task` repeats `_invoke_resource` under the task's Retry and Catch.
"""

import contextvars
import json
import re

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import stepfunctions

from harness import resource_types
from harness.roles import assumable, denial

_machine_role = contextvars.ContextVar("launcher_machine_role", default=None)


def install():
    for name, change in {
        # upstream: a name that runs already is an error also with the same input, and names and inputs are not checked
        "_start_execution": _start,
        # upstream: the machine's role is not used
        "_run_execution": _run_with_role,
        # upstream: a task that fails makes an aborted execution a failed one
        "_fail_execution": _fail_only_running,
        # upstream: branches go on after StopExecution, and a time-out cannot be an expression
        "_execute_task": _task,
        # upstream: the machine's role is not used, and a result has no limit
        "_invoke_resource": _authorized,
        # upstream: as above, for tasks that wait for a token
        "_invoke_with_callback": lambda original: _authorized(_failing_callback(original)),
        # upstream: a function that fails does not fail a task that waits for a token, and its throttle has another name
        "_call_lambda": lambda original: _named_throttle(_fails_the_callback(original)),
        # upstream: States.ALL catches what AWS lets nothing catch
        "_error_matches": _uncatchable,
        # upstream: branches share one set of variables
        "_run_sub_machine": _own_scope,
        # upstream: ignores Arguments, Output and Assign of a Parallel
        "_run_parallel_branches": _jsonata_parallel,
        # upstream: ignores the Output of a Succeed
        "_apply_output_path": _jsonata_succeed,
    }.items():
        # ours: each original is wrapped, not replaced
        setattr(stepfunctions, name, change(getattr(stepfunctions, name)))
    # upstream: takes a role that cannot be assumed, or that may not write the log
    resource_types.around("AWS::StepFunctions::StateMachine", before=_check_machine)


# ---- Starting and stopping ----


def _start(original):
    """Starting is idempotent while the execution runs and the input is the same; names and input are checked."""

    def start(data):
        name, text = data.get("name"), data.get("input", "{}")
        if name is not None and not re.fullmatch(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}", name):
            return error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
        try:
            json.loads(text)
        except ValueError as error:
            return error_response_json("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'", 400)
        machine = data.get("stateMachineArn", "").replace(":stateMachine:", ":execution:")
        running = stepfunctions._executions.get(f"{machine}:{name}")
        if running and running["status"] == "RUNNING" and running["input"] == text:
            return json_response({"executionArn": running["executionArn"], "startDate": running["startDate"]})
        return original(data)

    return start


def _run_with_role(original):
    def run(execution_arn):
        execution = stepfunctions._executions.get(execution_arn)
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) if execution else None
        token = _machine_role.set(machine["roleArn"] if machine else None)
        try:
            original(execution_arn)
        finally:
            _machine_role.reset(token)  # a nested synchronous execution runs in its parent's thread

    return run


def _fail_only_running(original):
    """An aborted execution stays aborted, also when the task that was under way fails."""

    def fail(execution, error, cause):
        if execution["status"] == "RUNNING":
            original(execution, error, cause)

    return fail


# ---- Tasks ----


def _task(original):
    """Branches and items would go on invoking functions after StopExecution; and a time-out may be an expression."""

    def execute(state, state_input, execution, context):
        if execution["status"] != "RUNNING":
            raise stepfunctions._ExecutionError("States.Runtime", "the execution was stopped")
        if isinstance(state.get("TimeoutSeconds"), str):
            seconds = stepfunctions._jsonata_state_field(state, "TimeoutSeconds", "number", state_input, context)
            state = {**state, "TimeoutSeconds": seconds}
        return original(state, state_input, execution, context)

    return execute


_DATA_LIMIT = 256 * 1024


def _authorized(original):
    def invoke(resource, arguments, *rest):
        error, action, target = _task_permission(resource, arguments)
        refusal = _machine_role.get() and denial(_machine_role.get(), "execution", action, target)
        if refusal:
            raise stepfunctions._ExecutionError(error, refusal)
        result = original(resource, arguments, *rest)
        if len(json.dumps(result)) > _DATA_LIMIT:
            raise stepfunctions._ExecutionError(
                "States.DataLimitExceeded",
                "The state/task returned a result with a size exceeding the maximum number of bytes service limit.",
            )
        return result

    return invoke


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
    raise stepfunctions._ExecutionError(
        "States.Runtime", f"the launcher does not know which permission {resource} needs: add it to services/stepfunctions.py"
    )


_callback = contextvars.ContextVar("launcher_callback", default=None)


def _failing_callback(original):
    def invoke(resource, arguments, token, state):
        within = _callback.set(token)
        try:
            return original(resource, arguments, token, state)
        finally:
            _callback.reset(within)

    return invoke


def _fails_the_callback(original):
    """A function that fails fails its task; MiniStack would wait for the token all the same."""

    def call(function, event):
        try:
            return original(function, event)
        except stepfunctions._ExecutionError as error:
            waiting = stepfunctions._task_tokens.get(_callback.get()) if _callback.get() else None
            if waiting:
                waiting["error"] = {"Error": error.error, "Cause": error.cause}
                waiting["event"].set()
            raise

    return call


def _named_throttle(original):
    """A machine's Retry names this error; MiniStack calls it Lambda.Unknown."""

    def call(function, event):
        try:
            return original(function, event)
        except stepfunctions._ExecutionError as error:
            if error.error == "Lambda.Unknown" and '"TooManyRequestsException"' in error.cause:
                error.error = "Lambda.TooManyRequestsException"
            raise

    return call


def _uncatchable(original):
    """Neither States.ALL nor States.TaskFailed catches these."""

    def matches(error_equals, error):
        return error not in ("States.Runtime", "States.DataLimitExceeded") and original(error_equals, error)

    return matches


# ---- States ----


def _own_scope(original):
    """A branch reads the variables of its parent and assigns its own; MiniStack's branches share one set."""

    def run(states, start_at, state_input, execution, context):
        scope = {**context, "variables": dict(context.get("variables", {}))}
        return original(states, start_at, state_input, execution, scope)

    return run


def _jsonata_parallel(original):
    """MiniStack ignores Arguments, Output and Assign of a Parallel."""

    def run(state, state_input, execution, context):
        if stepfunctions._state_query_language(state, context) != "JSONata":
            return original(state, state_input, execution, context)
        plain = {name: state[name] for name in ("Branches", "Next", "End") if name in state}
        arguments = stepfunctions._apply_jsonata_arguments(state, state_input, context)
        results, following = original(plain, arguments, execution, context)
        output = stepfunctions._apply_jsonata_output(state, state_input, context, result=results, default=results)
        stepfunctions._apply_state_assign(state, state_input, context, result=results)
        return output, following

    return run


def _jsonata_succeed(original):
    """MiniStack ignores the Output of a Succeed."""

    def apply(state, data, context=None):
        if state.get("Type") == "Succeed" and stepfunctions._state_query_language(state, context) == "JSONata":
            return stepfunctions._apply_jsonata_output(state, data, context, default=data)
        return original(state, data, context)

    return apply


# ---- AWS::StepFunctions::StateMachine ----

_LOG_DELIVERY_ACTIONS = (
    "CreateLogDelivery",
    "GetLogDelivery",
    "UpdateLogDelivery",
    "DeleteLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "DescribeResourcePolicies",
    "DescribeLogGroups",
)


def _check_machine(props):
    role = props["RoleArn"]
    if not assumable(role, "states.amazonaws.com"):
        raise ValueError(
            "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to "
            "assume the provided role. (Error Code: AccessDeniedException)"
        )
    if (props.get("LoggingConfiguration") or {}).get("Level", "OFF") == "OFF":
        return
    lacking = [action for action in _LOG_DELIVERY_ACTIONS if denial(role, "states", f"logs:{action}", "*")]
    if lacking:
        raise ValueError(
            "The state machine IAM Role is not authorized to access the Log Destination: it lacks logs:"
            f"{', logs:'.join(lacking)} on * (Error Code: AccessDeniedException)"
        )
