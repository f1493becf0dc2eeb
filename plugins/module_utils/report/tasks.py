# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the tasks of a job took, by its events: the longest ones, in the order in which they began."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.report import values

RESULTS = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}
"""The events that say how a task ended on a host."""
ENDING = ("playbook_on_task_start", "playbook_on_play_start", "playbook_on_stats")
"""The events before which the newest task is over; one that includes others has no result that says so."""
PROJECT = "/runner/project/"
"""Where the project lies in the pod."""


@dataclass
class TaskTime:
    """One task, on all its hosts; moments are seconds since the epoch, by the pod's clock.

    Attributes:
        name: with its role's name before it.
        play: the play's name.
        path: the file in the project, and the line in it.
        start: when it began; None where no event says so.
        end: when it ended on the last host that ended.
        results: how many hosts had which result; a host that changed counts as `changed`, not as `ok`.
        slowest: the host on which it took longest.
        longest: seconds that it took there.
        begun: on how many hosts it has begun, and not ended.
    """

    name: str
    play: str
    path: str
    start: float | None = None
    end: float | None = None
    results: Counter[str] = field(default_factory=Counter)
    slowest: str = ""
    longest: float = 0.0
    begun: int = 0

    @property
    def seconds(self) -> float:
        """From its begin on the first host to its end on the last."""
        return max(self.longest, 0.0 if self.start is None or self.end is None else self.end - self.start)

    @property
    def status(self) -> str:
        """The worst result, or `running` where a host has none."""
        for result in ("unreachable", "failed"):
            if self.results[result]:
                return result
        if self.begun > 0:
            return "running"
        return next((result for result in ("changed", "ok", "ignored") if self.results[result]), "skipped")


class TaskTimes:
    """The tasks of a job.

    Attributes:
        seen: how many have begun.
        last: the last moment that an event tells.
    """

    def __init__(self, limit: int) -> None:
        """Nothing yet.

        Args:
            limit: how many tasks are kept, the longest ones; twice as many for a while.
        """
        self.seen = 0
        self.last: float | None = None
        self._limit = limit
        self._tasks: dict[tuple[str, str], TaskTime] = {}
        self._newest: TaskTime | None = None

    def add(self, kind: str, facts: Mapping[str, Any], created: object) -> None:
        """Takes an event of the name `kind`."""
        now = values.moment(created)
        if now is not None:
            self.last = now if self.last is None else max(self.last, now)
        if kind in ENDING and self._newest is not None:
            self._newest.begun = 0
            if self._newest.end is None:
                self._newest.end = now
            self._newest = None
        if kind == "playbook_on_task_start":
            self.seen += 1
            task = self._newest = self._task(facts)
            task.start = now if task.start is None else task.start
        elif kind == "runner_on_start":
            self._task(facts).begun += 1
        elif kind in RESULTS:
            self._end(self._task(facts), kind, facts, now)

    def _end(self, task: TaskTime, kind: str, facts: Mapping[str, Any], now: float | None) -> None:
        start, end = values.moment(facts.get("start")), values.moment(facts.get("end"))
        end = now if end is None else end
        if start is not None:
            task.start = start if task.start is None else min(task.start, start)
        if end is not None:
            task.end = end if task.end is None else max(task.end, end)
        took = values.seconds(facts.get("duration"))
        if took is not None and took >= task.longest:
            task.longest, task.slowest = took, values.name(facts.get("host"))
        task.begun -= 1
        task.results[result_of(kind, facts)] += 1

    def _task(self, facts: Mapping[str, Any]) -> TaskTime:
        key = (values.name(facts.get("play_uuid")), values.name(facts.get("task_uuid")))
        found = self._tasks.get(key)
        if found is None:
            role = values.name(facts.get("role"))
            name = values.name(facts.get("task")) or "(without a name)"
            path = values.name(facts.get("task_path")).removeprefix(PROJECT)
            # Since ansible-core 2.16 a task's own name has its role in it; here it is told only once.
            named = f"{role} : {name}" if role and not name.startswith(f"{role} : ") else name
            found = self._tasks[key] = TaskTime(named, values.name(facts.get("play")), path)
            if len(self._tasks) > 2 * self._limit:
                self._drop(key)
        return found

    def _drop(self, newest: tuple[str, str]) -> None:
        """Forgets the shorter half, but for those that have not ended."""
        kept = set(self._longest())
        self._tasks = {key: task for key, task in self._tasks.items() if key in kept or key == newest}

    def _longest(self) -> list[tuple[str, str]]:
        """The keys of the tasks that are kept in the end."""

        def weight(key: tuple[str, str]) -> tuple[bool, bool, float]:
            task = self._tasks[key]
            return task.status in ("failed", "unreachable"), task.begun > 0, task.seconds

        return heapq.nlargest(self._limit, self._tasks, key=weight)

    @property
    def shown(self) -> Sequence[TaskTime]:
        """The longest tasks, and those that failed, in the order in which they began."""
        kept = set(self._longest())
        return [task for key, task in self._tasks.items() if key in kept]

    @property
    def left_out(self) -> int:
        """How many tasks are not in `shown`."""
        return max(0, self.seen - len(self.shown))


def result_of(kind: str, facts: Mapping[str, Any]) -> str:
    """How a task ended on a host, by the event and its facts."""
    if kind == "runner_on_failed" and facts.get("ignore_errors") is True:
        return "ignored"
    if kind == "runner_on_ok" and values.mapping(facts.get("res")).get("changed") is True:
        return "changed"
    return RESULTS[kind]
