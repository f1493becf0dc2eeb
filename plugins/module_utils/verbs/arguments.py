# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the modules: used by them, and by the action plugin that runs first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import (
    DEFAULT_TTL,
    KEEP_POD,
    NEVER,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import LIMITS, MOST_OUTPUT
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.cluster_arguments import (
    CLUSTER_ARGUMENTS,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.maintenance_arguments import (
    MAINTENANCE_ARGUMENTS,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_arguments import (
    CONNECTION,
    OBJECT_ARGUMENTS,
    OBJECT_IMPORT,
    OBJECT_INFO,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.option_checks import is_text, troubles
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.store_arguments import STORE

Spec = dict[str, Any]

EXECUTION_ENVIRONMENT: Spec = {
    "image": {"type": "str", "required": True},
    "pull": {"type": "str", "choices": ["always", "missing", "never"]},
    "credential": {"type": "raw"},
}
INLINE_GROUP: Spec = {
    **CONNECTION,
    "namespace": {"type": "str"},
    "pod_spec_override": {"type": "raw"},
    "execution_environment": {"type": "raw"},
    "warm_pods": {"type": "int"},
    "warm_pod_ttl": {"type": "int"},
    **{name: {"type": "int"} for name in LIMITS},
}
INLINE_CREDENTIAL: Spec = {
    "credential_type": {"type": "str", "required": True},
    "inputs": {"type": "dict", "required": True},
}
INLINE: dict[str, Spec] = {
    "container_group": INLINE_GROUP,
    "credential": INLINE_CREDENTIAL,
    "credentials": INLINE_CREDENTIAL,
    "execution_environment": EXECUTION_ENVIRONMENT,
}
"""What a mapping has that is given in place of a stored object's name, also within another such mapping."""

CONTAINER_GROUP_JOB: Spec = {
    "job_template": {"type": "str"},
    "container_group": {"type": "raw"},
    "instance_groups": {"type": "list", "elements": "str"},
    "organization": {"type": "str"},
    "name": {"type": "str"},
    "project": {"type": "path"},
    "scm_branch": {"type": "str"},
    "playbook": {"type": "str"},
    "inventory": {"type": "raw"},
    "extra_vars": {"type": "dict"},
    "credentials": {"type": "list", "elements": "raw", "aliases": ["credential"]},
    "limit": {"type": "str"},
    "tags": {"type": "list", "elements": "str", "aliases": ["job_tags"]},
    "skip_tags": {"type": "list", "elements": "str"},
    "start_at_task": {"type": "str"},
    "forks": {"type": "int"},
    "verbosity": {"type": "int", "choices": [0, 1, 2, 3, 4, 5]},
    "job_type": {"type": "str", "choices": ["run", "check"]},
    "diff_mode": {"type": "bool"},
    "become_enabled": {"type": "bool"},
    "timeout": {"type": "int", "aliases": ["job_timeout"]},
    "job_slice_count": {"type": "int"},
    "execution_environment": {"type": "raw"},
    "wait": {"type": "bool", "default": True},
    "cancel_grace": {"type": "int", "default": 5},
    "controller_lost_timeout": {"type": "int"},
    "max_events": {"type": "int"},
    "max_event_size": {"type": "bytes"},
    "max_output_size": {"type": "bytes"},
    "retry_on_node_loss": {"type": "bool", "default": False},
    "keep_pod": {"type": "str", "default": NEVER, "choices": list(KEEP_POD)},
    "keep_pod_ttl": {"type": "int", "default": DEFAULT_TTL},
    **{name: {"type": "int"} for name in LIMITS},
    **STORE,
}

AD_HOC_COMMAND: Spec = {
    "module_name": {"type": "str", "default": "command"},
    "module_args": {"type": "str", "default": ""},
    "inventory": {"type": "raw", "required": True},
    "organization": {"type": "str"},
    "container_group": {"type": "raw"},
    "instance_groups": {"type": "list", "elements": "str"},
    "name": {"type": "str"},
    "credential": {"type": "raw"},
    "timeout": {"type": "int"},
    **{
        name: CONTAINER_GROUP_JOB[name]
        for name in (
            "limit",
            "extra_vars",
            "forks",
            "verbosity",
            "job_type",
            "diff_mode",
            "become_enabled",
            "execution_environment",
            "wait",
            "cancel_grace",
            "controller_lost_timeout",
            *MOST_OUTPUT,
            "retry_on_node_loss",
            "keep_pod",
            "keep_pod_ttl",
            *LIMITS,
        )
    },
    **STORE,
}

RUN: Spec = {
    "playbook": {"type": "str", "required": True},
    "pod_namespace": {"type": "str"},
    "job_timeout": {"type": "int"},
    **{
        name: CONTAINER_GROUP_JOB[name]
        for name in (
            "project",
            "scm_branch",
            "container_group",
            "instance_groups",
            "execution_environment",
            "extra_vars",
            "start_at_task",
            "job_slice_count",
            "retry_on_node_loss",
            "keep_pod",
            "keep_pod_ttl",
            *LIMITS,
        )
    },
    "credentials": {"type": "list", "elements": "raw"},
}
"""Options of the playbook of this name. They are extra variables, so there are few, without aliases."""

WORKFLOW_JOB: Spec = {
    "workflow_job_template": {"type": "str", "required": True, "aliases": ["name", "workflow_template"]},
    "organization": {"type": "str"},
    **{
        name: CONTAINER_GROUP_JOB[name]
        for name in ("inventory", "limit", "scm_branch", "tags", "skip_tags", "extra_vars", "wait")
    },
    **STORE,
}

WAIT: Spec = {"type": "bool", "default": True}

PROJECT_UPDATE: Spec = {
    "project": {"type": "str", "required": True, "aliases": ["name"]},
    "organization": {"type": "str"},
    "wait": WAIT,
    **STORE,
}

INVENTORY_UPDATE: Spec = {
    "inventory_source": {"type": "str", "required": True, "aliases": ["name"]},
    "inventory": {"type": "str"},
    "organization": {"type": "str"},
    "wait": WAIT,
    **STORE,
}

JOB_RELAUNCH: Spec = {
    "job_id": {"type": "int", "required": True, "aliases": ["id"]},
    "hosts": {"type": "str", "default": "all", "choices": ["all", "failed"]},
    "wait": WAIT,
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

JOB_REPORT: Spec = {
    "job_id": {"type": "int", "required": True, "aliases": ["id"]},
    "dest": {"type": "path", "required": True, "aliases": ["path"]},
    "mode": {"type": "raw", "default": "0600"},
    "max_output_size": {"type": "bytes", "default": "4M"},
    **STORE,
}

JOB_CANCEL: Spec = {
    "job_id": {"type": "int", "required": True, "aliases": ["id"]},
    "fail_if_not_running": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 60},
    **STORE,
}

ARGUMENTS: dict[str, Spec] = {
    "ad_hoc_command": AD_HOC_COMMAND,
    "container_group_job": CONTAINER_GROUP_JOB,
    "inventory_update": INVENTORY_UPDATE,
    "job_cancel": JOB_CANCEL,
    "job_info": JOB_INFO,
    "job_relaunch": JOB_RELAUNCH,
    "job_report": JOB_REPORT,
    "job_wait": JOB_WAIT,
    "object_import": OBJECT_IMPORT,
    "object_info": OBJECT_INFO,
    "project_update": PROJECT_UPDATE,
    "run": RUN,
    "workflow_job": WORKFLOW_JOB,
    **CLUSTER_ARGUMENTS,
    **MAINTENANCE_ARGUMENTS,
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
    return _checked(given, ARGUMENTS[name], "", name)


def _checked(given: Mapping[str, Any], spec: Spec, where: str, owner: str) -> dict[str, Any]:
    """Options checked against their spec, with those of mappings in them.

    Args:
        given: the options.
        spec: theirs.
        where: the option that they are in; empty for a module's own.
        owner: that option, or the module.
    """
    known = {str(option): value for option, value in given.items() if value is not None}
    wrong = troubles(known, spec, where, owner)
    if wrong:
        raise Failure("InvalidConfiguration", " ".join(wrong))
    checked = ArgumentSpecValidator(spec).validate(known)
    if checked.error_messages:
        begin = f"{where}: " if where else ""
        words = (f"{begin}{text[0].upper()}{text[1:].rstrip('.')}." for text in checked.error_messages)
        raise Failure("InvalidConfiguration", " ".join(words))
    aliases = {alias for rule in spec.values() for alias in rule.get("aliases", ())}
    params = {
        option: value
        for option, value in checked.validated_parameters.items()
        if option not in aliases - set(spec)
    }
    for option, inner in INLINE.items():
        path = f"{where}.{option}" if where else option
        if spec.get(option, {}).get("type") == "raw":
            params[option] = _inline(params.get(option), inner, path)
        elif spec.get(option, {}).get("elements") == "raw" and params.get(option) is not None:
            params[option] = [
                _inline(each, inner, f"{path}[{index}]") for index, each in enumerate(params[option])
            ]
    return params


def _inline(value: Any, spec: Spec, where: str) -> Any:
    """What is given in place of a stored object's name, checked; a name, or nothing, as it is."""
    if isinstance(value, Mapping):
        return _checked(value, spec, where, where)
    if value is not None and not is_text(value):
        raise Failure(
            "InvalidConfiguration",
            f"{where} must be the name of a stored one, or a mapping with {', '.join(spec)}, but it is"
            f" {kind_of(value)}.",
        )
    return value
