# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a stored object, so that nothing that is needed is deleted by accident."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import (
    KINDS,
    NODE_LISTS,
    NODE_REFERENCES,
    Kind,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    workflow_job_templates,
    workflow_nodes,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import ACTIVE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from sqlalchemy import ColumnElement, Connection, select

OWNED = {("inventory_source", "inventory")}
"""References of what goes together with the object that it refers to, unless somebody else needs it."""


def users_of(connection: Connection, kind: Kind, number: int, *, lock: bool = False) -> Iterator[str]:
    """What uses an object, in words: other objects, nodes of workflows, and jobs that have not ended.

    Args:
        connection: a transaction.
        kind: the object's kind.
        number: its id.
        lock: it will be deleted in this transaction, with all that belongs to it.
    """
    for other in KINDS.values():
        for option, target in other.references.items():
            if target != kind.name:
                continue
            used = other.table.c[f"{option}_id"] == number
            if (other.name, option) in OWNED:
                mine = select(other.table.c.id).where(used).order_by(other.table.c.id)
                statement = mine.with_for_update() if lock else mine
                for owned in connection.execute(statement).scalars().all():
                    yield from users_of(connection, other, owned, lock=lock)
            else:
                yield from _named(connection, other, used)
        for listed in other.lists.values():
            if listed.kind == kind.name:
                owners = select(listed.table.c.owner_id).where(listed.table.c.target_id == number)
                yield from _named(connection, other, other.table.c.id.in_(owners))
    yield from _nodes(connection, kind, number)
    if f"{kind.name}_id" in jobs.c:
        active = (jobs.c[f"{kind.name}_id"] == number, jobs.c.status.in_(ACTIVE))
        found = select(jobs.c.id, jobs.c.name).where(*active).order_by(jobs.c.id)
        for row in connection.execute(found).all():
            yield f"job {row.id} ({row.name}), which has not ended"


def _named(connection: Connection, kind: Kind, condition: ColumnElement[bool]) -> Iterator[str]:
    names = select(kind.table.c.name).where(condition).order_by(kind.table.c.name)
    for name in connection.execute(names).scalars().all():
        yield f"{kind.words} {name!r}"


def _nodes(connection: Connection, kind: Kind, number: int) -> Iterator[str]:
    used = [
        workflow_nodes.c[f"{option}_id"] == number
        for option, target in NODE_REFERENCES.items()
        if target == kind.name
    ]
    for listed in NODE_LISTS.values():
        if listed.kind == kind.name:
            owners = select(listed.table.c.owner_id).where(listed.table.c.target_id == number)
            used.append(workflow_nodes.c.id.in_(owners))
    for condition in used:
        found = (
            select(workflow_nodes.c.identifier, workflow_job_templates.c.name)
            .join(
                workflow_job_templates,
                workflow_job_templates.c.id == workflow_nodes.c.workflow_job_template_id,
            )
            .where(condition)
            .order_by(workflow_job_templates.c.name, workflow_nodes.c.identifier)
        )
        for row in connection.execute(found).all():
            yield f"node {row.identifier!r} of workflow job template {row.name!r}"
