# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/benchmarks.md: tables and plots of the kept results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks import plots
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Spread, slope
from ansible_collections.jobpods.controller.tests.benchmarks.results import (
    Results,
    cpu,
    difference,
    final,
    first,
    grown,
    mark,
    memory,
    more,
    number,
    quotient,
    shown,
    table,
)
from ansible_collections.jobpods.controller.tests.benchmarks.side_by_side import (
    ALL,
    CONTROLPLANE,
    ENGINE,
    MODULE,
    RECEPTOR,
    WARM,
)
from ansible_collections.jobpods.controller.tests.benchmarks.targets import targets

WORKLOADS = {
    "one-task": "One task",
    "events": "20 hosts x 200 items (4,045 events)",
    "output": "30 MB of output",
    "project": "A project of 50 MB",
    "8-at-once": "8 jobs at once",
    "25-at-once": "25 jobs at once",
    "sliced": "One job in 8 slices",
}
SINGLE = ("one-task", "events", "output", "project")
OURS = (ENGINE, MODULE, WARM, CONTROLPLANE)
HEAD = Path(__file__).with_name("head.md")


def write(folder: Path, page: Path) -> None:
    """Writes the page, and its plots beside the results."""
    results = Results(folder)
    parts = [HEAD.read_text(encoding="utf-8"), _machine(results), _targets(results), _where(results)]
    parts += [_workloads(results, folder), _events(results), _cancel(results), _connecting(results)]
    parts += [_requests(results), _outage(results), _scripted(results), _growth(results, folder)]
    parts += [_profile(results), _failed(results)]
    page.write_text("\n".join(part.strip() + "\n" for part in parts if part), encoding="utf-8")


def _machine(results: Results) -> str:
    if not results.sections:
        return "Nothing was measured yet."
    machines = [section["machine"] for section in results.sections.values()]
    last = max(machines, key=lambda each: str(each["at"]))
    rows = [[name, str(last[name])] for name in ("cpu", "memory", "system")]
    rows.append(["load before", ", ".join(sorted({str(each["load"]) for each in machines}))])
    rows.append(
        [
            "measured",
            " to ".join(sorted({str(each["at"]) for each in machines})[:: max(1, len(machines) - 1)]),
        ]
    )
    rows += [[name, text] for name, text in last["versions"].items() if name != "commit"]
    rows.append(["commit", ", ".join(sorted({str(each["versions"]["commit"]) for each in machines}))])
    quick = [name for name, section in results.sections.items() if section["quick"]]
    note = f"\nWith small numbers, not to be quoted: {', '.join(quick)}.\n" if quick else ""
    return f"## Machine and versions\n\n{table(['what', 'which'], rows)}\n{note}"


def _targets(results: Results) -> str:
    rows = [target.row for target in targets(results)]
    kept = results.samples("outage").get(ENGINE)
    if kept:
        away = results.get("outage", "away")
        rows.append(
            [
                f"API server away {away} s in the middle of a job",
                "successful, all events",
                kept[0]["words"] or "successful",
                "held" if kept[0]["ok"] else "**missed**",
                "the proxy before it refused all connections",
            ]
        )
    return "## Targets\n\n" + table(["figure", "target", "measured", "verdict", "from"], rows) + "\n"


STEPS = (
    ("the job's row is written: Python, imports, the store, the launch read", "job made"),
    ("the pod is created", "pod created"),
    ("it is scheduled", "scheduled"),
    ("the container runs, the supervisor is attached to and has the payload", "payload received"),
    ("ansible-runner is started", "playbook started"),
    ("first output: ansible-runner and ansible-playbook start in the pod", ""),
    ("last output: the playbook", "last output"),
)


def _where(results: Results) -> str:
    rows, before = [], 0.0
    for words, name in STEPS:
        spread = results.spread("one-task", ENGINE, mark(name) if name else first)
        if spread is None:
            continue
        rows.append([words, number(spread.median), number(spread.median - before)])
        before = spread.median
    end = results.median("one-task", ENGINE, final)
    if end is None:
        return ""
    rows.append(["the result: all events stored, verdict", number(end), number(end - before)])
    gone = results.median("one-task", ENGINE, mark("process ended"))
    rows.append(["the pod is gone, the job process ends", number(gone), number(difference(gone, end))])
    text = "Where the time of a job of one task goes, medians of the engine's runs above:\n\n"
    return text + table(["until", "at", "takes"], rows) + "\n"


def _workloads(results: Results, folder: Path) -> str:
    text = ["## Side by side\n"]
    panels: dict[str, dict[str, Spread]] = {}
    for section, title in WORKLOADS.items():
        samples = results.samples(section)
        if not samples:
            continue
        rows = []
        for name in sorted(samples, key=lambda each: ALL.index(each) if each in ALL else len(ALL)):
            spread = results.spread(section, name, final)
            if spread is not None:
                panels.setdefault(title, {})[name] = spread
            rows.append(
                [
                    name,
                    str(len(results.values(section, name, final))),
                    shown(results.spread(section, name, first)),
                    shown(spread),
                    number(results.ratio(section, name, RECEPTOR, final)),
                    shown(results.spread(section, name, cpu)),
                    number(results.median(section, name, memory), 0),
                ]
            )
        if section in SINGLE:
            skipped: dict[str, str] = results.get(section, "skipped", {})
            rows += [[name, "0", why, *["-"] * 4] for name, why in skipped.items()]
        head = ["contender", "runs", "first output", "final", "of receptor", "CPU", "peak MB"]
        text.append(f"### {title}\n\n{table(head, rows)}\n")
    if panels:
        plots.bars(folder / "side-by-side.svg", panels, OURS, "seconds to the final state")
        text.insert(1, "![Seconds to the final state](benchmarks/side-by-side.svg)\n")
    return "\n".join(text)


def _events(results: Results) -> str:
    rows = []
    for name in ALL:
        more_cpu = difference(results.median("events", name, cpu), results.median("one-task", name, cpu))
        count = results.median("events", ENGINE, more("events"))
        if more_cpu is not None and count:
            rows.append([name, number(quotient(more_cpu, count / 1000), 3)])
    if not rows:
        return ""
    words = (
        "Seconds of the controller's CPU per 1,000 events: what the workload of many events takes more than"
    )
    words += " that of one task. Where the playbook runs on the controller, that is nearly all Ansible's own."
    return f"### CPU per 1,000 events\n\n{words}\n\n{table(['contender', 'CPU'], rows)}\n"


def _cancel(results: Results) -> str:
    samples = results.samples("cancel")
    if not samples:
        return ""
    rows = []
    for name, kept in samples.items():
        words = next((each["words"] for each in kept if not each["ok"]), "")
        rows.append(
            [
                name,
                f"{sum(each['ok'] for each in kept)} of {len(kept)}",
                shown(results.spread("cancel", name, more("stopped"))),
                number(results.percentile("cancel", name, more("stopped"), 0.95)),
                shown(results.spread("cancel", name, more("gone"))),
                number(results.percentile("cancel", name, more("gone"), 0.95)),
                words,
            ]
        )
    head = ["contender", "runs", "stopped", "p95", "pod gone", "p95", "else"]
    text = (
        "## Cancel\n\nA playbook that sleeps; seconds from the request. *Stopped* is when the caller has the"
    )
    text += " result, which ours gives only after the supervisor's word that no process of the run is left."
    return f"{text}\n\n{table(head, rows)}\n"


def _connecting(results: Results) -> str:
    samples = results.samples("connecting")
    if not samples:
        return ""
    rows = []
    for name, (kept, *_others) in samples.items():
        contender, _colon, reason = name.partition(": ")
        words = " ".join(str(kept["words"]).split())
        rows.append([reason, contender, number(kept["final"], 1), words[:220]])
    rows.sort(key=lambda row: row[0])
    text = "## A connection that can't work\n\nSeconds until each says so, and in which words."
    return f"{text}\n\n{table(['what', 'contender', 'seconds', 'words'], rows)}\n"


def _requests(results: Results) -> str:
    counts: dict[str, dict[str, int]] = results.get("requests", "counts", {})
    if not counts:
        return ""
    jobs = results.get("requests", "jobs", {})
    rows = [
        [
            name,
            str(sum(found.values())),
            number(sum(found.values()) / jobs.get(name, 1), 1),
            ", ".join(f"{count} x {request}" for request, count in found.items()),
        ]
        for name, found in counts.items()
    ]
    head = ["contender", "requests", "per job", "which"]
    return (
        f"## Requests to the API server\n\nOne job of one task, counted by a proxy.\n\n{table(head, rows)}\n"
    )


def _outage(results: Results) -> str:
    samples = results.samples("outage")
    if not samples:
        return ""
    rows = [
        [
            name,
            "successful" if kept["ok"] else "lost",
            number(kept["final"], 0),
            " ".join(kept["words"].split())[:200],
        ]
        for name, (kept, *_others) in samples.items()
    ]
    left = ", ".join(results.get("outage", "left", [])) or "none"
    text = f"## The API server away for {results.get('outage', 'away')} s in the middle of a job\n\n"
    return text + table(["contender", "job", "seconds", "words"], rows) + f"\n\nPods left behind: {left}.\n"


def _scripted(results: Results) -> str:
    text = ["## A worker that replays recorded events\n"]
    for name, (kept, *_others) in results.samples("100-jobs").items():
        events = kept["more"].get("events", 0)
        rows = [
            ["jobs at once, in one job process", str(results.get("100-jobs", "jobs"))],
            ["events", number(events, 0)],
            ["seconds", number(kept["final"], 1)],
            ["events a second", number(quotient(events, kept["final"]), 0)],
            ["controller CPU seconds", number(kept["cpu"], 1)],
            ["peak MB of the job process", number(kept["memory"], 0)],
            [
                "bytes in the database per event",
                number(quotient(kept["more"].get("stored_bytes"), events), 0),
            ],
            ["ended as it should", "yes" if kept["ok"] else f"no: {kept['words'][:200]}"],
        ]
        text.append(f"{name}:\n\n{table(['figure', 'value'], rows)}\n")
    speed = results.spread("supervisor", "supervisor", more("mb_per_second"))
    if speed is not None:
        spent = results.median("supervisor", "supervisor", more("cpu_per_100_mb"))
        text.append(
            f"The supervisor brings {shown(speed, 0)} MB a second from its runner to the controller (50 are"
            f" asked for), and takes {number(spent)} s of CPU for 100 MB.\n"
        )
    return "\n".join(text) if len(text) > 1 else ""


GROWN: dict[str, dict[str, Any]] = {
    "growth-events": {"final": final, "controller CPU": cpu, "bytes stored": more("stored_bytes")},
    "growth-jobs": {"final": final, "controller CPU": cpu, "peak MB": memory},
    "growth-project": {"final": final, "controller CPU": cpu, "peak MB": memory},
    "growth-stored": {
        "final": final,
        "until the pod is created": mark("pod created"),
        "list 100 jobs": more("list 100"),
        "place": more("place"),
        "make": more("make"),
        "look for orphans": more("look for orphans"),
    },
}


def _growth(results: Results, folder: Path) -> str:
    panels, rows = {}, []
    for section, figures in GROWN.items():
        if section not in results.sections or not results.samples(section):
            continue
        unit = results.get(section, "unit")
        panels[unit] = {name: grown(results, section, value) for name, value in figures.items()}
        for name, points in panels[unit].items():
            values = ", ".join(f"{number(x, 0)}: {number(y, 3)}" for x, y in points)
            rows.append([unit, name, values, number(slope(points))])
    if not panels:
        return ""
    plots.growth(folder / "growth.svg", panels)
    text = "## How cost grows\n\nThe slope is the exponent of the best fit: 0 is flat, 1 is linear."
    return (
        f"{text}\n\n![Growth](benchmarks/growth.svg)\n\n{table(['of', 'figure', 'values', 'slope'], rows)}\n"
    )


def _profile(results: Results) -> str:
    found = results.sections.get("profile", {})
    if "imports" not in found:
        return ""
    imports = found["imports"]
    rows = [[name, number(value * 1000, 0)] for name, value in imports["packages"].items()]
    text = [
        "## From the profiler\n",
        f"A job process imports {imports['modules']} modules in {number(imports['seconds'])} s, as Python's"
        " importtime tells, which takes time itself; ms by package, each module where it was first met:\n",
        table(["package", "ms"], rows) + "\n",
    ]
    for name in ("one task", "many events"):
        rows = [
            [each["function"], f"{each['calls']:,}", number(each["own"], 3), number(each["total"], 3)]
            for each in found[name]["functions"]
        ]
        text.append(
            f"Functions of the loop's thread with the most time of their own, {name}, under cProfile:\n"
        )
        text.append(table(["function", "calls", "own s", "total s"], rows) + "\n")
    return "\n".join(text)


def _failed(results: Results) -> str:
    lines = [
        f"- {name}: could not be run: {section['error'].strip().splitlines()[-1]}"
        for name, section in results.sections.items()
        if "error" in section
    ]
    for name in results.sections:
        if name in ("connecting", "cancel"):
            continue
        for contender, samples in results.samples(name).items():
            bad = [sample for sample in samples if not sample["ok"]]
            if bad:
                words = " ".join(bad[0]["words"].split())[:200]
                lines.append(f"- {name}, {contender}: {len(bad)} of {len(samples)} runs failed: {words}")
    return "## What failed\n\n" + "\n".join(lines) + "\n" if lines else ""
