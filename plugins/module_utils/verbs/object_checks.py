# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be right in an object before it is stored; messages name the option, and what would be right."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import (
    credential_type,
    read_inputs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Reader, Values
from ansible_collections.jobpods.controller.plugins.module_utils.controller.surveys import read_survey
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.inventories import check_inventory_values
from ansible_collections.jobpods.controller.plugins.module_utils.job.inventory_sources import (
    TYPES_OF_SOURCES,
    check_file_name,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import MAX_SECONDS, MAX_SLICES
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.address import check_url
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.git import check_words
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import registry_key
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import container_group_check
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import (
    resolve_credential_connection,
)

PATHS = {"project": ("local_path",), "inventory": ("path",)}
"""Options that are paths on the controller."""
PATHS_OR_TEXTS = ("kubeconfig", "ssl_ca_cert")
"""Options of a container group that may be paths, and may be content."""
MAX_FORKS = 1000

Checker = Callable[[Values, Reader], Values]


def read_given(kind: str, params: Mapping[str, Any], folder: Path) -> Values:
    """The options of an object that a task gives, in the form in which they are stored.

    Args:
        kind: the object's kind.
        params: the module's parameters; None where an option is not given.
        folder: relative paths start here.

    Raises:
        Failure: `InvalidConfiguration`, where one can't be read.
    """
    given = {
        option: value
        for option, value in params.items()
        if option in KINDS[kind].options and value is not None
    }
    for option in PATHS.get(kind, ()):
        if given.get(option):
            given[option] = os.path.normpath(folder / os.path.expanduser(str(given[option])))
    if kind == "container_group":
        for option in set(PATHS_OR_TEXTS) & set(given):
            given[option] = container_group_check.absolute(given[option], folder)
    if kind == "credential" and "credential_type" in given:
        given["credential_type"] = credential_type(given["credential_type"], "credential_type").name
    # As JSON will give it back: keys are texts, and dates, too.
    plain: Values = json.loads(json.dumps(given, default=str))
    return plain


def check_values(kind: str, values: Values, reader: Reader) -> Values:
    """An object's options, checked together.

    Args:
        kind: the object's kind.
        values: all options, as they would be stored.
        reader: reads the objects that they refer to.

    Returns:
        The options in their final form.

    Raises:
        Failure: `InvalidConfiguration`, which names the option.
    """
    return CHECKERS[kind](values, reader) if kind in CHECKERS else values


def _credential(values: Values, reader: Reader) -> Values:
    if not values["credential_type"]:
        raise _invalid("credential_type is missing; a new credential needs one, for example machine.")
    kind = credential_type(values["credential_type"], "credential_type")
    inputs = read_inputs(kind, values["inputs"], "inputs")
    if kind.name == "kubernetes_bearer_token":
        # Its certificate may be a file, which is read when it is used.
        resolve_credential_connection({**inputs, "ssl_ca_cert": None}, {}, Path())
    if kind.name == "container_registry" and not registry_key(inputs["host"]):
        raise _invalid(
            f"inputs.host is {inputs['host']!r}; give a registry's name, with its port if it has one, for"
            " example quay.io or registry.example.com:5000."
        )
    return {**values, "inputs": inputs}


def _execution_environment(values: Values, reader: Reader) -> Values:
    image = str(values["image"]).strip()
    if not image:
        raise _invalid("image is missing; give a reference like quay.io/org/image:tag.")
    if any(char.isspace() for char in image):
        raise _invalid(f"image is {image!r}; give a reference like quay.io/org/image:tag.")
    _check_type(values, "credential", ("container_registry",), reader)
    return {**values, "image": image}


def _project(values: Values, reader: Reader) -> Values:
    kind = values["scm_type"]
    if kind == "manual":
        _refuse(values, ("scm_url", "scm_branch", "scm_refspec", "credential"), "scm_type manual")
        if not values["local_path"]:
            raise _invalid(
                "local_path is missing; a project of scm_type manual is a folder on the controller."
            )
    else:
        _refuse(values, ("local_path",), f"scm_type {kind}")
        if not values["scm_url"]:
            raise _invalid(f"scm_url is missing; a project of scm_type {kind} needs it.")
        _check_type(values, "credential", ("source_control",), reader)
        check_url(kind, values["scm_url"])
        check_words(values["scm_branch"], values["scm_refspec"])
    if kind == "archive":
        _refuse(values, ("scm_branch", "scm_refspec", "scm_track_submodules"), "scm_type archive")
    _check_number(values, "scm_update_cache_timeout", 0, MAX_SECONDS)
    _check_number(values, "timeout", 0, MAX_SECONDS)
    return values


def _inventory_source(values: Values, reader: Reader) -> Values:
    if values["inventory"] is None:
        raise _invalid("inventory is missing; a source belongs to one.")
    source = values["source"]
    if source == "file" and not os.path.isabs(values["source_path"]):
        raise _invalid(
            f"source_path is {values['source_path']!r}; it must be the absolute path of a file or folder on"
            " the controller."
        )
    if source == "scm":
        if values["source_project"] is None:
            raise _invalid("source_project is missing; source scm is a file of a project.")
        if values["source_path"] != "/" and not _is_within(values["source_path"]):
            raise _invalid(
                f"source_path is {values['source_path']!r}; it must be the path of a file or folder within"
                " the project, or / for all of it."
            )
    else:
        _refuse(values, ("source_project",), f"source {source}")
    if source not in ("file", "scm"):
        check_file_name(values["source_path"])
    _check_type(values, "credential", TYPES_OF_SOURCES, reader)
    if source == "plugin" and not values["source_vars"].get("plugin"):
        raise _invalid(
            "source_vars must name the inventory plugin in plugin, for example amazon.aws.aws_ec2."
        )
    _check_number(values, "timeout", 0, MAX_SECONDS)
    _check_number(values, "update_cache_timeout", 0, MAX_SECONDS)
    return values


def _job_template(values: Values, reader: Reader) -> Values:
    if values["project"] is None:
        raise _invalid("project is missing; a job template runs a playbook of one.")
    if not values["playbook"]:
        raise _invalid("playbook is missing; give its path in the project, for example site.yml.")
    if not _is_within(values["playbook"]):
        raise _invalid(f"playbook {values['playbook']!r} must be a path within the project.")
    if values["inventory"] is None and not values["ask_inventory_on_launch"]:
        raise _invalid("inventory is missing; give one, or ask_inventory_on_launch: true.")
    check_credentials(values["credentials"], reader)
    if values["scm_branch"] and not reader("project", values["project"]).values["allow_override"]:
        raise _invalid("scm_branch is given, but the project does not allow it: set its allow_override.")
    _check_number(values, "forks", 0, MAX_FORKS)
    _check_number(values, "timeout", 0, MAX_SECONDS)
    _check_number(values, "job_slice_count", 1, MAX_SLICES)
    playbook = os.path.normpath(values["playbook"])
    return {**values, "playbook": playbook, "survey_spec": read_survey(values["survey_spec"])}


def _workflow_job_template(values: Values, reader: Reader) -> Values:
    return {**values, "survey_spec": read_survey(values["survey_spec"])}


def _inventory(values: Values, reader: Reader) -> Values:
    return check_inventory_values(values)


def check_credentials(ids: list[int], reader: Reader) -> None:
    """Refuses credentials that a job can't have together: it takes one of each type, and of each vault id."""
    seen: dict[tuple[str, str], str] = {}
    for number in ids:
        credential = reader("credential", number)
        kind = credential.values["credential_type"]
        if kind not in ("machine", "vault"):
            raise _invalid(
                f"credentials: {credential.name!r} is of type {kind}; a job takes machine and vault."
            )
        key = (kind, str(credential.values["inputs"].get("vault_id", "")))
        if key in seen:
            what = f"vault id {key[1]!r}" if key[1] else f"type {kind}"
            raise _invalid(
                f"credentials: {seen[key]!r} and {credential.name!r} are both of {what}; a job takes one."
            )
        seen[key] = credential.name


def _container_group(values: Values, reader: Reader) -> Values:
    _check_type(values, "credential", ("kubernetes_bearer_token",), reader)
    return container_group_check.check_values(values)


def _is_within(path: str) -> bool:
    """Whether a path leads to something within the folder that it starts from."""
    normal = os.path.normpath(path)
    return normal not in (".", "..") and not normal.startswith(("/", "../"))


def _check_type(values: Values, option: str, types: tuple[str, ...], reader: Reader) -> None:
    """Refuses a credential that is none of these types."""
    if values[option] is None:
        return
    credential = reader("credential", values[option])
    kind = credential.values["credential_type"]
    if kind not in types:
        raise _invalid(f"{option}: {credential.name!r} is of type {kind}; it must be {' or '.join(types)}.")


def _refuse(values: Values, options: tuple[str, ...], why: str) -> None:
    for option in options:
        if values[option]:
            raise _invalid(f"{option} does not go with {why}; leave it out, or clear it with an empty text.")


def _check_number(values: Values, option: str, least: int, most: int) -> None:
    if not least <= int(values[option]) <= most:
        raise _invalid(f"{option} is {values[option]}; it must be from {least} to {most}.")


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)


CHECKERS: dict[str, Checker] = {
    "container_group": _container_group,
    "credential": _credential,
    "execution_environment": _execution_environment,
    "inventory": _inventory,
    "inventory_source": _inventory_source,
    "job_template": _job_template,
    "project": _project,
    "workflow_job_template": _workflow_job_template,
}
