"""Pages of the reference: the grammar of what is declared, all components, options and commands."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import json
import re
from typing import Any

from pipeline import annotations, commands, components
from pipeline.planning import composition, options, spec

from . import schemas, signatures

NOTE = "<!-- Written by docs/generate.py from the source; edit that, then type: make reference -->\n\n"

CATEGORIES = {
    "views": "How an image becomes views.",
    "encoder": "The network whose features are measured.",
    "projector": "What follows the encoder in training.",
    "predictor": "What turns an embedding into a prediction of the other view's.",
    "target": "What is predicted: the online network or a slow copy of it.",
    "objective": "The loss. Its entry function is `loss(..., *, ...)`; before the `*` it names what it reads, of "
    "`predictions`, `targets`, `embeddings`, `matrix` and `step`.",
    "optimizer": "How weights follow the gradient.",
    "schedule": "The learning rate over epochs.",
    "initialization": "Where weights start.",
    "source": "Where images come from. Its entry function is `build(files, writer, *, ...)`.",
    "measure": "What is measured of a checkpoint. Its entry function is `measure(subject, *, ...)`.",
    "simulation": "What a theory says. Its entry function is `simulate(...)`.",
    "figure": "How a figure is drawn. Its entry function is `draw(rows, params, *, ...)`.",
}


def cell(text: str) -> str:
    """Text in a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(cell, row))} |" for row in rows)]) + "\n"


def _json(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _told(of: type[spec.Strict], key: str) -> str:
    """What a field of a model takes, in words; other models are links."""
    text = annotations.words(annotations.field(of, key))
    for inner in schemas.MODELS:
        page = "datasets.md" if inner is spec.Normalize and of is not spec.Dataset else ""
        text = re.sub(rf"\b{inner.__name__}\b", f"[{inner.__name__}]({page}#{inner.__name__.lower()})", text)
    return text


def model(of: type[spec.Strict], level: int = 2) -> str:
    """One model of the grammar: its docstring and its keys."""
    name = of.__name__
    schema = of.model_json_schema()
    rows = []
    for key, field in of.model_fields.items():
        own = schema["properties"][key]
        inside = schemas.INSIDE.get((name, key))
        default = "needed" if field.is_required() else _json(own.get("default", _default(field)))
        rows.append([f"`{key}`", schemas.FIELDS[name][key], inside[0] if inside else _told(of, key), default])
    text = signatures.markdown(inspect.cleandoc(of.__doc__ or ""))
    return f"{'#' * level} {name}\n\n{text}\n\n{table(['key', 'meaning', 'what it takes', 'default'], rows)}"


def _default(field: Any) -> Any:
    value = field.get_default(call_default_factory=True)
    return value.model_dump() if hasattr(value, "model_dump") else value


def _modeline(schema: str, folder: str) -> str:
    return (
        f"An editor with a YAML language server completes these files and underlines what would be refused; the first "
        f"line of each says with which schema:\n\n    # yaml-language-server: $schema={folder}docs/schemas/{schema}\n"
    )


def papers() -> str:
    """The grammar of a paper."""
    beside = {**schemas.FIELDS["Method"], **schemas.FIELDS["Place"]}
    aside = table(["key", "meaning"], [[f"`{key}`", text] for key, text in beside.items()])
    run = []
    for key, field in composition.RunSpec.model_fields.items():
        if key in components.CATEGORIES:
            what = f"[{key}](components/{key}.md), or its name"
        else:
            what = _told(composition.RunSpec, key)
        default = "needed" if field.is_required() else _json(_default(field))
        run.append([f"`{key}`", schemas.FIELDS["Run"][key], what, default])
    body = [
        "# Papers\n",
        "One file per paper, `params/papers/<paper>.yaml`, or `papers/<paper>.yaml` in a folder given with "
        "`--config extend=FOLDER`.\n",
        _modeline("paper.schema.json", "../../"),
        signatures.markdown(inspect.cleandoc(spec.__doc__ or "")) + "\n",
        model(spec.Paper),
        "## Parameters of a run\n",
        signatures.markdown(inspect.cleandoc(composition.RunSpec.__doc__ or "")) + "\n",
        "A *layer* (`defaults`, a data set, a method, a value of an axis, `every_run` of a scale) sets some of them. A "
        "component given by another kind replaces the one below; parameters without a kind change it.\n",
        table(["key", "meaning", "what it takes", "default"], run),
        "## What methods and axes say beside\n",
        aside,
        *(
            model(of)
            for of in (
                spec.Artifact,
                spec.Spaced,
                spec.Setting,
                spec.Pictures,
                spec.Derive,
                spec.Measure,
                spec.Claim,
                spec.Published,
                spec.Flavour,
            )
        ),
    ]
    return NOTE + "\n".join(body)


def scales() -> str:
    """The grammar of a scale."""
    body = [
        "# Scales\n",
        "One file per scale, `params/scales/<scale>.yaml`, or `scales/<scale>.yaml` in a folder given with `--config "
        "extend=FOLDER`. A scale says how much of a paper's budget is spent; what it changes it changes for all "
        "methods alike.\n",
        _modeline("scale.schema.json", "../../"),
        *(model(of) for of in (spec.Scale, spec.PaperScale, spec.ArtifactScale, spec.Estimate)),
    ]
    return NOTE + "\n".join(body)


def datasets() -> str:
    """The grammar of data sets."""
    body = [
        "# Data sets\n",
        "One entry per data set in `params/datasets.yaml`, or in `datasets.yaml` of a folder given with `--config "
        "extend=FOLDER`. Sources are [components](components/source.md).\n",
        _modeline("datasets.schema.json", "../"),
        *(model(of) for of in (spec.Dataset, spec.Normalize, spec.DeclaredFile)),
    ]
    return NOTE + "\n".join(body)


def component(of: signatures.Component) -> str:
    """One component."""
    parts = [f"## {of.kind}\n", of.title + "\n"]
    if of.text and of.text != of.title:
        parts.append(of.text + "\n")
    if of.parameters:
        rows = [
            [
                f"`{one.name}`",
                one.text,
                annotations.told(one.annotation),
                "needed" if one.default is signatures.REQUIRED else _json(one.default),
            ]
            for one in of.parameters
        ]
        parts.append(table(["parameter", "meaning", "what it takes", "default"], rows))
    else:
        parts.append("It has no parameters.\n")
    if of.relations:
        parts.append(f"*Checked:* {', '.join(f'`{one}` {word} `{other}`' for one, word, other in of.relations)}.\n")
    if of.returns:
        parts.append(f"*Returns*{chr(10) * 2 if of.returns[0] in '-*' else ' '}{of.returns}\n")
    if of.values:
        parts.append(f"*Values:* {', '.join(f'`{name}`' for name in of.values)}.\n")
    if of.reads:
        parts.append(f"*Reads of the run:* {', '.join(f'`{name}`' for name in of.reads)}.\n")
    if of.default_before:
        told = ", ".join(f"`{name}`: {_json(value)}" for name, value in of.default_before.items())
        parts.append(f"*What the absence of later parameters has meant:* {told}.\n")
    return "\n".join(parts)


def category(name: str) -> str:
    """All components of a category."""
    known = signatures.all_of(name)
    place = components.CATEGORIES[name]
    short = place.folder.rpartition("/")[2]
    of_papers = f"`pipeline/papers/<paper>/{short}/`"
    of_library = f"`pipeline/{place.folder}/`"
    where = {True: of_papers, False: f"{of_library} or {of_papers}", None: of_library}[place.owned]
    head = (
        f"# {name}\n\n{CATEGORIES[name]} {len(known)} kinds, one file each in {where}; yours go to `{short}/` of a "
        "folder given with `--config extend=FOLDER`.\n"
    )
    return NOTE + "\n".join([head, *map(component, known)])


def catalogue() -> str:
    """The list of all categories."""
    rows = []
    for name in components.CATEGORIES:
        kinds = components.kinds(name)
        shown = ", ".join(f"`{kind}`" for kind in kinds[:6]) + (f", ... ({len(kinds)})" if len(kinds) > 6 else "")
        rows.append([f"[{name}]({name}.md)", CATEGORIES[name], shown])
    toc = "\n".join(components.CATEGORIES)
    return (
        f"{NOTE}# Components\n\nThe parts that a run, a measurement or a figure is composed of: one file each, whose "
        "keyword-only arguments are its parameters. These pages are read from signatures and docstrings.\n\n"
        f"{table(['category', 'what it is', 'kinds'], rows)}\n```{{toctree}}\n:hidden:\n\n{toc}\n```\n"
    )


def configuration() -> str:
    """What ``--config`` takes."""
    rows = [
        [
            f"`{field.name}`",
            annotations.needed(str(field.type)),
            "" if field.default in (None, ()) else f"`{field.default}`",
            schemas.FIELDS["Options"][field.name],
        ]
        for field in dataclasses.fields(options.Options)
    ]
    return (
        f"{NOTE}# --config\n\nWhat snakemake and every command take as `--config KEY=VALUE ...`. `make` has some of "
        "them as variables: `SCALE`, `FLAVOUR`, `RAW_DIR`, `DATASETS`, `ARTIFACTS`, `EXTEND`, `DEVICE`, and `CORES` "
        "for snakemake's `--cores`.\n\n"
        f"{table(['key', 'what it takes', 'default', 'meaning'], rows)}"
    )


def _argument(action: argparse.Action) -> list[str]:
    metavar = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    shown = f"{metavar} ..." if action.nargs in ("+", "*") else str(metavar)
    if not action.option_strings:
        return [f"`{f'[{shown}]' if action.nargs == '*' else shown}`", action.help or ""]
    return [f"`{', '.join(action.option_strings)}{f' {shown}' if shown else ''}`", action.help or ""]


def command(name: str, level: int = 2) -> str:
    """One sub-command: what it says of itself, and its arguments."""
    stage = name in commands.STAGES
    module = importlib.import_module(f"pipeline.commands.{'_stage' if stage else name}")
    parser = argparse.ArgumentParser(prog=f"python -m pipeline {name}", add_help=False)
    module.add(parser)
    rows, verbs = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, inner in zip(action._choices_actions, action.choices.values(), strict=True):
                own = [_argument(one) for one in inner._actions if one.dest != "help"]
                verbs.append(f"`{name} {verb.dest}`: {verb.help}\n\n{table(['argument', 'meaning'], own)}")
        else:
            rows.append(_argument(action))
    text = signatures.markdown(inspect.cleandoc(module.run.__doc__ or ""))
    said = module.HELP.format(stage=name)
    head = f"{'#' * level} {name}\n\n{said[0].upper()}{said[1:]}."
    tables = [*([table(["argument", "meaning"], rows)] if rows else []), *verbs]
    return "\n\n".join([head, text, *tables])


def command_line() -> str:
    """All sub-commands: those that people type, then what Snakemake calls."""
    ours, theirs = commands.TYPED, commands.CALLED
    body = [
        "# python -m pipeline\n",
        "Results are built by `snakemake results/...`; these commands say what would happen, what happened, and where "
        "a number comes from. A target is an artifact in any of the ways people write it: `table8`, "
        "`directpred/table8` or `results/table8.csv`. Each ends in status 0 or "
        "in one line that says what to type next.\n",
        *map(command, ours),
        "## What Snakemake calls\n",
        "Nobody has to type these.\n",
        *(command(name, 3) for name in theirs),
    ]
    return NOTE + "\n".join(body)


def pages() -> dict[str, str]:
    """Path below ``docs/`` -> page."""
    found = {
        "reference/papers.md": papers(),
        "reference/scales.md": scales(),
        "reference/datasets.md": datasets(),
        "reference/config.md": configuration(),
        "reference/commands.md": command_line(),
        "reference/components/index.md": catalogue(),
    }
    found |= {f"reference/components/{name}.md": category(name) for name in components.CATEGORIES}
    return {path: text.rstrip() + "\n" for path, text in found.items()}
