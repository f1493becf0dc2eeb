# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the modules that look at a cluster, or prepare one, without a job."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_arguments import CONNECTION
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.store_arguments import STORE

Spec = dict[str, Any]

TARGET: Spec = {
    "credential": {"type": "str"},
    "organization": {"type": "str"},
    "container_group": {"type": "str"},
    **CONNECTION,
    "namespace": {"type": "str"},
}
"""What names a namespace of a cluster."""

CREDENTIAL_TEST: Spec = {**TARGET, **STORE}

CLEANUP_PODS: Spec = {
    **TARGET,
    "unknown_jobs": {"type": "str", "default": "keep", "choices": ["keep", "delete_ended", "delete"]},
    "older_than": {"type": "int", "default": 24 * 3600},
    **STORE,
}

CLUSTER_ACCESS: Spec = {
    **CONNECTION,
    "namespace": {"type": "str", "required": True},
    "service_account": {"type": "str", "default": "container-group"},
    "registry_secrets": {"type": "bool", "default": False, "no_log": False},
    "token": {
        "type": "str",
        "default": "none",
        "choices": ["none", "long_lived", "bound"],
        "no_log": False,
    },
    "token_seconds": {"type": "int", "default": 30 * 24 * 3600, "no_log": False},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    **STORE,
}

CLUSTER_ARGUMENTS: dict[str, Spec] = {
    "cleanup_pods": CLEANUP_PODS,
    "cluster_access": CLUSTER_ACCESS,
    "credential_test": CREDENTIAL_TEST,
}
