"""Saves the whole state of a local AWS in a folder, and begins another local AWS with it.

MiniStack keeps its state in variables of its modules, and the launcher does too. `install` takes a digest of each variable at
the beginning; `save` writes those that have changed since. `begin` puts the saved contents into the same variables of another
process, which has another port and another scratch folder. A module whose variables are of its process only says so by
`SAVED = False`.

Not saved: the functions' processes. The first call of a function in the other local AWS starts it anew, from the same folder.
"""

import asyncio
import collections
import hashlib
import importlib
import io
import json
import os
import pathlib
import pickle
import shutil
import sys
import tempfile
import threading
import time
import types

from ministack.core import lambda_runtime
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.services import lambda_svc, stepfunctions

from harness import placeholders

LAUNCHER = str(pathlib.Path(__file__).resolve().parent.parent)
SAVED = False  # these variables are of this process

_PATH = "/_guardrails/save"
_SCOPED = (AccountScopedDict, AccountRegionScopedDict)
_CONTAINERS = (dict, list, set, collections.deque, *_SCOPED)
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_LARGE = 64 * 1024  # bytes beyond it stand in a file of their own, once, however many variables have them
_QUIET_LIMIT = 30

# Variables that are of the process, such as its workers and its threads.
_OF_THE_PROCESS = {
    ("ministack.core.lambda_runtime", "_workers"),
    ("ministack.core.concurrency", "_resource_locks"),
    ("ministack.core.concurrency", "_reentrant_threads"),
    ("ministack.core.concurrency", "_background_threads"),
    ("ministack.core.container_reaper", "_started"),
    ("ministack.services.lambda_svc", "_reaper_started"),
    ("ministack.core.iam_evaluator", "_FNMATCH_CACHE"),
}
# Threads that a local AWS has while nobody asks it for anything.
_IDLE_THREADS = (
    "MainThread",
    "parent-watch",
    "fleets-watch",
    "dynamodb-ttl-reaper",
    "evb-scheduler-ticker",
    "eb-scheduler",
    "ministack-worker",
    "ministack-container-reaper",
    "ministack-lambda-reaper",
    "provided-",
    "asyncio_",
)

_at_first = {}
_numbers_at_first = {}


def install():
    for name, value in _variables():
        _at_first[name] = _digest(value)
    _known.clear()


def begin(folder):
    """Begins with the state in the folder, where there is one."""
    _numbers_at_first.update(_numbers())
    if folder:
        restore(pathlib.Path(folder))


def serve(app):
    """The application with POST /_guardrails/save in front: its body is the folder."""

    async def serve(scope, receive, send):
        if scope["type"] != "http" or scope["path"] != _PATH:
            await app(scope, receive, send)
            return
        folder = (await receive())["body"].decode()
        try:
            await _quiet()
            save(pathlib.Path(folder))
            status, answer = 200, b""
        except Exception as error:
            status, answer = 500, f"{type(error).__name__}: {error}".encode()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", str(len(answer)).encode())]})
        await send({"type": "http.response.body", "body": answer})

    return serve


async def _quiet():
    """Waits until nothing is under way."""
    limit = time.monotonic() + _QUIET_LIMIT
    while busy := _busy():
        if time.monotonic() > limit:
            raise RuntimeError(f"after {_QUIET_LIMIT} s there still are {busy}")
        await asyncio.sleep(0.02)


def _busy():
    """The names of all work under way. Idle functions are ended: their processes have a state of their own."""
    executions = stepfunctions._executions._data.values()
    running = [execution["executionArn"] for execution in executions if execution["status"] == "RUNNING"]
    if not running and not lambda_runtime.workers_in_use():
        lambda_runtime.reset()
    threads = [thread.name for thread in threading.enumerate() if not thread.name.startswith(_IDLE_THREADS)]
    return running + threads + ["a function"] * lambda_runtime.workers_in_use()


# ---- Saving ----


def save(folder):
    folder.mkdir(parents=True, exist_ok=True)
    _keep_code(folder / "code")
    for name, value in _numbers():
        if value != _numbers_at_first.get(name, value):
            raise RuntimeError(f"{'.'.join(name)} is {value!r}, and only containers can be saved")
    changed = {}
    for name, value in _variables():
        digest = _digest(value)
        if digest is None and _at_first.get(name) is not None:
            raise RuntimeError(f"{'.'.join(name)} holds something that cannot be saved")
        if digest is not None and digest != _at_first.get(name):
            changed[name] = _contents(value)
    with (folder / "state").open("wb") as file:
        _Pickler(file, folder).dump(changed)
    _known.clear()
    about = {"modules": sorted(_modules()), "places": _places()}
    (folder / "about.json").write_text(json.dumps(about))


def _keep_code(folder):
    """Unpacks the functions' code. A restored local AWS runs it there."""
    for function in list(lambda_svc._functions._data.values()):
        if function.get("code_zip"):
            lambda_svc._provided_runtime_code_dir(function["code_zip"])
    with lambda_svc._provided_code_lock:
        for digest, place in lambda_svc._provided_code_dirs.items():
            shutil.move(place, folder / digest)
            lambda_svc._provided_code_dirs[digest] = str(folder / digest)


def _places():
    """The texts in the state that name this process: each has the same length in every process, and is replaced by another's."""
    return {"endpoint": f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}", "scratch": tempfile.gettempdir()}


# ---- Restoring ----


def import_modules(folder):
    """The modules whose variables are saved there, in a process that will be forked."""
    with placeholders.importing():
        for name in json.loads((pathlib.Path(folder) / "about.json").read_text())["modules"]:
            importlib.import_module(name)


def restore(folder):
    about = json.loads((folder / "about.json").read_text())
    for name in about["modules"]:
        importlib.import_module(name)
    state = (folder / "state").read_bytes()
    for place, was in about["places"].items():
        now = _places()[place]
        if len(now) != len(was):
            raise RuntimeError(f"the {place} is {now}, which is not as long as {was}")
        state = state.replace(was.encode(), now.encode())
    for name, contents in _Unpickler(io.BytesIO(state), folder).load().items():
        _fill(_variable(*name), contents)


def _fill(variable, contents):
    """In place: other modules know the same object."""
    container = variable._data if isinstance(variable, _SCOPED) else variable
    container.clear()
    if isinstance(container, (list, collections.deque)):
        container.extend(contents)
    else:
        container.update(contents)


# ---- The variables ----


def _modules():
    for name, module in list(sys.modules.items()):
        ours = (getattr(module, "__file__", None) or "").startswith(LAUNCHER)
        if (name.startswith("ministack.") or (ours and name != "__main__")) and vars(module).get("SAVED", True):
            yield name


def _variables():
    """Each container that is a variable of a module, once: another module may have imported it."""
    seen = set()
    for module in _modules():
        for name, value in list(vars(sys.modules[module]).items()):
            known = id(value) in seen or (module, name) in _OF_THE_PROCESS
            if isinstance(value, _CONTAINERS) and not known and not name.startswith("__"):
                seen.add(id(value))
                yield (module, name), value


def _numbers():
    """Each variable of a module that is no container. It may be of another module too, so it could not be put back."""
    for module in _modules():
        for name, value in list(vars(sys.modules[module]).items()):
            if isinstance(value, (bool, int, float, str)) and (module, name) not in _OF_THE_PROCESS and not name.startswith("__"):
                yield (module, name), value


def _variable(module, name):
    return getattr(importlib.import_module(module), name)


def _contents(value):
    if isinstance(value, _SCOPED):
        return dict(value._data)
    return dict(value) if isinstance(value, dict) else type(value)(value)


def _digest(value):
    """Nothing for one that cannot be saved: such as a table of functions, which is no state."""
    digest = hashlib.sha256()
    try:
        _Pickler(_Sink(digest), None).dump(_contents(value))
    except (pickle.PicklingError, TypeError, AttributeError):
        return None
    return digest.digest()


# The digests of large bytes while a state is saved: several variables have the same.
_known = {}


def _digest_of(value):
    if id(value) not in _known:
        _known[id(value)] = value, hashlib.sha256(value).hexdigest()
    return _known[id(value)][1]


class _Sink(io.RawIOBase):
    def __init__(self, digest):
        self.write = digest.update


class _Pickler(pickle.Pickler):
    """Names variables that stand within others, has modules imported and locks made anew, and keeps large bytes in files."""

    def __init__(self, file, folder):
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._folder = folder
        self._named = {id(value): name for name, value in _variables()} if folder else {}

    def persistent_id(self, value):
        if isinstance(value, _CONTAINERS) and id(value) in self._named:
            return "variable", *self._named[id(value)]
        if type(value) is bytes and len(value) > _LARGE:
            digest = _digest_of(value)
            if self._folder and not (self._folder / digest).exists():
                (self._folder / digest).write_bytes(value)
            return "bytes", digest
        return None

    def reducer_override(self, value):
        if isinstance(value, types.ModuleType):
            return importlib.import_module, (value.__name__,)
        if isinstance(value, _LOCKS):
            return threading.Lock if isinstance(value, _LOCKS[0]) else threading.RLock, ()
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, folder):
        super().__init__(file)
        self._folder = folder
        self._bytes = {}

    def persistent_load(self, name):
        kind, *rest = name
        if kind == "variable":
            return _variable(*rest)
        [digest] = rest
        if digest not in self._bytes:
            self._bytes[digest] = (self._folder / digest).read_bytes()
        return self._bytes[digest]
