# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the first release. They stay as they are: what changes later is a migration of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAMES = {
    "credentials": ("organization_id", "credential_type"),
    "inventories": ("organization_id",),
    "inventory_sources": ("inventory_id",),
    "job_templates": ("organization_id",),
    "projects": ("organization_id",),
    "workflow_job_templates": ("organization_id",),
}
"""The tables whose names are unique together with other columns."""


def upgrade() -> None:
    """Makes the tables."""
    _make_tables()
    for table, scope in NAMES.items():
        columns = [sa.text(f"coalesce({name}, 0)") if name.endswith("_id") else name for name in scope]
        op.create_index(f"{table}_by_name", table, ["name", *columns], unique=True)
    groups = sa.table(
        "container_groups",
        sa.column("name"),
        sa.column("description"),
        sa.column("is_container_group"),
        sa.column("settings", sa.JSON),
    )
    controlplane = {
        "name": "controlplane",
        "description": "Runs jobs on the controller node, without a pod.",
        "is_container_group": False,
        "settings": {},
    }
    op.bulk_insert(groups, [controlplane])


def _make_tables() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("organizations_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index("organizations_by_name", "organizations", ["name"], unique=True)
    op.create_table(
        "settings",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("settings_pkey")),
    )
    op.create_table(
        "credentials",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("credential_type", sa.String(length=64), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("credentials_organization_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("credentials_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("credentials_organization_id"), "credentials", ["organization_id"], unique=False)
    op.create_table(
        "inventories",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("inventories_organization_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("inventories_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("inventories_organization_id"), "inventories", ["organization_id"], unique=False)
    op.create_table(
        "execution_environments",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("credential_id", sa.Integer(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["credentials.id"],
            name=op.f("execution_environments_credential_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("execution_environments_organization_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("execution_environments_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index("execution_environments_by_name", "execution_environments", ["name"], unique=True)
    op.create_index(
        op.f("execution_environments_credential_id"),
        "execution_environments",
        ["credential_id"],
        unique=False,
    )
    op.create_index(
        op.f("execution_environments_organization_id"),
        "execution_environments",
        ["organization_id"],
        unique=False,
    )
    op.create_table(
        "workflow_job_templates",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("inventory_id", sa.Integer(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["inventory_id"],
            ["inventories.id"],
            name=op.f("workflow_job_templates_inventory_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("workflow_job_templates_organization_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("workflow_job_templates_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("workflow_job_templates_inventory_id"), "workflow_job_templates", ["inventory_id"], unique=False
    )
    op.create_index(
        op.f("workflow_job_templates_organization_id"),
        "workflow_job_templates",
        ["organization_id"],
        unique=False,
    )
    op.create_table(
        "container_groups",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("is_container_group", sa.Boolean(), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=True),
        sa.Column("execution_environment_id", sa.Integer(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["credentials.id"],
            name=op.f("container_groups_credential_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["execution_environment_id"],
            ["execution_environments.id"],
            name=op.f("container_groups_execution_environment_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("container_groups_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index("container_groups_by_name", "container_groups", ["name"], unique=True)
    op.create_index(
        op.f("container_groups_credential_id"), "container_groups", ["credential_id"], unique=False
    )
    op.create_index(
        op.f("container_groups_execution_environment_id"),
        "container_groups",
        ["execution_environment_id"],
        unique=False,
    )
    _make_list("organizations_default_environment", "organizations", "execution_environments")
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("credential_id", sa.Integer(), nullable=True),
        sa.Column("default_environment_id", sa.Integer(), nullable=True),
        sa.Column("scm_revision", sa.String(length=64), nullable=False),
        sa.Column("scm_origin", sa.String(length=64), nullable=False),
        sa.Column("last_updated", sa.Float(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["credentials.id"],
            name=op.f("projects_credential_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["default_environment_id"],
            ["execution_environments.id"],
            name=op.f("projects_default_environment_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("projects_organization_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("projects_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("projects_credential_id"), "projects", ["credential_id"], unique=False)
    op.create_index(
        op.f("projects_default_environment_id"), "projects", ["default_environment_id"], unique=False
    )
    op.create_index(op.f("projects_organization_id"), "projects", ["organization_id"], unique=False)
    _make_list("inventories_instance_groups", "inventories", "container_groups")
    op.create_table(
        "inventory_sources",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("inventory_id", sa.Integer(), nullable=False),
        sa.Column("source_project_id", sa.Integer(), nullable=True),
        sa.Column("credential_id", sa.Integer(), nullable=True),
        sa.Column("sealed_content", sa.Text(), nullable=True),
        sa.Column("last_updated", sa.Float(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["credentials.id"],
            name=op.f("inventory_sources_credential_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["inventory_id"],
            ["inventories.id"],
            name=op.f("inventory_sources_inventory_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["source_project_id"],
            ["projects.id"],
            name=op.f("inventory_sources_source_project_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("inventory_sources_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("inventory_sources_credential_id"), "inventory_sources", ["credential_id"], unique=False
    )
    op.create_index(
        op.f("inventory_sources_inventory_id"), "inventory_sources", ["inventory_id"], unique=False
    )
    op.create_index(
        op.f("inventory_sources_source_project_id"), "inventory_sources", ["source_project_id"], unique=False
    )
    op.create_table(
        "job_templates",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("inventory_id", sa.Integer(), nullable=True),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("execution_environment_id", sa.Integer(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_environment_id"],
            ["execution_environments.id"],
            name=op.f("job_templates_execution_environment_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["inventory_id"],
            ["inventories.id"],
            name=op.f("job_templates_inventory_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("job_templates_organization_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("job_templates_project_id_fkey"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("job_templates_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("job_templates_execution_environment_id"),
        "job_templates",
        ["execution_environment_id"],
        unique=False,
    )
    op.create_index(op.f("job_templates_inventory_id"), "job_templates", ["inventory_id"], unique=False)
    op.create_index(op.f("job_templates_organization_id"), "job_templates", ["organization_id"], unique=False)
    op.create_index(op.f("job_templates_project_id"), "job_templates", ["project_id"], unique=False)
    _make_list("organizations_instance_groups", "organizations", "container_groups")
    _make_list("job_templates_credentials", "job_templates", "credentials")
    _make_list("job_templates_instance_groups", "job_templates", "container_groups")
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=32), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_since", sa.Float(), nullable=False),
        sa.Column("wait", sa.Boolean(), nullable=False),
        sa.Column("failure", sa.JSON(), nullable=True),
        sa.Column("job_explanation", sa.Text(), nullable=False),
        sa.Column("result_traceback", sa.Text(), nullable=False),
        sa.Column("container_group", sa.String(length=512), nullable=True),
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("pod_name", sa.String(length=253), nullable=False),
        sa.Column("pod_uid", sa.String(length=64), nullable=False),
        sa.Column("pod_deleted", sa.Boolean(), nullable=False),
        sa.Column("keep_pod_until", sa.Float(), nullable=True),
        sa.Column("execution_node", sa.String(length=253), nullable=False),
        sa.Column("controller_node", sa.String(length=253), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("started", sa.Float(), nullable=True),
        sa.Column("finished", sa.Float(), nullable=True),
        sa.Column("start", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.JSON(), nullable=False),
        sa.Column("host_status_counts", sa.JSON(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=True),
        sa.Column("artifacts", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("lease", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=512), nullable=False),
        sa.Column("heartbeat", sa.Float(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("stored_offset", sa.BigInteger(), nullable=False),
        sa.Column("sealed_caller", sa.Text(), nullable=True),
        sa.Column("sealed_launch", sa.Text(), nullable=True),
        sa.Column("sealed_connection", sa.Text(), nullable=True),
        sa.Column("sealed_request", sa.Text(), nullable=True),
        sa.Column("launch_type", sa.String(length=16), nullable=False),
        sa.Column("launched_by", sa.String(length=512), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("inventory_id", sa.Integer(), nullable=True),
        sa.Column("inventory_source_id", sa.Integer(), nullable=True),
        sa.Column("job_template_id", sa.Integer(), nullable=True),
        sa.Column("workflow_job_template_id", sa.Integer(), nullable=True),
        sa.Column("container_group_id", sa.Integer(), nullable=True),
        sa.Column("candidates", sa.JSON(), nullable=True),
        sa.Column("task_impact", sa.Integer(), nullable=False),
        sa.Column("allow_simultaneous", sa.Boolean(), nullable=False),
        sa.Column("scm_revision", sa.String(length=64), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("workflow_node", sa.String(length=512), nullable=False),
        sa.Column("job_slice_number", sa.Integer(), nullable=False),
        sa.Column("job_slice_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["container_group_id"],
            ["container_groups.id"],
            name=op.f("jobs_container_group_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["inventory_id"], ["inventories.id"], name=op.f("jobs_inventory_id_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["inventory_source_id"],
            ["inventory_sources.id"],
            name=op.f("jobs_inventory_source_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["job_template_id"],
            ["job_templates.id"],
            name=op.f("jobs_job_template_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("jobs_organization_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["jobs.id"], name=op.f("jobs_parent_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("jobs_project_id_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["workflow_job_template_id"],
            ["workflow_job_templates.id"],
            name=op.f("jobs_workflow_job_template_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
        sa.UniqueConstraint("uuid", name=op.f("jobs_uuid_unique")),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_status", "jobs", ["status"], unique=False)
    with_pod = sa.column("pod_deleted", sa.Boolean()).is_(False)
    op.create_index("jobs_with_pods", "jobs", ["id"], sqlite_where=with_pod, postgresql_where=with_pod)
    op.create_index(op.f("jobs_container_group_id"), "jobs", ["container_group_id"], unique=False)
    op.create_index(op.f("jobs_inventory_id"), "jobs", ["inventory_id"], unique=False)
    op.create_index(op.f("jobs_inventory_source_id"), "jobs", ["inventory_source_id"], unique=False)
    op.create_index(op.f("jobs_job_template_id"), "jobs", ["job_template_id"], unique=False)
    op.create_index(op.f("jobs_organization_id"), "jobs", ["organization_id"], unique=False)
    op.create_index(op.f("jobs_parent_id"), "jobs", ["parent_id"], unique=False)
    op.create_index(op.f("jobs_project_id"), "jobs", ["project_id"], unique=False)
    op.create_index(op.f("jobs_workflow_job_template_id"), "jobs", ["workflow_job_template_id"], unique=False)
    op.create_table(
        "workflow_nodes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("workflow_job_template_id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(length=512), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("job_template_id", sa.Integer(), nullable=True),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("inventory_source_id", sa.Integer(), nullable=True),
        sa.Column("workflow_id", sa.Integer(), nullable=True),
        sa.Column("inventory_id", sa.Integer(), nullable=True),
        sa.Column("execution_environment_id", sa.Integer(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_environment_id"],
            ["execution_environments.id"],
            name=op.f("workflow_nodes_execution_environment_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["inventory_id"],
            ["inventories.id"],
            name=op.f("workflow_nodes_inventory_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["inventory_source_id"],
            ["inventory_sources.id"],
            name=op.f("workflow_nodes_inventory_source_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["job_template_id"],
            ["job_templates.id"],
            name=op.f("workflow_nodes_job_template_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("workflow_nodes_project_id_fkey"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflow_job_templates.id"],
            name=op.f("workflow_nodes_workflow_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["workflow_job_template_id"],
            ["workflow_job_templates.id"],
            name=op.f("workflow_nodes_workflow_job_template_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("workflow_nodes_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "workflow_nodes_by_identifier",
        "workflow_nodes",
        ["workflow_job_template_id", "identifier"],
        unique=True,
    )
    op.create_index(
        op.f("workflow_nodes_execution_environment_id"),
        "workflow_nodes",
        ["execution_environment_id"],
        unique=False,
    )
    op.create_index(op.f("workflow_nodes_inventory_id"), "workflow_nodes", ["inventory_id"], unique=False)
    op.create_index(
        op.f("workflow_nodes_inventory_source_id"), "workflow_nodes", ["inventory_source_id"], unique=False
    )
    op.create_index(
        op.f("workflow_nodes_job_template_id"), "workflow_nodes", ["job_template_id"], unique=False
    )
    op.create_index(op.f("workflow_nodes_project_id"), "workflow_nodes", ["project_id"], unique=False)
    op.create_index(op.f("workflow_nodes_workflow_id"), "workflow_nodes", ["workflow_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("first_counter", sa.Integer(), nullable=False),
        sa.Column("last_counter", sa.Integer(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("events_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "first_counter", name=op.f("events_pkey")),
    )
    _make_list("workflow_nodes_credentials", "workflow_nodes", "credentials")
    _make_list("workflow_nodes_instance_groups", "workflow_nodes", "container_groups")


def _make_list(name: str, owners: str, targets: str) -> None:
    """Makes the table of what the rows of one table list of another's, in their order."""
    op.create_table(
        name,
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("target_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], [f"{owners}.id"], name=op.f(f"{name}_owner_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], [f"{targets}.id"], name=op.f(f"{name}_target_id_fkey"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("owner_id", "position", name=op.f(f"{name}_pkey")),
    )
    op.create_index(op.f(f"{name}_target_id"), name, ["target_id"], unique=False)
