# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of each kind of AWX's objects here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import (
    KINDS,
    PROMPTS,
    WORKFLOW_PROMPTS,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.contents import read_content
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.fields import (
    Fields,
    variables_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import (
    Reference,
    Unknown,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.workflows import read_node
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_arguments import (
    INVENTORY_SOURCE,
)

OF_JOBS = ("machine", "vault")
OF_SOURCES = ("vault", "kubernetes_bearer_token")
"""The types of credentials that jobs, and inventory sources, take."""
SELECTING = ("host_filter", "enabled_var")
"""Fields of an inventory source that make its hosts fewer."""
OF_GIT = ("scm_url", "scm_branch", "scm_refspec")


def _organization(fields: Fields) -> None:
    fields.plain("description")
    fields.reference("default_environment")
    fields.listing("instance_groups")


def _credential(fields: Fields) -> None:
    fields.plain("description")
    fields.ignore("credential_type")
    inputs = fields.take("inputs") or {}
    if not isinstance(inputs, Mapping):
        raise _invalid(f"inputs must be a mapping, but it is {kind_of(inputs)}.")
    fields.asset.given["inputs"] = dict(inputs)


def _execution_environment(fields: Fields) -> None:
    fields.plain("description", "image", "pull")
    fields.reference("organization")
    fields.reference("credential")


def _container_group(fields: Fields) -> None:
    if not fields.take("is_container_group"):
        raise _invalid(
            "it is a group of instances; here jobs run in container groups, or on the controller node, which"
            " is the group controlplane."
        )
    fields.plain("max_concurrent_jobs", "max_forks")
    fields.reference("credential")
    # Without it, the group would be on whatever cluster the controller's own connection leads to.
    fields.asset.needed |= {"credential"}
    # Of instances only.
    fields.ignore("policy_instance_percentage", "policy_instance_minimum", "policy_instance_list")
    fields.asset.given["pod_spec_override"] = variables_of(
        fields.take("pod_spec_override"), "pod_spec_override"
    )


def _project(fields: Fields, projects_root: str) -> None:
    kind = fields.take("scm_type") or "manual"
    if kind not in ("manual", "git", "archive"):
        raise _invalid(f"its scm_type is {kind}; there are manual, git and archive here.")
    fields.plain("description", "scm_update_on_launch", "scm_update_cache_timeout", "allow_override")
    fields.seconds("timeout")
    fields.reference("default_environment")
    fields.asset.given["scm_type"] = kind
    local_path = fields.take("local_path")
    if kind == "manual":
        if not local_path:
            raise _invalid("it has no local_path.")
        fields.asset.given["local_path"] = os.path.join(projects_root, local_path)
        fields.ignore(*OF_GIT, "credential", "scm_clean", "scm_track_submodules", "scm_delete_on_update")
        return
    fields.plain("scm_url", "scm_clean")
    fields.reference("credential")
    if kind == "git":
        fields.plain("scm_branch", "scm_refspec", "scm_track_submodules")


def _inventory(fields: Fields) -> None:
    kind = fields.take("kind")
    if kind:
        raise _invalid(f"it is a {kind} inventory, which there are none of here.")
    fields.plain("description", "prevent_instance_group_fallback")
    fields.variables("variables")
    fields.listing("instance_groups")
    fields.asset.given["content"] = read_content(fields)


def _inventory_source(fields: Fields) -> None:
    for name in SELECTING:
        if fields.take(name):
            raise _invalid(
                f"it has {name}, which there is none of here; without it, it would bring more hosts."
            )
    if not fields.take("enabled_var"):
        fields.ignore("enabled_value")
    source = fields.take("source")
    known = [choice for choice in INVENTORY_SOURCE["source"]["choices"] if choice != "plugin"]
    if source not in known:
        raise _invalid(f"its source is {source or 'not given'}; of AWX's there are {', '.join(known)} here.")
    fields.plain(
        "description",
        "source_path",
        "limit",
        "overwrite",
        "overwrite_vars",
        "verbosity",
        "update_on_launch",
        "update_cache_timeout",
    )
    fields.ignore("inventory")
    fields.asset.given["source"] = source
    fields.seconds("timeout")
    fields.variables("source_vars")
    fields.reference("source_project", needed=source == "scm")
    fields.reference("credential")
    fields.listing("credentials")
    # AWX has a list of them, and shows the first in `credential`, too.
    references = fields.asset.references
    found = [references.pop("credential", None), *fields.asset.lists.pop("credentials", [])]
    wanted = _of_types(fields, "credential", [key for key in found if key is not None], OF_SOURCES)
    if wanted:
        references["credential"] = wanted[0]
        for another in wanted[1:]:
            fields.leave("credential", f"{another}: an inventory source takes one")


def _job_template(fields: Fields) -> None:
    names = set(KINDS["job_template"].settings) - {"extra_vars", "survey_spec", "timeout"}
    _template(fields, names, {f"ask_{name}_on_launch" for name in PROMPTS})
    fields.seconds("timeout")
    fields.reference("project", needed=True)
    asks = bool(fields.asset.given.get("ask_inventory_on_launch"))
    fields.reference("inventory", needed=not asks)
    fields.reference("execution_environment")
    fields.listing("credentials")
    lists = fields.asset.lists
    if "credentials" in lists:
        lists["credentials"] = _of_types(fields, "credentials", lists["credentials"], OF_JOBS)
    fields.listing("instance_groups")


def _workflow_job_template(fields: Fields) -> None:
    names = set(KINDS["workflow_job_template"].settings) - {"extra_vars", "survey_spec"}
    _template(fields, names, {f"ask_{name}_on_launch" for name in WORKFLOW_PROMPTS})
    fields.reference("inventory")
    for index, given in enumerate(fields.related("workflow_nodes")):
        fields.asset.nodes.append(read_node(given, f"related.workflow_nodes[{index}]"))


def _template(fields: Fields, names: set[str], asks: set[str]) -> None:
    fields.plain("description", *sorted(names | asks))
    fields.variables("extra_vars")
    fields.survey()


def _of_types(fields: Fields, option: str, given: list[Reference], types: tuple[str, ...]) -> list[Reference]:
    """Those credentials that an object can have; the others are noted."""
    wanted: list[Reference] = []
    for key in dict.fromkeys(given):
        if isinstance(key, Unknown):
            fields.leave(option, str(key))
        elif key.credential_type not in types:
            fields.leave(
                option, f"{key}: it is of type {key.credential_type}; it must be {' or '.join(types)}"
            )
        else:
            wanted.append(key)
    return wanted


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)


def readers(projects_root: str) -> dict[str, Callable[[Fields], None]]:
    """What takes the fields of an asset of each kind.

    Args:
        projects_root: the folder that AWX's manual projects lie in, here.
    """
    return {
        "organization": _organization,
        "credential": _credential,
        "execution_environment": _execution_environment,
        "container_group": _container_group,
        "project": lambda fields: _project(fields, projects_root),
        "inventory": _inventory,
        "inventory_source": _inventory_source,
        "job_template": _job_template,
        "workflow_job_template": _workflow_job_template,
    }
