"""How many images a second one CPU core trains on: encoders of scale ``laptop`` and those that were tried beside it.

    python bench/small_encoders.py [--json FILE] [--rounds N] [--seconds S]
    ONEDNN_MAX_CPU_ISA=AVX512_CORE python bench/small_encoders.py     # as on a CPU without instructions for bf16

DirectPred with two of the paper's views at 32x32 pixels, predictor set in every step, a moving-average target, SGD;
each encoder in float32 and in bf16 (autocast), with the scale's minibatch and with the paper's, channels last. Ways
take turns; a number is the median of rounds. Times are CPU times of one thread, on a machine that may be busy with
other work: compare what stands in one table. An image is counted once, however many views of it are made.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pretrain import Case, Ours, parser_of, settled

from pipeline.planning import costs, yaml_files

SCALE = yaml_files.load(Path(__file__).resolve().parent.parent / "params/scales/laptop.yaml")["every_run"]
CHOSEN = (tuple(SCALE["encoder"]["channels"]), tuple(SCALE["encoder"]["strides"]))
BATCHES = (SCALE["batch_size"], 128)
ENCODERS = (
    CHOSEN,
    ((16, 32, 64, 64), (1, 2, 2, 1)),
    ((16, 32, 64, 64), (2, 1, 2, 1)),
    ((24, 48, 96, 192), (2, 2, 2, 1)),
    ((32, 64, 128, 128), (2, 2, 2, 1)),
    ((32, 64, 128, 256), (2, 2, 2, 2)),
)
SIDE = 32


def case(channels: tuple[int, ...], strides: tuple[int, ...], batch: int) -> Case:
    """The scale's run with another encoder."""
    params = (("channels", list(channels)), ("strides", list(strides)))
    return Case("tiny_conv", params, SCALE["projector"]["hidden"], SCALE["projector"]["out"], SIDE, batch, 2)


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = parser_of(__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn")
    given, _ = settled(parser)
    instructions = os.environ.get("ONEDNN_MAX_CPU_ISA", "all that the CPU has")
    print(f"torch {torch.__version__}, one thread, instructions: {instructions}")
    makers = {
        (channels, strides, batch, precision): functools.partial(
            Ours, case(channels, strides, batch), "cpu", precision, False, False
        )
        for channels, strides in ENCODERS
        for batch in BATCHES
        for precision in ("fp32", "bf16")
    }
    times: dict[tuple, list[float]] = {way: [] for way in makers}
    runs = {way: make() for way, make in makers.items()}
    for turn in range(given.rounds + 1):
        for way, run in runs.items():
            before, steps = time.process_time(), 0
            while time.process_time() - before < given.seconds:
                run.step()
                steps += 1
            if turn:  # the first has what happens once
                times[way].append((time.process_time() - before) / steps)
    rates = {way: way[2] / statistics.median(took) for way, took in times.items()}
    print(f"{'channels':<22}{'strides':<14}{'multiply-adds':>14}{'batch':>7}{'fp32':>9}{'bf16':>9}   images/s and core")
    found = []
    for channels, strides in ENCODERS:
        encoder = {"kind": "tiny_conv", "channels": channels, "strides": strides}
        for batch in BATCHES:
            single, half = (rates[channels, strides, batch, precision] for precision in ("fp32", "bf16"))
            size = f"{costs.forward(encoder, SIDE) / 1e6:.1f} M"
            names = (", ".join(map(str, channels)), ", ".join(map(str, strides)))
            print(f"{names[0]:<22}{names[1]:<14}{size:>14}{batch:>7}{single:>9.0f}{half:>9.0f}")
            found.append({**encoder, "batch": batch, "fp32": single, "bf16": half})
    if given.json:
        about = {"torch": torch.__version__, "instructions": instructions, "rounds": given.rounds}
        given.json.write_text(json.dumps({**about, "images_per_second": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
