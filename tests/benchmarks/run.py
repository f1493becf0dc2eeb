# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the benchmarks: which sections run, and where the results go."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks import (
    counting,
    failing,
    growth,
    pages,
    profiling,
    scale,
    scripted,
    side_by_side,
    stopping,
)
from ansible_collections.jobpods.controller.tests.benchmarks.bench import Bench, opened
from ansible_collections.jobpods.controller.tests.benchmarks.measure import adopt_orphans

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/benchmarks"
Section = Callable[[Bench], dict[str, Any]]
SECTIONS: dict[str, Section] = {
    "one-task": side_by_side.one_task,
    "events": side_by_side.events,
    "output": side_by_side.output,
    "project": side_by_side.project,
    "8-at-once": side_by_side.crowd_of_8,
    "25-at-once": side_by_side.crowd_of_25,
    "sliced": side_by_side.sliced,
    "cancel": stopping.cancel,
    "connecting": failing.connecting,
    "requests": counting.requests,
    "per-event": scripted.per_event,
    "100-jobs": scripted.many_jobs,
    "supervisor": scripted.supervisor,
    "growth-events": growth.events,
    "growth-jobs": growth.jobs,
    "growth-project": growth.project,
    "growth-stored": growth.stored,
    "profile": profiling.profile,
    "outage": counting.outage,
}
"""In the order in which they run."""
LIBRARIES = ("ansible-core", "ansible-runner", "receptorctl", "aiohttp", "SQLAlchemy", "kubernetes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the sections; returns 1 where one of them could not be run at all."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all without"
    )
    parser.add_argument("--quick", action="store_true", help="small numbers: see that all works, in minutes")
    parser.add_argument(
        "--pages", action="store_true", help="write the pages from the results that are there"
    )
    parser.add_argument(
        "--minutes", type=float, default=24.0, help="after which no section and no round begins"
    )
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("JOBPODS_TEST_KUBECONFIG"))
    parser.add_argument("--cache", type=Path, default=ROOT / ".local/cache/bench")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the raw numbers")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    failed = False
    if not given.pages:
        if given.kubeconfig is None:
            parser.error("give --kubeconfig, or run: make bench")
        given.results.mkdir(parents=True, exist_ok=True)
        given.cache.mkdir(parents=True, exist_ok=True)
        failed = not run(given.sections or list(SECTIONS), given)
    pages.write(given.results, given.results.with_name("benchmarks.md"))
    scale.write(given.results, given.results.with_name("scale.md"))
    return int(failed)


def run(names: Sequence[str], given: argparse.Namespace) -> bool:
    """Runs sections one by one; one that fails is told, and the next one runs all the same."""
    good = True
    began = time.monotonic()
    adopt_orphans()
    with opened(
        Path(given.kubeconfig).resolve(), given.cache, quick=given.quick, seconds=60 * given.minutes
    ) as bench:
        facts = machine(bench)
        for number, name in enumerate(names, 1):
            bench.tell(f"[{number}/{len(names)}] {name}, after {time.monotonic() - began:.0f} s")
            start = time.monotonic()
            try:
                if start > bench.deadline:
                    raise TimeoutError("no time was left for it")
                found = SECTIONS[name](bench)
                bench.remove_pods()
            except Exception:
                found = {"error": traceback.format_exc()}
                bench.tell(found["error"])
                good = False
            found = {"section": name, "quick": given.quick, "seconds": time.monotonic() - start, **found}
            found["machine"] = {**facts, "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}
            path = given.results / f"{name}.json"
            path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        bench.tell(f"done after {time.monotonic() - began:.0f} s")
    return good


def machine(bench: Bench) -> dict[str, Any]:
    """What the numbers were measured on, and with."""
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [
        text.partition(":")[2].strip() for text in information.splitlines() if text.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    (node,) = bench.core.list_node().items
    info = node.status.node_info if node.status is not None else None
    return {
        "cpu": f"{len(models)} x {models[0] if models else platform.machine()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{_system()}, Linux {platform.release()}",
        "load": " ".join(f"{value:.1f}" for value in os.getloadavg()),
        "versions": {
            "Python": platform.python_version(),
            **{name: metadata.version(name) for name in LIBRARIES},
            "receptor": _receptor_version(bench),
            "Kubernetes": info.kubelet_version if info is not None else "",
            "containerd": info.container_runtime_version if info is not None else "",
            "commit": _commit(),
        },
    }


def _system() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return dict(line.partition("=")[::2] for line in lines).get("PRETTY_NAME", "").strip('"')


def _receptor_version(bench: Bench) -> str:
    from ansible_collections.jobpods.controller.tests.benchmarks.receptor import unpacked

    try:
        program = unpacked(bench.cache)
        return subprocess.run(
            [program, "--version"], check=True, capture_output=True, text=True
        ).stdout.strip()
    except (RuntimeError, OSError, subprocess.CalledProcessError) as exc:
        bench.tell(str(exc))
        return "none"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
