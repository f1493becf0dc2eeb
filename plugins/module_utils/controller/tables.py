# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's tables of jobs and their events; those of stored objects are in object_tables.py."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_name)s",
        "uq": "%(table_name)s_%(column_0_name)s_unique",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)
"""With names for everything, by which migrations can change it."""

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)


def _origin(name: str, table: str) -> Column[int]:
    """What a job was launched from: a mere note, which goes when that is deleted."""
    return Column(f"{name}_id", Integer, ForeignKey(f"{table}.id", ondelete="SET NULL"), index=True)


# Moments are seconds since the epoch, UTC: they are compared by the database, and mean the same in each. No
# number is given twice, also when the newest job was deleted: folders, pods and people may still know it.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uuid", String(32), nullable=False, unique=True),
    Column("type", String(32), nullable=False),
    Column("name", String(512), nullable=False),
    Column("status", String(16), nullable=False),
    Column("status_since", Float, nullable=False),
    Column("wait", Boolean, nullable=False),
    Column("failure", JSON(none_as_null=True)),
    Column("job_explanation", Text, nullable=False, default=""),
    Column("result_traceback", Text, nullable=False, default=""),
    Column("container_group", String(512)),
    Column("namespace", String(253), nullable=False),
    Column("pod_name", String(253), nullable=False, default=""),
    Column("pod_uid", String(64), nullable=False, default=""),
    Column("pod_deleted", Boolean, nullable=False, default=True),
    Column("keep_pod_until", Float),
    Column("execution_node", String(253), nullable=False, default=""),
    Column("controller_node", String(253), nullable=False),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    # The phases of its start, each with when it began; of its last attempt.
    Column("start", JSON, nullable=False),
    # What is known of its pods that were lost, each replaced by the next.
    Column("attempts", JSON, nullable=False),
    Column("host_status_counts", JSON, nullable=False),
    Column("event_count", Integer, nullable=False, default=0),
    Column("changed", Boolean),
    Column("artifacts", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("lease", Integer, nullable=False, default=0),
    Column("owner", String(512), nullable=False, default=""),
    Column("heartbeat", Float),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("stored_offset", BigInteger, nullable=False, default=0),
    # For whom something runs, what it is, and how its cluster is reached; sealed. What it is is forgotten at
    # the job's end, the others when its pod is gone, too.
    Column("sealed_caller", Text),
    Column("sealed_launch", Text),
    Column("sealed_connection", Text),
    # What was asked for, to launch it again; sealed, and kept with the job.
    Column("sealed_request", Text),
    Column("launch_type", String(16), nullable=False, default="manual"),
    Column("launched_by", String(512), nullable=False, default=""),
    _origin("organization", "organizations"),
    _origin("project", "projects"),
    _origin("inventory", "inventories"),
    _origin("inventory_source", "inventory_sources"),
    _origin("job_template", "job_templates"),
    _origin("workflow_job_template", "workflow_job_templates"),
    # The group that it has a place in, from `waiting` on; `container_group` keeps its name.
    Column("container_group_id", Integer, ForeignKey("container_groups.id", ondelete="SET NULL"), index=True),
    Column("candidates", JSON(none_as_null=True)),
    Column("task_impact", Integer, nullable=False, default=1),
    Column("allow_simultaneous", Boolean, nullable=False, default=True),
    Column("scm_revision", String(64), nullable=False, default=""),
    # A slice, or a node of a workflow.
    Column("parent_id", Integer, ForeignKey("jobs.id", ondelete="CASCADE"), index=True),
    Column("workflow_node", String(512), nullable=False, default=""),
    Column("job_slice_number", Integer, nullable=False, default=0),
    Column("job_slice_count", Integer, nullable=False, default=1),
    Index("jobs_by_status", "status"),
    sqlite_autoincrement=True,
)
# Of such rows only on PostgreSQL, too, as the migration says; to say it here would import that dialect at
# each start, also with SQLite.
Index("jobs_with_pods", jobs.c.id, sqlite_where=jobs.c.pod_deleted.is_(False))

events = Table(
    "events",
    metadata,
    Column("job_id", Integer, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("first_counter", Integer, primary_key=True),
    Column("last_counter", Integer, nullable=False),
    Column("lines", LargeBinary, nullable=False),
)
"""Batches of events as the runner wrote them: JSON lines, compressed with zlib."""
