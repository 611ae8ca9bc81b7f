# The plan is read once; every rule asks BUILD what a job reads and does.
import atexit
import gc
import os
import signal
import sys

sys.path.insert(0, workflow.basedir)
# Jobs run the Python that runs snakemake, and this checkout's package.
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
os.environ["PYTHONPATH"] = os.pathsep.join([workflow.basedir, os.environ.get("PYTHONPATH", "")])

# Trainings on a CPU allocate and free the same few megabytes at every step: glibc should keep them.
for name, megabytes in (("MMAP_THRESHOLD", 32), ("TRIM_THRESHOLD", 1024), ("TOP_PAD", 64)):
    os.environ.setdefault(f"MALLOC_{name}_", str(megabytes << 20))

# What is read here stays until the end: to search it for garbage would take a fifth of the time of a build with nothing to do.
gc.disable()
from pipeline.errors import lacking

try:
    from pipeline.engine import interrupted, scheduling, summary, terminate
    from pipeline.engine.display import Display
    from pipeline.engine.workflow import read
    from pipeline.latex import beside
    from pipeline.monitor import stop
except ModuleNotFoundError as error:
    sys.exit(f"error: {lacking(error) or error}")

BUILD = read(config)
gc.freeze()
gc.enable()
DISPLAY = Display(BUILD)


# Beside every table lies its LaTeX, a view: no rule has it as an output, so that nothing waits for it or is made again for it.
# It is written as snakemake ends, also where there was nothing to do, or a job failed.
def show_as_latex():
    for remark in beside.write(BUILD.workspace.root, [f"results/{name}" for name in BUILD.artifacts("table")]):
        print(remark, file=sys.stderr)


if BUILD.builds:
    atexit.register(show_as_latex)

# A cluster may tell a job some time before its limit (SIGUSR1): that is for the stage, not for what carries it there.
if BUILD.submitted:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

# Its jobs end with it, however it ends; those that are sent elsewhere are their scheduler's.
if workflow.is_main_process and BUILD.here:
    stop.lend_name()

# Jobs on this machine's processors fork from a process that has torch and its like loaded; on a GPU, or sent elsewhere, they do not.
if workflow.is_main_process and BUILD.here and not BUILD.gpu:
    os.environ.setdefault("SSL_FORKSERVER", "1")


wildcard_constraints:
    dataset=r"[^/]+",
    simulation=r"[^/]+",
    config=r"[^/]+",
    artifact=r"[^/]+/[^/]+/[^/.]+",
    edition=r"[^/]+",
    name=r"[^/.]+",
    suffix=r"csv|json|md|png|pdf",


# Everything that a rule has to know about a job is written down in jobs/RULE/NAME.json.
def inputs_of(rule):
    return BUILD.of_job(rule, "inputs")


def threads_of(rule):
    return BUILD.of_job(rule, "threads")


def gpus_of(rule):
    return BUILD.of_job(rule, "gpus")


# Only a cluster asks how long a job may take and what it may hold.
def demands_of(rule):
    return BUILD.demands(rule)


def what_of(rule):
    return BUILD.of_job(rule, "what")


# What a person calls a run.
def called_of(rule):
    return BUILD.of_job(rule, "called")


def link_of(wildcards):
    return BUILD.link(f"{wildcards.name}.{wildcards.suffix}")


def linked(wildcards):
    return f"results/{link_of(wildcards)}"


# In a report, results are sorted by paper and then by kind, and labelled with their name and scale.
def paper_of(wildcards):
    return wildcards.artifact.split("/")[1]


def labels_of(wildcards):
    edition, _, artifact = wildcards.artifact.split("/")
    return {"artifact": artifact, "scale": edition}


onstart:
    scheduling.calm(workflow.scheduler, BUILD.here)
    terminate.hand_to_a_thread()
    interrupted.hush()
    DISPLAY.begin(workflow.cores)


onsuccess:
    DISPLAY.end()
    summary.show(BUILD, sys.stderr)


onerror:
    DISPLAY.end()
    summary.failed(BUILD, log, sys.stderr)
