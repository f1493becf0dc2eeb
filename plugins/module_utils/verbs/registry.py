# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file does which verb: it is imported when it is asked for, since a launch shall not wait for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_arguments import (
    OBJECT_ARGUMENTS,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

Result = dict[str, Any]
Verb = Callable[[Request, LauncherFeed, Launcher], Awaitable["Result | None"]]
"""Does what a module asks for; without a result where it has told it already."""

FILES = {
    "ad_hoc_command": "launching",
    "adopt_job": "adoption",
    "adopt_jobs": "adoption",
    "cluster_access": "cluster_access",
    "cleanup_jobs": "maintenance",
    "cleanup_pods": "pod_cleanup",
    "container_group_job": "launching",
    "credential_test": "credential_test",
    "inventory_update": "update_jobs",
    "job_cancel": "jobs",
    "job_info": "jobs",
    "job_relaunch": "relaunch",
    "job_report": "report",
    "job_wait": "jobs",
    "object_import": "object_import",
    "object_info": "objects",
    "project_update": "update_jobs",
    "run": "launching",
    "workflow_job": "workflow_jobs",
    "regenerate_secret_key": "maintenance",
    **dict.fromkeys(OBJECT_ARGUMENTS, "objects"),
    "container_group": "group_trial",
}
PACKAGE = "ansible_collections.jobpods.controller.plugins.module_utils.verbs"


def verb(name: str) -> Verb:
    """What does the verb of a module."""
    found: Verb = import_module(f"{PACKAGE}.{FILES[name]}").VERBS[name]
    return found
