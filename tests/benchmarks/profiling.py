# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of our own part goes: the job process under Python's profiler, and its imports."""

from __future__ import annotations

import pstats
import re
import sys
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks import ours, workloads
from ansible_collections.jobpods.controller.tests.benchmarks.bench import Bench
from ansible_collections.jobpods.controller.tests.benchmarks.scripted import Replayed

TOP = 15
_IMPORT = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| (\s*)(\S+)")


def profile(bench: Bench) -> dict[str, Any]:
    """One job of one task, and one of many events."""
    workload = workloads.one_task(bench.folder, name="profiled")
    out = bench.folder / "profile"
    python = (sys.executable, "-m", "cProfile", "-o", str(out))
    found: dict[str, Any] = {"imports": _imports(bench, workload)}
    run = ours.Engine(bench.controller(), ours.options(bench, workload), python=python)
    found["one task"] = {**run.wait(workload.limit).as_json(), "functions": _functions(out)}
    replayed = Replayed(bench)
    events = bench.some(20_000, 1000)
    try:
        run = ours.Engine(bench.controller(), replayed.options(workload, events), python=python)
        found["many events"] = {**run.wait(120).as_json(), "events": events, "functions": _functions(out)}
    finally:
        replayed.remove()
    return found


def _functions(path: Path) -> list[dict[str, Any]]:
    """The functions that took most time themselves; of the thread that runs the loop only."""
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    rows = [
        {
            "function": f"{Path(file).name}:{name}",
            "calls": calls,
            "own": round(own, 4),
            "total": round(total, 4),
        }
        for (file, _line, name), (_primitive, calls, own, total, _callers) in stats.items()
    ]
    return sorted(rows, key=lambda row: -float(str(row["own"])))[:TOP]


def _imports(bench: Bench, workload: workloads.Workload) -> dict[str, Any]:
    """What the imports of a whole job take, by their top-level package, each module where it is first met."""
    python = (sys.executable, "-X", "importtime")
    run = ours.Engine(bench.controller(), ours.options(bench, workload), python=python)
    sample = run.wait(workload.limit)
    packages: dict[str, float] = {}
    modules = 0
    for line in run.words:
        match = _IMPORT.match(line.decode(errors="replace"))
        if match:
            own, _whole, _indent, name = match.groups()
            modules += 1
            top = name.partition(".")[0]
            top = "jobpods.controller" if top == "ansible_collections" or top == "entry" else top
            packages[top] = packages.get(top, 0.0) + int(own) / 1e6
    standard = sum(value for name, value in packages.items() if name.strip("_") in sys.stdlib_module_names)
    others = {
        name: value for name, value in packages.items() if name.strip("_") not in sys.stdlib_module_names
    }
    ordered = sorted({**others, "standard library": standard}.items(), key=lambda item: -item[1])
    return {
        "seconds": round(sum(packages.values()), 4),
        "modules": modules,
        "packages": {name: round(value, 4) for name, value in ordered[:12]},
        "cpu": sample.as_json()["cpu"],
    }
