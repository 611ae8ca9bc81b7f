"""Commands of the project and Snakemake's, run in forks of a process that has their libraries loaded.

Half the time of such a command goes into imports of libraries, and the suite calls many hundreds. The server is the one from
which jobs fork (:mod:`pipeline.engine.forkserver`), with other libraries:
it holds nothing of the package, whose code each copy of the project has for itself.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.engine.forkserver import client

RUNNABLE = ("snakemake", "pipeline")
LIBRARIES = (
    "snakemake.cli",
    "numpy",
    "pydantic",
    "yaml",
    "requests",
    "dvc.fs",
    "dvc.repo",
    "matplotlib.figure",
    "pandas",
)
IDLE = 300
"""Seconds after which a server ends that nobody asks."""


@functools.cache
def _server() -> tuple[Path, subprocess.Popen[bytes]]:
    """Start the server; returns its socket and its process."""
    folder = Path(tempfile.mkdtemp(prefix="ssl-warm-"))
    path = folder / "server.sock"
    started = subprocess.Popen(
        [sys.executable, "-P", str(client._script()), str(path), str(IDLE), *LIBRARIES],
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )

    def end() -> None:
        started.kill()
        started.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    return path, started


@functools.cache
def _installed() -> list[str]:
    """Where a fresh interpreter looks for modules, its working directory and PYTHONPATH left out."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import json, sys; print(json.dumps(sys.path))"
    found = subprocess.run([sys.executable, "-P", "-c", code], env=environ, capture_output=True, text=True, check=True)
    paths: list[str] = json.loads(found.stdout)
    return paths


def can_run(command: tuple[str, ...], cwd: Path, environ: dict[str, str]) -> bool:
    """Whether a command is one of those, and starts as the server did: what else differs is read as a process starts."""
    if sys.platform != "linux" or command[:2] != (sys.executable, "-m") or command[2] not in RUNNABLE:
        return False
    mine = {name: value for name, value in environ.items() if not name.startswith(("SSL_", "GIT_"))}
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(("SSL_", "SNAKEMAKE", "GIT_"))}
    given = {"PYTHONPATH": str(cwd), "OMP_NUM_THREADS": "1", "PATH": mine.get("PATH", ""), "PYTEST_CURRENT_TEST": ""}
    return mine | given == theirs | given and mine.get("PYTHONPATH") == str(cwd)


def run(
    command: tuple[str, ...], cwd: Path, environ: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Do as :func:`subprocess.run` does with these arguments, with captured text.

    Raises:
        TimeoutExpired: It took longer; it has been killed.
    """
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as error,
        open(os.devnull, "rb") as nothing,  # noqa: PTH123 - a descriptor is wanted
        Started(command, cwd, environ, [nothing.fileno(), out.fileno(), error.fileno()]) as started,
    ):
        status = started.wait(timeout)
        said = [_text(out), _text(error)]
    return subprocess.CompletedProcess(command, status, *said)


class Started:
    """A command that was begun as :class:`subprocess.Popen` begins it.

    Args:
        command: What :func:`can_run` takes.
        cwd: Where it runs.
        environ: Its environment.
        streams: Descriptors of its standard input, output and error.

    Attributes:
        pid: Its process, which is alone in its group.
    """

    def __init__(self, command: Sequence[str], cwd: Path, environ: dict[str, str], streams: list[int]) -> None:
        module, arguments = command[2], command[3:]
        own = {"module": module, "cwd": str(cwd), "environ": environ}
        own["path"] = [str(cwd), str(cwd), *_installed()]  # its folder, and PYTHONPATH
        text = json.dumps(json.loads(client.request(arguments)) | own).encode()
        self.command = command
        self._server = _connected()
        socket.send_fds(self._server, [len(text).to_bytes(4, "big")], streams)
        self._server.sendall(text)
        self._answers = self._server.makefile("rb")
        self.pid: int = json.loads(self._answers.readline())["pid"]

    def wait(self, timeout: float) -> int:
        """Return its exit status.

        Raises:
            TimeoutExpired: It took longer; it has been killed.
        """
        self._server.settimeout(timeout)
        try:
            answer = self._answers.readline()
        except TimeoutError:
            os.killpg(self.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(self.command), timeout) from None
        return os.waitstatus_to_exitcode(json.loads(answer)["status"])

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


def _connected() -> socket.socket:
    """Connect, as soon as the server is there."""
    until = time.monotonic() + 60
    while (found := client._connected(_server()[0])) is None:
        if _server()[1].poll() is not None:  # a test that calls nothing for longer than it waits
            _server.cache_clear()
        if time.monotonic() > until:
            raise TimeoutError("the server for commands of tests does not answer")
        time.sleep(0.02)
    return found


def _text(stream: Any) -> str:
    stream.seek(0)
    text: str = stream.read().decode()
    return text.replace("\r\n", "\n").replace("\r", "\n")  # as subprocess does with text
