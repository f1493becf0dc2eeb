# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report has to know of a job: what the store knows, and what its events add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.report import values
from ansible_collections.jobpods.controller.plugins.module_utils.report.failed_tasks import Failures
from ansible_collections.jobpods.controller.plugins.module_utils.report.hosts import HostCounts
from ansible_collections.jobpods.controller.plugins.module_utils.report.output import KeptOutput
from ansible_collections.jobpods.controller.plugins.module_utils.report.tasks import TaskTimes


@dataclass(frozen=True)
class PodStay:
    """One pod of a job; moments are seconds since the epoch.

    Attributes:
        pod_name: the pod's; empty where the job ran without one.
        node: on which it was.
        since: when the job began to ask for it.
        started: when the playbook's run began; None where it did not.
        until: when the run ended, or was last seen.
        status: how it ended: a job's status, or `lost`.
        message: why, where that was no success.
    """

    pod_name: str
    node: str
    since: float
    started: float | None
    until: float
    status: str
    message: str = ""


@dataclass(frozen=True)
class ReportedJob:
    """A job, as the store has it.

    Attributes:
        facts: the value of `job` in a result.
        stays: its pods, or its time on the controller node.
        children: its slices, or the jobs of its nodes.
    """

    facts: Mapping[str, Any]
    stays: Sequence[PodStay] = ()
    children: Sequence[ReportedJob] = field(default=())

    @property
    def id(self) -> int:
        """Its number."""
        return int(self.facts["id"])

    def with_all_within(self) -> Iterator[ReportedJob]:
        """It, its children, and theirs, each before its own."""
        yield self
        for child in self.children:
            yield from child.with_all_within()


@dataclass(frozen=True)
class Room:
    """How much of a job a page may have.

    Attributes:
        output: bytes of its output as HTML.
        tasks: in the timeline.
        hosts: in the recap.
        failures: that are told.
    """

    output: int = 0
    tasks: int = 200
    hosts: int = 500
    failures: int = 100

    @classmethod
    def shared(cls, jobs: int) -> Room:
        """What each of so many jobs may have, but for output, of which they need different amounts."""
        return cls(
            tasks=max(20, cls.tasks // jobs),
            hosts=max(20, cls.hosts // jobs),
            failures=max(3, cls.failures // jobs),
        )


class Digest:
    """What the events of a job add up to.

    Attributes:
        tasks: how long they took.
        hosts: how it went on them.
        failures: of tasks.
        output: what was printed.
    """

    def __init__(self, room: Room) -> None:
        """Nothing yet.

        Args:
            room: for it in the page, and so in memory.
        """
        self.tasks = TaskTimes(room.tasks)
        self.hosts = HostCounts(room.hosts)
        self.failures = Failures(room.failures)
        self.output = KeptOutput(room.output)

    def add(self, event: Mapping[str, Any]) -> None:
        """Takes the next event, as ansible-runner wrote it."""
        kind = event.get("event")
        if isinstance(kind, str):
            facts = values.mapping(event.get("event_data"))
            self.tasks.add(kind, facts, event.get("created"))
            self.hosts.add(kind, facts)
            self.failures.add(kind, facts, self.output.lines + 1)
        printed = event.get("stdout")
        if isinstance(printed, str):
            self.output.add(printed)
