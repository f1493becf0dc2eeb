# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the collection's modules on the controller node, whatever a play's hosts, `become` or interpreter."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import get_shell_plugin
from ansible.utils.display import Display
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.answers import LAUNCHING, refused
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.background import start
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import call
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import MainProcess, Request
from ansible_collections.jobpods.controller.plugins.plugin_utils.display import (
    JobDisplay,
    show_lines_at_once,
)
from ansible_collections.jobpods.controller.plugins.plugin_utils.worker import ended_with_the_main_process

TaskVars = dict[str, Any]

ASYNC_LIMIT = "_jobpods_async_limit"
"""Attribute of a task in which its `async` is kept."""

SHOWN_LIVE = LAUNCHING | {"job_wait"}
"""Verbs with which the playbook's output is seen while it runs."""
SHOWS_RESULTS = 3
"""The verbosity from which on results are shown whole."""

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
        limit = self._take_async()
        result: dict[str, Any] = super().run(tmp, task_vars)
        verb = str(self._task.action).rpartition(".")[2]
        given = self.given()
        try:
            params = self.resolve(validated(verb, given), task_vars)
            answer = self._do(verb, params, limit, task_vars)
        except Failure as failure:
            named = given.get("name") or given.get("playbook") or ""
            answer = refused(verb, failure, name=str(named), controller_node=socket.gethostname())
        return {**result, **self._to_be_shown(verb, answer)}

    def _take_async(self) -> int:
        """Makes the task's `async` ours; returns its seconds, 0 for none.

        Ansible would look for the result on the play's host, as the user of its `become`, but the job is
        here. So Ansible is told that there is no `async`: with `poll` the task is done attached, within the
        time; without, in the background.
        """
        # A retry of `until` has the same task again, so what was taken is kept with it.
        limit = int(self._task.async_val or getattr(self._task, ASYNC_LIMIT, 0))
        setattr(self._task, ASYNC_LIMIT, limit)
        self._task.async_val = 0
        return limit

    def _do(self, verb: str, params: dict[str, Any], limit: int, task_vars: TaskVars) -> dict[str, Any]:
        background = bool(limit) and not self._task.poll
        request = Request(
            verb=verb,
            params=params,
            folder=self._folder(),
            started_in=os.getcwd(),
            check=bool(self._task.check_mode),
            diff=bool(self._task.diff),
            verbosity=int(Display().verbosity),
            environment=self._environment(),
            limit=limit,
            main_process=None if background else MainProcess.of(os.getppid()),
        )
        if background:
            return start(request, _async_dir(task_vars))
        display = JobDisplay(Display(), host=self._mark(task_vars), output=not self._task.no_log)
        with ended_with_the_main_process():
            result = call(request, display.show)
            display.closing(result)
        return result

    def _to_be_shown(self, verb: str, result: dict[str, Any]) -> dict[str, Any]:
        """The result as Ansible is to show it: without what the terminal had already, or nobody can read."""
        if verb not in SHOWN_LIVE or Display().verbosity >= SHOWS_RESULTS:
            return result
        if result.get("failed") and not self._can_be_read():
            return {name: result[name] for name in ("changed", "failed", "id", "status", "msg")}
        return {**result, "_ansible_verbose_override": True}  # which is about results that are good

    def _can_be_read(self) -> bool:
        """Whether the playbook can look at the result of the task where it fails."""
        if self._task.register:
            return True
        parent = self._task._parent
        while parent is not None:
            if getattr(parent, "rescue", None):
                return True
            parent = parent._parent
        return False

    def given(self) -> dict[str, Any]:
        """The parameters, before they are validated: here those of the task."""
        return dict(self._task.args)

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


def _async_dir(task_vars: TaskVars) -> Path:
    """Where `async_status` looks on this host."""
    shell = get_shell_plugin(shell_type="sh")
    shell.set_options(var_options=task_vars)
    return Path(str(shell.get_option("async_dir"))).expanduser()
