"""An audit as a page to look at and to send: the graph, what does not hold, and every node with its hashes."""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from pipeline.provenance import views
from pipeline.provenance.audit import Audit
from pipeline.site import graph

_TEMPLATE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {{ found.path }}</title>
<style>
:root { color-scheme: light dark; --ink: #1d1d1b; --soft: #5c5b57; --paper: #fbfaf7; --good: #1c6b3a; --bad: #a3190f }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceae4; --soft: #aeaba3; --paper: #171715; --good: #7fd6a0; --bad: #ff9d90 }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 78rem; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere }
.good { color: var(--good) } .bad { color: var(--bad) } .soft { color: var(--soft) }
.wide { overflow-x: auto } code, pre { font-size: .85rem } pre { white-space: pre-wrap; overflow-wrap: anywhere }
td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top; font-size: .85rem }
td { overflow-wrap: anywhere }
{{ style }}
</style>
<main>
<h1>Audit of {{ found.path }}</h1>
{% if found.holds %}<p class="good"><strong>Everything holds.</strong></p>
{% else %}<p class="bad"><strong>Not everything holds.</strong></p>
<ul class="bad">{% for finding in found.findings %}<li>{{ finding.line() }}</li>{% endfor %}</ul>{% endif %}
<p>Root hash <code>{{ found.root }}</code></p>
<div class="wide" tabindex="0" role="region" aria-label="Provenance graph">{{ svg }}</div>
<h2>Summary</h2>
<pre>{{ text }}</pre>
<h2>Every node</h2>
<div class="wide" tabindex="0" role="region" aria-label="Nodes">
<table><thead><tr>{% for name in ("node", "made", "key", "files") %}<th scope="col">{{ name }}</th>{% endfor %}</tr>
</thead><tbody>
{% for link in found.chain %}<tr id="{{ link.node.name }}"><td>{{ link.node.name }}</td>
<td class="soft">{{ link.execution.finished or "" }}<br>{{ link.execution.seconds or "" }} s<br>
{{ link.execution.gpu or link.execution.processor or "" }}</td>
<td><code>{{ link.receipt.key[:16] }}</code></td>
<td>
{% for name, entry in link.receipt.outputs.items() %}{{ name }} <code>{{ entry.sha256[:16] }}</code><br>{% endfor %}
</td></tr>{% endfor %}
</tbody></table></div>
</main>
</html>
"""


def html(found: Audit) -> str:
    """The page, with nothing that it would have to fetch."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    drawing = graph.svg(found.chain, [found.node], _anchor)
    template = environment.from_string(_TEMPLATE)
    return template.render(
        found=found,
        svg=Markup(drawing),
        style=Markup(graph.STYLE),
        text=views.text(found),
    )


def _anchor(box: graph.Box) -> str | None:
    """A box leads to the first of its nodes in the table."""
    return f"#{box.names[0]}" if box.names else None
