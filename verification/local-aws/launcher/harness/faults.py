"""What a fault injector in front of the functions' calls asks of the local AWS: who calls, an end to that caller at this very
moment, whether alerts are still on their way, and that CloudFormation bears a function's death as AWS's does.

A function's process is told to call itself `<function>+<port>` in its requests' User-Agent, where the port is that of its own
Runtime API: so a process is known exactly, and only processes that MiniStack started can be ended.
"""

import contextvars
import json
import threading

from ministack.core import lambda_runtime
from ministack.services import lambda_svc
from ministack.services.cloudformation import custom_resource

_PREFIX = "/_guardrails/"

_of_a_stack = contextvars.ContextVar("launcher_of_a_stack", default=False)


def install():
    # ours: a process says in its User-Agent which one it is
    lambda_svc._provided_worker_env = _named(lambda_svc._provided_worker_env)
    # upstream: invokes the function of a custom resource once, where CloudFormation's invocation is an event that is tried again
    lambda_svc._execute_function_with_config_scope = _asynchronous(lambda_svc._execute_function_with_config_scope)
    # ours: marks these invocations for the line before
    custom_resource.invoke_custom_resource = _marked(custom_resource.invoke_custom_resource)


def _marked(original):
    def invoke(*arguments, **named):
        token = _of_a_stack.set(True)
        try:
            return original(*arguments, **named)
        finally:
            _of_a_stack.reset(token)

    return invoke


def _asynchronous(original):
    """CloudFormation invokes a custom resource's function as an event, so that Lambda tries again when it fails."""

    def execute(record, event):
        if not _of_a_stack.get():
            return original(record, event)
        _of_a_stack.set(False)  # what the function leads to is not the stack's
        return lambda_svc.invoke_async_with_retry(record, event)

    return execute


def _named(original):
    def environment(config, code_dir, port):
        return {**original(config, code_dir, port), "AWS_SDK_UA_APP_ID": f"{config['FunctionName']}+{port}"}

    return environment


def serve(app):
    """The application with these paths in front: POST kill/<port>, and GET deliveries."""

    async def serve(scope, receive, send):
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
            await app(scope, receive, send)
            return
        match scope["path"].removeprefix(_PREFIX).split("/"):
            case ["kill", port]:
                status, answer = 200, _kill(int(port))
            case ["deliveries"]:
                status, answer = 200, _deliveries()
            case _:
                status, answer = 404, None
        body = json.dumps(answer).encode()
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    return serve


def _kill(port):
    """Ends the process whose Runtime API is at the port. Says whether there was one."""
    for worker in [worker for pool in list(lambda_runtime._workers.values()) for worker in list(pool)]:
        server, process = getattr(worker, "_server", None), worker._proc
        if server and process and server.server_address[1] == port:
            process.kill()
            return True
    return False


def _deliveries():
    """How many messages go to a function, and how many asynchronous invocations are under way or wait for their retry.

    Each has a thread of its own, and the first starts the second.
    """
    started = [getattr(thread, "_args", None) for thread in threading.enumerate()]
    names = [getattr(arguments[0], "__qualname__", "") for arguments in started if arguments]
    return sum(name.startswith(("_deliver_to_lambda", "invoke_async_with_retry.")) for name in names)
