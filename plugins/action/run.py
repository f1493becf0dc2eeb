# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the playbook of an `ansible-playbook` command line in a pod."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import context
from ansible.utils.vars import load_extra_vars
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS, validated
from ansible_collections.jobpods.controller.plugins.plugin_utils.command_line import (
    Passwords,
    find_playbook,
    launch_options,
    place_options,
    vault_options,
)
from ansible_collections.jobpods.controller.plugins.plugin_utils.current_inventory import (
    current_inventory,
    plain,
)
from ansible_collections.jobpods.controller.plugins.plugin_utils.on_controller import OnController
from ansible_collections.jobpods.controller.plugins.plugin_utils.vault_secrets import vault_credentials

OPTIONS = ARGUMENTS["run"]
LAUNCH = "container_group_job"
"""The module whose parameters a launch has."""


class ActionModule(OnController):
    """Has a job launched that does what the command line says, and shows it live."""

    def given(self) -> dict[str, Any]:
        """The options are extra variables; what they have for the playbook itself is left as it is."""
        extra_vars = load_extra_vars(self._loader)
        found = {
            name: value if name == "extra_vars" else self._templar.template(value)
            for name, value in extra_vars.items()
            if name in OPTIONS
        }
        return {**found, **super().given()}

    def resolve(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """What the job is launched with."""
        given = {name: value for name, value in params.items() if value is not None}
        project, playbook = find_playbook(
            given["playbook"], given.get("project", ""), Path.cwd(), Path.home()
        )
        hostvars = task_vars["hostvars"]
        asked = Passwords(self._play_context.password, self._play_context.become_pass)
        options = launch_options(context.CLIARGS, hostvars._inventory._subset, asked)
        credentials = [
            *given.get("credentials", ()),
            *options.pop("credentials", ()),
            *vault_options(vault_credentials(self._loader)),
        ]
        folder = (Path.cwd() / os.path.expanduser(project) / playbook).parent
        launch = {
            **options,
            **{name: value for name, value in given.items() if name in ARGUMENTS[LAUNCH]},
            **place_options(given),
            "project": project,
            "playbook": playbook,
            "inventory": current_inventory(hostvars, self._loader, str(folder)),
            "extra_vars": self._extra_vars(given.get("extra_vars", {})),
            "credentials": credentials,
            "timeout": given.get("job_timeout"),
        }
        # Extra variables of a command line may be templates, which those of a launch never are.
        return {**validated(LAUNCH, launch), "extra_vars_are_templates": True}

    def _extra_vars(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """The extra variables for the playbook: all that are no options of ours."""
        own = {name: value for name, value in load_extra_vars(self._loader).items() if name not in OPTIONS}
        return {str(name): plain(value) for name, value in {**own, **more}.items()}

    def _to_be_shown(self, verb: str, result: dict[str, Any]) -> dict[str, Any]:
        """A short one, as nobody can use more of it than its message."""
        return ended(result)

    def _folder(self) -> str:
        """Relative paths start where the command line was written."""
        return os.getcwd()


def ended(result: dict[str, Any]) -> dict[str, Any]:
    """The result as Ansible is to show it, and with it the exit status that the playbook would have had.

    Args:
        result: of a launch.
    """
    job = result.get("job") or {}
    failure = job.get("failure") or {}
    unreachable = failure.get("reason") == "PlaybookFailed" and job["host_status_counts"]["unreachable"] > 0
    state = {"unreachable": True} if unreachable else {"failed": result["failed"]}
    return {"changed": result["changed"], "msg": result["msg"], **state}
