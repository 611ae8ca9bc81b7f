"""Someone else's paper, data, objective and figure, in a folder of theirs outside the repository."""

from __future__ import annotations

from conftest import Project
from theirs import PAPER

DATASETS = """
marks: {title: Small shapes, source: {kind: shapes, train: 96, test: 64, size: 8}, classes: 8, licence: MIT}
"""

OBJECTIVE = '''
"""Align views, and repel the batch from its mean."""

import torch


def loss(predictions, targets, *, strength: float = 1.0) -> torch.Tensor:
    """Squared distance of the views, minus the variance of the batch."""
    near = sum((p - q).square().sum(dim=1).mean() for p, q in zip(predictions, reversed(targets)))
    return near - strength * sum(torch.tanh(p.var(dim=0)).sum() for p in predictions)
'''

SCALE = """
title: theirs
"""


def test_a_folder_of_theirs_is_built(project: Project, tmp_path):
    theirs = tmp_path / "theirs"
    for name, text in {
        "papers/theirs.yaml": PAPER,
        "scales/theirs.yaml": SCALE,
        "datasets.yaml": DATASETS,
        "objectives/repel.py": OBJECTIVE,
        "published/theirs_ablation.csv": "method,value,std,unit,source,note\nweak,12.5,0.5,%,text,\n",
    }.items():
        path = theirs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    config = ("--config", f"extend={theirs}", "scale=theirs")
    counts = project.build("results/ablation.csv", *config)
    assert counts == {"prepare": 1, "pretrain": 2, "linear_probe": 2, "table": 1}
    lines = (project.root / "results/theirs/theirs/ablation.csv").read_text().splitlines()
    assert len(lines) == 3
    assert any("weak" in line and ",12.5,0.5," in line for line in lines)
    assert project.build("results/ablation.csv", *config) == {}
    path = theirs / "objectives/repel.py"
    path.write_text(path.read_text() + "\n# a comment\n")
    assert project.build("results/ablation.csv", *config) == {}
    path.write_text(OBJECTIVE.replace("torch.tanh", "torch.sigmoid"))
    assert project.build("results/ablation.csv", *config)["pretrain"] == 2
    why = project.pipeline("why", "results/ablation.csv", *config).stdout
    assert why == "up to date: no stage would execute\n"
    path.write_text(OBJECTIVE)
    assert project.build("results/ablation.csv", *config) == {}
