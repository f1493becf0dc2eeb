# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verb answers where it refuses: a job's result, or an object's."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import NAME_LIMIT, one_line
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import advice, refusal

LAUNCHING = frozenset(
    (
        "ad_hoc_command",
        "container_group_job",
        "inventory_update",
        "job_relaunch",
        "project_update",
        "run",
        "workflow_job",
    )
)
"""The verbs that make a job, so that it is left alone where their job process is gone."""
OF_JOBS = LAUNCHING | {"adopt_job", "job_cancel", "job_wait"}
"""The verbs whose result has a job in it."""


def refused(verb: str, failure: Failure, *, name: str = "", controller_node: str = "") -> dict[str, Any]:
    """The result of a verb that could not be done.

    Args:
        verb: the module's name.
        failure: why.
        name: of the job that was to be.
        controller_node: host name of the controller.
    """
    if verb in OF_JOBS:
        return refusal(failure, name=one_line(name, NAME_LIMIT), controller_node=controller_node)
    return {
        "changed": False,
        "failed": True,
        "msg": advice(failure.reason, failure.message, failure.hint),
        "failure": failure.as_result(),
    }
