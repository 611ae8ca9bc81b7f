"""Annotations of shapes hold in tests, and cost nothing outside of them."""

from __future__ import annotations

import ast
import subprocess
import sys

import jaxtyping
import numpy as np
import pytest
import shape_checks
import torch
from conftest import ROOT

from pipeline.kit import wheels
from pipeline.nets import matrix_sqrt
from pipeline.objectives import cosine, euclidean
from pipeline.papers.directpred.flow import Inputs
from pipeline.papers.isoloss import losses
from pipeline.papers.multiview import operators
from pipeline.views import colour


def test_a_shape_that_is_not_the_annotated_one_is_refused() -> None:
    batch = [torch.randn(4, 3), torch.randn(4, 3)]
    assert cosine.loss(batch, batch).shape == ()
    law = np.full((2, 4), 0.25)
    for call in (
        lambda: cosine.loss(batch, [torch.randn(5, 3)] * 2),
        lambda: euclidean.loss([torch.randn(3)] * 2, [torch.randn(3)] * 2),
        lambda: matrix_sqrt.largest_eigenvalue(torch.randn(2, 3)),
        lambda: colour.rotate_hue(torch.rand(2, 4, 5), torch.rand(2)),
        lambda: losses.gradients("cosine", "plain", np.ones((3, 2)), np.ones((3, 2)), np.eye(2)),
        lambda: operators.mean_over_views(law, np.ones((2, 1))),
        lambda: Inputs(np.eye(2), np.eye(3)),
    ):
        with pytest.raises(jaxtyping.TypeCheckError):
            call()


def test_a_type_that_is_not_the_annotated_one_is_refused() -> None:
    integers = [torch.ones(4, 3, dtype=torch.int64)] * 2
    with pytest.raises(jaxtyping.TypeCheckError):
        cosine.loss(integers, integers)
    with pytest.raises(jaxtyping.TypeCheckError):
        operators.mean_over_views(np.full((2, 4), 0.25, dtype=np.float32), np.ones((4, 1)))


def test_a_function_inside_a_function_is_checked_if_it_promises_a_shape(tmp_path, monkeypatch) -> None:
    source = """
import numpy as np

def outer(given: Float[np.ndarray, "n n"]):
    def shaped(x: Float[np.ndarray, "n"]): return len(x)
    def plain(x: int): return x
    return shaped, plain
"""
    (tmp_path / "nested_one.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with jaxtyping.install_import_hook("nested_one", "shape_checks.checked"):
        import nested_one
    for wrong in (np.ones((2, 3)), "text"):
        with pytest.raises(jaxtyping.TypeCheckError):
            nested_one.outer(wrong)
    shaped, plain = nested_one.outer(np.eye(2))
    assert shaped(np.ones(2)) == 2 and plain("text") == "text"
    with pytest.raises(jaxtyping.TypeCheckError):
        shaped(np.eye(2))


@pytest.mark.usefixtures("unchecked")
def test_checks_can_be_switched_off() -> None:
    assert matrix_sqrt.largest_eigenvalue(torch.eye(3)).shape == (1, 1)
    with pytest.raises(RuntimeError):
        matrix_sqrt.largest_eigenvalue(torch.randn(2, 3))


def test_every_module_that_annotates_shapes_is_checked() -> None:
    annotated = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "pipeline").rglob("*.py")
        if "from jaxtyping import" in path.read_text(encoding="utf-8")
    }
    assert len(annotated) > 50
    assert {name for name in annotated - set(shape_checks.modules()) if ".policies." not in name} == set()


def test_a_run_does_not_import_what_annotations_are_written_with() -> None:
    code = "import sys; import pipeline.nets.network, pipeline.objectives.barlow, pipeline.papers.multiview.flow\n"
    code += "print('jaxtyping' in sys.modules or 'beartype' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_kit_does_not_carry_what_only_type_checkers_import() -> None:
    source = "import a.b\nif TYPE_CHECKING:\n    from jaxtyping import Float\ndef f():\n    from c.d import e\n"
    assert set(wheels._names(ast.parse(source))) == {"a", "c"}
    assert "jaxtyping" not in wheels._imported((ROOT / "pipeline").rglob("*.py"))
