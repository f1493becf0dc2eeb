# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the collection's modules on the controller node, whatever a play's hosts, `become` or interpreter."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import refusal
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import (
    ARGUMENTS,
    validated,
    without_nulls,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import (
    ENTRY,
    ENTRY_VARIABLE,
    FOLDER_VARIABLE,
    call,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import MainProcess, Request
from ansible_collections.jobpods.controller.plugins.plugin_utils.display import (
    JobDisplay,
    show_lines_at_once,
)
from ansible_collections.jobpods.controller.plugins.plugin_utils.worker import ended_with_the_main_process

TaskVars = dict[str, Any]

show_lines_at_once()  # here, because Ansible's main process, which does the writing, only loads this file


class OnController(ActionBase):  # type: ignore[misc]  # ansible-core has no types
    """The shared action: parameters go to a job process, and what it tells goes to the terminal."""

    _supports_check_mode = True
    _supports_async = True
    _requires_connection = False
    _connection: Any

    def run(self, tmp: str | None = None, task_vars: TaskVars | None = None) -> dict[str, Any]:
        """Validates the parameters, and has the verb done."""
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        verb = str(self._task.action).rpartition(".")[2]
        try:
            params = self.resolve(validated(verb, self._task.args), task_vars)
        except Failure as failure:
            named = self._task.args.get("name") or self._task.args.get("playbook") or ""
            return {**result, **refusal(failure, name=str(named), controller_node=socket.gethostname())}
        if self._task.async_val:
            return self._run_module(verb, params, task_vars)
        request = Request(
            verb=verb,
            params=params,
            folder=self._folder(),
            check=bool(self._task.check_mode),
            diff=bool(self._task.diff),
            verbosity=int(Display().verbosity),
            environment=self._environment(),
            main_process=MainProcess.of(os.getppid()),
        )
        display = JobDisplay(Display(), host=self._mark(task_vars), output=not self._task.no_log)
        with ended_with_the_main_process():
            result.update(call(request, display.show))
            display.closing(result)
        return result

    def resolve(self, params: dict[str, Any], task_vars: TaskVars) -> dict[str, Any]:
        """Replaces what only Ansible can know; nothing here."""
        return params

    def _folder(self) -> str:
        """Relative paths start at the playbook's folder."""
        return os.path.abspath(str(self._loader.get_basedir()))

    def _environment(self) -> dict[str, str]:
        """The task's `environment`, with its templates resolved."""
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        return {name: str(value) for name, value in environment.items()}

    def _mark(self, task_vars: TaskVars) -> str:
        """The play's host where several run this task at once, so that their lines can be told apart."""
        several = len(task_vars.get("ansible_play_batch") or ()) > 1 and not self._task.run_once
        return str(task_vars.get("inventory_hostname", "")) if several else ""

    def _run_module(self, verb: str, params: dict[str, Any], task_vars: TaskVars) -> dict[str, Any]:
        """Hands over to the module for `async`: over a local connection, in this Python, without `become`."""
        local = self._shared_loader_obj.connection_loader.get("ansible.builtin.local", self._play_context)
        local.set_options(var_options=task_vars)
        known = {ENTRY_VARIABLE: str(ENTRY.resolve()), FOLDER_VARIABLE: self._folder()}
        self._task.environment = [*(self._task.environment or ()), known]
        remote = self._connection
        self._connection = local
        try:
            outcome: dict[str, Any] = self._execute_module(
                module_name=f"jobpods.controller.{verb}",
                module_args=without_nulls(params, ARGUMENTS[verb]),
                task_vars={
                    **task_vars,
                    "ansible_python_interpreter": sys.executable,
                    "ansible_connection": "local",
                },
                wrap_async=True,
            )
        finally:
            self._connection = remote
        return outcome
