# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: job_pods
short_description: Pods of jobs as hosts
version_added: 0.1.0
description:
  - Gives Ansible the pods in which jobs run now as hosts, so that a play can look into them.
  - A host is called as its pod, and is reached by the connection plugin C(kubernetes.core.kubectl), which has
    to be installed for that.
  - The file that configures the plugin has a name that ends with C(.jobpods.yml), C(.jobpods.yaml),
    C(job_pods.yml) or C(job_pods.yaml).
  - Each host has the variables C(jobpods_job_id), C(jobpods_job_name), C(jobpods_job_type),
    C(jobpods_status), C(jobpods_container_group) (empty for one that is not stored), C(jobpods_namespace),
    C(jobpods_node) (empty until it is known), C(jobpods_controller_node), C(jobpods_created) and
    C(jobpods_started) (empty until it runs), and those that the connection plugin needs.
extends_documentation_fragment:
  - jobpods.controller.plugin_store
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [jobpods.controller.job_pods]
  container_groups:
    description: Only pods of these container groups.
    type: list
    elements: str
  namespaces:
    description: Only pods in these namespaces.
    type: list
    elements: str
  statuses:
    description: Only pods of jobs with these statuses.
    type: list
    elements: str
    choices: [waiting, running]
    default: [waiting, running]
  job_ids:
    description: Only pods of these jobs.
    type: list
    elements: int
notes:
  - A pod is reached with the same kubeconfig file and context as its job was launched with, where it was
    launched with one file. Else C(kubectl) finds its own, or C(compose) sets the variables that
    C(kubernetes.core.kubectl) documents. No token or password becomes a variable.
seealso:
  - module: jobpods.controller.job_info
  - plugin: jobpods.controller.stored
    plugin_type: inventory
    description: Stored inventories as inventories.
"""

EXAMPLES = r"""
# all.jobpods.yml: the pods of all jobs
plugin: jobpods.controller.job_pods

---
# prod.jobpods.yml: those that run in one group, by their nodes and jobs
plugin: jobpods.controller.job_pods
container_groups: [prod]
statuses: [running]
compose:
  ansible_remote_tmp: "'/tmp/job-' ~ jobpods_job_id"
groups:
  projects: jobpods_job_type == 'project_update'
keyed_groups:
  - key: jobpods_node
    prefix: node
    default_value: unknown
  - key: jobpods_namespace
    prefix: namespace
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.plugin_utils.plugin_store import StoreInventoryPlugin

if TYPE_CHECKING:
    from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
    from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord


class InventoryModule(StoreInventoryPlugin):
    """The plugin."""

    NAME = "jobpods.controller.job_pods"
    endings = (".jobpods.yml", ".jobpods.yaml", "job_pods.yml", "job_pods.yaml")
    own_options = ("container_groups", "namespaces", "statuses", "job_ids")

    def read(self) -> Any:
        """The variables of each pod, by its name."""
        chosen = {
            "container_group": self.get_option("container_groups"),
            "namespace": self.get_option("namespaces"),
            "id": self._job_ids(),
        }
        with self.opened_store() as store:
            found = [
                record
                for status in dict.fromkeys(self.get_option("statuses"))
                for record in store.list(status=status)
                if record.pod_name and not record.pod_deleted and _wanted(record, chosen)
            ]
            pods = {}
            for record in sorted(found, key=lambda record: record.id):
                try:
                    pods[record.pod_name] = _variables(record, store)
                except Failure:
                    if store.get(record.id).finished is None:
                        raise
                    # It has ended meanwhile: its launch is forgotten, and its pod is going.
            return pods

    def _job_ids(self) -> list[int] | None:
        """The option, whose elements may be texts."""
        given = self.get_option("job_ids")
        return None if given is None else [int(each) for each in given]

    def fill(self, found: Any, path: str) -> None:
        """Adds a host for each pod."""
        for name, variables in found.items():
            self.inventory.add_host(name)
            for variable, value in variables.items():
                # What jobs and clusters call themselves is no template.
                self.inventory.set_variable(name, variable, wrap_var(value))
            self.construct(name)


def _wanted(record: JobRecord, chosen: Mapping[str, Sequence[Any] | None]) -> bool:
    return all(values is None or getattr(record, name) in values for name, values in chosen.items())


def _variables(record: JobRecord, store: JobStore) -> dict[str, Any]:
    from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
        default_pod_spec,
        merge,
        worker_name,
    )

    connection, launch = store.connection(record.id), store.launch(record.id)
    group = launch.get("group") or {}
    variables = {
        "ansible_connection": "kubernetes.core.kubectl",
        "ansible_kubectl_namespace": record.namespace,
        "ansible_kubectl_pod": record.pod_name,
        "ansible_kubectl_container": worker_name(
            merge(default_pod_spec(), group.get("pod_spec_override") or {})
        ),
        **_kubeconfig(connection),
        "jobpods_job_id": record.id,
        "jobpods_job_name": record.name,
        "jobpods_job_type": record.type,
        "jobpods_status": record.status,
        "jobpods_container_group": record.container_group or "",
        "jobpods_namespace": record.namespace,
        "jobpods_node": record.execution_node,
        "jobpods_controller_node": record.controller_node,
        "jobpods_created": record.created.isoformat(timespec="seconds"),
        "jobpods_started": record.started.isoformat(timespec="seconds") if record.started else "",
    }
    return variables


def _kubeconfig(connection: Mapping[str, Any]) -> dict[str, str]:
    """Which kubeconfig and context the connection is from, where kubectl can use the same."""
    path = connection.get("kubeconfig")
    if not isinstance(path, str) or os.pathsep in path:
        return {}
    context = connection.get("context")
    known = {"ansible_kubectl_kubeconfig": path}
    return {**known, "ansible_kubectl_context": str(context)} if context else known
