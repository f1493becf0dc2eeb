# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the modules for stored objects, with the options' names of awx.awx."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.store_arguments import STORE

Spec = dict[str, Any]

STATE: Spec = {"type": "str", "default": "present", "choices": ["present", "absent"]}
TEXT: Spec = {"type": "str"}
BOOLEAN: Spec = {"type": "bool"}
NUMBER: Spec = {"type": "int"}
NAMES: Spec = {"type": "list", "elements": "str"}

NAMED: Spec = {
    "name": {"type": "str", "required": True},
    "new_name": TEXT,
    "copy_from": TEXT,
    "description": TEXT,
    "state": STATE,
    **STORE,
}
"""What every object has; no option has a default, since what is not given stays as it is."""

CONNECTION: Spec = {
    "kubeconfig": {"type": "raw"},
    "context": TEXT,
    "host": TEXT,
    "api_key": {"type": "str", "no_log": True},
    "verify_ssl": {"type": "bool", "aliases": ["validate_certs"]},
    "ssl_ca_cert": {"type": "str", "aliases": ["ca_cert"]},
}

ORGANIZATION: Spec = {**NAMED, "default_environment": TEXT, "instance_groups": NAMES}

CREDENTIAL: Spec = {
    **NAMED,
    "organization": TEXT,
    "credential_type": TEXT,
    "inputs": {"type": "dict", "no_log": True},
}

EXECUTION_ENVIRONMENT: Spec = {
    **NAMED,
    "image": TEXT,
    "pull": {"type": "str", "choices": ["always", "missing", "never", ""]},
    "organization": TEXT,
    "credential": TEXT,
}

CONTAINER_GROUP: Spec = {
    **NAMED,
    "credential": TEXT,
    **CONNECTION,
    "namespace": TEXT,
    "pod_spec_override": {"type": "raw"},
    "execution_environment": TEXT,
    "max_concurrent_jobs": NUMBER,
    "max_forks": NUMBER,
    "warm_pods": NUMBER,
    "warm_pod_ttl": NUMBER,
    "pod_pending_timeout": NUMBER,
    "image_pull_timeout": NUMBER,
    "cluster_outage_timeout": NUMBER,
}

PROJECT: Spec = {
    **NAMED,
    "organization": TEXT,
    "scm_type": {"type": "str", "choices": ["manual", "git", "archive"]},
    "local_path": {"type": "path"},
    "scm_url": TEXT,
    "scm_branch": TEXT,
    "scm_refspec": TEXT,
    "credential": TEXT,
    "scm_clean": BOOLEAN,
    "scm_track_submodules": BOOLEAN,
    "scm_update_on_launch": BOOLEAN,
    "scm_update_cache_timeout": NUMBER,
    "allow_override": BOOLEAN,
    "timeout": {"type": "int", "aliases": ["job_timeout"]},
    "default_environment": TEXT,
}

INVENTORY: Spec = {
    **NAMED,
    "organization": TEXT,
    "content": {"type": "raw"},
    "path": {"type": "path"},
    "variables": {"type": "dict"},
    "instance_groups": NAMES,
    "prevent_instance_group_fallback": BOOLEAN,
}

INVENTORY_SOURCE: Spec = {
    **NAMED,
    "inventory": TEXT,
    "organization": TEXT,
    "source": {
        "type": "str",
        "choices": ["file", "scm", "plugin", "ec2", "gce", "azure_rm", "vmware", "openstack"],
    },
    "source_path": TEXT,
    "source_project": TEXT,
    "source_vars": {"type": "dict"},
    "credential": TEXT,
    "limit": TEXT,
    "overwrite": BOOLEAN,
    "overwrite_vars": BOOLEAN,
    "timeout": NUMBER,
    "verbosity": {"type": "int", "choices": [0, 1, 2]},
    "update_on_launch": BOOLEAN,
    "update_cache_timeout": NUMBER,
}


def _asked(*names: str) -> Spec:
    """The prompts of a template; some have a second name in awx.awx."""
    second = {
        "credential": "ask_credential",
        "diff_mode": "ask_diff_mode",
        "inventory": "ask_inventory",
        "job_type": "ask_job_type",
        "limit": "ask_limit",
        "skip_tags": "ask_skip_tags",
        "tags": "ask_tags",
        "variables": "ask_extra_vars",
        "verbosity": "ask_verbosity",
    }
    return {
        f"ask_{name}_on_launch": {"type": "bool", **({"aliases": [second[name]]} if name in second else {})}
        for name in names
    }


SURVEY: Spec = {"survey_enabled": BOOLEAN, "survey_spec": {"type": "dict", "aliases": ["survey"]}}

JOB_TEMPLATE: Spec = {
    **NAMED,
    "organization": TEXT,
    "job_type": {"type": "str", "choices": ["run", "check"]},
    "inventory": TEXT,
    "project": TEXT,
    "playbook": TEXT,
    "credentials": NAMES,
    "execution_environment": TEXT,
    "instance_groups": NAMES,
    "prevent_instance_group_fallback": BOOLEAN,
    "forks": NUMBER,
    "limit": TEXT,
    "verbosity": {"type": "int", "choices": [0, 1, 2, 3, 4, 5]},
    "extra_vars": {"type": "dict"},
    "job_tags": TEXT,
    "skip_tags": TEXT,
    "start_at_task": TEXT,
    "diff_mode": BOOLEAN,
    "become_enabled": BOOLEAN,
    "allow_simultaneous": BOOLEAN,
    "timeout": NUMBER,
    "job_slice_count": NUMBER,
    "scm_branch": TEXT,
    **SURVEY,
    **_asked(
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
    ),
}

WORKFLOW_JOB_TEMPLATE: Spec = {
    **NAMED,
    "organization": TEXT,
    "inventory": TEXT,
    "limit": TEXT,
    "scm_branch": TEXT,
    "job_tags": TEXT,
    "skip_tags": TEXT,
    "extra_vars": {"type": "dict"},
    "allow_simultaneous": BOOLEAN,
    **SURVEY,
    **_asked("inventory", "limit", "scm_branch", "skip_tags", "tags", "variables"),
    "workflow_nodes": {"type": "list", "elements": "dict", "aliases": ["schema"]},
    "destroy_current_nodes": {"type": "bool", "default": False, "aliases": ["destroy_current_schema"]},
}

OBJECT_ARGUMENTS: dict[str, Spec] = {
    "container_group": CONTAINER_GROUP,
    "credential": CREDENTIAL,
    "execution_environment": EXECUTION_ENVIRONMENT,
    "inventory": INVENTORY,
    "inventory_source": INVENTORY_SOURCE,
    "job_template": JOB_TEMPLATE,
    "organization": ORGANIZATION,
    "project": PROJECT,
    "workflow_job_template": WORKFLOW_JOB_TEMPLATE,
}
"""By the modules' names, which are those of the kinds."""

OBJECT_INFO: Spec = {
    "kind": {"type": "str", "required": True, "choices": sorted(OBJECT_ARGUMENTS), "aliases": ["type"]},
    "name": TEXT,
    "organization": TEXT,
    "filters": {"type": "dict", "default": {}},
    **STORE,
}

OBJECT_IMPORT: Spec = {
    "assets": {"type": "dict"},
    "path": {"type": "path"},
    "secrets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            "organization": TEXT,
            "credential_type": TEXT,
            "inputs": {"type": "dict", "required": True, "no_log": True},
        },
    },
    "projects_root": {"type": "path", "default": "/var/lib/awx/projects"},
    **STORE,
}
