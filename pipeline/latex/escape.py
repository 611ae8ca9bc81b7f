"""Text and names for LaTeX, and the mark by which a file that was written here is known."""

from __future__ import annotations

import re

START = "% Written by python -m pipeline "
"""First words of every file."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "→": r"$\to$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "…": r"\ldots{}",
}


def escape(text: object) -> str:
    """Text that LaTeX sets as it stands, in one line."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(str(text).split()))


def comment(text: object) -> str:
    """A line that LaTeX does not set."""
    return "% " + " ".join(str(text).split())


def slug(value: object) -> str:
    """A value as a part of a file's name that every TeX takes: ``-0.05`` becomes ``minus0_05``."""
    text = re.sub(r"^-(?=[\d.])", "minus", str(value)).replace(".", "_").replace("+", "plus")
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "none"
