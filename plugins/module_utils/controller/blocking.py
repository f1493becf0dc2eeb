# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs wait for others to end, as in AWX: the rules, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


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


def blocker(job: ActiveJob, active: Iterable[ActiveJob]) -> ActiveJob | None:
    """The job that this one has to wait for, or None.

    Args:
        job: it has not started.
        active: jobs that have, or that are next in line before it, the oldest first.
    """
    others = [other for other in active if other.id != job.id and other.launch_type != "sync"]
    if job.launch_type == "sync":
        return None
    own = _ancestors(job, others)
    return next((other for other in others if other.id not in own and _blocks(other, job)), None)


def waiting_for(blocked_by: ActiveJob) -> str:
    """Why a job does not start, for its user."""
    return f"waiting for {blocked_by.type}-{blocked_by.id} to finish"


def _ancestors(job: ActiveJob, others: Iterable[ActiveJob]) -> set[int]:
    """What a job belongs to: it can't wait for that to end."""
    parents = {other.id: other.parent_id for other in others}
    found: set[int] = set()
    parent = job.parent_id
    while parent is not None and parent not in found:
        found.add(parent)
        parent = parents.get(parent)
    return found


def _blocks(other: ActiveJob, job: ActiveJob) -> bool:
    if other.type == "project_update" and _same(other.project_id, job.project_id):
        return job.type in ("job", "project_update", "inventory_update")
    if other.type in ("inventory_update", "ad_hoc_command") and job.type in ("job", "ad_hoc_command"):
        return _same(other.inventory_id, job.inventory_id)
    if other.type == job.type == "inventory_update":
        return _same(other.inventory_source_id, job.inventory_source_id)
    return not job.allow_simultaneous and (
        _same(other.job_template_id, job.job_template_id)
        or _same(other.workflow_job_template_id, job.workflow_job_template_id)
    )


def _same(one: int | None, other: int | None) -> bool:
    return one is not None and one == other
