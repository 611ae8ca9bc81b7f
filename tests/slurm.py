"""A real SLURM on this machine for tests: its daemons, with a configuration and a state of their own.

They run as root, and clients find their configuration at one place only: a step of a job is not told of another. So
nothing is started where somebody's SLURM is configured already.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

CONFIGURATION = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
PLUGIN = "snakemake_executor_plugin_slurm"
NODES = ("one", "two")

TEXT = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
SlurmctldPort=16817
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=1,bf_interval=2
MpiDefault=none
ReturnToService=2
JobRequeue=1
MinJobAge=300
KillWait=20
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=60 DefMemPerCPU=1000 OverSubscribe=NO State=UP
"""
"""Two nodes on one host, told apart by their ports; a job that was put back may begin again after seconds."""


def lacking() -> str | None:
    """Why there can be no SLURM here; None where there can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"no {', '.join(missing)} here; as root: make test-slurm"
    if importlib.util.find_spec(PLUGIN) is None:
        return "snakemake's executor for SLURM is not installed; type: make setup EXTRAS=slurm"
    if os.geteuid() != 0:
        return "the daemons of SLURM run as root"
    if CONFIGURATION.exists():
        return f"{CONFIGURATION} is somebody's"
    return None


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


@dataclass
class Slurm:
    """The daemons of one cluster of two nodes.

    Attributes:
        root: Their folder.
    """

    root: Path
    _started: list[subprocess.Popen] = field(default_factory=list)

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        for name in ("munge", "state", *(f"spool-{node}" for node in NODES)):
            (self.root / name).mkdir(parents=True)
        munge = self.root / "munge"
        munge.chmod(0o700)
        (munge / "key").write_bytes(os.urandom(1024))
        (munge / "key").chmod(0o400)
        node = "NodeName={} NodeHostname={} NodeAddr=127.0.0.1 Port={} CPUs=2 RealMemory=8000 State=UNKNOWN"
        nodes = [node.format(name, platform.node(), 16818 + number) for number, name in enumerate(NODES)]
        text = TEXT.format(host=platform.node(), root=self.root, nodes="\n".join(nodes))
        (self.root / "slurm.conf").write_text(text)
        CONFIGURATION.parent.mkdir(exist_ok=True)
        CONFIGURATION.symlink_to(self.root / "slurm.conf")
        paths = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self._daemon("munged", "--force", "--foreground", *(f"--{name}={munge / path}" for name, path in paths.items()))
        self._until(lambda: (munge / "socket").exists(), "munge's socket")
        self._daemon("slurmctld", "-D", "-c")
        for name in NODES:
            self._daemon("slurmd", "-D", "-N", name)
        self._until(lambda: self.call("sinfo", "-h", "-o", "%T %D", check=False) == f"idle {len(NODES)}", "idle nodes")

    def stop(self) -> None:
        """End all jobs and daemons."""
        with contextlib.suppress(Exception):
            self.call("scancel", "--user=root", "--full", "--signal=KILL")
            self._until(lambda: not self.call("squeue", "-h"), "an empty queue", 10)
        for daemon in reversed(self._started):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self._started):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
        if CONFIGURATION.is_symlink() and CONFIGURATION.readlink() == self.root / "slurm.conf":
            CONFIGURATION.unlink()

    def call(self, *command: str, check: bool = True) -> str:
        """What a command of SLURM's says."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def jobs(self) -> dict[str, dict[str, str]]:
        """All jobs of late, by their number: what ``scontrol show job`` says of each."""
        found = {}
        for block in self.call("scontrol", "show", "job", "--oneliner").splitlines():
            if "=" in block:
                says = dict(word.split("=", 1) for word in block.split() if "=" in word)
                found[says["JobId"]] = says
        return found

    def _daemon(self, *command: str) -> None:
        with (self.root / f"{command[0]}.out").open("a") as out:
            environ = {**os.environ, "PATH": _path()}
            self._started.append(subprocess.Popen(command, stdout=out, stderr=out, env=environ, start_new_session=True))

    def _until(self, holds, what: str, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, f"{what}: not after {seconds} s; {self.root} has the logs"
            assert all(daemon.poll() is None for daemon in self._started), f"a daemon has ended; see {self.root}"
            time.sleep(0.1)
