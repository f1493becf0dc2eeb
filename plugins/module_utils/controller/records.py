# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into the store and comes out of it; needs no library, so that a mere reader of it needs none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JOB_TYPES = ("job", "ad_hoc_command", "project_update", "inventory_update", "workflow_job")
ACTIVE = ("new", "pending", "waiting", "running")
FINAL = frozenset(("successful", "failed", "error", "canceled"))


class LeaseLost(Exception):
    """Another controller owns the job now, or it has ended: nothing more may be written about it."""


@dataclass(frozen=True)
class NewJob:
    """A job to be.

    Attributes:
        uuid: its own, also in the pod's labels.
        type: of unified job, for example `job`.
        name: for people.
        wait: attached: its launcher waits for it.
        controller_node: host name of the controller.
        container_group: name of the stored group; None for an inline one, or where that is not decided yet.
        namespace: the pod's; empty where that is not decided yet.
        launch: what is run, where that is known already; sealed.
        connection: to the cluster, likewise.
        request: what was asked for, to launch it again; sealed, and kept with the job.
        caller: who launches, and in what environment; sealed.
        columns: others of its row: what it is from, which groups it may run in, whose slice or node it is.
    """

    uuid: str
    type: str
    name: str
    wait: bool
    controller_node: str
    container_group: str | None = None
    namespace: str = ""
    launch: dict[str, Any] | None = None
    connection: dict[str, Any] | None = None
    request: dict[str, Any] | None = None
    caller: dict[str, Any] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobRecord:
    """A job as the store knows it; moments are UTC, `elapsed` is in seconds."""

    id: int
    uuid: str
    type: str
    name: str
    status: str
    status_since: datetime
    wait: bool
    failure: dict[str, Any] | None
    job_explanation: str
    result_traceback: str
    container_group: str | None
    namespace: str
    pod_name: str
    pod_uid: str
    pod_deleted: bool
    keep_pod_until: datetime | None
    execution_node: str
    controller_node: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    elapsed: float
    start: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    host_status_counts: dict[str, int]
    event_count: int
    changed: bool | None
    artifacts: dict[str, Any]
    facts: dict[str, Any]
    lease: int
    owner: str
    heartbeat: datetime | None
    cancel_requested: bool
    stored_offset: int
    launch_type: str
    launched_by: str
    organization_id: int | None
    project_id: int | None
    inventory_id: int | None
    inventory_source_id: int | None
    job_template_id: int | None
    workflow_job_template_id: int | None
    scm_revision: str
    task_impact: int
    parent_id: int | None
    workflow_node: str
    job_slice_number: int
    job_slice_count: int


@dataclass(frozen=True)
class EventBatch:
    """Events to store together.

    Attributes:
        first_counter: of the first.
        last_counter: of the last.
        lines: the events as JSON lines, each counter's in its turn and none left out.
        stored_offset: position in the worker's output below which all is stored with these.
        columns: of the job's row, to be set together with them.
    """

    first_counter: int
    last_counter: int
    lines: bytes
    stored_offset: int
    columns: Mapping[str, Any] = field(default_factory=dict)
