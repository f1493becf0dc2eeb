# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs wait for others to end, as in AWX: the rules, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Key = tuple[str, "int | None"]
"""A kind of object and an id."""


@dataclass(frozen=True)
class ActiveJob:
    """A job that has not ended, as far as others wait for it; ids are None where there is no such object.

    Attributes:
        id: its number.
        type: of unified job.
        launch_type: a `sync` belongs to the job that it was made for, and nothing waits for it.
        allow_simultaneous: it waits for no other one of its template.
        job_template_id: of a job, of a slice, and of the workflow job that holds the slices.
        workflow_job_template_id: of a workflow job.
        project_id: that it uses or updates.
        inventory_id: that it uses or updates; of an inventory update, its source's.
        inventory_source_id: that it updates.
        parent_id: the workflow job that it is a node or slice of.
    """

    id: int
    type: str
    launch_type: str = "manual"
    allow_simultaneous: bool = False
    job_template_id: int | None = None
    workflow_job_template_id: int | None = None
    project_id: int | None = None
    inventory_id: int | None = None
    inventory_source_id: int | None = None
    parent_id: int | None = None


class ActiveJobs:
    """Jobs that others wait for: those that have started, and those that are next in line before the others.

    They are filed by what another job may wait for, so that to ask takes no longer the more there are.
    """

    def __init__(self, started: Iterable[ActiveJob] = ()) -> None:
        """Begins with jobs, the oldest first."""
        self._places: dict[int, int] = {}
        self._parents: dict[int, int | None] = {}
        self._filed: dict[Key, list[ActiveJob]] = {}
        for job in started:
            self.add(job)

    def add(self, job: ActiveJob) -> None:
        """Adds a job, as the last one."""
        if job.launch_type == "sync":
            return
        self._places[job.id] = len(self._places)
        self._parents[job.id] = job.parent_id
        for key in _keeps_from(job):
            self._filed.setdefault(key, []).append(job)

    def blocker(self, job: ActiveJob) -> ActiveJob | None:
        """The first of them that a job, which has not started, has to wait for, or None."""
        if job.launch_type == "sync":
            return None
        own = {job.id, *self._ancestors(job)}
        firsts = (
            next((other for other in self._filed.get(key, ()) if other.id not in own), None)
            for key in _waits_for(job)
        )
        return min((one for one in firsts if one), key=lambda one: self._places[one.id], default=None)

    def _ancestors(self, job: ActiveJob) -> set[int]:
        """What a job belongs to: it can't wait for that to end."""
        found: set[int] = set()
        parent = job.parent_id
        while parent is not None and parent not in found:
            found.add(parent)
            parent = self._parents.get(parent)
        return found


def waiting_for(blocked_by: ActiveJob) -> str:
    """Why a job does not start, for its user."""
    return f"waiting for {blocked_by.type}-{blocked_by.id} to finish"


def _keeps_from(job: ActiveJob) -> list[Key]:
    """What others can't use, or can't be, while a job has not ended."""
    keys = _templates(job)
    if job.type == "project_update":
        keys.append(("project", job.project_id))
    if job.type in ("inventory_update", "ad_hoc_command"):
        keys.append(("inventory", job.inventory_id))
    if job.type == "inventory_update":
        keys.append(("inventory_source", job.inventory_source_id))
    return [key for key in keys if key[1] is not None]


def _waits_for(job: ActiveJob) -> list[Key]:
    """What a job uses, or is, that another one can keep it from."""
    keys = [] if job.allow_simultaneous else _templates(job)
    if job.type in ("job", "project_update", "inventory_update"):
        keys.append(("project", job.project_id))
    if job.type in ("job", "ad_hoc_command"):
        keys.append(("inventory", job.inventory_id))
    if job.type == "inventory_update":
        keys.append(("inventory_source", job.inventory_source_id))
    return keys


def _templates(job: ActiveJob) -> list[Key]:
    return [
        ("job_template", job.job_template_id),
        ("workflow_job_template", job.workflow_job_template_id),
    ]
