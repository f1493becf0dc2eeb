# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the launch of a template is defined by: the template, with what it asks for at launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import split_tags
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import (
    Definition,
    Names,
    stored,
    stored_id,
)

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


def read_of_template(
    given: Values, objects: ObjectStore, folder: Path, organization: str | None
) -> Definition:
    """Reads what a job template is launched with.

    Args:
        given: the parameters of `container_group_job`, with `job_template`; nothing for what is not given.
        objects: the stored objects.
        folder: relative paths start here.
        organization: name or id of the one in which names are looked up first; None for the template's.

    Raises:
        Failure: `InvalidConfiguration` or `InventoryInvalid`; it names the option.
    """
    return _Reader(objects, folder, organization).from_template(given)


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
    def __init__(self, objects: ObjectStore, folder: Path, organization: str | None) -> None:
        self._objects = objects
        self._names = Names(objects, folder, organization)

    def from_template(self, given: Values) -> Definition:
        template = self._objects.get(
            "job_template", given["job_template"], "job_template", self._names.organization
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
        if self._names.organization is None:
            self._names.organization = values["organization"]
        options: Values = {
            **given,
            **{name: values[of_template] for name, of_template in FROM_TEMPLATE.items()},
            "name": template.name,
            "project": stored(values["project"]),
            "inventory": stored(values["inventory"]),
            "execution_environment": stored(values["execution_environment"]),
            "credentials": [stored(number) for number in values["credentials"]],
        }
        for name in ("tags", "skip_tags"):
            options[name] = split_tags(options[name])
        for name in PROMPTED:
            if name in given:
                options[name] = self._prompted(name, given[name], options.get(name))
        if options["inventory"] is None:
            raise _invalid("inventory is missing: the template asks for it at launch.")
        options["extra_vars"] = extra_vars
        listed = self._names.container_groups(options.pop("instance_groups", None) or [])
        prompted = groups = tuple(dict.fromkeys(listed))
        notes: tuple[str, ...] = ()
        if not prompted:
            inventory = stored_id(options["inventory"])
            groups, notes = self._names.groups_or_default(values, inventory, values["organization"])
        return Definition(
            options,
            groups,
            values["organization"],
            template.id,
            bool(values["allow_simultaneous"]),
            groups_given=self._names.groups_called(prompted),
            notes=notes,
        )

    def of_workflow(self, template: Values, given: Mapping[str, Any], *, of_node: bool) -> Values:
        self._names.organization = template["organization"]
        if of_node:
            asked = {name: given[name] for name in OF_WORKFLOW if name in given and template[PROMPTED[name]]}
            asks = {**template, "ask_variables_on_launch": True}
        else:
            asked = {name: given[name] for name in OF_WORKFLOW if name in given}
            asks = template
            self._check_asked(asked, template, "workflow job template")
        of_template = {
            **{name: template[FROM_TEMPLATE[name]] for name in OF_WORKFLOW if name in FROM_TEMPLATE},
            "inventory": stored(template["inventory"]),
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
            return self._names.inventory(value)
        if name == "execution_environment":
            return self._names.execution_environment(value)
        if name == "credentials":
            return self._with_prompted_credentials(of_template, self._names.credentials(value))
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


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
