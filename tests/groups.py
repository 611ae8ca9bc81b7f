"""Trainings in float64 by a group of processes and by one, compared: ``python groups.py FOLDER RANK PROCESSES cpu``.

All cases run in one group, since starting processes takes longer than ten steps of a tiny network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from trainings import make_works, run_spec, write_noise  # noqa: E402

from pipeline import components  # noqa: E402
from pipeline.training.pretrain import Run  # noqa: E402
from pipeline.training.processes import group as groups  # noqa: E402
from pipeline.training.processes.group import Group  # noqa: E402
from pipeline.training.processes.run import GroupRun, device_of  # noqa: E402
from pipeline.views import normalize  # noqa: E402

STEPS = 10
ALONE: dict[str, Any] = {"predictor": {"kind": "none"}, "target": {"kind": "same", "stop_gradient": False}}
"""Predictions are the targets themselves."""
COSINE_EMA = {"kind": "ema", "momentum": 0.9, "schedule": "cosine", "epochs": 3}


def cases() -> dict[str, dict[str, Any]]:
    """What is trained, by name: every objective, predictor, target, optimiser and policy, those to come included."""
    found: dict[str, dict[str, Any]] = {}
    for kind in components.kinds("objective"):
        found[f"objective {kind}, directpred, ema"] = {"objective": {"kind": kind}}
        if "matrix" not in components.find("objective", kind).read_text(encoding="utf-8"):
            found[f"objective {kind}, alone"] = {"objective": {"kind": kind}, **ALONE}
    more: dict[str, list[dict[str, Any]]] = {
        "directpred": [{}, {"partitions": 3}, {"freq": 1, "average": "in_turn"}],
        "linear": [{"symmetric": True}, {"bias": True}],
        "mlp": [{"hidden": 8, "symmetric": True}, {"hidden": 8, "affine": True}],
        # embeddings of a network that has just begun lie nearly on a line: less ridge makes 1e-10 of 1e-16
        "optimal": [{"regularizer": 0.1}, {"regularizer": 0.1, "every": 2}],
    }
    for kind in components.kinds("predictor"):
        for params in more.get(kind, [{}]):
            found[f"predictor {kind} {params or ''}".strip()] = {"predictor": {"kind": kind, **params}}
    for kind in components.kinds("optimizer"):
        found[f"optimizer {kind}"] = {"optimizer": {"kind": kind, "lr": 0.05}, "target": COSINE_EMA}
    # a bias before BatchNorm has a gradient of rounding errors alone, and Adam's steps do not depend on its size
    found["optimizer adam"]["projector"] = {"kind": "mlp", "hidden": 12, "out": 8, "bias": False}
    for kind in components.kinds("views"):
        found[f"views {kind}"] = {"views": {"kind": kind}}
    found["views of two sizes"] = {"views": {"kind": "simclr", "count": [2, 1], "size": [8, 6]}}
    deeper = {"kind": "tiny_conv", "channels": [4, 6], "strides": [2, 1]}
    found["a last minibatch of two images"] = {"batch_size": 16, "encoder": deeper}
    found["no projector"] = {"projector": {"kind": "none"}, "predictor": {"kind": "mlp", "hidden": 6}}
    return found


def few(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """One case of every kind of component: messages of four processes on two cores take long."""
    return {
        name: changes for name, changes in found.items() if not name.endswith("alone") and (name.count("{") == 0)
    } | {"predictor optimal": found[next(name for name in found if name.startswith("predictor optimal"))]}


def spec_of(changes: dict[str, Any]) -> dict[str, Any]:
    """Params of a run of 98 images in minibatches of 15, the last of 8: neither divides by 2 and 4 alike."""
    default = {"kind": "tiny_conv", "channels": [6], "strides": [2]}
    return run_spec(**{"batch_size": 15, "encoder": default, "optimizer": {"kind": "sgd", "lr": 0.01}, **changes})


def state(run: Run) -> dict[str, Tensor]:
    """All that a step changes."""
    found = {name: value for name, value in run.tensors().items() if value.is_floating_point() and "losses" not in name}
    assert any(name.startswith("state.optimizer") for name in found) and "run.loss_sum" in found
    return found


def after(run: Run, steps: int = STEPS) -> dict[str, Tensor]:
    """State after some steps."""
    for number in range(steps):
        run.step(*divmod(number, run.batches.steps))
    return state(run)


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference, of numbers above 1 relative to them; NaN if there is one."""
    assert one.keys() == other.keys()
    return max(float(((one[name] - other[name]).abs() / one[name].abs().clamp(min=1)).max()) for name in one)


def compared(changes: dict[str, Any], folder: Path, group: Group, device: str) -> float:
    """How far a training by a group is from that of one process after ten steps."""
    folder.mkdir(exist_ok=True)
    (work,) = make_works(spec_of(changes), [2], folder / f"rank{group.rank}", folder.parent, device=device)
    together = after(GroupRun(work, None, None, group))
    return apart(after(Run(work)), together) if group.rank == 0 else 0.0


def local(changes: dict[str, Any], folder: Path, group: Group, device: str) -> float:
    """The same without synchronised BatchNorm, against a process that passes minibatches in as many parts."""
    folder.mkdir(exist_ok=True)
    spec = spec_of({"batch_size": 16, **changes})
    spec_local = {**spec, "sync_batchnorm": False}
    (work,) = make_works(spec_local, [2], folder / f"rank{group.rank}", folder.parent, device=device)
    together = after(GroupRun(work, None, None, group), 6)
    work.spec = {**spec, "accumulation": group.processes}
    alone = after(Run(work), 6)
    averaged = [name for name in alone if "running" in name]  # each process has those of its own part
    assert averaged
    for one in (alone, together):
        for name in averaged:
            del one[name]
    return apart(alone, together) if group.rank == 0 else 0.0


def main(folder: Path, rank: int, processes: int, kind: str) -> None:
    """Take part in all cases; rank 0 writes what it finds."""
    device = device_of(rank, torch.device(kind))
    if kind == "cuda":
        torch.cuda.set_device(rank)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    normalize.to_unit = lambda images: images.double().div(255)  # the other policies draw, and so compute, in float64
    group = groups.join(folder, rank, processes, torch.device(device))
    found = {}
    chosen = cases() if processes == 2 and kind == "cpu" else few(cases())
    for number, (name, changes) in enumerate(chosen.items()):
        found[name] = compared(changes, folder / f"case{number}", group, device)
    for objective in ("cosine", "euclidean") if processes == 2 else ("cosine",):
        of = {"objective": {"kind": objective}}
        found[f"local {objective}"] = local(of, folder / f"local-{objective}", group, device)
        mlp = {**of, "predictor": {"kind": "mlp", "hidden": 8}}
        found[f"local {objective}, mlp"] = local(mlp, folder / f"local-{objective}-mlp", group, device)
    if rank == 0:
        (folder / "found.json").write_text(json.dumps(found))
    groups.leave()


def run(folder: Path, processes: int, kind: str = "cpu") -> dict[str, float]:
    """Start a group on CPUs or GPUs, wait for it, and read what it has found."""
    write_noise(folder)
    command = [sys.executable, __file__, str(folder)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    ranks = [subprocess.Popen([*command, str(one), str(processes), kind], env=environ) for one in range(processes)]
    try:
        assert [rank.wait(600) for rank in ranks] == [0] * processes
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    found: dict[str, float] = json.loads((folder / "found.json").read_text())
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
