"""Whether LaTeX would set a text: its structure, and where there is a TeX, LaTeX itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,siunitx,textcomp}
\begin{document}
%s
\end{document}
"""


def plain(text: str) -> str:
    """A text without its comments."""
    return re.sub(r"(?<!\\)%.*", "", text)


def check(*texts: str) -> None:
    """Every text holds together, and LaTeX sets all of them in one document, where there is one."""
    for text in texts:
        holds_together(text)
    tex = shutil.which("pdflatex")
    if tex:
        typeset(tex, "\n\n".join(texts))


def holds_together(text: str) -> None:
    """Braces and environments are closed, every row has as many cells as there are columns, no letter is left special."""
    body = plain(text)
    depth = 0
    for found in re.finditer(r"\\.|[{}]", body, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        assert depth >= 0, f"a brace too many: {body[: found.start()][-80:]}"
    assert depth == 0, "a brace is not closed"
    assert not re.findall(r"(?<!\\)#|(?<!\\)_(?![^{}]*\\num)", re.sub(r"\\input\{[^}]*\}", "", body)), body
    assert body.isascii() or not re.search(r"[±×−†‡→²]", body), body
    environments = re.findall(r"\\(begin|end)\{(\w+)\}", body)
    assert len(environments) % 2 == 0
    for table in re.findall(r"\\begin\{tabular\}(.*?)\\end\{tabular\}", body, re.DOTALL):
        width = columns(specification(table))
        rows = table.split("\\\\")[:-1]
        assert rows
        for row in rows:
            cells = re.sub(r"^.*\\(toprule|midrule|bottomrule)", "", row, flags=re.DOTALL)
            assert cells_of(cells) == width, f"{cells_of(cells)} cells, where there are {width} columns: {cells!r}"


def specification(table: str) -> str:
    """The argument of ``tabular``."""
    depth = 0
    for at, letter in enumerate(table):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            return table[1:at]
    raise AssertionError("the columns are not closed")


def columns(found: str) -> int:
    """How many columns a specification has."""
    bare = re.sub(r"@\{[^}]*\}|\[[^]]*\]", "", found)
    assert not set(bare) - set("lcrS "), bare
    return len(bare.replace(" ", ""))


def cells_of(row: str) -> int:
    """How many columns a row fills."""
    bare = re.sub(r"\\cmidrule\(lr\)\{\d+-\d+\}", "", row)
    spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", bare)]
    return len(re.findall(r"(?<!\\)&", bare)) + 1 + sum(spans) - len(spans)


def typeset(tex: str, text: str) -> None:
    """Have LaTeX set it, with errors as errors."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.tex").write_text(DOCUMENT % text)
        command = [tex, "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, errors="replace")
        assert done.returncode == 0, done.stdout[-2000:]
