"""Everything that is declared: papers, artifacts, scales, data sets, and the names under which a user finds them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pipeline import components
from pipeline.components import PACKAGE
from pipeline.errors import UserError, brief, nearest
from pipeline.ledger import accepted
from pipeline.planning import composition, csv_files, spec, yaml_files
from pipeline.planning.options import Options
from pipeline.planning.params import Params

PARAMS = PACKAGE.parent / "params"
PRINTED = ("value", "std", "unit", "source", "note")
"""Columns of a file of published numbers that are no axes."""
SUFFIXES = ("csv", "json", "md", "pdf", "png")


@dataclass(frozen=True)
class Request:
    """One artifact in one edition."""

    edition: str
    scale: str
    flavour: str
    paper: str
    artifact: str

    @property
    def stem(self) -> str:
        """Node name of the artifact."""
        return f"results/{self.edition}/{self.paper}/{self.artifact}"


class Catalogue:
    """The declarations below params/, and those of a folder of the user's own.

    Args:
        options: What the user said.
        folder: Of the declarations.
    """

    def __init__(self, options: Options, folder: Path = PARAMS) -> None:
        self.extend = Path(options.extend) if options.extend else None
        self.folders = [folder] + ([self.extend] if self.extend else [])
        self.options = self._of_edition(options)
        self._scales: dict[str, spec.Scale] = {}
        self._checked: set[str] = set()
        for name in options.datasets:
            self.dataset(name, "--config datasets")

    def _of_edition(self, options: Options) -> Options:
        """What was said, with an edition in place of a scale (``gpu-released``) taken for its scale and flavour."""
        scale, _, flavour = options.scale.rpartition("-")
        if options.scale in self._scale_files or scale not in self._scale_files:
            return options
        if options.flavour not in (Options.flavour, flavour):
            raise UserError(
                f"--config scale={options.scale} flavour={options.flavour}: these are two flavours; "
                f"type: --config scale={scale} flavour={options.flavour}"
            )
        return replace(options, scale=scale, flavour=flavour)

    def _files(self, pattern: str) -> dict[str, Path]:
        """Files by stem; those that editors leave (``.#tiny.yaml``) are none."""
        found = (path for folder in self.folders for path in sorted(folder.glob(pattern)))
        return {path.stem: path for path in found if not path.name.startswith(".")}

    @cached_property
    def _papers(self) -> list[Path]:
        """Files that declare a paper: those below ``papers/``, and the ``paper.yaml`` of a folder that is one paper."""
        alone = [path for folder in self.folders[1:] if (path := folder / "paper.yaml").is_file()]
        return [*self._files("papers/*.yaml").values(), *alone]

    @cached_property
    def papers(self) -> dict[str, spec.Paper]:
        """Declared papers by key."""
        found: dict[str, spec.Paper] = {}
        for path in self._papers:
            paper = spec.parse(spec.Paper, yaml_files.load(path), shown(path))
            if paper.paper in found:
                raise UserError(f"{shown(path)}: paper: {paper.paper} is declared already; choose another key")
            found[paper.paper] = paper
        return {key: self._completed(paper, found, ()) for key, paper in found.items()}

    def paper(self, key: str) -> spec.Paper:
        """A paper of which something is planned: all that it says is checked first, whether a run uses it or not.

        Raises:
            UserError: A name or value in it means nothing.
        """
        paper = self.papers[key]
        if key not in self._checked:
            if paper.like is not None:  # whose mistakes are told where they stand
                self.paper(paper.like)
            where = shown(self.paths[key])
            self._check_flavours(paper, where)
            self._check_layers(paper, where)
            self._checked.add(key)
        return paper

    def _completed(self, paper: spec.Paper, known: dict[str, spec.Paper], seen: tuple[str, ...]) -> spec.Paper:
        """A paper with what it takes from the one that it is like."""
        if paper.like is None:
            return paper
        where = shown(self.paths[paper.paper]) if paper.paper in self.paths else paper.paper
        if paper.like not in known:
            raise UserError(f"{where}: like: there is no paper called {paper.like!r}; {nearest(paper.like, known)}")
        if paper.like in (*seen, paper.paper):
            raise UserError(f"{where}: like: {' like '.join((*seen, paper.paper, paper.like))}: goes in a circle")
        return paper.after(self._completed(known[paper.like], known, (*seen, paper.paper)))

    def with_paper(self, paper: spec.Paper, path: Path | None = None) -> Catalogue:
        """The same declarations with another version of one paper, or with one more.

        Args:
            paper: As parsed.
            path: File of one more, for messages.
        """
        other = Catalogue(self.options, self.folders[0])
        if path is not None:
            other.paths = {**self.paths, paper.paper: path}
        other.papers = {**self.papers, paper.paper: other._completed(paper, self.papers, ())}
        return other

    @cached_property
    def paths(self) -> dict[str, Path]:
        """File of each paper, for messages."""
        return {yaml_files.load(path).get("paper", path.stem): path for path in self._papers}

    @cached_property
    def datasets(self) -> dict[str, spec.Dataset]:
        """Declared data sets by name."""
        found = {}
        for folder in self.folders:
            path = folder / "datasets.yaml"
            if path.is_file():
                declared = yaml_files.load(path) or {}
                if not isinstance(declared, dict):
                    raise UserError(f"{shown(path)}: expected one entry per data set (name: {{title: ...}})")
                for name, entry in declared.items():
                    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]{0,99}", str(name)):
                        raise UserError(f"{shown(path)}: {brief(name)}: a name has letters, digits and _ only")
                    found[str(name)] = spec.parse(spec.Dataset, entry, f"{shown(path)}: {name}")
        return found

    def datasets_path(self, name: str) -> Path:
        """File that declares a data set, for messages: the user's own where it does."""
        paths = [folder / "datasets.yaml" for folder in reversed(self.folders)]
        return next((path for path in paths if path.is_file() and name in (yaml_files.load(path) or {})), paths[-1])

    def dataset(self, name: str, where: str) -> spec.Dataset:
        """A data set by name.

        Raises:
            UserError: There is none of this name.
        """
        if name not in self.datasets:
            raise UserError(f"{where}: there is no data set called {name!r}; {nearest(name, list(self.datasets))}")
        return self.datasets[name]

    def scale(self, name: str) -> spec.Scale:
        """A scale by name.

        Raises:
            UserError: There is none of this name.
        """
        if name in self._scales:
            return self._scales[name]
        known = self._scale_files
        if name not in known:
            raise UserError(f"--config scale={name}: there is no such scale; {nearest(name, list(known))}")
        where = shown(known[name])
        found = spec.parse(spec.Scale, yaml_files.load(known[name]), where)
        for place, group in [
            ("datasets", found),
            *((f"papers.{key}.datasets", own) for key, own in found.papers.items()),
        ]:
            for paper_dataset, used in group.datasets.items():
                self.dataset(paper_dataset, f"{where}: {place}")
                if used is not None:
                    self.dataset(used if isinstance(used, str) else used["name"], f"{where}: {place}.{paper_dataset}")
        for place, layer in [
            ("every_run", found.every_run),
            *((f"papers.{key}.every_run", own.every_run) for key, own in found.papers.items()),
            *(
                (f"papers.{key}.artifacts.{name}.every_run", this.every_run)
                for key, own in found.papers.items()
                for name, this in own.artifacts.items()
            ),
        ]:
            composition.check_values(layer, f"{where}: {place}", self.extend)
        for kind, params in found.measures.items():
            self._check_params("measure", kind, params, f"{where}: measures")
        for paper, own in found.papers.items():
            if paper not in self.paper_keys:
                raise UserError(f"{where}: papers: there is no {paper!r}; {nearest(paper, sorted(self.paper_keys))}")
            self._check_artifacts(paper, own.artifacts, f"{where}: papers.{paper}.artifacts")
        self._scales[name] = self._for_those_like(found)
        return self._scales[name]

    def _for_those_like(self, scale: spec.Scale) -> spec.Scale:
        """The scale with what it says for a paper said for those that are like it, but for single artifacts of it."""
        papers = dict(scale.papers)
        for key, paper in self.papers.items() if papers else ():
            like = paper.like
            while like is not None:
                if like in scale.papers:
                    papers[key] = papers.get(key, spec.PaperScale()).after(scale.papers[like])
                like = self.papers[like].like
        return scale.model_copy(update={"papers": papers})

    def _check_artifacts(self, paper: str, named: Iterable[str], where: str) -> None:
        """What is said of an artifact that is not there, or that has no runs, would change nothing."""
        if paper not in self.papers:
            return
        known = [name for name, declared in self.papers[paper].artifacts.items() if declared.source == "measure"]
        for name in named:
            if name not in known:
                raise UserError(f"{where}: {paper} has no artifact of runs called {name!r}; {nearest(name, known)}")

    def scale_path(self, name: str) -> Path:
        """File of a scale, for messages."""
        return self._scale_files[name]

    @cached_property
    def _scale_files(self) -> dict[str, Path]:
        found = self._files("scales/*.yaml")
        for name, path in found.items():
            if not re.fullmatch(spec.NAME, name):  # it becomes a folder, and a part of commands
                raise UserError(f"{shown(path)}: a scale's name has letters, digits, _ and - only; rename the file")
        return found

    def _check_flavours(self, paper: spec.Paper, where: str) -> None:
        """Names in the flavours of a paper must be names of something: what they change would else change nothing."""
        for name, flavour in paper.flavours.items():
            place = f"{where}: flavours.{name}"
            for category, kinds in flavour.kinds.items():
                if category not in components.CATEGORIES:
                    known = list(components.CATEGORIES)
                    raise UserError(f"{place}.kinds: there is no {category!r}; {nearest(category, known)}")
                for kind, params in kinds.items():
                    self._check_params(category, kind, params, f"{place}.kinds.{category}")
            for group, names in (("axes", list(paper.axes)), ("measures", list(paper.measures))):
                for key in getattr(flavour, group):
                    if key not in names:
                        raise UserError(f"{place}.{group}: there is no {key!r}; {nearest(key, names)}")

    def _check_layers(self, paper: spec.Paper, where: str) -> None:
        """Values that fit no run are told where they stand, used or not."""
        layers = {"defaults": paper.defaults}
        layers |= {f"datasets.{name}": layer for name, layer in paper.datasets.items()}
        layers |= {f"methods.{name}": layer for name, layer in paper.methods.items()}
        for place, axes in [("axes", paper.axes), *((f"flavours.{n}.axes", f.axes) for n, f in paper.flavours.items())]:
            for axis, values in axes.items():
                for value, layer in values.items() if not isinstance(values, str) else ():
                    layers[f"{place}.{axis}.{value}"] = layer
                    for name, more in layer.get("datasets", {}).items():
                        here = f"{place}.{axis}.{value}.datasets"
                        if name not in self.datasets:
                            raise UserError(f"{where}: {here}: {nearest(name, list(self.datasets), 'there are')}")
                        layers[f"{here}.{name}"] = more
        for place, layer in layers.items():
            composition.check_values(layer, f"{where}: {place}", self.extend)
        for name, measure in paper.measures.items():
            given = dict(measure.measure)
            if isinstance(kind := given.pop("kind", None), str):
                self._check_params("measure", kind, given, f"{where}: measures.{name}")
            else:  # which says that a kind was expected
                components.resolve("measure", measure.measure, f"{where}: measures.{name}", self.extend)

    def _check_params(self, category: str, kind: str, params: Params, where: str) -> None:
        components.find_from(where, category, kind, self.extend)
        known = components.params(category, kind, self.extend)
        for param in params.keys() - known.keys():
            raise UserError(f"{where}.{kind}.{param}: no such key; {nearest(param, list(known))}")
        for param, value in params.items():
            components.check(category, kind, param, value, where, self.extend)

    @cached_property
    def accepted(self) -> list[accepted.Acceptance]:
        """Refactorings that were declared equivalent."""
        return accepted.load(self.folders[0].parent / accepted.FILE)

    @cached_property
    def scales(self) -> list[str]:
        """Names of all scales."""
        return sorted(self._scale_files)

    @cached_property
    def registry(self) -> dict[tuple[str, str], dict[str, str]]:
        """Every table and figure that has a name, built or not: (paper, artifact) -> row."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for folder in self.folders:
            path = folder / "artifacts.csv"
            if path.is_file():
                rows = csv_files.load(path, shown(path), ("paper", "artifact", "kind", "title"))
                found |= {(row["paper"], row["artifact"]): row for row in rows}
        for key, paper in self.papers.items():
            for name, artifact in paper.artifacts.items():
                found.setdefault(
                    (key, name), {"paper": key, "artifact": name, "kind": artifact.kind, "title": artifact.title}
                )
        return found

    def published(self, declared: spec.Published, artifact: spec.Artifact, where: str) -> list[dict[str, str]]:
        """Printed numbers of an artifact: the rows of a file that ``where`` selects.

        Its columns are the axes along which the artifact has several values, and may be those with one; what ``where``
        names; and :data:`PRINTED`. Printed settings may be text, and need no column but ``setting``: what a column that
        is not there, or an empty one, would tell apart has the same setting.

        Raises:
            UserError: There is no such file, or it lacks a column, has one that is no axis, or holds no numbers.
        """
        for folder in reversed(self.folders):
            path = folder / "published" / declared.file
            if path.is_file():
                axes = artifact.axes()
                settings = artifact.source == "configuration"
                several = ["setting"] if settings else [axis for axis, values in axes.items() if len(values) > 1]
                also = [*axes, *declared.where, *PRINTED[1:]]
                numbers = () if settings else ("value", "std")
                rows = csv_files.load(path, shown(path), ["value", *several], also, numbers)
                return [row for row in rows if all(row.get(k) == str(v) for k, v in declared.where.items())]
        raise UserError(f"{where}: published.file: there is no file published/{declared.file}")

    # -- names of targets

    def built(self, scale: str | None = None) -> list[Request]:
        """All artifacts that can be built, in one edition."""
        scale = scale or self.options.scale
        edition = self.options.edition(scale)
        flavours = sorted({"paper", *(name for paper in self.papers.values() for name in paper.flavours)})
        if self.options.flavour not in flavours:
            raise UserError(f"--config flavour={self.options.flavour}: {nearest(self.options.flavour, flavours)}")
        return [
            Request(edition, scale, self.options.flavour, key, name)
            for key, paper in self.papers.items()
            for name in paper.artifacts
        ]

    def wanted(self, scale: str | None = None) -> list[Request]:
        """Those of an edition that make up all of it for this user: what ``--config artifacts`` names, or all.

        Raises:
            UserError: There is no paper or artifact of a name.
        """
        everything = self.built(scale)
        if not self.options.artifacts:
            return everything
        called = [(request, (request.paper, f"{request.paper}/{request.artifact}")) for request in everything]
        known = dict.fromkeys(name for _, both in called for name in both)
        for name in self.options.artifacts:
            if name not in known:
                raise UserError(
                    f"--config artifacts: there is no paper or artifact {name!r}; {nearest(name, list(known))}"
                )
        return [request for request, both in called if not set(both).isdisjoint(self.options.artifacts)]

    def request(self, target: str) -> Request | None:
        """The artifact that a path below results/ names; None for other paths.

        Raises:
            UserError: No such artifact, several of that short name, or one that is not declared yet.
        """
        half = re.fullmatch(r"results/([^/]+)/([^/.]+)(\.\w+)", target)
        if half and (half[1], half[2]) in self.registry:
            full = f"results/{self.options.edition()}/{half[1]}/{half[2]}{half[3]}"
            raise UserError(f"{target}: results lie in a folder per scale; type {full}")
        match = re.fullmatch(r"results/(?:([^/]+)/([^/]+)/)?([^/.]+)\.(\w+)", target)
        if match and match[4] == "gif":
            raise UserError(f"{target}: an animation comes with its figure; type {target.removesuffix('gif')}png")
        if not match or match[4] not in (*SUFFIXES, "receipt"):
            return None
        edition, paper, artifact = match[1], match[2], match[3]
        if artifact == "scorecard":
            return None
        if edition is None:
            papers = [key for key, name in self.registry if name == artifact]
            scale, flavour = self.options.scale, self.options.flavour
            edition = self.options.edition()
            if len(papers) > 1:
                full = " or ".join(f"results/{edition}/{key}/{artifact}.{match[4]}" for key in papers)
                raise UserError(f"{target}: {len(papers)} papers have an artifact of this name; type {full}")
            if not papers:
                names = sorted({name for _, name in self.registry})
                hint = self._forgotten(None, artifact) or nearest(artifact, names)
                raise UserError(f"{target}: no paper has an artifact called {artifact!r}; {hint}")
            paper = papers[0]
        else:
            scale, _, flavour = edition.rpartition("-") if "-" in edition else (edition, "", "")
            if edition in self.scales:
                scale, flavour = edition, ""
            flavour = flavour or "paper"
            if scale not in self.scales:
                raise UserError(f"{target}: there is no scale called {scale!r}; {nearest(scale, self.scales)}")
            if (paper, artifact) not in self.registry:
                names = sorted(name for key, name in self.registry if key == paper)
                if not names:
                    hint = self._forgotten(paper, artifact) or nearest(paper, sorted(self.paper_keys))
                    raise UserError(f"{target}: there is no paper called {paper!r}; {hint}")
                raise UserError(f"{target}: {paper} has no artifact called {artifact!r}; {nearest(artifact, names)}")
        if paper not in self.papers or artifact not in self.papers[paper].artifacts:
            ready = [name for key, declared in self.papers.items() if key == paper for name in declared.artifacts]
            title = self.registry[paper, artifact]["title"]
            told = f"; of this paper there are: {', '.join(ready)}" if ready else ""
            raise UserError(f"{target}: {paper}/{artifact} ({title}) is not declared yet{told}")
        if flavour not in ("paper", *self.papers[paper].flavours):
            known = sorted({"paper", *self.papers[paper].flavours})
            raise UserError(f"{target}: {paper} has no flavour {flavour!r}; {nearest(flavour, known)}")
        kind = self.papers[paper].artifacts[artifact].kind
        if kind == "table" and match[4] in ("pdf", "png"):
            raise UserError(f"{target}: {paper}/{artifact} is a table; type {target.rsplit('.', 1)[0]}.csv or .md")
        return Request(edition, scale, flavour, paper, artifact)

    def _forgotten(self, paper: str | None, artifact: str) -> str:
        """A question where a folder beside the Snakefile that nobody named declares an artifact; empty if none does."""
        beside = self.folders[0].parent
        for path in sorted([*beside.glob("*/paper.yaml"), *beside.glob("*/papers/*.yaml")]):
            folder = beside / path.relative_to(beside).parts[0]
            if folder in self.folders or folder.name.startswith("."):
                continue
            try:
                declared = yaml_files.load(path)
            except UserError:
                continue
            known = declared if isinstance(declared, dict) else {}
            named = known.get("artifacts")
            if isinstance(named, dict) and artifact in named and paper in (None, known.get("paper")):
                return f"{shown(path)} declares one: did you forget --config extend={folder.name}?"
        return ""

    @cached_property
    def paper_keys(self) -> set[str]:
        """Keys of all papers that have a name."""
        return {key for key, _ in self.registry}

    def short(self, request: Request) -> str | None:
        """The short name of an artifact, if it alone has it."""
        alone = sum(name == request.artifact for _, name in self.registry) == 1
        return f"results/{request.artifact}" if alone else None


def shown(path: Path) -> str:
    """Write a path as a message has it: relative to the project where it lies in it."""
    try:
        return path.relative_to(PACKAGE.parent).as_posix()
    except ValueError:
        return str(path)
