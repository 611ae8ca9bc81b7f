"""Fingerprints: what they ignore, what they see, and that every supported Python gives the same."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.ledger import fingerprint
from pipeline.ledger.fingerprint import Fingerprints, canonical

EVERYTHING = '''
"""A module with a bit of everything."""
from __future__ import annotations
import os.path as p, sys
from . import sibling
X: int = 0x1F + 1_000 - 2.50e-3 + 1j
async def f(a, /, b: "int" = 1, *args, c=b"\\x00", **kw) -> None:
    """Doc."""
    # comment
    async with a as q, b: await q
    async for _ in a: yield f"{a!r:>{b}}x" f"y{b=}" 'z'
    return
class C(list, metaclass=type):
    'doc'
    x = y = None, ..., True, 'é\\u2028', u'old'
'''

CASES = {
    "everything": EVERYTHING,
    "match": "match x:\n    case {'a': [1, *rest], **kw} if rest: pass\n    case C(y=2) | None: x: int\n",
    "fstring": "a = f'{x:{y}.{z}}' 'tail' f'' f'{{}}'\nb = 'head' f'{x}'\n",
    "try": "try:\n    pass\nexcept* ValueError as e:\n    raise e from None\nelse:\n    del a[1:2, ::3]\n",
    "lambda": "f = lambda *a, b=1, **k: (yield)\ng = [i for i in x if i if not i] + [*a, {**b}]\nh = (n := 10)\n",
}

GOLDEN = {
    "everything": "e6543c1ec750868f",
    "match": "740dd838efd4bcc5",
    "fstring": "ef284f57884ad159",
    "try": "f337a8fbe78de8fe",
    "lambda": "1d9ff53639db2313",
}


def _hash(source: str) -> str:
    return hashlib.sha256(canonical(source).encode()).hexdigest()[:16]


def test_golden_hashes_on_this_python():
    assert {name: _hash(source) for name, source in CASES.items()} == GOLDEN


def _interpreters() -> list[str]:
    found = []
    for version in ("3.11", "3.12", "3.13"):
        path = shutil.which(f"python{version}")
        for folder in sorted(Path.home().glob(f".pyenv/versions/{version}*")):
            path = path if path and "shims" not in path else str(folder / "bin/python")
        if path and "shims" not in path and f"{sys.version_info[0]}.{sys.version_info[1]}" != version:
            found.append(path)
    return found


@pytest.mark.parametrize("interpreter", _interpreters() or [None])
def test_golden_hashes_on_other_pythons(interpreter):
    if interpreter is None:
        pytest.skip("no other Python (3.11, 3.12, 3.13) on this machine")
    program = (
        f"import sys, hashlib; sys.path.insert(0, {str(fingerprint.PACKAGE.parent)!r})\n"
        f"from pipeline.ledger.fingerprint import canonical, Fingerprints\n"
        f"cases = {CASES!r}\n"
        "print({n: hashlib.sha256(canonical(s).encode()).hexdigest()[:16] for n, s in cases.items()})\n"
        "from pipeline.ledger.fingerprint import PACKAGE\n"
        "print(Fingerprints().code([PACKAGE / 'engine/executor.py', PACKAGE / 'data/prepare.py', PACKAGE / 'training/pretrain.py']))\n"
    )
    done = subprocess.run([interpreter, "-c", program], capture_output=True, text=True, check=True)
    here = Fingerprints().code(
        [fingerprint.PACKAGE / name for name in ("engine/executor.py", "data/prepare.py", "training/pretrain.py")]
    )
    assert done.stdout.splitlines() == [str(GOLDEN), str(here)]


@pytest.mark.parametrize(
    "same",
    [
        "def f(x):\n    return x + 1\n",
        '"""Module."""\ndef f(x):\n    """Doc."""\n    # comment\n    return (x\n            + 1)\n',
        "def f(x):\n    pass\n    'a bare string'\n    return x + 0x1\n",
        "from pipeline.ranges import Positive\ndef f(x: Positive):\n    return x + 1\n",
        "def f(x: int | None):\n    return x + 1\n",
    ],
)
def test_what_computes_the_same_by_its_text_has_one_fingerprint(same):
    assert canonical(same) == canonical("def f(x):\n    return x + 1")


def test_what_a_decorator_may_read_is_seen():
    one, two = (canonical(f"@dispatch\ndef f(x: {kind}): ...") for kind in ("int", "str"))
    assert one != two


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    return x + 2",
        "def f(x):\n    return x + 1.0",
        "def f(x):\n    return 1 + x",
        "def f(x, y=None):\n    return x + 1",
        "def g(x):\n    return x + 1",
        "def f(x):\n    return x + True",
        "@cache\ndef f(x):\n    return x + 1",
        "from pipeline.other import Positive\ndef f(x: Positive):\n    return x + 1\n",
        "def f(x) -> int:\n    return x + 1",
    ],
)
def test_what_computes_something_else_has_another(other):
    assert canonical(other) != canonical("def f(x):\n    return x + 1")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package that stands in for ours."""
    root = tmp_path / "pipeline"
    (root / "sub").mkdir(parents=True)
    (root / "planning").mkdir()
    for name, text in {
        "__init__.py": "",
        "planning/spec.py": "x = 1",
        "work.py": "w = 1",
        "root.py": "from pipeline import helper, work\nfrom pipeline.sub.deep import thing\nfrom pipeline.planning.spec import x",
        "helper.py": "def f():\n    import pipeline.lazy\n    return 1",
        "lazy.py": "from . import relative",
        "relative.py": "y = 2",
        "unused.py": "z = 3",
        "sub/__init__.py": "ready = True",
        "sub/deep.py": "from ..sub import sister\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pipeline.unused\nthing = 4",
        "sub/sister.py": "s = 5",
    }.items():
        (root / name).write_text(text)
    monkeypatch.setattr(fingerprint, "PACKAGE", root)
    return root


def test_a_fingerprint_follows_imports_but_not_those_that_decide(package):
    code = Fingerprints().code([package / "root.py"])
    assert set(code) == {
        f"pipeline/{name}.py" for name in ("root", "helper", "lazy", "relative", "sub/__init__", "sub/deep", "sub/sister")
    }  # fmt: skip


def test_an_edit_changes_the_module_that_was_edited_only(package):
    before = Fingerprints().code([package / "root.py"])
    (package / "relative.py").write_text("y = 20")
    (package / "helper.py").write_text("def f():\n    'now documented'\n    import pipeline.lazy\n    return 1")
    after = Fingerprints().code([package / "root.py"])
    assert [name for name in after if after[name] != before[name]] == ["pipeline/relative.py"]


def test_memory_is_by_content_and_survives(package, tmp_path):
    memory = tmp_path / "memory.json"
    first = Fingerprints(memory)
    code = first.code([package / "root.py"])
    first.save()
    assert Fingerprints(memory).code([package / "root.py"]) == code
    (package / "relative.py").write_text("y = 21")
    assert Fingerprints(memory).code([package / "root.py"]) == Fingerprints().code([package / "root.py"]) != code


def test_every_deciding_place_exists():
    """One that was renamed would silently enter all fingerprints."""
    for name in fingerprint.DECIDING:
        assert (fingerprint.PACKAGE / name / "__init__.py").is_file(), name
    for name in fingerprint.SHARED:
        assert (fingerprint.PACKAGE / f"{name}.py").is_file(), name


def test_what_a_users_component_imports_of_theirs_is_followed(tmp_path):
    component = tmp_path / "theirs/objectives/repel.py"
    component.parent.mkdir(parents=True)
    (tmp_path / "theirs/objectives/_common.py").write_text("SCALE = 1.0\n")
    (tmp_path / "theirs/shared.py").write_text("import math\nLIMIT = 3\n")
    component.write_text("import torch\nimport _common\nfrom theirs.shared import LIMIT\n\ndef loss(p, t): return p\n")
    before = Fingerprints().code([component])
    assert set(before) == {"objectives/repel.py", "objectives/_common.py", "theirs/shared.py"}
    (tmp_path / "theirs/shared.py").write_text("import math\nLIMIT = 4\n")
    after = Fingerprints().code([component])
    assert {name for name in before if before[name] != after[name]} == {"theirs/shared.py"}
