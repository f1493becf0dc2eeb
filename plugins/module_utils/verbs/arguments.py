# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the modules: used by them, and by the action plugin that runs first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import LIMITS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_arguments import (
    OBJECT_ARGUMENTS,
    OBJECT_INFO,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.store_arguments import STORE

Spec = dict[str, Any]

EXECUTION_ENVIRONMENT: Spec = {
    "type": "dict",
    "options": {
        "image": {"type": "str", "required": True},
        "pull": {"type": "str", "choices": ["always", "missing", "never"]},
    },
}

CONTAINER_GROUP: Spec = {
    "kubeconfig": {"type": "raw"},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "verify_ssl": {"type": "bool", "aliases": ["validate_certs"]},
    "ssl_ca_cert": {"type": "str", "aliases": ["ca_cert"]},
    "namespace": {"type": "str"},
    "pod_spec_override": {"type": "raw"},
    "execution_environment": EXECUTION_ENVIRONMENT,
    **{name: {"type": "int", "default": seconds} for name, seconds in LIMITS.items()},
}

CREDENTIAL: Spec = {
    "credential_type": {"type": "str", "required": True},
    "inputs": {"type": "dict", "required": True, "no_log": True},
}

CONTAINER_GROUP_JOB: Spec = {
    "container_group": {"type": "dict", "options": CONTAINER_GROUP},
    "name": {"type": "str"},
    "project": {"type": "path", "required": True},
    "playbook": {"type": "str", "required": True},
    "inventory": {"type": "raw", "required": True},
    "extra_vars": {"type": "dict", "default": {}},
    "credentials": {"type": "list", "elements": "dict", "default": [], "options": CREDENTIAL},
    "limit": {"type": "str"},
    "tags": {"type": "list", "elements": "str", "default": [], "aliases": ["job_tags"]},
    "skip_tags": {"type": "list", "elements": "str", "default": []},
    "start_at_task": {"type": "str"},
    "forks": {"type": "int", "default": 0},
    "verbosity": {"type": "int", "default": 0, "choices": [0, 1, 2, 3, 4, 5]},
    "job_type": {"type": "str", "default": "run", "choices": ["run", "check"]},
    "diff_mode": {"type": "bool", "default": False},
    "become_enabled": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 0},
    "execution_environment": EXECUTION_ENVIRONMENT,
    "wait": {"type": "bool", "default": True},
    "cancel_grace": {"type": "int", "default": 5},
    "controller_lost_timeout": {"type": "int"},
    "pod_pending_timeout": {"type": "int"},
    "image_pull_timeout": {"type": "int"},
    "cluster_outage_timeout": {"type": "int"},
    **STORE,
}

JOB_INFO: Spec = {
    "job_id": {"type": "int", "aliases": ["id"]},
    "status": {
        "type": "str",
        "choices": ["new", "pending", "waiting", "running", "successful", "failed", "error", "canceled"],
    },
    "limit": {"type": "int", "default": 100},
    **STORE,
}

JOB_WAIT: Spec = {
    "job_id": {"type": "int", "required": True, "aliases": ["id"]},
    "timeout": {"type": "int", "default": 0},
    **STORE,
}

JOB_CANCEL: Spec = {
    "job_id": {"type": "int", "required": True, "aliases": ["id"]},
    "fail_if_not_running": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 60},
    **STORE,
}

ARGUMENTS: dict[str, Spec] = {
    "container_group_job": CONTAINER_GROUP_JOB,
    "job_cancel": JOB_CANCEL,
    "job_info": JOB_INFO,
    "job_wait": JOB_WAIT,
    "object_info": OBJECT_INFO,
    **OBJECT_ARGUMENTS,
}


def validated(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a module, by its argument spec.

    Args:
        name: the module's.
        given: the task's arguments; what is null is not given.

    Raises:
        Failure: `InvalidConfiguration`, with a sentence for each wrong option.
    """
    known = {option: value for option, value in given.items() if value is not None}
    checked = ArgumentSpecValidator(ARGUMENTS[name]).validate(known)
    words = list(checked.error_messages)
    if checked.unsupported_parameters:
        words[-1] = f"unknown option {words[-1]}"  # these come last, and begin with their names
    if words:
        sentences = (f"{text[0].upper()}{text[1:].rstrip('.')}." for text in words)
        raise Failure("InvalidConfiguration", " ".join(sentences))
    return {**known, **checked.validated_parameters}
