# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job's row is written: under the lease of its owner, and so that every database takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import clock
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import ACTIVE, LeaseLost
from ansible_collections.jobpods.controller.plugins.module_utils.controller.storable import (
    storable_json,
    storable_text,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from sqlalchemy import JSON, Column, Connection, String, case, update


def update_row(connection: Connection, job_id: int, lease: int, columns: dict[str, Any]) -> None:
    """Writes about a job under its lease: this keeps two owners apart, and final statuses final."""
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.lease == lease, jobs.c.status.in_(ACTIVE))
    values = storable_row(columns)
    if "status" in columns:
        same = jobs.c.status == columns["status"]
        values["status_since"] = case((same, jobs.c.status_since), else_=clock(connection))
    if connection.execute(statement.values(values)).rowcount != 1:
        raise LeaseLost(f"job {job_id} has ended, or another controller owns it")


def storable_row(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as every database takes them.

    Names of files, what a cluster answers and what a pod says may be anything; a job must get its final
    status all the same.
    """

    def storable(value: Any, column: Column[Any]) -> Any:
        if isinstance(value, str) and isinstance(column.type, String):
            return storable_text(value, column.type.length)
        return storable_json(value) if isinstance(column.type, JSON) else value

    return {name: storable(value, jobs.c[name]) for name, value in columns.items()}
