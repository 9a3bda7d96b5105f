"""Imports MiniStack in a process that is no local AWS yet, and makes it one later.

MiniStack reads its settings from the environment while it is being imported. A fork server imports it once for many local AWS
(fork_server.py), and each of these has a port and a folder of its own. So while MiniStack is imported, two texts stand for
them. `fill` puts the process's own in their places.
"""

import contextlib
import os
import sys
import tempfile
import threading

SAVED = False  # these variables are of this process

_PORT = "54545"
_FOLDER = "/folder-of-no-local-aws-yet"
_ENVIRONMENT = {
    "GATEWAY_PORT": _PORT,
    "STATE_DIR": _FOLDER,
    "MINISTACK_HOST": "127.0.0.1",
    "BIND_HOST": "127.0.0.1",
    "AUTH": "true",
    "IOT_MTLS_ENABLED": "0",  # would listen on a fixed port
    "SFTP_ENABLED": "0",
    "LOG_LEVEL": "WARNING",
}

# Threads that a module starts while it is imported. A fork takes no thread along, so they start afterwards.
_threads = []


@contextlib.contextmanager
def importing():
    """Modules that are imported here serve each process that `fill` is called in."""
    environment, folder, start = dict(os.environ), tempfile.tempdir, threading.Thread.start
    os.environ.update(_ENVIRONMENT)
    tempfile.tempdir = _FOLDER
    threading.Thread.start = _hold
    try:
        yield
    finally:
        threading.Thread.start = start
        tempfile.tempdir = folder
        os.environ.clear()
        os.environ.update(environment)


def _hold(thread):
    _threads.append(thread)


def fill(port):
    """Makes this process a local AWS with this port and TMPDIR. Its environment is complete from here on."""
    os.environ.update({**_ENVIRONMENT, "GATEWAY_PORT": str(port), "STATE_DIR": tempfile.gettempdir()})
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if module.__name__.startswith("ministack.") else ():
            if isinstance(value, str) and (_PORT in value or _FOLDER in value):
                setattr(module, name, value.replace(_PORT, str(port)).replace(_FOLDER, tempfile.gettempdir()))
    from ministack.services import stepfunctions

    stepfunctions._SFN_WAIT_SCALE = stepfunctions._parse_wait_scale()
    while _threads:
        _threads.pop().start()
