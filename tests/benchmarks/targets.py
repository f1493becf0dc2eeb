# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets, each with what was measured, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.jobpods.controller.tests.benchmarks.measure import line
from ansible_collections.jobpods.controller.tests.benchmarks.results import (
    Results,
    cpu,
    difference,
    final,
    first,
    memory,
    more,
    number,
    quotient,
)
from ansible_collections.jobpods.controller.tests.benchmarks.side_by_side import (
    ENGINE,
    MODULE,
    PLAIN,
    RECEPTOR,
    WARM,
)

GRACE_0 = "engine, grace 0 s"
"""The cancel for which Ansible gets no grace, so that all of the time is ours and the cluster's."""


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        figure: what is measured.
        limit: the most that it may be.
        unit: of the limit.
        measured: None where it was not.
        how: from which numbers.
    """

    figure: str
    limit: float
    unit: str
    measured: float | None
    how: str

    @property
    def verdict(self) -> str:
        """Whether it holds, or by how much it is missed."""
        if self.measured is None:
            return "not measured"
        if self.measured <= self.limit:
            return "held"
        over = self.measured - self.limit
        return f"**missed by {number(over)}{self.unit}** ({number(100 * over / self.limit, 0)} %)"

    @property
    def row(self) -> list[str]:
        """The target as a row of the table."""
        return [
            self.figure,
            f"at most {number(self.limit, 3 if self.limit < 0.1 else 2)}{self.unit}",
            number(
                self.measured, 3 if self.limit < 0.1 else 2, self.unit if self.measured is not None else ""
            ),
            self.verdict,
            self.how,
        ]


def targets(results: Results) -> list[Target]:
    """All of them."""
    engine, receptor = (results.median("one-task", name, final) for name in (ENGINE, RECEPTOR))
    whole = results.median("one-task", RECEPTOR, more("with_imports"))
    module = difference(
        difference(results.median("one-task", MODULE, final), engine),
        results.median("one-task", PLAIN, final),
    )
    stopped = results.percentile("cancel", GRACE_0, more("stopped"), 0.95)
    gone = results.percentile("cancel", GRACE_0, more("gone"), 0.95)
    sizes = results.get("growth-jobs", "sizes", [])
    peaks = [
        (float(size), peak)
        for size in sizes
        if (peak := results.median("growth-jobs", str(size), memory)) is not None
    ]
    requests = results.get("requests", "counts", {}).get(ENGINE)
    return [
        Target(
            "one-task job, cold pod, engine only",
            0.40,
            " of receptor",
            quotient(engine, receptor),
            f"{number(engine)} s against {number(receptor)} s ({number(whole)} s with its client's imports)",
        ),
        Target(
            "same, first output",
            0.45,
            " of receptor",
            results.ratio("one-task", ENGINE, RECEPTOR, first),
            f"{number(results.median('one-task', ENGINE, first))} s against"
            f" {number(results.median('one-task', RECEPTOR, first))} s",
        ),
        Target(
            "same with a warm pod",
            0.25,
            " of receptor",
            results.ratio("one-task", WARM, RECEPTOR, final),
            results.get("one-task", "skipped", {}).get(WARM)
            or f"{number(results.median('one-task', WARM, final))} s",
        ),
        Target(
            "the module's own cost on top of the engine",
            0.4,
            " s",
            module,
            "module less engine less a plain ansible-playbook of one task",
        ),
        Target(
            "controller CPU per event, stored and shown",
            1 / 15,
            " of ansible-runner process",
            quotient(per_event(results, "engine"), per_event(results, "ansible-runner process")),
            f"{number(thousand(per_event(results, 'engine')), 1)} ms against"
            f" {number(thousand(per_event(results, 'ansible-runner process')), 1)} ms for 1,000 events",
        ),
        Target("cancel to the run stopped, p95", 1.0, " s", stopped, "without a grace for Ansible"),
        Target("cancel to pod gone, p95", 1.5, " s beyond that", difference(gone, stopped), "same runs"),
        Target(
            "memory per additional job at once in one job process",
            3.0,
            " MB",
            line(peaks)[1] if len(peaks) > 1 else None,
            f"slope over {', '.join(str(size) for size in sizes)} jobs at once",
        ),
        Target(
            "API requests per job",
            10,
            "",
            float(sum(requests.values())) if requests else None,
            ", ".join(f"{count} x {name}" for name, count in (requests or {}).items()),
        ),
    ]


def per_event(results: Results, reader: str) -> float | None:
    """CPU seconds per event: what many events take more than a few, so that all else drops out."""
    few, many = results.get("per-event", "few"), results.get("per-event", "many")
    if few is None:
        return None
    spent = difference(
        results.median("per-event", f"{reader}, {many} events", cpu),
        results.median("per-event", f"{reader}, {few} events", cpu),
    )
    return quotient(spent, many - few)


def thousand(value: float | None) -> float | None:
    """Milliseconds for a thousand of what takes so many seconds."""
    return None if value is None else value * 1e6
