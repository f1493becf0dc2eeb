# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch is defined by: a template with what was asked for at launch, or the parameters themselves.

Both become the same flat mapping, a *definition*. Stored objects are in it by their ids, so that it can be
kept with the job, and launched again with what the objects are then.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import group_candidates
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import CONTROLPLANE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    StoredObject,
    Values,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.surveys import (
    read_answers,
    variables,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import DEFAULTS, split_tags

DEFAULT_GROUP = "default"
"""The stored group that jobs without any run in, where there is one."""
STORED = "stored"
"""Key of a mapping that stands for a stored object: its value is the id."""

PROMPTED = {
    "credentials": "ask_credential_on_launch",
    "diff_mode": "ask_diff_mode_on_launch",
    "execution_environment": "ask_execution_environment_on_launch",
    "forks": "ask_forks_on_launch",
    "instance_groups": "ask_instance_groups_on_launch",
    "inventory": "ask_inventory_on_launch",
    "job_slice_count": "ask_job_slice_count_on_launch",
    "job_type": "ask_job_type_on_launch",
    "limit": "ask_limit_on_launch",
    "scm_branch": "ask_scm_branch_on_launch",
    "skip_tags": "ask_skip_tags_on_launch",
    "tags": "ask_tags_on_launch",
    "timeout": "ask_timeout_on_launch",
    "verbosity": "ask_verbosity_on_launch",
}
"""What may be said at launch where the template asks for it; extra variables have rules of their own."""
OF_WORKFLOW = ("inventory", "limit", "scm_branch", "skip_tags", "tags")
"""Those of them that a workflow passes on to its nodes."""
OF_TEMPLATE_ONLY = ("name", "project", "playbook", "start_at_task", "become_enabled")
"""Options of an inline definition that no template asks for."""
FROM_TEMPLATE = {
    "playbook": "playbook",
    "job_type": "job_type",
    "forks": "forks",
    "limit": "limit",
    "verbosity": "verbosity",
    "extra_vars": "extra_vars",
    "tags": "job_tags",
    "skip_tags": "skip_tags",
    "start_at_task": "start_at_task",
    "diff_mode": "diff_mode",
    "become_enabled": "become_enabled",
    "timeout": "timeout",
    "job_slice_count": "job_slice_count",
    "scm_branch": "scm_branch",
}
"""Parameters of a launch, and what a template calls them."""


@dataclass(frozen=True)
class Definition:
    """A launch, defined whole.

    Attributes:
        options: the parameters of `container_group_job`, complete; a stored object is `{"stored": id}`.
        groups: ids of the container groups that it may run in, in order; empty for the inline one.
        organization: id of the one that it belongs to.
        job_template: id of the one that it is from.
        allow_simultaneous: it need not wait for other jobs of its template.
        slices_prompted: into how many slices it is cut was said at launch, not by its template.
        notes: what the user should know about how this came about.
    """

    options: Values
    groups: tuple[int, ...] = ()
    organization: int | None = None
    job_template: int | None = None
    allow_simultaneous: bool = True
    slices_prompted: bool = False
    notes: tuple[str, ...] = ()

    def to_stored(self) -> Values:
        """As JSON can carry it; to be sealed."""
        return {
            "options": self.options,
            "groups": list(self.groups),
            "organization": self.organization,
            "job_template": self.job_template,
            "allow_simultaneous": self.allow_simultaneous,
            "slices_prompted": self.slices_prompted,
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Definition:
        """What `to_stored` made."""
        return cls(**{**stored, "groups": tuple(stored["groups"])})

    def reference(self, option: str) -> int | None:
        """The id of the stored object that an option names, if it names one."""
        return stored_id(self.options.get(option))


def stored_id(value: object) -> int | None:
    """The id of the stored object that a value of a definition stands for, if it stands for one."""
    number = value[STORED] if isinstance(value, Mapping) and set(value) == {STORED} else None
    return number if isinstance(number, int) else None  # else it is an inventory with a group of this name


def read_definition(params: Mapping[str, Any], objects: ObjectStore, folder: Path) -> Definition:
    """Reads what is to be launched.

    Args:
        params: of `container_group_job`; None where an option is not given.
        objects: the stored objects.
        folder: relative paths start here.

    Raises:
        Failure: `InvalidConfiguration`, `ProjectNotFound` or `InventoryInvalid`; it names the option.
    """
    reader = _Reader(objects, folder, params.get("organization"))
    given = {name: value for name, value in params.items() if value is not None}
    if "job_template" in given:
        return reader.from_template(given)
    return reader.inline(given)


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


def read_node(
    template_id: int, prompts: Mapping[str, Any], extra_vars: Values, objects: ObjectStore, folder: Path
) -> Definition:
    """Reads what the job template of a workflow's node is launched with.

    Args:
        template_id: the job template's.
        prompts: of the node and its workflow, by the names of `PROMPTED`; what the template doesn't ask for
            is not taken, as in AWX.
        extra_vars: of the node, of the jobs before it and of its workflow; they are taken whether the
            template asks for variables or not, as in AWX.
        objects: the stored objects.
        folder: relative paths start here.

    Raises:
        Failure: `InvalidConfiguration`; it names what is missing.
    """
    return _Reader(objects, folder, None).of_node(template_id, prompts, extra_vars)


def read_prompts(
    template: StoredObject,
    given: Mapping[str, Any],
    objects: ObjectStore,
    folder: Path,
    *,
    of_node: bool = False,
) -> Values:
    """Reads what a workflow prompts the job templates of its nodes with.

    Args:
        template: the workflow job template.
        given: what was said at launch, by the names of the options of `workflow_job`.
        objects: the stored objects.
        folder: relative paths start here.
        of_node: another workflow launches it: what it doesn't ask for is not taken, but its variables are.

    Returns:
        By the names of `PROMPTED`, with `extra_vars`; nothing for what is not said.

    Raises:
        Failure: `InvalidConfiguration`; it names the option.
    """
    return _Reader(objects, folder, None).of_workflow(template.values, given, of_node=of_node)


class _Reader:
    def __init__(self, objects: ObjectStore, folder: Path, organization: str | int | None) -> None:
        self._objects = objects
        self._folder = folder
        self._organization = organization
        """In which a name is looked up first: as it is given, else as the template has it."""

    # -- from a template --

    def from_template(self, given: Values) -> Definition:
        template = self._objects.get(
            "job_template", given["job_template"], "job_template", self._organization
        )
        self._check_prompts(given, template.values)
        extra_vars = self._extra_vars(given.get("extra_vars") or {}, template.values)
        found = self._launched(template, given, extra_vars)
        return replace(found, slices_prompted="job_slice_count" in given)

    def of_node(self, template_id: int, prompts: Mapping[str, Any], extra_vars: Values) -> Definition:
        template = self._objects.by_id("job_template", template_id)
        asked = {name: value for name, value in prompts.items() if template.values[PROMPTED[name]]}
        answers = self._extra_vars(extra_vars, {**template.values, "ask_variables_on_launch": True})
        return self._launched(template, {**asked, "wait": True}, answers)

    def _launched(self, template: StoredObject, given: Values, extra_vars: Values) -> Definition:
        values = template.values
        if self._organization is None:
            self._organization = values["organization"]
        options: Values = {
            **given,
            **{name: values[of_template] for name, of_template in FROM_TEMPLATE.items()},
            "name": template.name,
            "project": _stored(values["project"]),
            "inventory": _stored(values["inventory"]),
            "execution_environment": _stored(values["execution_environment"]),
            "credentials": [_stored(number) for number in values["credentials"]],
        }
        for name in ("tags", "skip_tags"):
            options[name] = split_tags(options[name])
        for name in PROMPTED:
            if name in given:
                options[name] = self._prompted(name, given[name], options.get(name))
        if options["inventory"] is None:
            raise _invalid("inventory is missing: the template asks for it at launch.")
        options["extra_vars"] = extra_vars
        groups, notes = self._groups(options, values)
        return Definition(
            options,
            groups,
            values["organization"],
            template.id,
            bool(values["allow_simultaneous"]),
            notes=notes,
        )

    def of_workflow(self, template: Values, given: Mapping[str, Any], *, of_node: bool) -> Values:
        self._organization = template["organization"]
        if of_node:
            asked = {name: given[name] for name in OF_WORKFLOW if name in given and template[PROMPTED[name]]}
            asks = {**template, "ask_variables_on_launch": True}
        else:
            asked = {name: given[name] for name in OF_WORKFLOW if name in given}
            asks = template
            self._check_asked(asked, template, "workflow job template")
        of_template = {
            **{name: template[FROM_TEMPLATE[name]] for name in OF_WORKFLOW if name in FROM_TEMPLATE},
            "inventory": _stored(template["inventory"]),
        }
        for name in ("tags", "skip_tags"):
            of_template[name] = split_tags(of_template[name])
        prompts = {name: value for name, value in of_template.items() if value}
        for name, value in asked.items():
            prompts[name] = self._prompted(name, value, None)
        prompts["extra_vars"] = self._extra_vars(given.get("extra_vars") or {}, asks, "workflow job template")
        return prompts

    def _check_prompts(self, given: Values, template: Values) -> None:
        if "container_group" in given:
            raise _invalid(
                "container_group is given with job_template; say instance_groups to choose other groups."
            )
        for name in OF_TEMPLATE_ONLY:
            if name in given:
                raise _invalid(f"{name} is given with job_template, which says it; leave it out.")
        self._check_asked(given, template, "job template")

    def _check_asked(self, given: Values, template: Values, what: str) -> None:
        for name, ask in PROMPTED.items():
            if name in given and not template[ask]:
                raise _invalid(
                    f"{name} is given, but the {what} does not ask for it: set its {ask}, or leave it out."
                )

    def _prompted(self, name: str, value: Any, of_template: Any) -> Any:
        if name == "inventory":
            return self._inventory(value)
        if name == "execution_environment":
            return self._execution_environment(value)
        if name == "credentials":
            return self._with_prompted_credentials(
                of_template, [self._credential(each, index) for index, each in enumerate(value)]
            )
        return value

    def _with_prompted_credentials(self, of_template: list[Any], given: list[Any]) -> list[Any]:
        """Those given at launch, each in the place of the template's own of its type and vault id."""
        taken = {self._kind_of(each) for each in given}
        return [each for each in of_template if self._kind_of(each) not in taken] + given

    def _kind_of(self, credential: Any) -> tuple[str, str]:
        number = stored_id(credential)
        if number is None:
            inputs = credential.get("inputs") or {}
            return str(credential.get("credential_type")).lower(), str(inputs.get("vault_id") or "")
        values = self._objects.by_id("credential", number).values
        return values["credential_type"], str(values["inputs"].get("vault_id") or "")

    def _extra_vars(self, given: Values, template: Values, what: str = "job template") -> Values:
        """The template's, then the answers to its survey, then what it lets be said at launch."""
        surveyed: Values = {}
        others = dict(given)
        if template["survey_enabled"]:
            surveyed = read_answers(template["survey_spec"], given).values
            others = {
                name: value for name, value in given.items() if name not in variables(template["survey_spec"])
            }
        if others and not template["ask_variables_on_launch"]:
            raise _invalid(
                f"extra_vars has {', '.join(sorted(others))}, but the {what} asks for no variables: set"
                " its ask_variables_on_launch, or leave them out."
            )
        return {**template["extra_vars"], **others, **surveyed}

    def _groups(self, options: Values, template: Values) -> tuple[tuple[int, ...], tuple[str, ...]]:
        prompted = options.pop("instance_groups", None)
        ids = None
        if prompted:
            ids = self._listed_groups(prompted)
        inventory = self._stored_values("inventory", stored_id(options["inventory"]))
        organization = self._stored_values("organization", template["organization"])
        found = group_candidates(
            template["instance_groups"],
            inventory.get("instance_groups", []),
            organization.get("instance_groups", []),
            prevent_on_template=template["prevent_instance_group_fallback"],
            prevent_on_inventory=inventory.get("prevent_instance_group_fallback", False),
            prompted=ids,
        )
        if found:
            return tuple(found), ()
        return self._default_group()

    def _default_group(self) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Where jobs run for which nobody has said a group."""
        found = self._objects.list("container_group", name=DEFAULT_GROUP)
        if found:
            return (int(found[0]["id"]),), ()
        (own,) = self._objects.list("container_group", name=CONTROLPLANE)
        note = (
            "no pod is used: neither the template, nor its inventory or organization, has instance_groups,"
            f" and there is no container group {DEFAULT_GROUP}; the job runs on the controller node"
        )
        return (int(own["id"]),), (note,)

    def _stored_values(self, kind: str, number: int | None) -> Values:
        return self._objects.by_id(kind, number).values if number is not None else {}

    # -- inline --

    def inline(self, given: Values) -> Definition:
        for name in ("project", "playbook", "inventory"):
            if name not in given:
                raise _invalid(f"{name} is missing; give it, or the job_template to launch.")
        project = self._project(given["project"])
        options, groups = self._given({**given, "project": project})
        organization = None
        if self._organization is not None:
            organization = self._objects.get("organization", self._organization, "organization").id
        return Definition(options, groups, organization, slices_prompted="job_slice_count" in given)

    def ad_hoc(self, given: Values) -> Definition:
        """An ad hoc command runs in the groups of its inventory, then of the inventory's organization."""
        credential = [given["credential"]] if "credential" in given else []
        module = {"project": None, "playbook": given["module_name"], "credentials": credential}
        options, groups = self._given({**given, **module})
        number = stored_id(options["inventory"])
        inventory = self._stored_values("inventory", number)
        organization = inventory.get("organization")
        if self._organization is not None:
            organization = self._objects.get("organization", self._organization, "organization").id
        notes: tuple[str, ...] = ()
        if not groups and options.get("container_group") is None:
            owner = self._stored_values("organization", organization)
            found = group_candidates(
                [],
                inventory.get("instance_groups", []),
                owner.get("instance_groups", []),
                prevent_on_inventory=inventory.get("prevent_instance_group_fallback", False),
            )
            if found:
                groups = tuple(found)
            elif number is not None:
                groups, notes = self._default_group()
        return Definition(options, groups, organization, notes=notes)

    def _given(self, given: Values) -> tuple[Values, tuple[int, ...]]:
        """The options of a launch without a template, and the stored groups that they name."""
        options: Values = {**DEFAULTS, **given}
        options["inventory"] = self._inventory(given["inventory"])
        options["execution_environment"] = self._execution_environment(given.get("execution_environment"))
        options["credentials"] = [
            self._credential(each, index) for index, each in enumerate(options["credentials"])
        ]
        groups: tuple[int, ...] = ()
        group = given.get("container_group")
        if "instance_groups" in given:
            if group is not None:
                raise _invalid("container_group and instance_groups are both given; give one of them.")
            groups = tuple(self._listed_groups(options.pop("instance_groups")))
            if not groups:
                raise _invalid("instance_groups is empty; name a container group, or leave it out.")
        elif group is not None and not isinstance(group, Mapping):
            groups = (self._objects.get("container_group", group, "container_group").id,)
            options.pop("container_group")
        elif group is not None:
            inner = self._execution_environment(
                group.get("execution_environment"), "container_group.execution_environment"
            )
            options["container_group"] = {**group, "execution_environment": inner}
        return options, groups

    def _listed_groups(self, listed: list[Any]) -> list[int]:
        return [
            stored_id(called) or self._objects.get("container_group", called, f"instance_groups[{index}]").id
            for index, called in enumerate(listed)
        ]

    # -- stored or not --

    def _project(self, given: Any) -> Any:
        """A path if it has a slash or is there, else the name of a stored project (design, section 5)."""
        text = str(given).strip()
        if not text or self._is_path(text):
            return text
        found = self._find("project", text)
        if found is None:
            raise Failure(
                "ProjectNotFound",
                f"project {text!r} is neither a folder (looked at {self._path(text)}) nor a stored project"
                f"{self._there('project')}.",
            )
        return _stored(found.id)

    def _inventory(self, given: Any) -> Any:
        text = str(given).strip() if isinstance(given, (str, os.PathLike)) else ""
        if not text or "," in text or "\n" in text or self._is_path(text):
            return given
        found = self._find("inventory", text)
        if found is None:
            raise Failure(
                "InventoryInvalid",
                f"inventory {text!r} is neither a path (looked at {self._path(text)}) nor a stored inventory"
                f"{self._there('inventory')}; a single host is written with a comma: '{text},'.",
            )
        return _stored(found.id)

    def _execution_environment(self, given: Any, option: str = "execution_environment") -> Any:
        if given is None or isinstance(given, Mapping):
            return given
        return _stored(self._objects.get("execution_environment", given, option).id)

    def _credential(self, given: Any, index: int) -> Any:
        if isinstance(given, Mapping):
            return given
        return _stored(self._objects.get("credential", given, f"credentials[{index}]", self._organization).id)

    def _find(self, kind: str, called: str) -> StoredObject | None:
        """The stored object of a name, or None; several of that name are an error."""
        if not self._objects.list(kind, name=called) and not called.isdecimal():
            return None
        return self._objects.get(kind, called, kind, self._organization)

    def _there(self, kind: str) -> str:
        names = [str(shown["name"]) for shown in self._objects.list(kind)[:10]]
        return f" (there are: {', '.join(names)})" if names else " (none is stored)"

    def _is_path(self, text: str) -> bool:
        return "/" in text or os.path.exists(self._path(text))

    def _path(self, text: str) -> Path:
        return self._folder / os.path.expanduser(text)


def _stored(number: int | None) -> dict[str, int] | None:
    return None if number is None else {STORED: number}


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
