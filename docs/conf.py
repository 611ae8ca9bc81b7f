"""Sphinx: how the documentation is built. ``make docs`` writes what it generates first."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

project = "ssl-reproduction"
author = "The authors of this repository"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "generator", "schemas"]
smartquotes = False  # --config is typed with two hyphens

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
suppress_warnings = ["ref.python"]  # two modules may have a class of one name; a bare annotation then finds both
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # a dataclass documents its fields once

html_theme = "furo"
html_title = "Every table and figure of five papers"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
copybutton_exclude = ".linenos, .gp, .go"


_LITERAL = re.compile(r"(``.+?``|:[\w:]+:`[^`]+`|`[^`]+`)")
_EMPHASIS = re.compile(r"(?<![\w*\\])\*(?=[^\s*])[^*\n]*[^\s*]\*(?![\w*])")
_BULLET = re.compile(r"(\s*(?:\* )?)(.*)")
"""A line, and what makes it an item of a list."""


def _plain(text: str) -> str:
    """Prose of a docstring in which ``|x|``, ``a * b`` and ``s_`` mean themselves and no markup."""
    text = re.sub(r"(?<!\\)\|", r"\|", text)
    text = re.sub(r"(?<=\w)_(?=[^\w:]|$)", r"\_", text)
    parts, start = [], 0
    for match in _EMPHASIS.finditer(text):
        parts += [re.sub(r"(?<!\\)\*", r"\*", text[start : match.start()]), match[0]]
        start = match.end()
    return "".join([*parts, re.sub(r"(?<!\\)\*", r"\*", text[start:])])


def _prose(app, what, name, obj, options, lines: list[str]) -> None:
    """Our docstrings are plain text with literals and roles; what looks like other markup is none."""
    literal = False
    for number, line in enumerate(lines):
        if literal and line and not line.startswith(" "):
            literal = False
        if not literal:
            bullet, line_of_prose = _BULLET.fullmatch(line).groups()
            parts = _LITERAL.split(line_of_prose)
            parts[::2] = map(_plain, parts[::2])
            lines[number] = "".join([bullet, *parts])
        literal = literal or line.endswith("::")


def _signature(app, what, name, obj, options, signature: str | None, returns: str | None):
    """Defaults that Python cannot print as code: a function is its name, a factory is an ellipsis."""
    if signature:
        signature = re.sub(r"<function (\w+)[^>]*>", r"\1", signature.replace("<factory>", "..."))
    return signature, returns


_SPREAD = re.compile(r"(?<=\d) ± (?=\d)")


def _together(line: str) -> str:
    """A row of a table in which ``[77.86 ± 0.16]`` and its like are not broken."""
    return _SPREAD.sub("\u00a0±\u00a0", line) if line.startswith("|") else line


ELSEWHERE = {
    "explanation/architecture": "ARCHITECTURE.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
}
"""Pages that are files at the top of the repository."""


def _links(app, name: str, source: list[str]) -> None:
    """Pages that stand at the top are read from there; links between the two places lead to pages.

    Numbers in tables keep together.
    """
    path = ROOT / ELSEWHERE[name] if name in ELSEWHERE else Path(app.env.doc2path(name))
    if path.suffix != ".md":
        return
    if name in ELSEWHERE:
        app.env.note_dependency(path)
        source[0] = path.read_text(encoding="utf-8")
    pages = {ROOT / file: f"/{page}.md" for page, file in ELSEWHERE.items()} | {ROOT / "README.md": "/index.md"}

    def lead(match: re.Match) -> str:
        target = (path.parent / match[1]).resolve()
        if target in pages:
            return f"]({pages[target]}{match[2] or ''})"
        if name in ELSEWHERE and target.is_relative_to(ROOT / "docs"):
            return f"](/{target.relative_to(ROOT / 'docs')}{match[2] or ''})"
        return match[0]

    source[0] = re.sub(r"\]\(([\w./-]+\.(?:md|png))(#[\w-]*)?\)", lead, source[0])
    source[0] = "\n".join(map(_together, source[0].split("\n")))


def setup(app) -> None:
    """Before napoleon (which is asked at 500)."""
    app.connect("autodoc-process-docstring", _prose, priority=400)
    app.connect("autodoc-process-signature", _signature)
    app.connect("source-read", _links)
