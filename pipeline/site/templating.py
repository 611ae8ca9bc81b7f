"""Templates of pages, with what all of them may ask."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.artifacts import words
from pipeline.durations import rough
from pipeline.site import charts, counts, editions, runs, verdicts, views

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
"""Style sheet and script of every page."""


def environment() -> Environment:
    """Return the templates; all text is escaped, and a name that is not there is an error."""
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"path": quote, "duration": rough, "mark": verdicts.MARKS.__getitem__, "brief": verdicts.brief}
    found.filters["told"] = verdicts.told
    found.filters["one_epoch"] = words.one_epoch
    found.globals |= {"heading": views.heading, "anchor": runs.anchor, "swatch": charts.swatch}
    found.globals |= {"thumbnail": views.thumbnail, "band_of_charts": charts.BAND}
    found.globals |= {
        "counts_of": counts.Counts.over,
        "folded": editions.folded,
        "settings_shown": words.settings_shown,
    }
    found.globals["here"] = ""  # a page of the site says in which part of it it is
    found.globals["stand_ins"] = words.stand_ins
    return found
