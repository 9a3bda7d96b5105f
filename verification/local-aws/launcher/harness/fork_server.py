"""Starts any number of local AWS, each by a fork of this process, in which MiniStack is imported already.

It reads a JSON object a line on stdin, and answers with a line on stdout:

    {"start": 7, "environment": {...}, "log": "..."}    ready 7 PID ENDPOINT FLEETS, once it accepts connections
    {"end": 7}                                          SIGTERM
    {"kill": 7}                                         SIGKILL, for all that it started too
                                                        ended 7, whenever and however it ended

The numbers are the caller's. This process ends with its stdin, and a local AWS ends with this process (launcher.py).
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import traceback

from harness import launcher, saved_state


def serve():
    answers = os.dup(1)
    os.dup2(2, 1)
    # What is here already stays in the pages that all share.
    gc.collect()
    gc.freeze()
    server = _Server(answers)
    while True:
        server.look()


class _Server:
    def __init__(self, answers):
        self._answers = answers
        self._numbers = {}  # by process
        self._requests = b""
        self._wake, wake = os.pipe()
        for end in (self._wake, wake):
            os.set_blocking(end, False)
        self._fds = (0, answers, self._wake, wake)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector = selectors.DefaultSelector()
        for fd in (0, self._wake):
            self._selector.register(fd, selectors.EVENT_READ)

    def look(self):
        for key, _events in self._selector.select():
            if key.fd == self._wake:
                os.read(self._wake, 4096)
                self._collect()
            else:
                self._read()

    def _read(self):
        read = os.read(0, 65536)
        if not read:
            os._exit(0)
        *lines, self._requests = (self._requests + read).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, request):
        processes = {number: pid for pid, number in self._numbers.items()}
        match request:
            case {"start": number, "environment": environment, "log": log}:
                self._start(number, environment, log)
            case {"end": number} if number in processes:
                os.kill(processes[number], signal.SIGTERM)
            case {"kill": number} if number in processes:
                os.killpg(processes[number], signal.SIGKILL)

    def _start(self, number, environment, log):
        if folder := environment.get("GUARDRAILS_SAVED"):
            saved_state.import_modules(folder)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._become(environment, log)
                launcher.begin(parent, lambda *urls: self._say("ready", number, os.getpid(), *urls))
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # the child does so too: whichever comes first
        self._numbers[pid] = number

    def _become(self, environment, log):
        """Nothing of this process's own is left in the child but its answers' end."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for fd, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_APPEND)):
            opened = os.open(path, flags)
            os.dup2(opened, fd)
            os.close(opened)
        os.dup2(1, 2)
        for fd in self._fds[2:]:
            os.close(fd)
        os.environ.clear()
        os.environ.update(environment)

    def _say(self, *words):
        os.write(self._answers, f"{' '.join(map(str, words))}\n".encode())

    def _collect(self):
        """A process keeps its number until it is waited for, so that no other is ended in its place."""
        while self._numbers:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._say("ended", self._numbers.pop(pid))
