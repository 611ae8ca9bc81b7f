"""The documentation: what is generated is what the source says, schemas take what the plan takes, links lead somewhere."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT

from pipeline import components
from pipeline.planning import spec, yaml_files

DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import generate  # noqa: E402
from generator import graphs, schemas, signatures  # noqa: E402

PAGES = [*ROOT.glob("*.md"), *(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]


def keyed_by_text(data):
    """Plain data as JSON has it: YAML's numbers and truths as keys are text there."""
    if isinstance(data, dict):
        return {str(key).lower() if isinstance(key, bool) else str(key): keyed_by_text(v) for key, v in data.items()}
    return [keyed_by_text(value) for value in data] if isinstance(data, list) else data


def faults(schema: str, data) -> list[str]:
    """What a schema finds wrong, with the place."""
    known = json.loads((DOCS / "schemas" / schema).read_text())
    jsonschema.Draft7Validator.check_schema(known)
    found = jsonschema.Draft7Validator(known).iter_errors(keyed_by_text(data))
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


def declared() -> list[tuple[str, Path]]:
    params = ROOT / "params"
    return [
        *(("paper.schema.json", path) for path in sorted(params.glob("papers/*.yaml"))),
        *(("scale.schema.json", path) for path in sorted(params.glob("scales/*.yaml"))),
        ("datasets.schema.json", params / "datasets.yaml"),
    ]


def test_what_is_generated_is_what_the_source_says() -> None:
    assert generate.drift() == [], "type: make reference"


def test_the_picture_of_the_rules_is_that_of_todays_rules() -> None:
    """The picture of jobs changes with every parameter and is not held to that."""
    drawn = re.search(r"drawn from (\w+)", (DOCS / "_static/rulegraph.svg").read_text())
    text = graphs.dot(ROOT, "rulegraph")
    assert '"pretrain"' in text and '"short_name' not in text and '"all"' not in text
    assert drawn is not None and drawn[1] == graphs.digest(text), "type: python docs/generate.py --graphs"


@pytest.mark.parametrize(("schema", "path"), declared(), ids=lambda value: getattr(value, "name", ""))
def test_schemas_take_every_declaration_and_its_first_line_names_them(schema: str, path: Path) -> None:
    assert faults(schema, yaml_files.load(path)) == []
    line = path.read_text(encoding="utf-8").splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", line)
    assert named is not None and (path.parent / named[1]).resolve() == DOCS / "schemas" / schema


def edited(**changes):
    """DirectPred's file with some of its values changed: ``methods__sgd__predictor=VALUE``; of ``...`` it is left out."""
    data = json.loads(json.dumps(keyed_by_text(yaml_files.load(ROOT / "params/papers/directpred.yaml"))))
    for path, value in changes.items():
        *folders, last = path.split("__")
        place = data
        for name in folders:
            place = place[name]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return data


@pytest.mark.parametrize(
    "changes",
    [
        {"autors": "a misspelt key"},
        {"methods__sgd__predictor": {"kind": "directpreed"}},
        {"methods__sgd__predictor": {"kind": "directpred", "hidden": 8}},
        {"methods__sgd__predictor": {"kind": "directpred", "rho": "much"}},
        {"methods__sgd__lice": "directpred"},
        {"defaults__batch_size": 0},
        {"defaults__encoder": "resnet19"},
        {"artifacts__table8__measure": ...},
        {"artifacts__table8__claims": [{"text": "no check"}]},
        {"artifacts__table8__claims": [{"text": "two", "above": 1, "below": 2}]},
        {"artifacts__fig2__draw": {"kind": "directpred_fig2", "heigth": 2}},
        {"measures__knn_top1__measure": {"k": 200}},
        {"flavours__released__kinds__predictor__directpred": {"flor": 1.0}},
        {"axes__ema": {"with": {"target": {"kind": "emma"}}}},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_schema_underlines_what_the_plan_would_refuse(changes) -> None:
    assert faults("paper.schema.json", edited()) == []
    assert faults("paper.schema.json", edited(**changes))


def test_schemas_of_a_folder_of_theirs_know_its_components(tmp_path: Path) -> None:
    (tmp_path / "objectives").mkdir()
    (tmp_path / "objectives/repel.py").write_text(
        '"""Ours."""\ndef loss(p, t, *, strength: float = 1.0):\n    return 0\n'
    )
    found = generate.written(tmp_path)["schemas/paper.schema.json"]
    data = edited(defaults__objective={"kind": "repel", "strength": 2.0})
    assert not list(jsonschema.Draft7Validator(json.loads(found)).iter_errors(data))
    assert faults("paper.schema.json", data)


def test_every_key_is_described() -> None:
    assert generate.undescribed() == []
    assert {model.__name__ for model in schemas.MODELS} == {
        name
        for name, value in vars(spec).items()
        if isinstance(value, type) and issubclass(value, spec.Strict) and value is not spec.Strict
    }


@pytest.mark.parametrize("category", components.CATEGORIES)
def test_every_parameter_of_a_component_is_explained(category: str) -> None:
    known = signatures.all_of(category)
    assert [one.kind for one in known] == components.kinds(category)
    assert [f"{one.kind}.{p.name}" for one in known for p in one.parameters if not p.text] == []
    assert [one.kind for one in known if not one.title] == []


def anchors(text: str) -> set[str]:
    """Names of a page's headings, as links write them."""
    found = re.findall(r"^#{1,6} (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", name).lower()).replace(" ", "-")
        for name in found
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target.is_relative_to(DOCS / "api"):
            continue  # written by `make docs`, which checks links into it
        assert target.exists(), f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page.name}: {link}"


def test_the_documentation_asks_nobody_else_for_anything() -> None:
    for path in [*DOCS.rglob("*.css"), *DOCS.rglob("*.html"), DOCS / "conf.py"]:
        if "_build" not in path.parts:
            assert not re.search(r"(https?:)?//[\w.]+\.(com|org|net|io)[/\"']", path.read_text(encoding="utf-8")), path
