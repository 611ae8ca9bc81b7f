"""results/NAME.csv names the result that it is linked to, for every command that reads results."""

from __future__ import annotations

from conftest import DUEL, Project

SHORT = "results/duel.csv"


def linked(project: Project) -> Project:
    (project.root / SHORT).symlink_to(DUEL.removeprefix("results/"))
    return project


def test_what_reads_results_follows_the_link_of_a_build(built: Project) -> None:
    linked(built)
    built.pipeline("tex", SHORT, "-o", "paper")
    assert (
        (built.root / "paper/duel.tex")
        .read_text()
        .startswith(f"% Written by python -m pipeline tex from {DUEL[:-4]}.json")
    )
    packed = built.pipeline("bundle", SHORT, "-o", "duel.zip").stdout
    audited = built.pipeline("audit", SHORT).stdout
    key = built.pipeline("audit", DUEL).stdout.split("key ")[1].split()[0]
    assert packed.startswith("duel.zip: ") and key in audited


def test_a_link_into_another_scale_than_was_asked_for_is_refused(built: Project) -> None:
    done = linked(built).pipeline("tex", SHORT, "--config", "scale=tiny", check=False)
    assert done.stderr == (
        f"error: {SHORT}: shows {DUEL}, and scale=tiny asks for another one; type results/tiny/mini/duel.csv\n"
    )


def test_tex_says_that_a_result_is_older_than_what_is_declared(built: Project) -> None:
    assert "older" not in built.pipeline("tex", DUEL, "--config", "scale=mini").stderr
    built.edit("params/scales/mini.yaml", "linear_probe: {epochs: 2}", "linear_probe: {epochs: 3}")
    said = built.pipeline("tex", DUEL, "--config", "scale=mini").stderr
    assert said == f"{DUEL[:-4]}: older than what is declared in the working tree; type: snakemake {DUEL}\n"


def test_what_was_never_built_has_nothing_to_audit(built: Project) -> None:
    done = built.pipeline("audit", "results/tiny/directpred/table9.csv", check=False)
    assert done.stderr == (
        "error: results/tiny/directpred/table9: not built; type: snakemake results/tiny/directpred/table9.csv\n"
    )
