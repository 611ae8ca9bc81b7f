"""Every claim of params/papers can fail: the science behind it is broken on purpose, and its verdict changes.

The tables in ``mutations/`` name artifact, claim and mutation. A claim that has no row is an error, and so is a row whose
claim is no longer declared. All of it takes minutes and is part of ``make test-all``; a sample runs in ``make test``.
"""

from __future__ import annotations

import pytest
from mutations import directpred, embnorms, harness, isoloss, multiview, settings, stepwise, worlds

PAPERS = {
    "directpred": directpred,
    "stepwise": stepwise,
    "multiview": multiview,
    "isoloss": isoloss,
    "embnorms": embnorms,
}
QUICK = {
    ("directpred", "fig4"),
    ("embnorms", "fig6"),
    ("embnorms", "figS1"),
    ("stepwise", "fig8"),
    ("multiview", "equations"),
}
"""Artifacts whose mutations run in ``make test`` too."""
LARGE = {("multiview", "figD1"), ("multiview", "figD2"), ("multiview", "figD3"), ("embnorms", "figS4")}
"""Artifacts of so many cells that their claims are put to the test in ``make test-all`` alone."""


def cases() -> list:
    """One per artifact and mutation: a mutation may refute several claims."""
    return [
        pytest.param(
            paper,
            name,
            mutation,
            id=f"{paper}-{name}-{mutation}",
            marks=() if (paper, name) in QUICK else pytest.mark.slow,
        )
        for paper, module in PAPERS.items()
        for name, table in module.TABLES.items()
        for mutation in dict.fromkeys(table.rows.values())
    ]


@pytest.mark.parametrize("paper", sorted(PAPERS))
def test_every_claim_has_a_mutation(paper: str) -> None:
    tables = {**PAPERS[paper].TABLES, **getattr(PAPERS[paper], "MEASURED", {})}
    found = {name: table.rows.keys() for name, table in tables.items()}
    found |= {name: rows.keys() for name, rows in getattr(PAPERS[paper], "SETTINGS", {}).items()}
    wanted = {name: set(texts) for name, texts in harness.declared(paper).items()}
    without = [f"{name}: {text}" for name, texts in wanted.items() for text in texts - set(found.get(name, ()))]
    assert not without, f"no mutation in tests/mutations/{paper}.py refutes: {'; '.join(without)}"
    stale = [f"{name}: {text}" for name, texts in found.items() for text in set(texts) - wanted.get(name, set())]
    assert not stale, f"tests/mutations/{paper}.py names claims that are not declared: {'; '.join(stale)}"


@pytest.mark.parametrize(("paper", "name", "mutation"), cases())
def test_a_broken_science_changes_the_verdict(paper: str, name: str, mutation: str) -> None:
    module = PAPERS[paper]
    table = module.TABLES[name]
    sound = harness.sound(paper, name, table)
    broken = harness.broken(paper, name, table, module.MUTATIONS[mutation])
    claims = [text for text, refuted_by in table.rows.items() if refuted_by == mutation]
    survivors = [text for text in claims if not harness.refuted(sound[text], broken[text])]
    assert not survivors, f"{module.MUTATIONS[mutation].breaks}, and these verdicts stay: {'; '.join(survivors)}"


@pytest.mark.parametrize(
    ("paper", "name"),
    [
        pytest.param(paper, name, marks=pytest.mark.slow if (paper, name) in LARGE else ())
        for paper, module in PAPERS.items()
        for name in getattr(module, "MEASURED", {})
    ],
)
def test_a_claim_on_networks_fails_in_another_world(paper: str, name: str) -> None:
    """Scores are synthetic: those that the paper prints, and those of collapsed networks or of exchanged methods."""
    table = PAPERS[paper].MEASURED[name]
    sound = worlds.sound(paper, name, table)
    for text, world in table.rows.items():
        broken = worlds.broken(paper, name, table, PAPERS[paper].WORLDS[world])
        assert harness.refuted(sound[text], broken[text]), (text, sound[text], broken[text])


@pytest.mark.parametrize(
    ("paper", "name"), [(paper, name) for paper, module in PAPERS.items() for name in getattr(module, "SETTINGS", {})]
)
def test_a_claim_on_settings_fails_where_another_is_declared(paper: str, name: str) -> None:
    sound = settings.verdicts(paper, name, {})
    for text, edit in PAPERS[paper].SETTINGS[name].items():
        broken = settings.verdicts(paper, name, PAPERS[paper].EDITS[edit].layer)
        assert harness.refuted(sound[text], broken[text]), (text, sound[text], broken[text])


def test_all_papers_have_a_table() -> None:
    assert set(PAPERS) <= {request.paper for request in harness.plan().catalogue.built()}
