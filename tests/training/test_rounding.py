"""Another CPU gives other digits; no verdict that was decided may hang on them.

Initial weights are moved by rounding noise, as much as an addition in another order moves a number in single precision,
and the claims of an artifact are judged again. What chaos makes of it is larger than what another machine's kernels do
in their first step, so a verdict that is stable here is stable there.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trainings
from mutations import harness

from pipeline.artifacts import claims
from pipeline.artifacts.claims import NOT_SHOWN, SHOWN
from pipeline.artifacts.rows import CELL, Row
from pipeline.papers.embnorms import network
from pipeline.papers.isoloss import toy
from pipeline.papers.stepwise import wide
from pipeline.training import pretrain

NOISE = 1e-7
"""Relative: an ulp of single precision."""

DECIDED = (SHOWN, NOT_SHOWN)


def _moved(weights: Any, rng: np.random.Generator) -> Any:
    return (weights * (1.0 + NOISE * rng.choice([-1.0, 1.0], np.shape(weights)))).astype(weights.dtype)


def _embnorms(rng: np.random.Generator) -> Callable[[pytest.MonkeyPatch], None]:
    return harness.changed(
        network.prepared, lambda v, *_, **__: (v[0], {name: _moved(w, rng) for name, w in v[1].items()})
    )


def _isoloss(rng: np.random.Generator) -> Callable[[pytest.MonkeyPatch], None]:
    return harness.given(toy.train, lambda weights, *rest, **more: ((_moved(weights, rng), *rest), more))


def _stepwise(rng: np.random.Generator) -> Callable[[pytest.MonkeyPatch], None]:
    def change(found: wide.WideNetwork, *_: Any, **__: Any) -> wide.WideNetwork:
        return wide.WideNetwork(
            _moved(found.hidden, rng), found.gram, _moved(found.readout, rng), _moved(found.bias, rng)
        )

    return harness.changed(wide.draw, change)


WHERE = [
    ("embnorms", "fig2b", {"replications": 3, "epochs": 10, "members": 100}, _embnorms),
    ("embnorms", "figS2b", {"replications": 3, "epochs": 10, "members": 100}, _embnorms),
    ("isoloss", "fig4", {"replications": 3, "samples": 200, "steps": 1000}, _isoloss),
    (
        "stepwise",
        "exact",
        {"pairs": 8, "size": 16, "crop": 8, "hidden": 64, "outputs": 3, "steps": 50},
        _stepwise,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("paper", "name", "params", "noise"),
    [pytest.param(*at, id=f"{at[0]}-{at[1]}", marks=pytest.mark.slow if at[0] == "stepwise" else ()) for at in WHERE],
)
def test_no_decided_verdict_hangs_on_rounding(paper: str, name: str, params: dict[str, Any], noise: Any) -> None:
    before = harness.records(paper, name, params)
    rng = np.random.default_rng(0)
    untouched = rng.bit_generator.state
    with pytest.MonkeyPatch.context() as patch:
        noise(rng)(patch)
        after = harness.records(paper, name, params)
    assert rng.bit_generator.state != untouched, "no weight has been moved"
    first, second = (harness.verdicts(paper, name, found) for found in (before, after))
    _same_where_decided(first, second)


def _same_where_decided(first: dict[str, str], second: dict[str, str]) -> None:
    decided = [text for text in first if first[text] in DECIDED or second[text] in DECIDED]
    assert decided, "nothing is decided: there is nothing to be stable"
    assert {text: first[text] for text in decided} == {text: second[text] for text in decided}


def _end_of_training(folder: Path, data: Path, seeds: range, **changes: Any) -> dict[int, float]:
    """Seed -> effective rank of the embeddings in the last epoch of a network of torch."""
    found = {}
    for seed in seeds:
        trainings.execute(trainings.run_spec(**changes), [6], folder / str(seed), data, seed=seed)
        lines = list(csv.DictReader((folder / str(seed) / "epoch0006" / "history.csv").open(encoding="utf-8")))
        found[seed] = float(lines[-1]["effective_rank"])
    return found


def _judged(folder: Path, data: Path) -> tuple[dict[str, str], dict[str, dict[int, float]]]:
    settings = {
        "with": {},
        "without": {"predictor": {"kind": "none"}, "target": {"kind": "same", "stop_gradient": False}},
    }
    rows, values = [], {}
    for predictor, changes in settings.items():
        values[predictor] = _end_of_training(folder / predictor, data, range(6), **changes)
        rows.append(Row({"predictor": predictor}, CELL, "noise", "noise", 6, seeds=values[predictor]))
    texts = [
        {"text": "A predictor keeps the rank", "greater": [{"predictor": "with"}, {"predictor": "without"}]},
        {"text": "It does not", "greater": [{"predictor": "without"}, {"predictor": "with"}]},
    ]
    return {claim["text"]: claim["verdict"] for claim in claims.judge(texts, rows, "tiny", "test")}, values


@pytest.mark.slow
def test_nor_does_one_on_trained_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of torch in single precision, views and BatchNorm and all, trained as a run is."""
    data = tmp_path / "data"
    data.mkdir()
    trainings.write_noise(data)
    first, values = _judged(tmp_path / "first", data)
    original = pretrain.build_network
    noise = torch.Generator().manual_seed(0)

    def moved(*arguments: Any) -> Any:
        network = original(*arguments)
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(1.0 + NOISE * torch.randn(weight.shape, generator=noise))
        return network

    monkeypatch.setattr(pretrain, "build_network", moved)
    second, other = _judged(tmp_path / "second", data)
    assert values != other, "the noise has reached no number"
    assert first == {"A predictor keeps the rank": SHOWN, "It does not": NOT_SHOWN}
    _same_where_decided(first, second)
