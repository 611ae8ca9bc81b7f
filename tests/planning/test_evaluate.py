"""``evaluate``: weights of somebody's are measured as they are, by a declaration like any other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from pipeline import components
from pipeline.__main__ import _parser
from pipeline.commands import _targets
from pipeline.data.arrays import Arrays
from pipeline.engine.executor import Executor
from pipeline.engine.grouping import jobs_of
from pipeline.engine.state import IN_PLACE
from pipeline.engine.sync_key_files import sync_key_files
from pipeline.errors import UserError
from pipeline.evaluation.features import extract
from pipeline.evaluation.neighbours import votes
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning import evaluation

ENCODER = "{kind: tiny_conv, channels: [4, 8], strides: [1, 2]}"
SPEC = {"kind": "tiny_conv", "channels": [4, 8], "strides": [1, 2]}
NORMALIZE = {"mean": [0.3, 0.3, 0.3], "std": [0.375, 0.375, 0.375]}


def network() -> torch.nn.Module:
    """A network that somebody has trained, as far as its statistics go."""
    torch.manual_seed(1)
    made = components.make(components.find("encoder", "tiny_conv"), SPEC, (3, 8, 8)).train()
    for _ in range(3):
        made(torch.randn(64, 3, 8, 8) * 2 + 1)
    return made.eval()


def typed(*words: str) -> int:
    """As a shell would have it."""
    arguments = _parser().parse_args(["evaluate", *map(str, words)])
    return arguments.run(arguments)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str], str]]:
    """An evaluation at scale tiny (digits), executed in this process: its folder, --config, the table."""
    root = tmp_path_factory.mktemp("evaluation")
    with contextlib.chdir(root):
        (root / ".dvc").mkdir()
        torch.save({"net": network().state_dict()}, root / "theirs.pth")
        config = ["scale=tiny", "extend=evaluations"]
        assert typed("theirs.pth", "--encoder", ENCODER, "--on", "cifar10", "--no-build", "--config", "scale=tiny") == 0
        planned = _targets.planned(["theirs/scores"], _targets.catalogue(config))
        sync_key_files(planned.states, jobs_of(planned.states).values())
        for node in planned.plan.nodes():
            Executor(Workspace(root)).run([node])
        yield root, config, "results/tiny/theirs/scores"


def test_a_table_says_what_the_features_of_the_file_tell(built) -> None:
    """The numbers are those of the network as it was given: its statistics of BatchNorm are not collected anew."""
    root, _, stem = built
    table = json.loads((root / f"{stem}.json").read_text())
    cells = {(cell["axes"]["weights"], cell["axes"]["measure"]): cell["mean"] for cell in table["cells"]}
    assert {row for row, _ in cells} == {"theirs.pth", "untrained", "raw pixels"}
    assert {measure for _, measure in cells} == evaluation.MEASURES.keys() and None not in cells.values()
    (folder,) = root.glob("data/local-digits-*")
    arrays = Arrays.open(folder)
    features = {split: extract(network(), arrays.images(split), NORMALIZE) for split in ("train", "test")}
    cast = votes(features["train"], arrays.labels("train"), features["test"], 10, k=200, temperature=0.1)
    right = (cast.argmax(1) == arrays.labels("test")).double().mean().item()
    assert cells["theirs.pth", "k-NN"] == pytest.approx(100 * right)
    assert cells["untrained", "k-NN"] != cells["theirs.pth", "k-NN"] != cells["raw pixels", "k-NN"]
    page = (root / f"{stem}.md").read_text()
    assert "weights untrained, measure k-NN" in page and "weights theirs.pth, measure k-NN" not in page


def test_the_file_is_in_the_key_and_what_reads_it_too(built) -> None:
    root, config, _ = built
    with contextlib.chdir(root):
        states = _targets.planned(["theirs/scores"], _targets.catalogue(config)).states
        assert {state.status for state in states} == {IN_PLACE}
        reads = {
            state.node.config
            for state in states
            if "pipeline/nets/given_weights.py" in state.key_file.code and state.node.name.startswith("checkpoints/")
        }
        assert len(reads) == 1, "of three runs one starts from a file"
        changed = network().state_dict()
        changed["norms.0.running_mean"] += 1
        before = (root / "theirs.pth").read_bytes()
        torch.save({"net": changed}, root / "theirs.pth")
        states = _targets.planned(["theirs/scores"], _targets.catalogue(config)).states
        stale = {state.node.config for state in states if state.status != IN_PLACE and state.node.seed is not None}
        (root / "theirs.pth").write_bytes(before)
    assert len(stale) == 1 and not stale & reads, "other weights are another run, beside the old one"


def test_the_untrained_encoder_of_a_paper_that_starts_from_a_file_starts_from_none(built) -> None:
    root, _, _ = built
    paper = yaml.safe_load((root / "evaluations/papers/theirs.yaml").read_text()) | {"paper": "based", "axes": {}}
    paper["defaults"]["encoder"] |= {"weights": "theirs.pth"}
    shown = {"title": "Based", "fixed": {"dataset": "cifar10", "epochs": 0}, "measure": "k-NN"}
    (root / "evaluations/papers/based.yaml").write_text(yaml.safe_dump(paper | {"artifacts": {"t": shown}}))
    with contextlib.chdir(root):
        plan = _targets.planned(["based/t"], _targets.catalogue(["scale=tiny", "extend=evaluations"])).plan
    (root / "evaluations/papers/based.yaml").unlink()
    cells = {
        cell["role"]: Node(cell["nodes"][0]).config for cell in plan.artifacts["results/tiny/based/t"].params["cells"]
    }
    assert "weights" in plan.runs[cells["cell"]].run["encoder"]
    assert plan.runs[cells["untrained encoder"]].run["encoder"] == SPEC


def test_what_was_typed_before_is_declared_as_it_was_and_nothing_is_written_over(built, capsys) -> None:
    root, _, _ = built
    path = root / "evaluations/papers/theirs.yaml"
    text = path.read_text()
    said = ["theirs.pth", "--encoder", ENCODER, "--no-build", "--config", "scale=tiny"]
    with contextlib.chdir(root):
        assert typed(*said[:3], "--on", "cifar10", *said[3:]) == 0
        assert "to build it, type: snakemake results/tiny/theirs/scores.csv" in capsys.readouterr().out
        with pytest.raises(UserError, match=r"theirs\.yaml: declares something else already, and is not written over"):
            typed(*said[:3], "--on", "stl10", *said[3:])
        assert path.read_text() == text and not (root / "evaluations/scales").exists()
        assert typed(*said[:3], "--on", "stl10", "cifar10", "--name", "two", *said[3:]) == 0
        torch.save(network().state_dict(), "more.pth")
        assert typed("more.pth", *said[:3], "--on", "cifar10", "--normalize", "imagenet", *said[3:]) == 0
    declared = (root / "evaluations/papers/two.yaml").read_text()
    assert "dataset: [stl10, cifar10]" in declared
    declared = (root / "evaluations/papers/more-theirs.yaml").read_text()
    assert "weights: [more.pth, theirs.pth, untrained, raw pixels]" in declared and declared.count("0.485") == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.pth", "--encoder", ENCODER, "--on", "digits"], r"nowhere\.pth: there is no such file"),
        (["theirs.pth", "--encoder", "resnet19", "--on", "digits"], "no network of torchvision's is called that"),
        (["theirs.pth", "--encoder", "{kind: pixels}", "--on", "digits"], "expected an encoder with parameters"),
        (["theirs.pth", "--encoder", "tiny_conv", "--on", "digits"], "choose the encoder that|choose its stem"),
        (["theirs.pth", "--encoder", ENCODER, "--on", "digit"], "no data set called 'digit'; did you mean digits"),
        (["theirs.pth", "--encoder", ENCODER, "--on", "digits", "--name", "a b"], "expected letters, digits, - and _"),
        (["theirs.pth", "--encoder", ENCODER, "--on", "digits", "--name", "directpred"], "there is a paper of this nam"),
        (["theirs.pth", "theirs.pth", "--encoder", ENCODER, "--on", "digits"], "stands twice"),
        (["theirs.pth", "--encoder", ENCODER, "--on", "digits", "--prefix", "x."], "does not stand behind 'x.'"),
        (["theirs.pth", "--encoder", ENCODER, "--on", "digits", "--to", "theirs.pth"], "a file, where a folder is expec"),
        (["theirs.pth", "--encoder", ENCODER, "--on", "digits", "--batch-size", "0"], "batch_size: expected"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_declares_nothing(built, words, message) -> None:
    root, _, _ = built
    before = sorted(root.rglob("*.yaml"))
    with contextlib.chdir(root), pytest.raises(UserError, match=message):
        typed(*words, "--no-build")
    assert sorted(root.rglob("*.yaml")) == before


def test_rows_have_as_many_folders_as_tell_them_apart() -> None:
    named = evaluation.rows([Path("/a/x/net.pth"), Path("/a/y/net.pth")])
    assert named == {"x/net.pth": Path("/a/x/net.pth"), "y/net.pth": Path("/a/y/net.pth")}
    assert evaluation.name_of([Path("my net.v2.pth")]) == "my-net"
