# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's tables."""

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

VERSION = 1
"""Of these tables; a store of a later version is refused."""

metadata = MetaData()

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

# Moments are seconds since the epoch, UTC: they are compared by the database, and mean the same in each.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uuid", String(32), nullable=False, unique=True),
    Column("type", String(32), nullable=False),
    Column("name", String(512), nullable=False),
    Column("status", String(16), nullable=False),
    Column("wait", Boolean, nullable=False),
    Column("failure", JSON),
    Column("job_explanation", Text, nullable=False, default=""),
    Column("result_traceback", Text, nullable=False, default=""),
    Column("container_group", String(512)),
    Column("namespace", String(253), nullable=False),
    Column("pod_name", String(253), nullable=False, default=""),
    Column("pod_uid", String(64), nullable=False, default=""),
    Column("pod_deleted", Boolean, nullable=False, default=True),
    Column("execution_node", String(253), nullable=False, default=""),
    Column("controller_node", String(253), nullable=False),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
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
    Column("sealed_launch", Text),
    Column("sealed_connection", Text),
    Index("jobs_by_status", "status"),
)

events = Table(
    "events",
    metadata,
    Column("job_id", Integer, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("first_counter", Integer, primary_key=True),
    Column("last_counter", Integer, nullable=False),
    Column("lines", LargeBinary, nullable=False),
)
"""Batches of events as the runner wrote them: JSON lines, compressed with zlib."""
