# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container group is tried on its cluster before it is stored, where that can be done."""

from __future__ import annotations

from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    Check,
    Reader,
    Values,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import ExecutionEnvironment
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.container_group_check import (
    OVERRIDE,
    Trial,
    dry_run,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import OPTIONS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request

KIND = "container_group"
TRIED = frozenset((*OPTIONS, OVERRIDE, "credential", "execution_environment", "namespace"))
"""The options of which a change makes another pod, or makes it somewhere else."""


async def try_group(request: Request, opened: OpenStore, wanted: Wanted, check: Check) -> str | None:
    """Tries the pod of a container group that is to be saved, outside of the transaction that saves it.

    Args:
        request: for the group.
        opened: the store.
        wanted: what the group shall be.
        check: checks its values, as for `ObjectStore.save`.

    Returns:
        A warning where that could not be done; None where the cluster takes the pod, or where it is the same.

    Raises:
        Failure: as `ObjectStore.save`; or `InvalidPodSpec`, where the API server says so.
    """
    trials: list[Trial] = []

    def noting(values: Values, reader: Reader) -> Values:
        checked = check(values, reader)
        trials.append(_trial(request, checked, reader))
        return checked

    change = await opened.calls(opened.store.objects.save, KIND, wanted, check=noting, dry_run=True)
    return await dry_run(trials[-1]) if TRIED & set(change.options) else None


def _trial(request: Request, values: Values, reader: Reader) -> Trial:
    inputs, environment = None, None
    if values["credential"] is not None:
        inputs = reader("credential", values["credential"]).values["inputs"]
    if values["execution_environment"] is not None:
        found = reader("execution_environment", values["execution_environment"]).values
        environment = ExecutionEnvironment(found["image"], found["pull"] or None)
    given = request.params.get(OVERRIDE)
    return Trial(values, inputs, environment, given, request.environ, request.home)
