"""Starts the local AWS: MiniStack with IAM enforcement made true to AWS.

    GATEWAY_PORT=4566 TMPDIR=... python launcher     (this folder)
    python launcher --fork-server                    (any number of them: fork_server.py)

GATEWAY_PORT=0 takes a free port. As soon as connections are accepted, one line goes to stdout: the endpoint's URL, and after
a space that of the fleets. With GUARDRAILS_FLEETS_PYTHON, the Python of a virtual environment with requirements-fleets.txt,
EC2, Auto Scaling and load balancers are moto's at an endpoint of their own; otherwise they are MiniStack's. The log goes to
stderr. The launcher ends, and ends the Lambda processes that it started, on SIGTERM, on SIGINT and when the process
that started it is gone; with GUARDRAILS_KEEP=1 it outlives that process.

Everything here happens in this order: check, import with placeholders, patch, set the environment, serve. Lambda functions
inherit that environment.
"""

import asyncio
import contextlib
import importlib
import importlib.metadata
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import placeholders

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE.parent / "requirements.txt"
# A server that takes any access key as an account's root must not be reachable from outside.
HOST = "127.0.0.1"
# The SDKs' ids of the services whose calls go to the fleets' endpoint.
FLEET_SERVICES = ("EC2", "AUTO_SCALING", "ELASTIC_LOAD_BALANCING", "ELASTIC_LOAD_BALANCING_V2")


def main():
    check_version()
    with placeholders.importing():
        import_ministack()
    if sys.argv[1:] == ["--fork-server"]:
        from harness import fork_server

        fork_server.serve()
    begin(os.getppid(), lambda *urls: print(*urls, flush=True))


def begin(parent, say):
    """Makes this process a local AWS, which `say` is told the URLs of, for as long as the process `parent` is its parent."""
    from harness import saved_state

    listener = listen(os.environ.get("GATEWAY_PORT", "0"))
    port = listener.getsockname()[1]
    endpoint = f"http://{HOST}:{port}"
    end_with(parent)
    placeholders.fill(port)
    # The functions' SDKs call there. A fault injector may sit there (faults.py).
    os.environ.setdefault("AWS_ENDPOINT_URL", endpoint)
    fleets = start_fleets() or endpoint
    saved_state.begin(os.environ.get("GUARDRAILS_SAVED"))
    say(endpoint, fleets)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever waited for the line need not read on
    serve(listener)


def check_version():
    """The patches use private names, so they hold for exactly the version that requirements.txt pins."""
    requirements = REQUIREMENTS.read_text().splitlines()
    pinned = next(line.partition("==")[2].split()[0] for line in requirements if line.startswith("ministack=="))
    try:
        installed = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        installed = "none"
    if installed != pinned:
        refuse(f"needs ministack {pinned}, found {installed}: pip install -r {REQUIREMENTS}")


def listen(port):
    """Listening before MiniStack serves lets callers connect at once, and makes a free port ours without a race."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((HOST, int(port)))
    except (OSError, OverflowError, ValueError) as error:
        refuse(f"cannot listen on {HOST}, port {port}: {error}")
    listener.listen(1024)
    return listener


def end_with(parent):
    """Ends with the signals and the parent, and takes the functions along.

    They share a process group of the launcher's own. The parent is watched by polling, since Linux's own parent-death
    signal comes already when the *thread* ends that started the process, as a test's thread does.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end())
    if os.environ.get("GUARDRAILS_KEEP") == "1":
        return

    def watch():
        while os.getppid() == parent:
            time.sleep(0.2)
        end()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def end():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.killpg(os.getpgrp(), signal.SIGTERM)
    os._exit(0)


def start_fleets():
    """A process of its own: moto's packages are not MiniStack's. It ends with the launcher's group, or with this pipe."""
    python = os.environ.get("GUARDRAILS_FLEETS_PYTHON")
    if not python:
        return None
    with listen(0) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [python, "-B", HERE / "fleets.py", str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            pass_fds=[listener.fileno()],
        )
    for service in FLEET_SERVICES:
        os.environ[f"AWS_ENDPOINT_URL_{service}"] = url  # where the functions' SDKs call for these

    def watch():
        print(f"launcher: the fleets ended with {process.wait()}", file=sys.stderr, flush=True)
        end()

    threading.Thread(target=watch, name="fleets-watch", daemon=True).start()
    return url


def import_ministack():
    import services
    from harness import authorization, faults, recorder, saved_state, shortcuts

    shortcuts.install()
    recorder.install()
    authorization.install()
    services.install()
    faults.install()  # last: it names a function's process in the environment that services/lambda_.py gives it
    saved_state.install()
    for name in ("ministack.app", "uvicorn.lifespan.on", "uvicorn.protocols.http.httptools_impl"):
        importlib.import_module(name)


def serve(listener):
    import uvicorn
    from ministack.app import app

    from harness import faults, saved_state

    class Server(uvicorn.Server):
        def capture_signals(self):
            return contextlib.nullcontext()  # they are ours: end_with

    config = uvicorn.Config(
        saved_state.serve(faults.serve(app)),
        http="httptools",
        ws="none",
        lifespan="on",
        log_level=os.environ["LOG_LEVEL"].lower(),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # MiniStack gives its own
        timeout_keep_alive=75,
    )
    asyncio.run(Server(config).serve(sockets=[listener]))


def refuse(message):
    print(f"launcher: {message}", file=sys.stderr)
    raise SystemExit(2)
