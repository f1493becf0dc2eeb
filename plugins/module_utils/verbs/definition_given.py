# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parameters of a launch define: all of it, or by the template that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import ObjectStore, Values
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import DEFAULTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import (
    Definition,
    Names,
    stored_id,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_of_template import (
    read_of_template,
)

MODULE = re.compile(r"\w+(\.\w+)*", re.ASCII)
"""The name of a module, also a full one."""


def read_definition(params: Mapping[str, Any], objects: ObjectStore, folder: Path) -> Definition:
    """Reads what is to be launched.

    Args:
        params: of `container_group_job`; None where an option is not given.
        objects: the stored objects.
        folder: relative paths start here.

    Raises:
        Failure: `InvalidConfiguration`, `ProjectNotFound` or `InventoryInvalid`; it names the option.
    """
    organization = params.get("organization")
    given = {name: value for name, value in params.items() if value is not None}
    if "job_template" in given:
        return read_of_template(given, objects, folder, organization)
    return _Reader(objects, folder, organization).inline(given)


def read_ad_hoc(params: Mapping[str, Any], objects: ObjectStore, folder: Path) -> Definition:
    """Reads what an ad hoc command is.

    Args:
        params: of `ad_hoc_command`; None where an option is not given.
        objects: the stored objects.
        folder: relative paths start here.

    Raises:
        Failure: `InvalidConfiguration` or `InventoryInvalid`; it names the option.
    """
    reader = _Reader(objects, folder, params.get("organization"))
    return reader.ad_hoc({name: value for name, value in params.items() if value is not None})


class _Reader:
    def __init__(self, objects: ObjectStore, folder: Path, organization: str | None) -> None:
        self._objects = objects
        self._names = Names(objects, folder, organization)

    def inline(self, given: Values) -> Definition:
        if "name" in given and "project" not in given and "playbook" not in given:
            raise _invalid(
                f"job_template is missing: it names the template to launch (name: {given['name']} is what to"
                " call a job); or give project, playbook and inventory."
            )
        for name in ("project", "playbook", "inventory"):
            if name not in given:
                raise _invalid(f"{name} is missing; give it, or the job_template to launch.")
        project = self._names.project(given["project"])
        options, groups = self._given({**given, "project": project})
        organization = None
        if self._names.organization is not None:
            organization = self._objects.get("organization", self._names.organization, "organization").id
        return Definition(
            options,
            groups,
            organization,
            slices_prompted="job_slice_count" in given,
            groups_given=self._names.groups_called(groups),
        )

    def ad_hoc(self, given: Values) -> Definition:
        """An ad hoc command runs in the groups of its inventory, then of the inventory's organization."""
        self._check_arguments(given)
        credential = []
        if "credential" in given:
            credential.append(self._names.credential(given["credential"], "credential"))
        module = {"project": None, "playbook": given["module_name"], "credentials": credential}
        options, groups = self._given({**given, **module})
        called = self._names.groups_called(groups)
        number = stored_id(options["inventory"])
        inventory = self._names.values("inventory", number)
        organization = inventory.get("organization")
        if self._names.organization is not None:
            organization = self._objects.get("organization", self._names.organization, "organization").id
        notes: tuple[str, ...] = ()
        if not groups and options.get("container_group") is None:
            groups = self._names.groups({}, number, organization)
            if not groups and number is not None:
                groups, notes = self._names.default_group()
        return Definition(options, groups, organization, groups_given=called, notes=notes)

    def _check_arguments(self, given: Values) -> None:
        """Refuses what is no module, and a command without one, as AWX does."""
        module = given["module_name"]
        if not MODULE.fullmatch(module):
            raise _invalid(
                f"module_name is {module!r}; give the name of a module, for example ping or"
                " ansible.builtin.service."
            )
        if module.rpartition(".")[2] in ("command", "shell") and not given["module_args"].strip():
            raise _invalid(f"module_args is missing: the module {module} needs what it is to run.")

    def _given(self, given: Values) -> tuple[Values, tuple[int, ...]]:
        """The options of a launch without a template, and the stored groups that they name."""
        options: Values = {**DEFAULTS, **given}
        options["inventory"] = self._names.inventory(given["inventory"])
        options["execution_environment"] = self._names.execution_environment(
            given.get("execution_environment")
        )
        options["credentials"] = self._names.credentials(options["credentials"])
        groups: tuple[int, ...] = ()
        group = given.get("container_group")
        if "instance_groups" in given:
            if group is not None:
                raise _invalid("container_group and instance_groups are both given; give one of them.")
            groups = tuple(self._names.container_groups(options.pop("instance_groups")))
            if not groups:
                raise _invalid("instance_groups is empty; name a container group, or leave it out.")
        elif group is not None and not isinstance(group, Mapping):
            groups = (self._objects.get("container_group", group, "container_group").id,)
            options.pop("container_group")
        elif group is not None:
            inner = self._names.execution_environment(
                group.get("execution_environment"), "container_group.execution_environment"
            )
            options["container_group"] = {**group, "execution_environment": inner}
        return options, groups


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
