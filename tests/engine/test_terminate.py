"""A signal that comes while the main thread holds what its handler needs."""

from __future__ import annotations

import subprocess
import sys

from conftest import ROOT

WAITS_FOR_ITSELF = """
import os, signal, sys, threading, time
sys.path.insert(0, {root!r})
from pipeline.engine import terminate

lock, told = threading.Lock(), threading.Event()

def handler(number, frame):  # as Snakemake's scheduler has it
    with lock:
        told.set()

signal.signal(signal.SIGTERM, handler)
if {handed}:
    terminate.hand_to_a_thread()
with lock:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)
print("told" if told.wait(5) else "not told", flush=True)
"""


def outcome(handed: bool, seconds: float) -> str:
    code = WAITS_FOR_ITSELF.format(root=str(ROOT), handed=handed)
    try:
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, check=True
        ).stdout.strip()
    except subprocess.TimeoutExpired:
        return "waits for ever"


def test_a_handler_may_wait_for_what_the_main_thread_holds():
    assert outcome(handed=False, seconds=3) == "waits for ever", "what is mended"
    assert outcome(handed=True, seconds=30) == "told"


def test_what_has_no_handler_is_left_alone():
    code = (
        f"import signal, sys; sys.path.insert(0, {str(ROOT)!r}); from pipeline.engine import terminate; "
        "terminate.hand_to_a_thread(signal.SIGUSR2); print(signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
