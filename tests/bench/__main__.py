"""Runs the benchmarks asked for (all, if none is), prints a line a figure, exits 1 where a bound is missed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench import (
    drift,
    frames,
    hysteresis,
    inference,
    install,
    loop,
    parse,
    performance,
    promotion,
    read,
    server,
    submit,
    training,
    weekly,
    wide,
)
from bench.figure import Figure

RESULTS = Path(__file__).parents[2] / ".bench" / "results.json"
BENCHMARKS = {
    "backfill": weekly.measure_backfill,
    "drift": drift.measure,
    "frames": frames.measure,
    "hysteresis": hysteresis.measure,
    "install": install.measure,
    "inference": inference.measure,
    "loop": loop.measure,
    "parse": parse.measure,
    "performance": performance.measure,
    "promotion": promotion.measure,
    "read": read.measure,
    "server": server.measure,
    "submit": submit.measure,
    "training": training.measure,
    "weekly": weekly.measure,
    "wide": wide.measure,
}


def main(names: list[str]) -> int:
    """Measure and report."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    figures: list[Figure] = []
    for name in names or list(BENCHMARKS):
        for figure in BENCHMARKS[name]():
            print(figure.line(), flush=True)
            figures.append(figure)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([figure.record() for figure in figures], indent=1) + "\n")
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
