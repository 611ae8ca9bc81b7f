"""Work ends when it is told to, and when the build that it is for is gone."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from pipeline.locks import started
from pipeline.monitor import stop
from pipeline.monitor.stop import Stop, Stopped


def test_work_ends_with_its_build_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "ASKED", 0.0)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as build:
        name = f"{build.pid} {started(build.pid)}"
        monkeypatch.setenv(stop.BUILD, name)
        own, other, foreign = Stop(name), Stop(), Stop(f"{build.pid} 1")
        own.check()
        build.kill()
    assert own.told is signal.SIGHUP and other.told is None, "who is told of no build, such as a rank, has none"
    with pytest.raises(Stopped):
        own.check()
    assert foreign.told is None, "a number that says nothing here, as in a container, is not watched"
