# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page says of a job by its row: how it ended, where and when, its pods, and its children."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.report.digest import PodStay, ReportedJob
from ansible_collections.jobpods.controller.plugins.module_utils.report.markup import (
    Markup,
    element,
    joined,
)
from ansible_collections.jobpods.controller.plugins.module_utils.report.timeline import (
    Row,
    Span,
    chart,
    duration,
)

MESSAGE = 8000
"""Characters of a failure's message, of which a pod's own words may be a part."""
KINDS = {
    "job": "Job",
    "ad_hoc_command": "Ad hoc command",
    "project_update": "Project update",
    "inventory_update": "Inventory update",
    "workflow_job": "Workflow job",
}
FINAL = ("successful", "failed", "error", "canceled")
ROWS = 1000
"""Children that are listed."""
MEBIBYTE = 1 << 20


def kind(job: ReportedJob) -> str:
    """What a job is, with its number."""
    facts = job.facts
    if facts["type"] == "workflow_job" and job.children and _slice(job.children[0].facts):
        return f"Sliced job {job.id}"
    return f"{KINDS.get(facts['type'], 'Job')} {job.id}"


def badge(status: str) -> Markup:
    """A status that is seen at once."""
    return element("span", status, class_=f"badge {status}")


def head(job: ReportedJob, anchor: str, level: int) -> Markup:
    """The heading of a job, and how it ended."""
    facts = job.facts
    title = element(
        "header",
        element("p", kind(job), class_="kind"),
        element(f"h{level}", facts["name"], Markup(" "), badge(facts["status"]), id=f"{anchor}-title"),
    )
    return joined((title, *_verdict(facts), element("dl", *_facts(job), class_="facts")))


def _verdict(facts: Mapping[str, Any]) -> Iterator[Markup]:
    failure = facts["failure"]
    words = facts["job_explanation"][:MESSAGE]
    if facts["status"] not in FINAL:
        said = "It has not ended: this is how it was when this page was written."
        yield element("p", f"{said} {words}", class_="verdict running")
    elif failure is not None:
        hint = element("p", failure["hint"], class_="hint") if failure["hint"] else Markup()
        reason = element("strong", failure["reason"])
        said = element("p", reason, Markup(" "), failure["message"][:MESSAGE])
        phase = element("small", f"phase: {failure['phase']}")
        yield element("div", said, hint, phase, class_=f"verdict {facts['status']}")
    if facts["result_traceback"]:
        text = element("pre", facts["result_traceback"])
        yield element("details", element("summary", "What the cluster or the worker said"), text)


def _slice(facts: Mapping[str, Any]) -> str:
    number, total = facts["job_slice_number"], facts["job_slice_count"]
    return f"{number} of {total}" if number and total > 1 else ""


def _facts(job: ReportedJob) -> Iterator[Markup]:
    facts = job.facts
    hosts = ", ".join(f"{number:,} {name}" for name, number in facts["host_status_counts"].items() if number)
    told = {
        "Launched by": facts["launched_by"],
        "Launch type": facts["launch_type"],
        "Started": facts["started"],
        "Finished": facts["finished"],
        "Elapsed": duration(facts["elapsed"]),
        "Hosts": hosts,
        "Container group": facts["container_group"],
        "Namespace": facts["namespace"],
        "Pod": facts["pod_name"],
        "Node": facts["execution_node"],
        "Controller": facts["controller_node"],
        "Attempts": str(len(facts["attempts"])) if len(facts["attempts"]) > 1 else "",
        "Slice": _slice(facts),
        "Workflow node": facts["workflow_node"],
        "Revision": facts["scm_revision"],
        "Events": f"{facts['event_count']:,}" if facts["type"] != "workflow_job" else "",
        **_resources(facts["resources"]),
    }
    for name, value in told.items():
        if value:
            yield element("div", element("dt", name), element("dd", str(value)))


def _resources(used: Mapping[str, Any] | None) -> dict[str, str]:
    """What the job used, beside what its pod asks for, and what it should ask for."""
    if used is None:
        return {}
    told = {}
    asked = {name: f", asks for {quantity}" for name, quantity in used["requests"].items()}
    if used["memory_peak"] is not None:
        told["Most memory"] = f"{math.ceil(used['memory_peak'] / MEBIBYTE)}Mi{asked.get('memory', '')}"
    if used["cpu_p95"] is not None:
        told["CPU (95 % of the time)"] = f"{used['cpu_p95'] * 1000:.0f}m{asked.get('cpu', '')}"
    suggested = ", ".join(f"{name}: {quantity}" for name, quantity in used["suggested_requests"].items())
    return {**told, "Suggested requests": suggested}


def start(job: ReportedJob) -> Markup:
    """What the job's start went through; nothing where that is not known."""
    rows = []
    begun = 0.0
    for phase in job.facts["start"]:
        until = begun + phase["seconds"]
        detail = (Markup(" "), element("small", phase["detail"])) if phase["detail"] else ()
        rows.append(
            Row(
                joined((phase["phase"], *detail)), [Span(begun, until, "running")], duration(phase["seconds"])
            )
        )
        begun = until
    return chart("Phases of the start", rows) if rows else Markup()


def pods(job: ReportedJob) -> Markup:
    """The job's pods over time: each waits, and then runs."""
    rows = []
    for number, stay in enumerate(job.stays, start=1):
        place = stay.pod_name or job.facts["container_group"] or "no pod"
        attempt = f"Attempt {number}: " if len(job.stays) > 1 else ""
        told = [f"{attempt}{place}"]
        if stay.pod_name and stay.node:
            told.append(f"on {stay.node}")
        if stay.status == "lost" and stay.message:
            told.append(stay.message)
        label = joined((told[0], *(joined((Markup(" "), element("small", more))) for more in told[1:])))
        rows.append(Row(label, _spans(stay), _took(stay)))
    return chart("Pods over time: waiting, then running", rows)


def children(job: ReportedJob, told: Collection[int], anchor: str) -> Markup:
    """The slices or nodes of a job over time, each with a link to its own part of the page.

    Args:
        job: theirs.
        told: numbers of the jobs that have a part of the page.
        anchor: what the anchors of jobs begin with.
    """
    shown = job.children[:ROWS]
    rows = [Row(_child_label(child, told, anchor), _job_spans(child), _child_took(child)) for child in shown]
    more = len(job.children) - len(shown)
    note = element("p", f"{more:,} more are not listed.", class_="note") if more else Markup()
    return joined((chart("Jobs over time", rows), note))


def _child_label(child: ReportedJob, told: Collection[int], anchor: str) -> Markup:
    facts = child.facts
    part = _slice(facts)
    name = f"Slice {part}" if part else facts["workflow_node"] or facts["name"]
    linked = element("a", name, href=f"#{anchor}{child.id}") if child.id in told else name
    return joined((linked, Markup(" "), badge(facts["status"]), Markup(" "), element("small", kind(child))))


def _child_took(child: ReportedJob) -> str:
    return duration(child.facts["elapsed"])


def _job_spans(job: ReportedJob) -> list[Span]:
    return [span for stay in job.stays for span in _spans(stay)]


def _spans(stay: PodStay) -> list[Span]:
    if stay.started is None:
        return [Span(stay.since, stay.until, "pending" if stay.status not in FINAL else stay.status)]
    started = min(max(stay.since, stay.started), stay.until)
    return [Span(stay.since, started, "pending"), Span(started, stay.until, stay.status)]


def _took(stay: PodStay) -> str:
    if stay.started is None:
        return f"{duration(stay.until - stay.since)} waiting"
    waited = duration(max(0.0, stay.started - stay.since))
    return f"{waited} waiting, {duration(max(0.0, stay.until - stay.started))} running"
