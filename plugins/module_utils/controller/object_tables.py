# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of stored objects: what AWX calls credentials, container groups, projects, templates...

Each has `id`, `name` and `description`. What refers to another object is a foreign key, so that nothing that
is in use can vanish. Plain options that are never searched for lie together in `settings`, secrets sealed in
`sealed`.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import metadata
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
)

CONTROLPLANE = "controlplane"
"""The container group that every store has: jobs in it run on the controller node, without a pod."""


def _reference(option: str, table: str) -> Column[int]:
    return Column(f"{option}_id", Integer, ForeignKey(f"{table}.id", ondelete="RESTRICT"), index=True)


def _object(name: str, *columns: Column[Any], scope: tuple[str, ...] = ()) -> Table:
    """A table of objects whose name is unique together with the columns of `scope`.

    A missing organization is one of its own there: to SQL, two rows without one would be different.
    """
    table = Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("name", String(512), nullable=False),
        Column("description", Text, nullable=False, default=""),
        *columns,
        Column("settings", JSON, nullable=False, default=dict),
        Column("sealed", Text),
        sqlite_autoincrement=True,  # a stored launch may still name a deleted object by its number
    )
    unique = [
        func.coalesce(table.c[column], 0) if column.endswith("_id") else table.c[column] for column in scope
    ]
    Index(f"{name}_by_name", table.c.name, *unique, unique=True)
    return table


def _list(owner: str, option: str, target: str) -> Table:
    """The objects that an option of `owner` lists, in its order."""
    return Table(
        f"{owner}_{option}",
        metadata,
        Column("owner_id", Integer, ForeignKey(f"{owner}.id", ondelete="CASCADE"), primary_key=True),
        Column("position", Integer, primary_key=True),
        Column(
            "target_id", Integer, ForeignKey(f"{target}.id", ondelete="RESTRICT"), nullable=False, index=True
        ),
    )


# In the order of their foreign keys.
organizations = _object("organizations")
credentials = _object(
    "credentials",
    _reference("organization", "organizations"),
    Column("credential_type", String(64), nullable=False),
    scope=("organization_id", "credential_type"),
)
execution_environments = _object(
    "execution_environments",
    _reference("organization", "organizations"),
    _reference("credential", "credentials"),
)
container_groups = _object(
    "container_groups",
    Column("is_container_group", Boolean, nullable=False, default=True),
    _reference("credential", "credentials"),
    _reference("execution_environment", "execution_environments"),
)
projects = _object(
    "projects",
    _reference("organization", "organizations"),
    _reference("credential", "credentials"),
    _reference("default_environment", "execution_environments"),
    # Of the last update that was successful: what it brought, and a hash of the options that it went by.
    Column("scm_revision", String(64), nullable=False, default=""),
    Column("scm_origin", String(64), nullable=False, default=""),
    Column("last_updated", Float),
    scope=("organization_id",),
)
inventories = _object("inventories", _reference("organization", "organizations"), scope=("organization_id",))
inventory_sources = _object(
    "inventory_sources",
    Column(
        "inventory_id",
        Integer,
        ForeignKey("inventories.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    _reference("source_project", "projects"),
    _reference("credential", "credentials"),
    # What the last successful update found: hosts, groups and variables; sealed, since they may be secret.
    Column("sealed_content", Text),
    Column("last_updated", Float),
    scope=("inventory_id",),
)
job_templates = _object(
    "job_templates",
    _reference("organization", "organizations"),
    _reference("inventory", "inventories"),
    _reference("project", "projects"),
    _reference("execution_environment", "execution_environments"),
    scope=("organization_id",),
)
workflow_job_templates = _object(
    "workflow_job_templates",
    _reference("organization", "organizations"),
    _reference("inventory", "inventories"),
    scope=("organization_id",),
)

# No column of organizations: an execution environment may belong to one, and each would need the other first.
organization_default_environment = _list("organizations", "default_environment", "execution_environments")
organization_instance_groups = _list("organizations", "instance_groups", "container_groups")
inventory_instance_groups = _list("inventories", "instance_groups", "container_groups")
job_template_instance_groups = _list("job_templates", "instance_groups", "container_groups")
job_template_credentials = _list("job_templates", "credentials", "credentials")

workflow_nodes = Table(
    "workflow_nodes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column(
        "workflow_job_template_id",
        Integer,
        ForeignKey("workflow_job_templates.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("identifier", String(512), nullable=False),
    Column("position", Integer, nullable=False),
    # What runs: just one of these.
    _reference("job_template", "job_templates"),
    _reference("project", "projects"),
    _reference("inventory_source", "inventory_sources"),
    _reference("workflow", "workflow_job_templates"),
    # Prompts that name other objects; the rest of them, and the links to other nodes, are in settings.
    _reference("inventory", "inventories"),
    _reference("execution_environment", "execution_environments"),
    Column("settings", JSON, nullable=False),
    Column("sealed", Text),
    Index("workflow_nodes_by_identifier", "workflow_job_template_id", "identifier", unique=True),
    sqlite_autoincrement=True,
)
workflow_node_credentials = _list("workflow_nodes", "credentials", "credentials")
workflow_node_instance_groups = _list("workflow_nodes", "instance_groups", "container_groups")
