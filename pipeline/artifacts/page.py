"""The page of an artifact that people look at: Markdown that also reads well in a terminal."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline.artifacts import claims, formats, lost, settings
from pipeline.artifacts.rows import CELL, HIGHER, LOWER, NEITHER, Row, axis_values, baseline_lines, same

WIDTH = 110
"""Columns of a terminal that a page wants."""

BEST = {
    HIGHER: "the highest of its column",
    LOWER: "the lowest of its column",
    NEITHER: "the best of its column, by what its measure calls better",
}
"""What bold numbers are, by what the measure declares as better; several measures together declare nothing."""

LEFT_OUT = "† Seeds that have no number and are left out of the mean:"
COLLAPSED = (
    "‡ Seeds that collapsed: embeddings at the end of the training, or features, are next to one point or one line. A "
    "standardised probe divides by their spread, however small, so that its score does not tell:"
)
UNTRAINED = "Never trained, so that BatchNorm has the statistics of one pass over the training images:"

_CELL_WIDTH = 32
"""Of one cell with its published value: ``**47.1 ± 0.8 (2)** [85.21 ± 0.23]``."""
_LEGIBLE = 12
"""Columns of a table beside a figure; a track along training has more, and its numbers stand in the files alone."""


def render(
    params: Mapping[str, Any],
    rows: Sequence[Row],
    verdicts: Sequence[Mapping[str, Any]],
    picture: str | None = None,
    caption: str = "",
    animation: str | None = None,
) -> str:
    """The whole page.

    Args:
        params: The artifact's params.
        rows: Its rows.
        verdicts: What :func:`pipeline.artifacts.claims.judge` says.
        picture: File name of the figure, if the artifact is one.
        caption: What is in it.
        animation: File name of its animation, if it has one.
    """
    parts = [f"# {heading(params)}", _about(params, rows)]
    if picture:
        parts += [f"![{params['title']}]({picture})", _wrap(caption)]
    if animation:
        parts.append(f"In motion: [{animation}]({animation})")
    if picture and len(_places([row for row in rows if row.role == CELL], list(params["columns"]))) > _LEGIBLE:
        parts.append(f"The numbers are in {params['artifact']}.json.")
    elif any(row.values or row.setting for row in rows) or not picture:
        parts += _tables(params, rows)
    parts += [_remarks(params, rows), _verdicts(params, verdicts)]
    if params["notes"]:
        parts.append(_wrap(f"Note: {params['notes']}"))
    return "\n\n".join(part for part in parts if part)


def heading(params: Mapping[str, Any]) -> str:
    """``Table 8: DirectPred against the SGD baseline``."""
    found = re.fullmatch(r"(table|fig)([A-Z]?\d+\w*)", params["artifact"])
    name = f"{'Table' if found[1] == 'table' else 'Figure'} {found[2]}" if found else params["artifact"]
    return f"{name}: {params['title']}"


def replaced(rows: Sequence[Row]) -> tuple[dict[str, str], dict[int, int]]:
    """What was used in place of the paper's data sets and numbers of epochs; these are the keys."""
    used = [row for row in rows if row.role == CELL and not row.missing]
    data = {row.paper_dataset: row.dataset for row in used if row.dataset != row.paper_dataset}
    epochs = {row.axes["epochs"]: row.trained_epochs for row in used if "epochs" in row.axes}
    return data, {paper: ours for paper, ours in epochs.items() if paper != ours}


def stand_ins(rows: Sequence[Row], verb: str = "stands for") -> str:
    """``digits stands for stl10; 8, 14 epochs for 100, 300``; empty if nothing was replaced."""
    data, epochs = replaced(rows)
    parts = [f"{ours} {verb} {paper}" for paper, ours in data.items()]
    values: dict[str, dict[str, str]] = {}
    for row in rows:
        for path, (paper, ours) in row.instead.items():
            values.setdefault(path, {})[str(paper)] = str(ours)
    parts += [f"{path} {', '.join(used.values())} for {', '.join(used)}" for path, used in values.items()]
    if len(epochs) > 4:  # a track along training: its end tells the rest
        epochs = dict([max(epochs.items())])
    if epochs:
        parts.append(f"{', '.join(map(str, epochs.values()))} epochs for {', '.join(map(str, epochs))}")
    return "; ".join(parts)


def place(axis: str, value: Any) -> str:
    """A place on an axis: ``100 epochs``, ``freq 5``; methods, data sets and quantities speak for themselves."""
    if axis == "epochs":
        return f"{value} epochs"
    return str(value) if axis in ("method", "dataset", "quantity") else f"{axis} {value}"


def _wrap(text: str, indent: str = "", first: str | None = None) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _about(params: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """What is measured, and how far it can be compared with the paper."""
    paper, measure, scale = params["paper"], params["measure"], params["scale"]
    if not rows:
        return _wrap(f'A drawing: nothing in it is measured. {paper["authors"]} {paper["year"]}, "{paper["title"]}".')
    unit = f" in {measure['unit']}" if measure["unit"] else ""
    text = f"{measure['title'][:1].upper()}{measure['title'][1:]}{unit}"
    repeated = "seeds" if any(row.paper_dataset for row in rows) else "replications"
    spread = any(row.values and not row.exact for row in rows)
    text += f", mean ± standard deviation ({repeated})." if spread else "."
    text += f' {paper["authors"]} {paper["year"]}, "{paper["title"]}".'
    flavour = "" if params["flavour"] == "paper" else f", flavour {params['flavour']}"
    instead, printed = stand_ins(rows), any(row.published for row in rows)
    if any(row.setting for row in rows):
        return _wrap(text) + "\n\n" + _wrap(_settings(scale, flavour, instead, rows))
    if not instead:
        standing = f"Scale {scale['key']} ({scale['title']}){flavour}."
        if not any(row.paper_dataset for row in rows):
            standing = f"Theory: the same at every scale but for the number of replications (here: {scale['key']})."
            standing += _random(params.get("random", {}))
        return _wrap(text) + "\n\n" + _wrap(standing + " In [brackets] the paper's own numbers." * printed)
    standing = f"**Scale {scale['key']}** ({scale['title']}{flavour}): {instead}."
    standing += (
        " In [brackets] the paper's own numbers, on its own data: only orderings" if printed else " Only orderings"
    )
    standing += " can be compared with the paper, no single number."
    return _wrap(text) + "\n\n" + _wrap(standing)


def _settings(scale: Mapping[str, Any], flavour: str, instead: str, rows: Sequence[Row]) -> str:
    """How a table of settings is read."""
    standing = (
        f"Scale {scale['key']} ({scale['title']}){flavour}{': ' * bool(instead)}{instead}. What runs are trained with,"
    )
    standing += " read off their specifications; in [brackets] what the paper prints."
    counts = Counter(row.standing for row in rows if row.standing)
    told = ", ".join(f"{counts[word]} {word}" for word in settings.STANDINGS if counts[word])
    return standing + (f" Of {sum(counts.values())} printed settings: {told}." if told else "")


def _random(random: Mapping[str, Any]) -> str:
    """What a reader must know of random experiments: how many there are, and which is drawn."""
    if "seed" not in random:
        return ""
    if random.get("replications", 1) < 2:
        return f" Random: one experiment, of seed {random['seed']}."
    return (
        f" Random: {random['replications']} experiments from seed {random['seed']} on; where a figure has an example, "
        f"it is the first, of seed {random['seed']}."
    )


# -- tables


def _tables(params: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """The table as the paper prints it; wide ones in blocks, one per value of the leading column axis."""
    columns = list(params["columns"])
    cells = [row for row in rows if row.role == CELL]
    wide = _CELL_WIDTH * len(_places(cells, columns)) > WIDTH
    if not (wide and len([axis for axis in columns if len(axis_values(cells, axis)) > 1]) > 1):
        return [_table(params, rows, columns)]
    parts = []
    for value in axis_values(cells, columns[0]):
        block = [row for row in rows if same(row.axes.get(columns[0], value), value)]
        title = place(columns[0], value)
        if columns[0] == "dataset":
            used = {row.dataset for row in block if row.dataset and row.dataset != str(value)}
            title += f" ({', '.join(sorted(used))} stands for it)" if used else ""
        parts += [f"## {title}", _table(params, block, columns[1:])]
    return parts


def _places(cells: Sequence[Row], axes: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(itertools.product(*(axis_values(cells, axis) for axis in axes)))


def _table(params: Mapping[str, Any], rows: Sequence[Row], columns: Sequence[str]) -> str:
    cells = [row for row in rows if row.role == CELL]
    heads, sides = _places(cells, columns), _places(cells, params["rows"])
    body = [[_at(cells, params["rows"], side, columns, head) for head in heads] for side in sides]
    names = [list(map(str, side)) or [""] for side in sides]
    lines = [[*names[k], *map(_text, line)] for k, line in enumerate(body)]
    blank = [""] * (len(params["rows"]) - 1)
    baselines = [(row.role, row.axes, row) for row in rows if row.role != CELL]
    for name, found in baseline_lines(baselines, columns, heads):
        lines.append([name, *blank, *map(_text, found)])
    top = [", ".join(map(place, columns, head)) or params["measure"]["title"] for head in heads]
    return formats.grid([*(params["rows"] or [""]), *top], lines)


def _at(
    cells: Sequence[Row],
    rows: Sequence[str],
    side: Sequence[Any],
    columns: Sequence[str],
    head: Sequence[Any],
) -> Row | None:
    wanted = dict(zip([*rows, *columns], [*side, *head], strict=True))
    return next((row for row in cells if all(same(row.axes[axis], value) for axis, value in wanted.items())), None)


def _text(row: Row | None) -> str:
    if row is None:
        return ""
    if row.setting:
        text = row.setting.value or "-"
        text = f"**{text}**" if row.standing == settings.DIFFERS else text
        return text if row.setting.printed is None else f"{text} [{row.setting.printed}]"
    if row.mean is None:
        text = lost.word(row.seeds, "-")
    elif row.exact:
        text = formats.short(row.mean, row.unit)
    else:
        text = f"{formats.spread(row.mean, row.std, row.unit)} ({row.n}){marks(row.lost, row.collapsed)}"
        text = f"**{text}**" if row.best else text
    if row.published:
        spread = f" ± {row.published.std}" if row.published.std else ""
        text += f" [{row.published.mean}{spread}]"
    return text


def marks(gone: Collection[str], collapsed: Sequence[int]) -> str:
    """What stands behind the number of a cell that lost seeds, or has some that collapsed; the page says which."""
    return "†" * bool(gone) + "‡" * bool(collapsed)


def _remarks(params: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Why cells are empty, and which lost a seed."""
    missing: dict[str, int] = {}
    for row in rows:
        if row.missing:
            missing[row.missing] = missing.get(row.missing, 0) + 1
    lines = [_wrap(f"{why} ({count} cell{'s' * (count > 1)})", "  ", "- ") for why, count in missing.items()]
    text = "Not measured:\n\n" + "\n".join(lines) if lines else ""
    names = [f"{_where(params, row)} ({lost.words(row.lost, len(row.seeds))})" for row in rows if row.lost]
    if names:
        text += "\n\n" * bool(text) + _wrap(f"{LEFT_OUT} {'; '.join(names)}.")
    fallen = [row for row in rows if row.collapsed]
    if fallen:
        names = [f"{_where(params, row)} ({len(row.collapsed)} of {len(row.seeds)})" for row in fallen]
        text += "\n\n" * bool(text) + _wrap(f"{COLLAPSED} {'; '.join(names)}.")
    untrained = list(dict.fromkeys(_where(params, row) for row in rows if row.calibrated))
    if untrained:
        text += "\n\n" * bool(text) + _wrap(f"{UNTRAINED} {'; '.join(untrained)}.")
    return text


def _where(params: Mapping[str, Any], row: Row) -> str:
    """The place of a row, without what is the same for all."""
    text = ", ".join(place(*item) for item in row.axes.items() if item[0] not in params["fixed"])
    return text if row.role == CELL else f"{row.role}, {text or row.paper_dataset}"


# -- claims


def _verdicts(params: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]]) -> str:
    if not verdicts:
        return ""
    lines = ["## Claims", ""]
    for verdict in verdicts:
        why = f" ({verdict['because']})" if verdict["because"] else ""
        text = f"**{verdict['verdict']}**{why}: {verdict['text']}{' (ours)' * verdict['ours']}{_shares(verdict)}"
        lines.append(_wrap(text, "  ", "- "))
        mixed = len({part["verdict"] for part in verdict["parts"]}) > 1
        for part in verdict["parts"]:
            if part.get("setting") and part["verdict"] != claims.NOT_SHOWN:
                continue  # the table has it, beside its print
            lines.append(_wrap(detail(verdict, part, params["measure"]["unit"], mixed), "    ", "  - "))
    if all(part.get("setting") for verdict in verdicts for part in verdict["parts"]):
        return "\n".join(lines)
    text = (
        "Claims stand with ± one standard error. A verdict needs a distance from the margin that chance makes in "
        f"{claims.LEVEL:.1%} of cases (Student's t; runs of one seed are compared in pairs)."
    )
    if any(verdict["ours"] for verdict in verdicts):
        text += " No paper states the sentences marked (ours)."
    return "\n".join([*lines, "", _wrap(text)])


def _shares(verdict: Mapping[str, Any]) -> str:
    """On how many of its parts a claim is shown here, and holds by the paper's own numbers."""
    parts, printed = verdict["parts"], verdict["published"]
    if len(parts) < 2:
        return ""
    text = f"{sum(part['verdict'] == claims.SHOWN for part in parts)} of {len(parts)} parts"
    text += f"; paper: {printed['holds']} of {printed['of']}" if printed["of"] else ""
    return f" ({text})"


def detail(verdict: Mapping[str, Any], part: Mapping[str, Any], unit: str, label: bool) -> str:
    """The number behind one part: ``stl10, 100 epochs: +15.3 ± 2.3 (needs +10.0; paper +2.80)``.

    Args:
        verdict: The claim.
        part: One of its parts.
        unit: Of the measure.
        label: Whether to add the verdict on the part.
    """
    check, margin, value, error = verdict["check"], verdict["margin"], part["value"], part["standard_error"]

    def shown(number: float, digits: int, plus: bool = False) -> str:
        if check in claims.ALONG:
            text = f"{number:.2f}"
        else:
            text = formats.number(number, unit, digits) if unit == "%" else f"{number:.3g}"
        return f"+{text}" if plus and float(text) > 0 else text

    signed = check in (*claims.PAIRS, *claims.ALONG)
    more: list[str] = []
    if part.get("setting"):
        text = _beside(part["setting"])
    elif value is None:
        text = claims.UNTESTED if part["verdict"] == claims.UNTESTED else "no number"
    else:
        name = "rank correlation " if check in claims.ALONG else "" if check in claims.PAIRS else "mean "
        name = "std " if check == "spread_above" else name
        text = name + shown(value, 1, signed) + (f" ± {shown(error, 1)}" if error else "")
        if error is None:
            more.append("too few seeds")
    if part["lost"]:
        more.append(lost.words(part["lost"], sum(part["lost"].values()) + sum(part["n"])))
    if check in claims.PAIRS and margin:
        more.append(f"needs {shown(margin, 1, signed)}")
    elif not signed and not part.get("setting"):
        more.append(f"{check.removeprefix('spread_')} {shown(margin, 1)}")
    if part.get("collapsed"):
        more.append(f"{part['collapsed']} seed{'s' * (part['collapsed'] > 1)} collapsed")
    if part["published"] is not None:
        more.append(f"paper {shown(part['published'], 2, signed)}")
    text += f" ({'; '.join(more)})" if more else ""
    text += f": {part['verdict']}" if label and part["verdict"] not in text else ""
    at = ", ".join(place(*item) for item in part["at"].items())
    return f"{at}: {text}" if at else text


def _beside(setting: Mapping[str, str | None]) -> str:
    """``128; at scale paper 256, printed 512``."""
    here, declared = setting["value"] or "none", setting["declared"] or "none"
    return here + (f"; at scale paper {declared}" if declared != here else "") + f"; printed {setting['printed']}"
