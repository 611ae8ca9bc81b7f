"""Cells that compare checkpoints, and cells that read different values of one measurement: Tables 1 and 2 of Simon 2023."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Project, copy_project

from pipeline import components
from pipeline.engine.executor import Executor
from pipeline.errors import UserError
from pipeline.evaluation.context import EvaluationContext
from pipeline.ledger.workspace import Milestone, Node, Workspace
from pipeline.monitor.progress import Progress
from pipeline.planning.catalogue import Catalogue, Request
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

TABLES = ("results/tiny/stepwise/table1.csv", "results/tiny/stepwise/table2.csv")
EVOLUTION = "results/tiny/stepwise/ntk_evolution.csv"


def planned(*names: str, scale: str = "tiny", **options) -> Plan:
    catalogue = Catalogue(Options(scale=scale, **options))
    return Plan(catalogue, [Request(scale, scale, "paper", "stepwise", name) for name in names])


def cells(plan: Plan, name: str) -> dict[tuple, dict]:
    found = plan.artifacts[f"results/tiny/stepwise/{name}"].params["cells"]
    return {tuple(str(v) for v in cell["axes"].values()): cell for cell in found}


# -- the plan


def test_a_method_and_an_axis_say_together_which_value_a_cell_shows():
    found = cells(planned("table1"), "table1")
    read = {key[:2]: cell["value"] for key, cell in found.items()}
    assert read["a(P_exp,P_th)", "SimCLR"] == "alignment_predicted"
    assert read["a(P_exp,P_NTK)", "VICReg"] == "alignment_ntk"
    assert read["a(P_exp,P_NTK)", "random subspaces"] == "alignment_random_ntk"
    barlow, chance = (
        found["a(P_exp,P_th)", "Barlow Twins", "stl10", "320"],
        found["a(P_exp,P_th)", "random subspaces", "stl10", "320"],
    )
    assert barlow["nodes"] == chance["nodes"]  # one measurement, two of its values


def test_a_pair_is_measured_on_one_run_with_the_other_s_checkpoint():
    plan = planned("table2")
    found = cells(plan, "table2")
    one, two = found["Barlow Twins and VICReg", "stl10", "320"], found["SimCLR and VICReg", "stl10", "320"]
    assert Node(one["nodes"][0]).config == Node(two["nodes"][0]).config  # both on VICReg's
    assert one["nodes"][0] != two["nodes"][0]
    references = {plan.measures[cell["nodes"][0].rsplit("/", 1)[1]]["reference"] for cell in (one, two)}
    objectives = {plan.runs[reference.split("/")[0]].run["objective"]["kind"] for reference in references}
    assert objectives == {"barlow", "infonce"}
    assert all(reference.endswith("/{seed}/epoch0002") for reference in references)
    assert len(plan.runs) == 3 and all(len(run.milestones) == 2 for run in plan.runs.values())


def test_the_last_milestone_is_wanted_where_something_is_compared_with_it():
    plan = planned("ntk_evolution")
    for config in plan.runs:
        wanted = {f"checkpoints/{config}/seed{seed}/epoch0002" for seed in (0, 1)}
        assert {node.name for node in plan.references(config)} == wanted
        assert {(0, Milestone(2)), (1, Milestone(2))} < plan.runs[config].milestones


def test_the_start_is_wanted_where_something_is_compared_with_it():
    plan = planned("learning_order")
    for config in plan.runs:
        wanted = {f"checkpoints/{config}/seed{seed}/epoch0000" for seed in (0, 1)}
        assert {node.name for node in plan.references(config)} == wanted
        assert {(0, Milestone()), (1, Milestone())} < plan.runs[config].milestones


def test_tables_and_figure_share_their_runs():
    assert len(planned("table1", "table2", "ntk_evolution").runs) == 3


def test_a_reference_needs_a_method_that_exists(tmp_path):
    root = copy_project(tmp_path / "p").root
    path = root / "params/papers/stepwise.yaml"
    path.write_text(path.read_text().replace("reference: SimCLR}", "reference: SimSiam}"))
    catalogue = Catalogue(Options(scale="tiny"), root / "params")
    with pytest.raises(UserError, match="there is no method 'SimSiam'"):
        Plan(catalogue, [Request("tiny", "tiny", "paper", "stepwise", "table2")])


def declared(
    tmp_path: Path, old: str, new: str, scale: str = "tiny", name: str = "table2", file: str = "papers/stepwise"
):
    """The plan of an artifact after an edit of a file that a user may make."""
    root = copy_project(tmp_path / "p").root
    path = root / f"params/{file}.yaml"
    text = path.read_text()
    assert text.count(old) == 1, text.count(old)
    path.write_text(text.replace(old, new))
    return Plan(Catalogue(Options(scale=scale), root / "params"), [Request(scale, scale, "paper", "stepwise", name)])


def test_a_measure_s_own_reference_is_not_the_method_that_an_axis_is_like(tmp_path):
    pairs = "{like: SimCLR, reference: Barlow Twins}\n"
    plan = declared(
        tmp_path, f"Barlow Twins and SimCLR: {pairs}", "Barlow Twins and SimCLR: {like: SimCLR}\n", name="table1"
    )
    measure = plan.catalogue.papers["stepwise"].measures["agreement"].measure
    measure["reference"] = "Barlow Twins"
    plan.add(Request("tiny", "tiny", "paper", "stepwise", "table2"))
    node = cells(plan, "table2")["Barlow Twins and SimCLR", "stl10", "320"]["nodes"][0]
    other = plan.measures[node.rsplit("/", 1)[1]]["reference"].split("/")[0]
    assert plan.runs[other].run["objective"]["kind"] == "barlow"
    assert plan.runs[Node(node).config].run["objective"]["kind"] == "infonce"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "{like: VICReg, reference: SimCLR}",
            "{like: VICReg, reference: VICReg}",
            "VICReg would be compared with itself",
        ),
        (
            "reference: Barlow Twins, reads: random}",
            "reference: Barlow Twins, reads: 3}",
            "axes.pair.random subspaces: reads: expected a name, found 3",
        ),
        (
            "reference: Barlow Twins, reads: random}",
            "reference: Barlow Twins, reads: radnom}",
            "no value 'alignment_radnom'",
        ),
        (
            "{like: VICReg, reference: SimCLR}",
            "{like: [VICReg], reference: SimCLR}",
            "axes.pair.SimCLR and VICReg: like: expected a name",
        ),
    ],
)
def test_a_mistake_in_a_comparison_is_one_line(tmp_path, old, new, words):
    with pytest.raises(UserError, match=words) as raised:
        declared(tmp_path, old, new)
    assert "\n" not in str(raised.value) and "params/papers/stepwise.yaml" in str(raised.value)


def test_a_mistake_in_what_a_scale_says_of_a_paper_names_the_place(tmp_path):
    with pytest.raises(UserError, match=r"scales/tiny.yaml: every_run or papers.stepwise.every_run.*optimiser"):
        declared(
            tmp_path, "      optimizer: {kind: adam, lr: 1.0e-3}", "      optimiser: {kind: adam}", file="scales/tiny"
        )


def test_the_last_milestone_is_the_last_that_the_scale_reaches(tmp_path):
    plan = declared(tmp_path, "    epochs: {320: 100}\n", "", scale="gpu", name="ntk_evolution", file="scales/gpu")
    for config, run in plan.runs.items():
        assert {at.epoch for _, at in run.milestones} == {0, 11, 32}
        assert {node.epoch for node in plan.references(config)} == {32}


def test_milestones_that_are_compared_with_the_last_are_of_one_training(tmp_path):
    root = copy_project(tmp_path / "p").root
    path = root / "params/papers/stepwise.yaml"
    path.write_text(path.read_text().replace("warmup: 10, epochs: 320}", "warmup: 1}"))
    catalogue = Catalogue(Options(scale="paper"), root / "params")
    plan = Plan(catalogue, [Request("paper", "paper", "paper", "stepwise", "ntk_evolution")])
    assert len(plan.runs) == 3
    assert {run.run["schedule"].get("epochs") for run in plan.runs.values()} == {None, 320}


def test_what_stands_in_keeps_its_own_statistics():
    for scale, mean in (("tiny", 0.5), ("gpu", 0.4914), ("paper", 0.485)):
        plan = (
            planned("table1", scale=scale)
            if scale == "tiny"
            else Plan(Catalogue(Options(scale=scale)), [Request(scale, scale, "paper", "stepwise", "table1")])
        )
        assert {run.run["normalize"]["mean"][0] for run in plan.runs.values()} == {mean}


@pytest.mark.slow
def test_measures_say_which_values_they_have(compared_once):
    for path in sorted((compared_once.root / "measurements").glob("*/seed0/epoch0002/*/scores.json")):
        kind = path.parent.name.rpartition("-")[0]
        remarks = {"collapsed", "batchnorm"}  # on the checkpoint, whatever was measured
        assert set(json.loads(path.read_text())) - remarks == set(components.values("measure", kind))


def test_a_scale_may_say_something_of_one_paper_alone():
    plan = planned("table1")
    run = next(iter(plan.runs.values())).run
    assert run["optimizer"]["kind"] == "adam" and run["schedule"]["kind"] == "constant"
    catalogue = Catalogue(Options(scale="tiny"))
    other = Plan(catalogue, [Request("tiny", "tiny", "paper", "directpred", "table8")])
    assert {run.run["optimizer"]["kind"] for run in other.runs.values()} == {"sgd"}
    gpu = Catalogue(Options(scale="gpu"))
    found = Plan(gpu, [Request("gpu", "gpu", "paper", "stepwise", "table1")]).artifacts["results/gpu/stepwise/table1"]
    assert {cell["dataset"] for cell in found.params["cells"]} == {"cifar10"}
    assert {cell["paper_dataset"] for cell in found.params["cells"]} == {"stl10"}
    assert {cell["trained_epochs"] for cell in found.params["cells"]} == {100}


def test_a_schedule_that_names_no_end_ends_with_the_training(tmp_path):
    root = copy_project(tmp_path / "p").root
    path = root / "params/papers/stepwise.yaml"
    path.write_text(path.read_text().replace("warmup: 10, epochs: 320}", "warmup: 1}"))
    scale = root / "params/scales/tiny.yaml"
    scale.write_text(scale.read_text().replace("      schedule: constant\n", ""))
    plan = Plan(
        Catalogue(Options(scale="tiny"), root / "params"), [Request("tiny", "tiny", "paper", "stepwise", "table1")]
    )
    ends = {run.run["objective"]["kind"]: run.run["schedule"].get("epochs") for run in plan.runs.values()}
    assert ends == {"barlow": 2, "infonce": None, "vicreg": 2}


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("500MB", 5 * 10**8), ("1.5 g", 15 * 10**8), (64000, 64000)]
)
def test_memory_is_a_size(text, size):
    assert Options.parse({"memory": text}, {}).memory == size


@pytest.mark.parametrize("text", ["much", "-4GB", 0, 0.4, True, "4 XB"])
def test_memory_that_is_no_size_is_refused(text):
    with pytest.raises(UserError, match="--config memory: expected a size"):
        Options.parse({"memory": text}, {})


# -- real builds


@pytest.fixture(scope="module")
def compared_once(tmp_path_factory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("compared") / "project")
    counts = project.build(*TABLES, EVOLUTION)
    # 3 methods x 2 seeds; the tables want the last of 2 epochs, the figure 0 and 1 too
    assert counts == {
        "prepare": 1, "pretrain": 18, "ntk": 6, "agreement": 6, "ntk_evolution": 18, "table": 2, "figure": 1,
    }  # fmt: skip
    return project


@pytest.fixture
def compared(compared_once: Project, tmp_path: Path) -> Project:
    return compared_once.copy(tmp_path / "project")


def rows(project: Project, path: str) -> list[dict[str, str]]:
    with (project.root / path).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_tables_have_all_cells_beside_the_published_ones(compared_once):
    first, second = (rows(compared_once, path) for path in TABLES)
    assert len(first) == 8 and len(second) == 4
    for row in first + second:
        assert 0 <= float(row["mean"]) <= 1 and row["n"] == "2" and row["published_mean"]
    published = {(row["quantity"], row["method"]): float(row["published_mean"]) for row in first}
    assert published["a(P_exp,P_th)", "Barlow Twins"] == 0.615
    # d = 8 of 60 inputs
    chance = [float(row["mean"]) for row in first + second if "random subspaces" in row.values()]
    assert len(chance) == 3 and all(abs(value - 8 / 60) < 0.03 for value in chance)


@pytest.mark.slow
def test_at_the_last_milestone_the_kernel_is_the_final_one(compared_once):
    last = [row for row in rows(compared_once, EVOLUTION) if row["epochs"] == "2"]
    of = {(row["method"], row["quantity"]): float(row["value"]) for row in last}
    for method in ("Barlow Twins", "SimCLR", "VICReg"):
        assert of[method, "distance to the final kernel"] == pytest.approx(0, abs=1e-9)
        assert of[method, "alignment with the final kernel"] == pytest.approx(1, abs=1e-9)
        assert of[method, "a(P_exp,P_end)"] == pytest.approx(1, abs=1e-9)
        assert of[method, "a(P_exp,P_th)"] == pytest.approx(of[method, "a(P_end,P_th)"], abs=1e-9)


@pytest.mark.slow
def test_a_change_of_one_method_reaches_what_compares_with_it_and_no_more(compared):
    compared.edit("params/papers/stepwise.yaml", "temperature: 0.2}", "temperature: 0.3}")
    counts = compared.build(*TABLES)
    # SimCLR alone is trained; its pairs with both others are measured, VICReg and Barlow Twins are not
    assert counts == {"pretrain": 2, "ntk": 2, "agreement": 4, "table": 2}
    assert compared.build(*TABLES) == Counter()
    compared.edit("params/papers/stepwise.yaml", "temperature: 0.3}", "temperature: 0.2}")
    assert compared.build(*TABLES) == Counter()


@pytest.mark.slow
def test_every_measurement_goes_on_in_a_folder_of_its_own(compared_once, monkeypatch):
    """Whichever of a job's measurements are done, what a kill left of another one is found again."""
    monkeypatch.chdir(compared_once.root)
    executor = Executor(Workspace())
    receipts = [path for path in Path("receipts/measurements").rglob("*.json") if "execution" not in path.name]
    folders = {executor._run_key(executor._task(Node.of_receipt(path))) for path in receipts}
    assert len(folders) == len(receipts) == 30


@pytest.mark.slow
def test_audit_names_a_tampered_reference(compared):
    done = compared.pipeline("audit", TABLES[1])
    assert done.returncode == 0, done.stdout
    report = json.loads((compared.root / TABLES[1].replace(".csv", ".receipt.json")).read_text())
    node = next(
        entry["node"]
        for entry in report["inputs"].values()
        if "agreement" in entry["node"] and "/seed0/" in entry["node"]
    )
    receipt = json.loads((compared.root / "receipts" / f"{node}.json").read_text())
    reference = compared.root / receipt["inputs"]["reference"]["node"] / "model.safetensors"
    content = bytearray(reference.read_bytes())
    content[-1] ^= 1
    reference.chmod(0o644)
    reference.write_bytes(bytes(content))
    done = compared.pipeline("audit", TABLES[1], check=False)
    assert done.returncode != 0 and receipt["inputs"]["reference"]["node"] in done.stdout + done.stderr


@pytest.mark.slow
def test_a_bundle_is_verified_and_run_again(compared_once, tmp_path):
    bundle = tmp_path / "table2.zip"
    compared_once.pipeline("bundle", TABLES[1], "--output", str(bundle))
    assert "error" not in compared_once.pipeline("verify", str(bundle), check=False).stdout.lower()


@pytest.mark.slow
def test_a_diverged_reference_makes_the_comparison_a_diverged_one(compared):
    compared.edit(
        "params/scales/tiny.yaml",
        "optimizer: {kind: adam, lr: 1.0e-3}",
        "optimizer: {kind: sgd, lr: 1.0e+6, weight_decay: 1.0}",
    )
    compared.build(TABLES[1])
    found = rows(compared, TABLES[1])
    assert {row["n"] for row in found} == {"0"} and all("diverged" in row["note"] for row in found)


@pytest.mark.slow
def test_both_tables_on_a_cpu_within_ten_minutes(project):
    """Scale quick, from nothing; the theory's subspace holds more of the embeddings than the kernel's own eigenvectors."""
    project.snakemake(
        "results/quick/stepwise/table1.csv", "results/quick/stepwise/table2.csv", "--config", "scale=quick", timeout=600
    )
    first = rows(project, "results/quick/stepwise/table1.csv")
    of = {(row["quantity"], row["method"]): float(row["mean"]) for row in first}
    for method in ("Barlow Twins", "SimCLR", "VICReg"):
        assert of["a(P_exp,P_th)", method] > of["a(P_exp,P_NTK)", method] > 10 * of["a(P_exp,P_th)", "random subspaces"]


# -- pairs


def _subject(project: Project, key: dict, seed: int, checkpoint: str = "none") -> EvaluationContext:
    """What a measure with this key file looks at."""
    params = key["params"]
    return EvaluationContext(
        spec={
            "normalize": None,
            **{name: value for name, value in params.items() if name not in ("measure", "reference")},
        },
        seed=seed,
        device=torch.device("cpu"),
        checkpoint=project.root / checkpoint,
        data=project.root / key["inputs"]["data"],
        components={name: components.find(name, params[name]["kind"]) for name in ("views", "encoder", "projector")},
        progress=Progress("test"),
    )


@pytest.mark.slow
def test_methods_with_the_same_seed_see_the_same_pairs(compared_once):
    """What a measure draws depends on the seed, the data and the views alone."""
    from pipeline.evaluation import pairs

    found = {}
    for path in sorted((compared_once.root / "keys/measure").glob("ntk-*/*.json")):
        key = json.loads(path.read_text())
        for seed in (0, 1):
            subject = _subject(compared_once, key, seed)
            drawn = pairs.draw(subject, 20)
            assert drawn.images.shape[0] == 40 and (drawn.labels[:20] == drawn.labels[20:]).all()
            assert not torch.equal(drawn.images[:20], drawn.images[20:])
            found.setdefault(seed, []).append(drawn.images)
            with pytest.raises(UserError, match="pairs: expected 1 to 192"):
                pairs.draw(subject, 193)
    assert len(found[0]) == 3
    assert all(torch.equal(found[seed][0], other) for seed in (0, 1) for other in found[seed])
    assert not torch.equal(found[0][0], found[1][0])


@pytest.mark.slow
def test_the_second_half_are_the_partners_of_the_first(compared_once, monkeypatch):
    """Also where images are augmented in several parts; without augmentation both views are the image itself."""
    from pipeline.evaluation import pairs

    path = next((compared_once.root / "keys/measure").glob("ntk-*/*.json"))
    key = json.loads(path.read_text())
    still = {"scale_min": 1.0, "ratio_min": 1.0, "ratio_max": 1.0, "jitter_probability": 0.0, "grayscale": 0.0}
    subject = _subject(compared_once, key, 0)
    subject.spec = {**subject.spec, "views": {**key["params"]["views"], **still}, "normalize": None}
    monkeypatch.setattr(pairs, "_CHUNK", 8)
    drawn = pairs.draw(subject, 20)
    assert torch.equal(drawn.images[:20], drawn.images[20:])
    assert len({image.numpy().tobytes() for image in drawn.images[:20]}) == 20
    images, labels = subject.images("train"), subject.arrays.labels("train")
    for image, label in zip(drawn.images[:20], drawn.labels[:20], strict=True):
        (same,) = (images == (image * 255).round().to(torch.uint8)).flatten(1).all(1).nonzero()
        assert labels[same.item()] == label


def _rows(f: np.ndarray) -> np.ndarray:
    return np.linalg.qr(f.T)[0].T


def _printed(k: np.ndarray, d: int) -> np.ndarray:
    """Row space of Eq. 49 with the blocks of Eq. 23 and an inverse root, as they are printed."""
    n = len(k) // 2
    xx, xy, yx, yy = k[:n, :n], k[:n, n:], k[n:, :n], k[n:, n:]
    z = np.block([[xy @ xx, xy @ xy], [yy @ xx, yy @ xy]])
    z = (z + z.T) / (2 * n)
    assert np.allclose(xy, yx.T)
    values, vectors = np.linalg.eigh(k)
    kept = values > 1e-6 * values[-1]
    root, inverse = ((vectors[:, kept] * values[kept] ** p) @ vectors[:, kept].T for p in (0.5, -0.5))
    gamma, b = np.linalg.eigh(inverse @ z @ inverse)
    leading = [j for j in range(len(gamma))[::-1][:d] if gamma[j] > 1e-6 * abs(gamma).max()]
    return _rows(b[:, leading].T @ root)


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 1])
def test_the_measures_agree_with_plain_gradients_and_the_printed_formulas(compared_once, epoch):
    """Kernels one input at a time by autograd; predictions by the form with blocks and inverses."""
    from pipeline.evaluation import pairs

    path = next((compared_once.root / "keys/measure").glob("ntk_evolution-*/*.json"))
    key = json.loads(path.read_text())
    node = Node(f"measurements/{path.stem}/seed0/epoch{epoch:04d}/{path.parent.name}")
    scores = json.loads((compared_once.root / node.name / "scores.json").read_text())
    kernels, spaces = [], []
    for place in (f"epoch{epoch:04d}", "epoch0002"):
        subject = _subject(compared_once, key, 0, f"checkpoints/{path.stem}/seed0/{place}")
        x, model = pairs.draw(subject, 30).images, subject.branch.requires_grad_(True)
        jacobian = []
        for one in x:
            gradients = torch.autograd.grad(model(one[None]).sum() / 8**0.5, list(model.parameters()))
            jacobian.append(torch.cat([gradient.flatten() for gradient in gradients]).double().numpy())
        kernels.append(np.array(jacobian) @ np.array(jacobian).T)
        spaces.append(_rows(model(x).detach().double().numpy().T))
    now, final = kernels
    theory = _printed(now, 8)
    assert scores["evolution_distance"] == pytest.approx(
        1 - (now * final).sum() / np.linalg.norm(now) / np.linalg.norm(final), abs=1e-4
    )
    for name, space in (("evolution_predicted", spaces[0]), ("evolution_predicted_end", spaces[1])):
        assert scores[name] == pytest.approx(((space @ theory.T) ** 2).sum() / 8, abs=1e-3)
    assert scores["evolution_embeddings_end"] == pytest.approx(((spaces[0] @ spaces[1].T) ** 2).sum() / 8, abs=1e-3)
