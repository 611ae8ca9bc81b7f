"""The page of a bundle that people open first: one file, no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pipeline.artifacts import scorecard, words
from pipeline.ledger.families import ARTIFACT, FAMILIES
from pipeline.provenance.chain import Chain, Link
from pipeline.sharing.writer import Content
from pipeline.site import claimed, tables, verdicts

_STYLE = """
:root{--page:#fff;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--code:#f4f6f8;--shade:#0004;--good:#116329;--bad:#a40e26}
@media (prefers-color-scheme:dark){:root{--page:#0d1117;--text:#e6edf3;--soft:#9da7b3;--line:#3d444d;--code:#161b22;
--shade:#fff5;--good:#56d364;--bad:#ff7b72}a{color:#79c0ff}}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:64rem;padding:1rem;color:var(--text);
background:var(--page);overflow-wrap:anywhere}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem}
figure{margin:1rem 0}figcaption,.remark,small{color:var(--soft)}figcaption,.remark{font-size:.85rem;max-width:68ch}
table{border-collapse:collapse;font-size:.85rem}
th,td{border-bottom:1px solid var(--line);padding:.25rem .5rem;text-align:left;white-space:nowrap;vertical-align:top}
td.long{white-space:normal;min-width:16rem}
td.number{text-align:right;font-variant-numeric:tabular-nums}
pre{padding:.75rem}code{font-size:.9em}
.scroll{overflow-x:auto;--own:var(--page);background:
linear-gradient(to right,var(--own) 30%,transparent) 0 0/2.5rem 100% no-repeat local,
linear-gradient(to left,var(--own) 30%,transparent) 100% 0/2.5rem 100% no-repeat local,
linear-gradient(to right,var(--shade),transparent) 0 0/.9rem 100% no-repeat scroll,
linear-gradient(to left,var(--shade),transparent) 100% 0/.9rem 100% no-repeat scroll,var(--own)}
pre.scroll{--own:var(--code)}
.shown,.within{color:var(--good)}.refuted,.outside{color:var(--bad)}.ours{border:1px solid var(--line);padding:0 .3em}
img{max-width:100%;height:auto}dt{font-weight:600}dd{margin:0 0 .5rem}
"""
"""Colours for light and dark; a shade at the side of what goes on beyond it: the cover moves with the content."""


def title(artifacts: Sequence[str]) -> str:
    """Title of the bundle of some artifacts."""
    return "Bundle of " + ", ".join(name.removeprefix("results/") for name in artifacts)


def render(heading: str, chain: Chain, members: Mapping[str, Content]) -> bytes:
    """The page.

    Args:
        heading: Title of the bundle.
        chain: Receipts of everything in it.
        members: Its other members.
    """
    parts = [f"<h1>{escape(heading)}</h1>", _what(chain, members)]
    for link in chain.family(ARTIFACT):
        parts.append(_artifact(link, members))
    parts += [_CHECK, _conditions(chain), _inside(members)]
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(heading)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
    )
    return (text + "\n".join(parts) + "\n</main>\n</body>\n</html>\n").encode()


def _what(chain: Chain, members: Mapping[str, Content]) -> str:
    counts = Counter(link.node.family for link in chain)
    told = ", ".join(family.counted(counts[family]) for family in FAMILIES if counts[family])
    weights = any(name.endswith("/model.safetensors") for name in members)
    more = "The networks and data sets are inside." if weights else "Of networks and data sets their hashes are inside."
    return f"<p>What it comes from, each with a receipt: {told}. {more}</p>"


def _artifact(link: Link, members: Mapping[str, Content]) -> str:
    folder, stem = link.node.name.rsplit("/", 1)
    report = json.loads(_bytes(members, f"{folder}/{stem}.json"))
    about = f"{report['paper']['authors']} {report['paper']['year']}, “{report['paper']['title']}”"
    scale = f"Scale {report['scale']['key']} ({report['scale']['title']})"
    scale += (
        f": {words.one_epoch(report['stand_ins'])}. Only orderings can be compared with the paper."
        if report["stand_ins"]
        else "."
    )
    parts = [f"<section>\n<h2>{escape(report['title'])}</h2>", f"<p>{escape(about)}<br>{escape(scale)}</p>"]
    if f"{folder}/{stem}.png" in members:
        picture = base64.b64encode(_bytes(members, f"{folder}/{stem}.png")).decode()
        parts.append(f'<img alt="{escape(report["title"], quote=True)}" src="data:image/png;base64,{picture}">')
    report = words.as_printed(report, link.receipt["params"].get("published", ()))
    parts.append(_grid(report) or _table(report["title"], _bytes(members, f"{folder}/{stem}.csv").decode("utf-8")))
    parts += [_claims(report), f"<p>Receipt: <code>{escape(link.node.receipt)}</code>, key"]
    return "\n".join(parts) + f" <code>{escape(link.receipt['key'])}</code></p>\n</section>"


def _grid(report: Mapping[str, Any]) -> str:
    """The table as the paper prints it, and as the site shows it; empty for one without numbers."""
    found = tables.grid(report)
    if found is None:
        return ""
    setting = words.settings_shown(report)
    shown = "; below it what the paper prints, and ours minus theirs" if report["counts"]["published"] else ""
    what = f"mean ± standard deviation (seeds){shown}"
    if setting:
        what = (
            f"what runs are trained with{'; below it what the paper prints' if report['counts']['published'] else ''}"
        )
    lines = []
    corner = "".join(f'<th scope="col" rowspan="{len(found.heads)}">{escape(name)}</th>' for name in found.corner)
    for number, head in enumerate(found.heads):
        headings = (
            f'<th scope="{"colgroup" if one.span > 1 else "col"}" colspan="{one.span}">{escape(one.text)}'
            f"{f'<br><small>{escape(one.more)}</small>' if one.more else ''}</th>"
            for one in head
        )
        lines.append(f"<tr>{corner if not number else ''}{''.join(headings)}</tr>")
    for names_, cells in (*found.lines, *found.baselines):
        side = "".join(f'<th scope="row">{escape(name)}</th>' for name in names_)
        lines.append(f"<tr>{side}{''.join(_shown(cell, setting) for cell in cells)}</tr>")
    remarks = [scorecard.BAND] if report["counts"]["published"] and not setting else []
    bold = words.bold(report)
    remarks += [*([f"Bold: {bold}."] if bold else []), *tables.footnotes(report)]
    told = "".join(f'\n<p class="remark">{escape(text)}</p>' for text in remarks)
    return _scrolling(f"{report['title']}: {what}.", lines) + told


def _scrolling(caption: str, lines: Sequence[str]) -> str:
    """A table that may be wider than the page; its caption is not, and stands outside."""
    return (
        f"<figure>\n<figcaption>{escape(caption)}</figcaption>\n"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}"><table>\n'
        + "\n".join(lines)
        + "\n</table></div>\n</figure>"
    )


def _shown(cell: tables.ShownCell | None, setting: bool) -> str:
    """A number with its marks, and below it what is printed, the difference and how the two stand to each other."""
    if cell is None:
        return "<td></td>"
    text = f"<strong>{escape(cell.text)}</strong>" if cell.best else escape(cell.text)
    count = f" ({cell.n})" if cell.n > 1 else ""
    standing = cell.difference if setting else ", ".join(filter(None, (cell.difference, cell.word)))
    below = [f"paper {escape(cell.published)}"] if cell.published else []
    kind = f' class="{cell.word}"' if cell.word in (scorecard.WITHIN, scorecard.OUTSIDE) else ""
    below += [f"<span{kind}>{escape(standing)}</span>"] if standing else []
    told = "".join(f"<br><small>{line}</small>" for line in below)
    return f'<td class="number">{text}{escape(cell.marks)}{count}{told}</td>'


def _table(title: str, text: str) -> str:
    """The CSV, without columns that say the same in every row."""
    rows = list(csv.reader(io.StringIO(text)))
    kept = [k for k in range(len(rows[0])) if len(rows) < 3 or len({row[k] for row in rows[1:]}) > 1]
    shown = rows[1:301]
    lines = ["".join(f'<th scope="col">{escape(rows[0][k])}</th>' for k in kept)]
    lines += ["".join(_cell(row[k]) for k in kept) for row in shown]
    more = f"<p>{len(rows) - 1 - len(shown)} more rows in the CSV file.</p>" if len(rows) - 1 > len(shown) else ""
    return _scrolling(f"{title}: what is drawn.", [f"<tr>{line}</tr>" for line in lines]) + more


def _cell(text: str) -> str:
    number = text.replace(".", "", 1).replace("-", "", 1).isdigit()
    kind = ' class="number"' if number else ' class="long"' if len(text) > 30 else ""
    return f"<td{kind}>{escape(text)}</td>"


def _claims(report: Mapping[str, Any]) -> str:
    """Verdicts with their reasons, as the site tells them, and the numbers of each claim."""
    if not report["claims"]:
        return ""
    lines = []
    for claim in (claimed.told(one, report) for one in report["claims"]):
        verdict = f'<strong class="{verdicts.MARKS[claim["verdict"]]}">{escape(claim["verdict"])}</strong>'
        own = ' <small class="ours">ours</small>' if claim["ours"] else ""
        many = len(claim["parts"]) > 1
        parts = "".join(f"\n<li>{_part(part, many)}</li>" for part in claim["parts"])
        if len(claim["parts"]) > claimed.FEW:
            counted = ", ".join(f"{number} {verdicts.brief(word)}" for word, number in claim["told"])
            summary = f"{len(claim['parts'])} parts: {counted}"
            below = f"<details><summary>{escape(summary)}</summary>\n<ul>{parts}</ul></details>"
        else:
            below = f"<ul>{parts}</ul>"
        lines.append(f"<li>{verdict}: {escape(claim['text'])}{own}\n{below}</li>")
    ours = any(claim["ours"] for claim in report["claims"])
    remark = '\n<p class="remark">No paper states the sentences marked as ours.</p>' if ours else ""
    return "<h3>Claims</h3>\n<ul>\n" + "\n".join(lines) + f"\n</ul>{remark}"


def _part(part: Mapping[str, Any], many: bool) -> str:
    at = f"{part['at']}: " if part["at"] else ""
    verdict = f", {verdicts.brief(part['verdict'])}" if many else ""
    return f"<small>{escape(at + part['text'] + verdict)}</small>"


_CHECK = (
    "<h2>How to check it</h2>\n<p>With a checkout of the project that you trust, not the copy in here, and Python 3.11 "
    "or later; nothing needs to be installed:</p>\n"
    '<pre class="scroll" tabindex="0">python -m pipeline verify BUNDLE.zip --expect HASH</pre>\n'
    "<p>HASH is the root hash that the authors gave you by another way: a paper, a letter, a web page. In its place, "
    "<code>--revision REV</code> compares with what is committed in Git, and <code>--signer KEY.pub</code> with who "
    "signed. Every file is hashed, every receipt compared with those that it reads, and the results are computed again "
    "from the measurements. Nothing in the bundle is executed.</p>\n"
    '<pre class="scroll" tabindex="0">python -m pipeline verify BUNDLE.zip --rerun 3</pre>\n'
    "<p>also trains and measures three nodes again, chosen at random; that needs PyTorch.</p>"
)


def _conditions(chain: Chain) -> str:
    versions, places, commits, seconds = set(), set(), set(), 0.0
    for link in chain:
        versions |= {f"{name} {version}" for name, version in (link.execution.get("versions") or {}).items()}
        places.add(str(link.execution.get("gpu") or link.execution.get("processor") or "unknown"))
        commits.add(str(link.execution.get("commit") or "unknown"))
        seconds += float(link.execution.get("seconds") or 0)
    facts = {
        "Versions": ", ".join(sorted(versions)),
        "Hardware": ", ".join(sorted(places)),
        "Commits": ", ".join(sorted(commits)),
        "Time of all stages": f"{seconds:,.1f} s",
    }
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in facts.items())
    return f"<h2>How it was made</h2>\n<dl>\n{lines}</dl>"


def _inside(members: Mapping[str, Content]) -> str:
    counts = Counter(name.split("/")[0] + "/" if "/" in name else name for name in members)
    head = '<tr><th scope="col">file or folder</th><th scope="col">files</th></tr>'
    lines = [
        f'<tr><td>{escape(name)}</td><td class="number">{count}</td></tr>' for name, count in sorted(counts.items())
    ]
    return "<h2>What is inside</h2>\n" + _scrolling(_INSIDE, [head, *lines])


_INSIDE = "manifest.json has the hash of every file; the root hash is that of all receipts, as audit prints it."


def _bytes(members: Mapping[str, Content], name: str) -> bytes:
    content = members[name]
    return content if isinstance(content, bytes) else content.read_bytes()
