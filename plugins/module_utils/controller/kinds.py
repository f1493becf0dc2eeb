# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of stored objects: what each is called, which options it has, and what they refer to.

One table of them, so that creating, editing, copying, deleting and listing are written once, for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller import object_tables
from sqlalchemy import Connection, Table, delete, insert


@dataclass(frozen=True)
class Listed:
    """An option that lists other objects, in an order that counts.

    Attributes:
        kind: what it lists.
        table: where the list is kept.
        single: the option takes one object instead of a list.
    """

    kind: str
    table: Table
    single: bool = False

    def write(self, connection: Connection, owner: int, targets: Sequence[int]) -> None:
        """Makes the list of one owner these ids, in their order."""
        connection.execute(delete(self.table).where(self.table.c.owner_id == owner))
        rows = [
            {"owner_id": owner, "position": position, "target_id": target}
            for position, target in enumerate(targets)
        ]
        if rows:
            connection.execute(insert(self.table), rows)


@dataclass(frozen=True)
class Kind:
    """One kind of stored objects.

    Attributes:
        name: as its module is called.
        table: its table.
        scope: options that make a name unique together with it; the name alone where there is none.
        columns: plain options with a column of their own.
        settings: the other plain options, with the values that they have where nobody gives one.
        sealed: those of `settings` that may hold secrets: they are stored sealed. What of them is never shown
            is in object_secrets.py.
        references: options that name one other object, with its kind.
        lists: options that list other objects.
    """

    name: str
    table: Table
    scope: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("description",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    sealed: frozenset[str] = frozenset()
    references: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, Listed] = field(default_factory=dict)

    @property
    def options(self) -> frozenset[str]:
        """All that can be given of an object, but for its name."""
        return frozenset((*self.columns, *self.settings, *self.references, *self.lists))

    @property
    def words(self) -> str:
        """The kind as messages call it."""
        return self.name.replace("_", " ")


PROMPTS = (
    "credential",
    "diff_mode",
    "execution_environment",
    "forks",
    "instance_groups",
    "inventory",
    "job_slice_count",
    "job_type",
    "limit",
    "scm_branch",
    "skip_tags",
    "tags",
    "timeout",
    "variables",
    "verbosity",
)
"""What a template may leave to whoever launches it, by `ask_<name>_on_launch`, as AWX calls them."""
WORKFLOW_PROMPTS = ("inventory", "limit", "scm_branch", "skip_tags", "tags", "variables")


def _asked(prompts: tuple[str, ...]) -> dict[str, Any]:
    return {f"ask_{name}_on_launch": False for name in prompts}


_KINDS = (
    Kind(
        "organization",
        object_tables.organizations,
        lists={
            "default_environment": Listed(
                "execution_environment", object_tables.organization_default_environment, single=True
            ),
            "instance_groups": Listed("container_group", object_tables.organization_instance_groups),
        },
    ),
    Kind(
        "credential",
        object_tables.credentials,
        scope=("organization", "credential_type"),
        columns=("description", "credential_type"),
        settings={"inputs": {}},
        sealed=frozenset(("inputs",)),
        references={"organization": "organization"},
    ),
    Kind(
        "execution_environment",
        object_tables.execution_environments,
        settings={"image": "", "pull": ""},
        references={"organization": "organization", "credential": "credential"},
    ),
    Kind(
        "container_group",
        object_tables.container_groups,
        settings={
            "kubeconfig": "",
            "context": "",
            "host": "",
            "api_key": "",
            "verify_ssl": None,
            "ssl_ca_cert": "",
            "namespace": "",
            "pod_spec_override": {},
            "max_concurrent_jobs": 0,
            "max_forks": 0,
            "warm_pods": 0,
            "warm_pod_ttl": None,
            "pod_pending_timeout": None,
            "image_pull_timeout": None,
            "cluster_outage_timeout": None,
        },
        sealed=frozenset(("kubeconfig", "api_key")),
        references={"credential": "credential", "execution_environment": "execution_environment"},
    ),
    Kind(
        "project",
        object_tables.projects,
        scope=("organization",),
        settings={
            "scm_type": "manual",
            "local_path": "",
            "scm_url": "",
            "scm_branch": "",
            "scm_refspec": "",
            "scm_clean": False,
            "scm_track_submodules": False,
            "scm_update_on_launch": False,
            "scm_update_cache_timeout": 0,
            "allow_override": False,
            "timeout": 0,
        },
        references={
            "organization": "organization",
            "credential": "credential",
            "default_environment": "execution_environment",
        },
    ),
    Kind(
        "inventory",
        object_tables.inventories,
        scope=("organization",),
        settings={
            "content": {},
            "path": "",
            "variables": {},
            "prevent_instance_group_fallback": False,
        },
        sealed=frozenset(("content", "variables")),
        references={"organization": "organization"},
        lists={"instance_groups": Listed("container_group", object_tables.inventory_instance_groups)},
    ),
    Kind(
        "inventory_source",
        object_tables.inventory_sources,
        scope=("inventory",),
        settings={
            "source": "file",
            "source_path": "",
            "source_vars": {},
            "limit": "",
            "overwrite": False,
            "overwrite_vars": False,
            "timeout": 0,
            "verbosity": 1,
            "update_on_launch": False,
            "update_cache_timeout": 0,
        },
        sealed=frozenset(("source_vars",)),
        references={"inventory": "inventory", "source_project": "project", "credential": "credential"},
    ),
    Kind(
        "job_template",
        object_tables.job_templates,
        scope=("organization",),
        settings={
            "playbook": "",
            "job_type": "run",
            "forks": 0,
            "limit": "",
            "verbosity": 0,
            "extra_vars": {},
            "job_tags": "",
            "skip_tags": "",
            "start_at_task": "",
            "diff_mode": False,
            "become_enabled": False,
            "allow_simultaneous": False,
            "timeout": 0,
            "job_slice_count": 1,
            "scm_branch": "",
            "prevent_instance_group_fallback": False,
            "survey_enabled": False,
            "survey_spec": {},
            **_asked(PROMPTS),
        },
        sealed=frozenset(("extra_vars", "survey_spec")),
        references={
            "organization": "organization",
            "inventory": "inventory",
            "project": "project",
            "execution_environment": "execution_environment",
        },
        lists={
            "credentials": Listed("credential", object_tables.job_template_credentials),
            "instance_groups": Listed("container_group", object_tables.job_template_instance_groups),
        },
    ),
    Kind(
        "workflow_job_template",
        object_tables.workflow_job_templates,
        scope=("organization",),
        settings={
            "extra_vars": {},
            "limit": "",
            "job_tags": "",
            "skip_tags": "",
            "scm_branch": "",
            "allow_simultaneous": False,
            "survey_enabled": False,
            "survey_spec": {},
            **_asked(WORKFLOW_PROMPTS),
        },
        sealed=frozenset(("extra_vars", "survey_spec")),
        references={"organization": "organization", "inventory": "inventory"},
    ),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}

NODE_REFERENCES = {
    "job_template": "job_template",
    "project": "project",
    "inventory_source": "inventory_source",
    "workflow": "workflow_job_template",
    "inventory": "inventory",
    "execution_environment": "execution_environment",
}
"""What a workflow's node refers to: one of the first four, which it runs, and what it prompts with."""
NODE_LISTS = {
    "credentials": Listed("credential", object_tables.workflow_node_credentials),
    "instance_groups": Listed("container_group", object_tables.workflow_node_instance_groups),
}
