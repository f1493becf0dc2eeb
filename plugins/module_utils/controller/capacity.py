# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container group a job gets a place in, and when: the rules, without a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

DEFAULT_FORKS = 5
"""What a job without forks of its own counts for, as in AWX; ansible-playbook takes as many."""
NOT_READY = "This job is not ready to start because there is not enough available capacity"


@dataclass(frozen=True)
class Group:
    """A container group, as far as its room counts. A limit of 0 is none.

    Attributes:
        id: its number.
        name: for messages.
        max_concurrent_jobs: jobs at once.
        max_forks: sum of the jobs' impacts at once.
        in_pods: jobs run in pods; else on the controller node.
    """

    id: int
    name: str
    max_concurrent_jobs: int = 0
    max_forks: int = 0
    in_pods: bool = True

    def can_ever_fit(self, impact: int) -> bool:
        """Whether there is room for a job of this size when nothing else runs."""
        return not self.max_forks or impact <= self.max_forks


@dataclass(frozen=True)
class Load:
    """What has a place in a group.

    Attributes:
        jobs: how many.
        forks: the sum of their impacts.
    """

    jobs: int = 0
    forks: int = 0

    def plus(self, impact: int) -> Load:
        """With one more job."""
        return Load(self.jobs + 1, self.forks + impact)


@dataclass(frozen=True)
class Waiting:
    """A job that waits for a place.

    Attributes:
        job_id: its id.
        impact: its size.
        candidates: ids of the groups that it may run in, the preferred first.
    """

    job_id: int
    impact: int
    candidates: tuple[int, ...]


@dataclass
class Plan:
    """Who gets a place.

    Attributes:
        placed: the groups of the jobs that get one, by the jobs' ids.
        obstacles: for each of the others, what is in its way in each of its groups.
    """

    placed: dict[int, int] = field(default_factory=dict)
    obstacles: dict[int, tuple[str, ...]] = field(default_factory=dict)


def plan(waiting: Iterable[Waiting], groups: Mapping[int, Group], loads: Mapping[int, Load]) -> Plan:
    """Gives places to the jobs that there is room for.

    Each job takes the first group of its list that has room, so that work overflows into the next. One that
    gets no place stays first in line: no younger job takes room in a group that it could ever fit into.

    Args:
        waiting: the jobs, the oldest first.
        groups: those that there are, by their ids; others in a job's list are passed over.
        loads: what has a place already, by the groups' ids.
    """
    made, used, kept = Plan(), dict(loads), dict[int, int]()
    for job in waiting:
        obstacles = []
        fitting = [
            groups[number]
            for number in job.candidates
            if number in groups and groups[number].can_ever_fit(job.impact)
        ]
        for group in fitting:
            obstacle = _obstacle(group, used.get(group.id, Load()), job.impact, kept.get(group.id))
            if not obstacle:
                made.placed[job.job_id] = group.id
                used[group.id] = used.get(group.id, Load()).plus(job.impact)
                break
            obstacles.append(obstacle)
        else:
            made.obstacles[job.job_id] = tuple(obstacles)
            for group in fitting:
                kept.setdefault(group.id, job.job_id)
    return made


def placements(
    waiting: Iterable[Waiting], groups: Mapping[int, Group], loads: Mapping[int, Load]
) -> dict[int, int]:
    """The groups of the jobs that get a place, by the jobs' ids; see `plan`."""
    return plan(waiting, groups, loads).placed


def not_ready(obstacles: Sequence[str]) -> str:
    """Why a job has no place yet, for its user."""
    return f"{NOT_READY}: {'; '.join(obstacles)}."


def _obstacle(group: Group, load: Load, impact: int, kept_for: int | None) -> str:
    """What keeps a job of this size out of a group now; empty where nothing does."""
    if group.max_concurrent_jobs and load.jobs >= group.max_concurrent_jobs:
        return f"{group.name} has {load.jobs} of {group.max_concurrent_jobs} jobs (max_concurrent_jobs)"
    if group.max_forks and load.forks + impact > group.max_forks:
        used = f"{group.name} has {load.forks} of {group.max_forks} forks in use (max_forks)"
        return f"{used}, and this job takes {impact}"
    if kept_for is not None:
        return f"the room in {group.name} is kept for job {kept_for}, which was launched earlier"
    return ""


def never_fits(impact: int, groups: Sequence[Group]) -> Failure | None:
    """What is wrong where a job is too big for each of its groups; None where it is not.

    Args:
        impact: the job's.
        groups: all that it may run in.
    """
    if not groups or any(group.can_ever_fit(impact) for group in groups):
        return None
    named = ", ".join(f"{group.name} {group.max_forks}" for group in groups)
    return Failure(
        "InvalidConfiguration",
        f"instance_groups: this job takes {impact} forks (the smaller of its hosts and its forks, and one"
        f" more), but max_forks of each of its container groups is less ({named}); lower forks, slice the"
        " job, or raise max_forks.",
    )


def impact(hosts: int | None, forks: int) -> int:
    """A job's size, as in AWX.

    Args:
        hosts: how many it runs on; of a slice, its share. None where that can't be known.
        forks: the job's; 0 is Ansible's default.
    """
    most = forks or DEFAULT_FORKS
    return (most if hosts is None else min(hosts, most)) + 1


def group_candidates(
    template_groups: Iterable[int],
    inventory_groups: Iterable[int],
    organization_groups: Iterable[int],
    *,
    prevent_on_template: bool = False,
    prevent_on_inventory: bool = False,
    prompted: Sequence[int] | None = None,
) -> list[int]:
    """The groups that a job may run in, the preferred first; none where nothing names one.

    Args:
        template_groups: the job template's `instance_groups`; an ad hoc command has none.
        inventory_groups: the inventory's.
        organization_groups: the organization's.
        prevent_on_template: `prevent_instance_group_fallback` of the template: nothing after its groups.
        prevent_on_inventory: that of the inventory.
        prompted: what was given at launch, in place of all others; empty or None where nothing was.
    """
    if prompted:
        return list(dict.fromkeys(prompted))
    found = list(template_groups)
    if not prevent_on_template:
        found += inventory_groups
        if not prevent_on_inventory:
            found += organization_groups
    return list(dict.fromkeys(found))
