"""What docs/speed.md claims about the speed of the theory, measured in one run on this machine.

    python bench/theory.py [--json FILE]

First, on one core and in under two minutes: how the vectorised cores of each paper scale, and by which factor each
beats a plain Python loop over the same thing. Loop and core must give the same numbers, to 1e-10 of the largest, or
the run ends there. Times are CPU times, which a busy machine disturbs least, and medians of five within this run. Then
every simulated artifact of every paper is built from nothing at scale quick, on two cores, in a temporary copy of the
project: that takes minutes more.

What is no vectorised core is measured too, and marked with a star.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.papers.directpred import modes as pair  # noqa: E402
from pipeline.papers.embnorms.opposite import sampled_cosines  # noqa: E402
from pipeline.papers.embnorms.pairs import steps_to_converge  # noqa: E402
from pipeline.papers.isoloss import gaussian, spectra, toy  # noqa: E402
from pipeline.papers.isoloss import modes as embedding  # noqa: E402
from pipeline.papers.multiview import flow, four, graph  # noqa: E402
from pipeline.papers.stepwise import aligned, correlation  # noqa: E402
from pipeline.papers.stepwise import modes as single  # noqa: E402
from pipeline.planning.catalogue import Catalogue  # noqa: E402
from pipeline.planning.options import Options  # noqa: E402

Array = NDArray[np.float64]

PARTS = ("Snakefile", "pipeline", "rules", "params", "profiles", ".dvc/config")
BUILD_BOUND = 240.0
AGREE = 1e-10
REPEATS = 5
LONGEST = 5


@dataclass(frozen=True)
class Case:
    """One core at one size.

    Attributes:
        paper: Key of the paper.
        core: What is timed.
        axis: What grows.
        fixed: What does not.
        size: Of the axis.
        fast: The core.
        plain: The loop.
        vectorised: Whether the core claims to be.
    """

    paper: str
    core: str
    axis: str
    fixed: str
    size: int
    fast: Callable[[], Array]
    plain: Callable[[], Array]
    vectorised: bool = True


@dataclass(frozen=True)
class Timing:
    """What a case came to; seconds."""

    paper: str
    core: str
    axis: str
    fixed: str
    vectorised: bool
    size: int
    fast: float
    plain: float
    difference: float

    @property
    def factor(self) -> float:
        """By how much the core is faster."""
        return self.plain / self.fast


# directpred


def euler_loop(p: Array, s: Array, tau: float, steps: int, alpha: float, rates: pair.Rates, beta: float) -> Array:
    """Gradient descent on modes, one mode after the other."""
    path = np.empty((3, steps + 1, len(p)))
    for mode in range(len(p)):
        a, b, t = float(p[mode]), float(s[mode]), tau
        for step in range(steps + 1):
            path[0, step, mode], path[1, step, mode], path[2, step, mode] = a, b, t
            pull = t - (1 + rates.variance) * a
            da = rates.alpha_p * b * pull - rates.eta * a
            db = 2 * a * b * pull - 2 * rates.eta * b
            t += alpha * (beta * (1 - t) - t * (a * pull - rates.eta))
            a, b = a + alpha * da, b + alpha * db
    return path


def directpred() -> Iterator[Case]:
    """Decoupled modes over modes, steps and initialisations."""
    rates = pair.Rates(alpha_p=1.0, eta=0.01, variance=0.1)

    def descent(axis: str, fixed: str, size: int, starts: int, modes: int, steps: int) -> Case:
        p, s = np.random.default_rng(0).uniform(0.05, 1.0, (2, starts, modes))
        return Case(
            "directpred", "gradient descent of modes", axis, fixed, size,
            lambda: np.stack(pair.euler(p, s, 1.0, steps, 0.02, rates, 0.5)),
            lambda: euler_loop(p.ravel(), s.ravel(), 1.0, steps, 0.02, rates, 0.5).reshape(
                3, steps + 1, starts, modes
            ),
        )  # fmt: skip

    for size in (10, 100, 1000):
        yield descent("modes", "300 steps", size, 1, size, 300)
    for size in (10, 100, 1000):
        yield descent("initialisations", "4 modes, 100 steps", size, size, 4, 100)
    for size in (100, 1000, 10_000):
        yield descent("steps", "20 modes", size, 1, 20, size)
    times = np.array([0.0, 20.0])
    for size in (4, 16, 64):
        p, s = np.random.default_rng(0).uniform(0.05, 1.0, (2, size))
        yield Case(
            "directpred", "adaptive flow of modes", "modes", "t = 20", size,
            lambda p=p, s=s: np.stack(pair.integrate(p, s, 1.0, times, rates, 0.5, rtol=1e-13)),
            lambda p=p, s=s: np.stack(
                [pair.integrate(a, b, 1.0, times, rates, 0.5, rtol=1e-13) for a, b in zip(p, s, strict=True)], -1
            ),
        )  # fmt: skip


# isoloss


def cosine_loop(lam: Array, zh1: Array, zh2: Array) -> Array:
    """Eq. 10, number by number."""
    modes, samples = zh1.shape
    found = np.empty(zh1.shape)
    rates, first, second = lam[:, 0].tolist(), zh1.T.tolist(), zh2.T.tolist()
    for sample in range(samples):
        a, b = first[sample], second[sample]
        n1 = n2 = inner = 0.0
        for m in range(modes):
            n1 += (rates[m] * a[m]) ** 2
            n2 += b[m] ** 2
            inner += rates[m] * a[m] * b[m]
        n1, n2 = math.sqrt(n1), math.sqrt(n2)
        for m in range(modes):
            found[m, sample] = rates[m] * (b[m] / (n1 * n2) - inner * rates[m] * a[m] / (n1**3 * n2))
    return found


def nodes_loop(power: int, nodes: int, reach: float = 3.9) -> list[tuple[float, float]]:
    """The exp-sinh rule."""
    found = []
    step = 2 * reach / (nodes - 1)
    for k in range(nodes):
        y = -reach + k * step
        t = math.exp(0.5 * math.pi * math.sinh(y))
        found.append((t, 0.5 * math.pi * math.cosh(y) * step * t ** (power / 2) / math.gamma(power / 2)))
    return found


def drift_loop(s: Array, sigma: float = 0.1, nodes: int = 40) -> Array:
    """ds/dt of the cosine loss with W_P = W W^T, node by node and mode by mode."""
    values, noise = s.tolist(), sigma**2
    modes = len(values)
    scale_t, scale_u = sum(x**3 for x in values), sum(values) * (1 + noise)
    rate = [0.0] * modes
    inner = nodes_loop(1, nodes)
    for t, tw in nodes_loop(3, nodes):
        for u, uw in inner:
            product, first, second = 1.0, 0.0, 0.0
            a, c = [0.0] * modes, [0.0] * modes
            for m, x in enumerate(values):
                tt, uu = 2 * x**3 * t / scale_t, 2 * x * u / scale_u
                delta = (1 + tt) * (1 + noise * uu) + uu
                product *= delta
                a[m], c[m] = x * (1 + noise * uu) / delta, x / delta
                first += a[m] * x**2
                second += c[m] * x
            weight = tw * scale_t**-1.5 * uw * scale_u**-0.5 / math.sqrt(product)
            for m, x in enumerate(values):
                rate[m] += weight * x * (c[m] * first - x * a[m] * second)
    return 2 * np.array(rate)


def exact_loop(s0: Array, time_: Array) -> Array:
    """Eigenvalues under the Euclidean loss: 1/s + ln((1-s)/s) falls by 2 t; by Newton, for starts below 1."""
    found = np.empty((len(time_), len(s0)))
    for row, t in enumerate(time_.tolist()):
        for mode, start in enumerate(s0.tolist()):
            y = 1 / start - 1
            wanted = y + math.log(y) - 2 * t
            v = wanted if wanted < 1 else math.log(wanted) + 1  # of ln y; from above, Newton comes down monotonically
            for _ in range(100):
                step = (math.exp(v) + v - wanted) / (math.exp(v) + 1)
                v -= step
                if abs(step) < 1e-15 * max(1.0, abs(v)):
                    break
            found[row, mode] = 1 / (1 + math.exp(v))
    return found


def isoloss() -> Iterator[Case]:
    """Eigenvalue dynamics over modes and times, gradients over samples, networks."""
    for axis, fixed, sizes in (("samples", "10 modes", (100, 1000, 10_000)), ("modes", "500 samples", (2, 20, 200))):
        for size in sizes:
            shape = (10, size) if axis == "samples" else (size, 500)
            rng = np.random.default_rng(0)
            lam, zh1, zh2 = rng.uniform(0.1, 2.0, (shape[0], 1)), *rng.standard_normal((2, *shape))
            yield Case(
                "isoloss", "dynamics of embeddings, Eq. 10", axis, fixed, size,
                lambda lam=lam, zh1=zh1, zh2=zh2: embedding.cosine(lam, zh1, zh2),
                lambda lam=lam, zh1=zh1, zh2=zh2: cosine_loop(lam, zh1, zh2),
            )  # fmt: skip
    for size in (2, 10, 50):
        s = np.random.default_rng(0).uniform(0.1, 2.0, size)
        yield Case(
            "isoloss", "eigenvalue drift, cosine, by quadrature", "modes", "1,600 nodes", size,
            lambda s=s: gaussian.cosine_drift(s, "plain"), lambda s=s: drift_loop(s),
        )  # fmt: skip
    for axis, fixed, sizes in (("modes", "50 times", (10, 100, 1000)), ("times", "50 modes", (10, 100, 1000))):
        for size in sizes:
            modes, count = (size, 50) if axis == "modes" else (50, size)
            s, times = np.random.default_rng(0).uniform(0.05, 0.95, modes), np.linspace(0.0, 6.0, count)
            yield Case(
                "isoloss", "exact eigenvalues, Euclidean", axis, fixed, size,
                lambda s=s, times=times: spectra.euclidean_exact(s, "plain", times),
                lambda s=s, times=times: exact_loop(s, times),
            )  # fmt: skip
    weights = toy.initial([0.2, 1.0], 10, np.random.default_rng(0))

    def train(settings: list[toy.ToySetting]) -> Array:
        tracks = toy.train(
            weights, settings, steps=50, every=50, samples=1000, sigma=0.1, relu=False, rng=np.random.default_rng(1)
        )
        return np.stack([track.eigenvalues for track in tracks])

    for size in (1, 2, 4):
        settings = [toy.ToySetting("cosine", "plain", 0.01 * (k + 1)) for k in range(size)]
        yield Case(
            "isoloss", "training of toy networks", "networks", "50 steps, 1,000 samples", size,
            lambda settings=settings: train(settings),
            lambda settings=settings: np.concatenate([train([setting]) for setting in settings]), False,
        )  # fmt: skip


# stepwise


def eigenvalues_loop(time_: Array, gamma: Array, starts: Array) -> Array:
    """The exact eigenvalues, number by number."""
    found = np.empty((len(time_), len(gamma)))
    for row, t in enumerate(time_.tolist()):
        for mode, (g, s) in enumerate(zip(gamma.tolist(), starts.tolist(), strict=True)):
            decay = math.exp(-8 * abs(g) * t)
            if g >= 0:
                found[row, mode] = g / (g + (s**-2 - g) * decay)
            else:
                found[row, mode] = g * decay / (s**-2 + (decay - 1) * g)
    return found


def path_loop(time_: Array, gamma: Array, start: Array) -> Array:
    """sbar(t) of every mode of every replication, number by number."""
    found = np.empty((len(time_), *start.shape))
    rates = gamma.tolist()
    for row, t in enumerate(time_.tolist()):
        for replication, values in enumerate(start.tolist()):
            for mode, s in enumerate(values):
                decay = math.exp(-8 * rates[mode] * t)
                found[row, replication, mode] = s / math.sqrt(s * s + (1 - s * s) * decay) if s else 0.0
    return found


def gamma_loop(first: Array, second: Array) -> Array:
    """Gamma, summed over pairs."""
    samples, inputs = first.shape
    total = [[0.0] * inputs for _ in range(inputs)]
    for x, y in zip(first.tolist(), second.tolist(), strict=True):
        for i in range(inputs):
            for j in range(inputs):
                total[i][j] += x[i] * y[j] + x[j] * y[i]
    return np.array(total) / (2 * samples)


def descend_loop(start: float, rate: float, steps: int) -> Array:
    """Gradient descent on the loss of one mode."""
    path, s = [start], start
    for _ in range(steps):
        s = min(max(s + rate * 4 * s * (1 - s * s), -1e6), 1e6)
        path.append(s)
    return np.array(path)


def stepwise() -> Iterator[Case]:
    """Aligned trajectories over modes, times and replications; Gamma over samples."""
    for axis, fixed, sizes in (("modes", "100 times", (10, 100, 1000)), ("times", "100 modes", (10, 100, 1000))):
        for size in sizes:
            modes, count = (size, 100) if axis == "modes" else (100, size)
            rng = np.random.default_rng(0)
            times, gamma, starts = (
                np.linspace(0.0, 5.0, count),
                rng.uniform(-0.5, 1.0, modes),
                rng.uniform(0.001, 0.1, modes),
            )
            yield Case(
                "stepwise", "aligned trajectories", axis, fixed, size,
                lambda times=times, gamma=gamma, starts=starts: aligned.eigenvalues(times, gamma, starts),
                lambda times=times, gamma=gamma, starts=starts: eigenvalues_loop(times, gamma, starts),
            )  # fmt: skip
    for size in (10, 100, 1000):
        rng = np.random.default_rng(0)
        times, gamma, starts = (
            np.linspace(0.0, 5.0, 50),
            rng.uniform(0.1, 1.0, 10),
            0.1 * rng.standard_normal((size, 10)),
        )
        yield Case(
            "stepwise", "trajectories of sbar", "replications", "10 modes, 50 times", size,
            lambda times=times, gamma=gamma, starts=starts: single.barlow_path(times, gamma, starts),
            lambda times=times, gamma=gamma, starts=starts: path_loop(times, gamma, starts),
        )  # fmt: skip
    for size in (50, 500, 5000):
        first, second = np.random.default_rng(0).standard_normal((2, size, 20))
        yield Case(
            "stepwise", "Gamma of pairs of views", "samples", "20 inputs", size,
            lambda first=first, second=second: correlation.gamma_matrix(first, second),
            lambda first=first, second=second: gamma_loop(first, second),
        )  # fmt: skip
    for size in (100, 1000, 10_000):
        yield Case(
            "stepwise", "gradient descent of one mode", "steps", "1 mode", size,
            lambda size=size: single.descend(single.barlow_gradient, 0.01, 0.01, size),
            lambda size=size: descend_loop(0.01, 0.01, size), False,
        )  # fmt: skip


# embnorms


def converge_loop(cosines: Array, first: Array, second: Array, rate: float) -> Array:
    """Steps and growth of every set of pairs, pair by pair."""
    steps, grown = [], []
    for c, norms1, norms2 in zip(cosines.tolist(), first.tolist(), second.tolist(), strict=True):
        q1, q2 = [n * n for n in norms1], [n * n for n in norms2]
        count, pairs = 0, len(c)
        while sum(c) / pairs <= 0.999:
            for k in range(pairs):
                s2 = max(1 - c[k] * c[k], 0.0)
                a1, a2 = rate / q1[k], rate / q2[k]
                f1, f2 = 1 + a1 * a1 * s2, 1 + a2 * a2 * s2
                c[k] = (c[k] * (1 - a1 * a2 * s2) + (a1 + a2) * s2) / math.sqrt(f1 * f2)
                q1[k] *= f1
                q2[k] *= f2
            count += 1
        ratios = [math.sqrt(q1[k]) / norms1[k] + math.sqrt(q2[k]) / norms2[k] for k in range(pairs)]
        steps.append(float(count))
        grown.append(sum(ratios) / (2 * pairs))
    return np.array([steps, grown])


def cosines_loop(dimension: int, samples: int, rng: np.random.Generator) -> Array:
    """Cosines of pairs of random vectors, product by product; the same random numbers in the same order."""
    found = []
    for start in range(0, samples, 4096):
        block = rng.standard_normal((2, min(4096, samples - start), dimension)).tolist()
        for x, y in zip(*block, strict=True):
            xx = yy = xy = 0.0
            for a, b in zip(x, y, strict=True):
                xx += a * a
                yy += b * b
                xy += a * b
            found.append(xy / math.sqrt(xx * yy))
    return np.array(found)


def embnorms() -> Iterator[Case]:
    """Free pairs over pairs and replications; random directions over samples."""
    for axis, fixed, sizes in (
        ("pairs", "4 replications", (10, 100, 1000)),
        ("replications", "20 pairs", (4, 40, 400)),
    ):
        for size in sizes:
            shape = (4, size) if axis == "pairs" else (size, 20)
            rng = np.random.default_rng(0)
            c, first, second = rng.uniform(-0.9, 0.9, shape), *rng.uniform(0.8, 2.0, (2, *shape))
            yield Case(
                "embnorms", "free pairs until they converge", axis, fixed, size,
                lambda c=c, first=first, second=second: np.stack(steps_to_converge(c, first, second, 0.2)),
                lambda c=c, first=first, second=second: converge_loop(c, first, second, 0.2),
            )  # fmt: skip
    for size in (100, 1000, 10_000):
        yield Case(
            "embnorms", "cosines of random directions", "samples", "20 dimensions", size,
            lambda size=size: sampled_cosines(20, size, np.random.default_rng(0)),
            lambda size=size: cosines_loop(20, size, np.random.default_rng(0)),
        )  # fmt: skip


# multiview


def final_loop(start: Array, rates: Array) -> Array:
    """Own time at which C_ii = 1, row by row, by bisection."""
    found = []
    values = rates.tolist()
    for row in start.tolist():
        low, high = -1.0, 1.0
        while sum(r * z * z * math.exp(2 * r * low) for r, z in zip(values, row, strict=True)) > 1:
            low *= 2
        while sum(r * z * z * math.exp(2 * r * high) for r, z in zip(values, row, strict=True)) < 1:
            high *= 2
        while high - low > 1e-15 * max(1.0, abs(high)):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            if sum(r * z * z * math.exp(2 * r * middle) for r, z in zip(values, row, strict=True)) > 1:
                high = middle
            else:
                low = middle
        found.append((low + high) / 2)
    return np.array(found)


def sampled_loop(law: Array, draws: int, rng: np.random.Generator, size: int) -> Array:
    """Sampled laws, image by image; the same random numbers in the same order."""
    found = np.empty((size, *law.shape))
    for sample in range(size):
        for image in range(len(law)):
            found[sample, image] = rng.multinomial(draws, law[image]) / draws
    return found


def multiview() -> Iterator[Case]:
    """Flows over replications and modes; sampled graphs over samples."""
    for axis, fixed, sizes in (
        ("replications", "2 rows, 2 modes", (4, 16, 64)),
        ("modes", "16 replications, 2 rows", (2, 8, 32)),
    ):
        for size in sizes:
            shape = (size, 2, 2) if axis == "replications" else (16, 2, size)
            start = 0.1 * np.random.default_rng(0).standard_normal(shape)
            rates, times = np.linspace(1.0, 0.5, shape[-1]), np.array([0.0, 6.0])
            yield Case(
                "multiview", "adaptive flow of networks", axis, fixed, size,
                lambda start=start, rates=rates, times=times: flow.flow(start, rates, 1.0, times)[-1],
                lambda start=start, rates=rates, times=times: np.stack(
                    [flow.flow(one, rates, 1.0, times)[-1] for one in start]
                ),
            )  # fmt: skip
    for size in (10, 100, 1000):
        start, rates = 0.1 * np.random.default_rng(0).standard_normal((size, 4)), np.array([1.0, 0.8, 0.5, -0.2])
        yield Case(
            "multiview", "ends of decoupled rows", "replications", "4 modes", size,
            lambda start=start, rates=rates: flow.final_time(start, rates),
            lambda start=start, rates=rates: final_loop(start, rates),
        )  # fmt: skip
    law = four.transitions(0.5, 0.25, 0.2, 0.05)
    for size in (10, 100, 1000):
        yield Case(
            "multiview", "sampled graphs", "samples", "4 images, 8 draws", size,
            lambda size=size: graph.sampled(law, 8, np.random.default_rng(0), size),
            lambda size=size: sampled_loop(law, 8, np.random.default_rng(0), size),
        )  # fmt: skip


def seconds(function: Callable[[], Array]) -> float:
    """Median CPU seconds of a call on one thread; what is too short for the clock is called several times."""
    started = time.process_time()
    function()
    calls = max(1, min(200, int(0.005 / (time.process_time() - started))))
    found = []
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(calls):
            function()
        found.append((time.process_time() - started) / calls)
    return statistics.median(found)


def measure(case: Case) -> Timing:
    """Compare the core with the loop, then time both."""
    fast, plain = case.fast(), case.plain()
    where = f"{case.paper}: {case.core}, {case.size} {case.axis}"
    if fast.shape != plain.shape:
        sys.exit(f"{where}: core and loop have shapes {fast.shape} and {plain.shape}")
    difference = float(np.abs(fast - plain).max() / np.abs(plain).max())
    if not difference <= AGREE:
        sys.exit(f"{where}: core and loop differ by {difference:.1e} of the largest number, more than {AGREE:g}")
    return Timing(
        case.paper, case.core, case.axis, case.fixed, case.vectorised, case.size,
        seconds(case.fast), seconds(case.plain), difference,
    )  # fmt: skip


def build() -> dict:
    """Build every simulated artifact of every paper at scale quick from nothing."""
    papers = Catalogue(Options()).papers
    targets = [
        f"results/quick/{key}/{name}.csv"
        for key, paper in sorted(papers.items())
        for name, artifact in paper.artifacts.items()
        if artifact.simulation is not None
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in PARTS:
            source, target = ROOT / part, folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *targets, "--cores", "2", "-q"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.exit(f"the theory does not build:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        journal = [json.loads(line) for line in (folder / "logs/journal.jsonl").read_text().splitlines()]
    stages = [(entry["seconds"], entry["node"].split("-")[1]) for entry in journal if entry["stage"] == "simulate"]
    return {
        "artifacts": len(targets),
        "papers": len({target.split("/")[2] for target in targets}),
        "build_s": wall,
        "build_cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "simulations": len(stages),
        "simulations_s": sum(spent for spent, _ in stages),
        "longest_s": sorted(stages, reverse=True)[:LONGEST],
    }


def table(timings: list[Timing]) -> None:
    """Print one line per core and axis, with its sizes side by side."""
    groups: dict[tuple, list[Timing]] = {}
    for one in timings:
        groups.setdefault((one.paper, one.core, one.axis, one.fixed, one.vectorised), []).append(one)
    print(
        f"{'paper':<11}{'core':<41}{'axis':<16}{'fixed':<25}{'sizes':>20}{'core, ms':>25}{'loop, ms':>24}"
        f"{'times faster':>23}{'differ':>8}"
    )
    for (paper, core, axis, fixed, vectorised), found in groups.items():
        sizes = " / ".join(f"{one.size}" for one in found)
        fast = " / ".join(f"{1e3 * one.fast:.3g}" for one in found)
        plain = " / ".join(f"{1e3 * one.plain:.3g}" for one in found)
        factor = " / ".join(f"{one.factor:.2g}" if one.factor < 10 else f"{one.factor:.0f}" for one in found)
        worst = max(one.difference for one in found)
        print(
            f"{paper:<11}{core + ('' if vectorised else ' *'):<41}{axis:<16}{fixed:<25}{sizes:>20}{fast:>25}"
            f"{plain:>24}{factor:>23}{worst:>8.0e}"
        )
    print("* no vectorised core: a loop itself. The loops of adaptive flows are one call of the integrator per mode or")
    print("replication; all others go number by number.")


def main() -> None:
    """Measure everything, print tables, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    arguments = parser.parse_args()
    started = time.perf_counter()
    with threadpool_limits(1):
        timings = [measure(case) for cases in (directpred, isoloss, stepwise, embnorms, multiview) for case in cases()]
    cores_s = time.perf_counter() - started
    table(timings)
    print(f"{len(timings)} comparisons in {cores_s:.0f} s", flush=True)
    built = build()
    holds = built["build_s"] <= BUILD_BOUND
    longest = ", ".join(f"{name} {spent:.0f} s" for spent, name in built["longest_s"])
    print(
        f"\nall {built['artifacts']} simulated artifacts of {built['papers']} papers from nothing, quick, 2 cores: "
        f"{built['build_s']:.0f} s   at most {BUILD_BOUND:.0f} s: {'holds' if holds else 'DOES NOT HOLD'}\n"
        f"CPU time of it: {built['build_cpu_s']:.0f} s, on {built['build_cpu_s'] / built['build_s']:.2g} cores\n"
        f"its {built['simulations']} simulations, one after the other: {built['simulations_s']:.0f} s; "
        f"the longest: {longest}"
    )
    if arguments.json:
        cores = [asdict(one) | {"factor": one.factor} for one in timings]
        arguments.json.write_text(json.dumps({"build": built, "cores_s": cores_s, "cores": cores}, indent=1) + "\n")


if __name__ == "__main__":
    main()
