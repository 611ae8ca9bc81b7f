"""An audit as a page to look at and to send: the graph, what does not hold, and every node with its hashes."""

from __future__ import annotations

from collections.abc import Mapping

import jinja2
from markupsafe import Markup

from pipeline.provenance import views
from pipeline.provenance.audit import Audit
from pipeline.provenance.chain import Link
from pipeline.provenance.titles import titles
from pipeline.site import graph
from pipeline.site.graph_boxes import count, fold

_TEMPLATE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {{ found.path }}</title>
<style>
:root { color-scheme: light dark; --ink: #1d1d1b; --soft: #5c5b57; --paper: #fbfaf7; --good: #1c6b3a; --bad: #a3190f;
  --line: #dedbd2; --shade: rgb(0 0 0 / .22) }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceae4; --soft: #aeaba3; --paper: #171715; --good: #7fd6a0; --bad: #ff9d90;
    --line: #3a3935; --shade: rgb(255 255 255 / .28) }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 78rem; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere }
.good { color: var(--good) } .bad { color: var(--bad) } .soft { color: var(--soft) }
/* A shadow stands at the side to which something goes on, and is covered by the ground where it ends. */
.wide { overflow-x: auto; background:
  linear-gradient(to right, var(--paper) 40%, transparent) 0 0 / 3rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 40%, transparent) 100% 0 / 3rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) 0 0 / .9rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) 100% 0 / .9rem 100% no-repeat scroll }
code, pre { font-size: .85rem; overflow-wrap: anywhere } pre { white-space: pre-wrap }
details { border-top: 1px solid var(--line) } details:last-child { border-bottom: 1px solid var(--line) }
summary { cursor: pointer; padding: .35rem 0 } summary .soft { font-size: .85rem } details:target { outline: 2px solid }
td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top; font-size: .85rem }
td { overflow-wrap: anywhere } td code { white-space: nowrap } .wide table { min-width: 40rem }
{{ style }}
</style>
<main>
<h1>Audit of {{ found.path }}</h1>
{% if found.holds %}<p class="good"><strong>Everything holds.</strong></p>
{% else %}<p class="bad"><strong>Not everything holds.</strong></p>
<ul class="bad">{% for finding in found.findings %}<li>{{ finding.line() }}</li>{% endfor %}</ul>{% endif %}
<p>Root hash <code>{{ found.root }}</code></p>
<p class="soft">From raw data to what was audited, left to right. A box leads to its files below.</p>
<div class="wide" tabindex="0" role="region" aria-label="Provenance graph">{{ svg }}</div>
<h2>Summary</h2>
<pre>{{ text }}</pre>
<h2>Every node</h2>
<p class="soft">Results first, raw data last; each opens to its keys and the sha256 of its files, compared.</p>
{% for box, name, number, links in boxes %}
<details id="{{ box.id }}"{% if box.bad %} open{% endif %}>
<summary{% if box.bad %} class="bad"{% endif %}>{{ name }} <span class="soft">{{ number }}</span></summary>
{% if links %}
<div class="wide" tabindex="0" role="region" aria-label="{{ name }}, {{ number }}">
<table><thead><tr>{% for name in ("node", "made", "key", "files") %}<th scope="col">{{ name }}</th>{% endfor %}</tr>
</thead><tbody>
{% for link in links %}<tr><td>{{ link.node.name }}</td>
<td class="soft">{{ link.execution.finished or "" }}<br>{{ link.execution.seconds or "" }} s<br>
{{ link.execution.gpu or link.execution.processor or "" }}</td>
<td><code>{{ link.receipt.key[:16] }}</code></td>
<td>
{% for name, entry in link.receipt.outputs.items() %}{{ name }} <code>{{ entry.sha256[:16] }}</code><br>{% endfor %}
</td></tr>{% endfor %}
</tbody></table></div>
{% endif %}
</details>
{% endfor %}
</main>
</html>
"""


_NOUN = {"data": "data set", "checkpoints": "milestone", "measurements": "measurement", "simulations": "simulation"}


def html(found: Audit, called: Mapping[str, str] | None = None) -> str:
    """The page, with nothing that it would have to fetch.

    Args:
        found: The audit.
        called: See :func:`pipeline.provenance.titles.titles`; None to go by the chain alone.
    """
    called = titles(found.chain) if called is None else called
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    drawing = graph.svg(found.chain, [found.node], _anchor, called)
    boxes = [box for box in fold(found.chain, [found.node], called).values() if box.kind != "raw"]
    template = environment.from_string(_TEMPLATE)
    return template.render(
        found=found,
        boxes=[(box, *_told(box, called), _links(found, box)) for box in sorted(boxes, key=_from_the_top)],
        svg=Markup(drawing),
        style=Markup(graph.STYLE),
        text=views.text(found),
    )


def _anchor(box: graph.Box) -> str | None:
    """A box leads to its nodes below; raw files are told with their data set."""
    return f"#{box.id.replace('raw/', 'data/', 1) if box.kind == 'raw' else box.id}"


def _from_the_top(box: graph.Box) -> int:
    return -list(graph.KINDS).index(box.kind)


def _told(box: graph.Box, called: Mapping[str, str]) -> tuple[str, str]:
    """What a person calls a box, and what and how much is in it."""
    if box.kind == "results":
        return box.id, ""
    config = box.id.split("/")[1]
    measure = f"{box.lines[0]} of " if box.kind == "measurements" else ""
    return f"{measure}{called.get(config, config)}", count(len(box.names), _NOUN[box.kind])


def _links(found: Audit, box: graph.Box) -> list[Link]:
    return [found.chain.links[name] for name in box.names if name in found.chain.links]
