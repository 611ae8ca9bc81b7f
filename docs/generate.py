"""Write what the documentation has from the source: schemas for editors, the reference, and pages of the API.

python docs/generate.py                                     docs/schemas/*.json, docs/reference/, dvc.yaml (committed)
python docs/generate.py --check                             whether these are what the source says
python docs/generate.py --api                               docs/api/ as well (not committed; `make docs` does this)
python docs/generate.py --graphs                            docs/_static/*.svg (committed; needs Graphviz)
python docs/generate.py --verdicts results/quick/scorecard.csv   docs/verdicts.csv, of which docs/results.md has counts
python docs/generate.py --extend theirs -o theirs/schemas   schemas that know the components of your folder
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from pipeline.errors import UserError, lacking

try:
    from generator import api, dvc, graphs, reference, schemas, verdicts

    from pipeline import components
    from pipeline.planning.composition import RunSpec
    from pipeline.planning.options import Options
except ModuleNotFoundError as error:
    sys.exit(f"error: {lacking(error) or error}")


def undescribed() -> list[str]:
    """Keys of models that ``fields.yaml`` does not describe, and what it describes that is no key."""
    known = {of.__name__: set(of.model_fields) for of in schemas.MODELS}
    known["Run"] = set(RunSpec.model_fields)
    known["Options"] = {field.name for field in dataclasses.fields(Options)}
    found = []
    for name, keys in known.items():
        told = set(schemas.FIELDS.get(name, {}))
        found += [f"{name}.{key}: not described" for key in sorted(keys - told)]
        found += [f"{name}.{key}: described, but there is no such key" for key in sorted(told - keys)]
    found += [f"{name}: not described" for name in components.CATEGORIES if name not in reference.CATEGORIES]
    return found


def written(extend: Path | None = None) -> dict[str, str]:
    """Path from ``docs/`` -> content, of everything that is committed.

    Raises:
        UserError: A key of a model is described nowhere.
    """
    if missing := undescribed():
        raise UserError(f"docs/generator/fields.yaml: {'; '.join(missing)}")
    found = {f"schemas/{name}": dump(schema) for name, schema in schemas.schemas(extend).items()}
    if extend:
        return found
    found |= reference.pages() | {"results.md": verdicts.counted((DOCS / "results.md").read_text("utf-8"))}
    return found | {"../dvc.yaml": dvc.text()}


def dump(schema: schemas.Schema) -> str:
    """A schema as a file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def drift() -> list[str]:
    """Committed files that are not what the source says."""
    wanted = written()
    have = {path.relative_to(DOCS).as_posix() for path in (DOCS / "reference").rglob("*.md")}
    found = [f"{path}: from no source any more" for path in sorted(have - wanted.keys() - {"reference/index.md"})]
    for path, text in wanted.items():
        file = DOCS / path
        if not file.is_file():
            found.append(f"{path}: not written yet")
        elif path.endswith(".json"):
            found += [f"{path}: older than the source"] * (json.loads(file.read_text("utf-8")) != json.loads(text))
        else:
            found += [f"{path}: older than the source"] * (file.read_text("utf-8") != text)
    return found


def _write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = folder / path
        if not file.is_file() or file.read_text("utf-8") != text:  # Sphinx reads again what has changed
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if something is out of date")
    parser.add_argument("--api", action="store_true", help="also write docs/api/")
    parser.add_argument("--graphs", action="store_true", help="only draw Snakemake's graphs; needs Graphviz")
    parser.add_argument(
        "--verdicts", type=Path, metavar="SCORECARD", help="take the verdicts on theory from a scorecard"
    )
    parser.add_argument("--extend", type=Path, metavar="FOLDER", help="a folder with components of your own")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where schemas go, with --extend")
    arguments = parser.parse_args()
    try:
        if arguments.check:
            found = drift()
            print("\n".join([*found, "type: make reference"] if found else ["docs/, dvc.yaml: as the source says"]))
            return 1 if found else 0
        if arguments.graphs:
            _write(DOCS, graphs.pictures(DOCS.parent))
            return 0
        if arguments.extend:
            made = written(arguments.extend.resolve())
            output = arguments.output or arguments.extend / "schemas"
            _write(output, {path.removeprefix("schemas/"): text for path, text in made.items()})
            print(f"{output}: {', '.join(path.removeprefix('schemas/') for path in made)}")
            return 0
        if arguments.verdicts:
            verdicts.take(arguments.verdicts)
        files = written()
        for path in (DOCS / "reference").rglob("*.md"):
            name = path.relative_to(DOCS).as_posix()
            if name != "reference/index.md" and name not in files:
                path.unlink()
        _write(DOCS, files)
        if arguments.api:
            made = api.pages(DOCS.parent / "pipeline")
            for path in (DOCS / "api").glob("*"):
                if f"api/{path.name}" not in made:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            _write(DOCS, made)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
