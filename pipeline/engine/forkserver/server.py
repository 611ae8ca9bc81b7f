"""The process from which jobs fork. It runs as a script and imports nothing of the package, whose code may change.

    python -P server.py SOCKET SECONDS MODULE...

It has a session of its own, loads the modules, forks once per request, and ends when nobody has asked for so long.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

LONGEST = 16 << 20
"""Bytes of a request at most."""

_PR_SET_PDEATHSIG = 1


@dataclass
class Handover:
    """What a job is to do, and how it is to look to the job.

    Attributes:
        streams: Standard input, output and error of who asks.
        says: What its client has sent; see :func:`pipeline.engine.forkserver.client.request`.
        server: The server's process.
    """

    streams: list[int]
    says: dict[str, Any]
    server: int

    def run(self) -> None:
        """Become the job: take over all that a process inherits from who starts it, and run the module."""
        says = self.says
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.server:  # it ended before this could be said
            os._exit(1)
        for place, stream in enumerate(self.streams):
            os.dup2(stream, place)
        for stream in self.streams:
            os.close(stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in says["ignored"]:
            signal.signal(number, signal.SIG_IGN)
        os.umask(says["umask"])
        os.setpriority(os.PRIO_PROCESS, 0, says["nice"])
        os.sched_setaffinity(0, says["affinity"])
        for limit, bounds in says["limits"]:
            resource.setrlimit(limit, tuple(bounds))
        os.chdir(says["cwd"])
        os.environ.clear()
        os.environ.update(says["environ"])
        time.tzset()
        tempfile.tempdir = None
        sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
        sys.argv[:] = says["argv"]
        sys.path[:] = says["path"]
        importlib.invalidate_caches()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()  # as if it had been imported here; nothing of ours draws from it
        runpy.run_module(says["module"], run_name="__main__", alter_sys=True)


@dataclass
class Server:
    """Waits for requests, forks, and tells each client how its job ended.

    Attributes:
        listener: The bound socket.
        idle: After so many seconds without a job it ends.
    """

    listener: socket.socket
    idle: float
    jobs: dict[int, socket.socket] = field(default_factory=dict)

    def serve(self) -> Handover | None:
        """Serve until nobody asks any more.

        Returns:
            In a forked child the request that it is to run; None in the server, at its end.
        """
        woken, wake = socket.socketpair()
        woken.setblocking(False)
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ, "listener")
        selector.register(woken, selectors.EVENT_READ, "child")
        while True:
            events = selector.select(None if self.jobs else self.idle)
            if not events and not self.jobs:
                return None
            for key, _ in events:
                if key.data == "child":
                    with suppress(BlockingIOError):
                        woken.recv(4096)
                elif key.data == "listener":
                    request, client = self._accept()
                    if request is None or client is None:
                        continue
                    child = os.fork()
                    with suppress(OSError):  # both do it: neither waits for the other
                        os.setpgid(child, child or os.getpid())
                    if child == 0:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        selector.close()
                        for one in (woken, wake, self.listener, client, *self.jobs.values()):
                            one.close()
                        return request
                    for stream in request.streams:
                        os.close(stream)
                    self.jobs[child] = client
                    selector.register(client, selectors.EVENT_READ, child)
                    _tell(client, {"pid": child})
                else:  # a client sends nothing more: it has ended, and whoever ended it meant its job
                    with suppress(ProcessLookupError):
                        os.killpg(key.data, signal.SIGKILL)
                    selector.unregister(key.fileobj)
            self._reap(selector)

    def _reap(self, selector: selectors.BaseSelector) -> None:
        """Tell clients whose jobs have ended."""
        while self.jobs:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            client = self.jobs.pop(child)
            with suppress(KeyError):
                selector.unregister(client)
            _tell(client, {"status": status})
            client.close()

    def _accept(self) -> tuple[Handover | None, socket.socket | None]:
        """Read a request; None where its client is somebody else, or gave up."""
        client, _ = self.listener.accept()
        client.settimeout(10)
        streams: list[int] = []
        try:
            peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if int.from_bytes(peer[4:8], sys.byteorder) != os.getuid():
                raise PermissionError
            data, streams, _, _ = socket.recv_fds(client, 4, 3)
            length = int.from_bytes(data, "big")
            if len(data) < 4 or length > LONGEST or len(streams) != 3:
                raise ValueError
            text = b""
            while len(text) < length:
                part = client.recv(length - len(text))
                if not part:
                    raise EOFError
                text += part
            return Handover(streams, json.loads(text), os.getpid()), client
        except (OSError, ValueError, EOFError):
            for stream in streams:
                os.close(stream)
            client.close()
            return None, None


def _tell(client: socket.socket, what: dict[str, int]) -> None:
    with suppress(OSError):
        client.sendall(json.dumps(what).encode() + b"\n")


def main() -> None:
    """Serve, and in every child do what was asked for."""
    path, idle, *modules = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - one of a server that was killed; pathlib is not needed for anything else
    listener.bind(path)
    listener.listen(64)
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # else every child would copy what it inherits when it looks for garbage
    request = Server(listener, float(idle)).serve()
    if request is None:
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108
        return
    request.run()


if __name__ == "__main__":
    main()
