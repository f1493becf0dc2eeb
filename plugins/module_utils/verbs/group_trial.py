# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_group: as of other objects, but a group is tried on its cluster before it is saved."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    AlreadyExists,
    Unreachable,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Limits
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    Check,
    Reader,
    Values,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod import faults
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    ExecutionEnvironment,
    PodIdentity,
    pod_manifest,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.container_group_check import (
    OVERRIDE,
    line_of,
    unknown_fields,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import (
    OPTIONS,
    group_namespace,
    resolve_group_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.objects import save_object
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request

KIND = "container_group"
TRIED = frozenset((*OPTIONS, OVERRIDE, "credential", "execution_environment", "namespace"))
"""The options of which a change makes another pod, or makes it somewhere else."""
DRY_RUN_SECONDS = 10.0


async def try_group(request: Request, opened: OpenStore, wanted: Wanted, check: Check) -> str | None:
    """Tries the pod of a container group that is to be saved, outside of the transaction that saves it.

    Args:
        request: for the group.
        opened: the store.
        wanted: what the group shall be.
        check: checks its values, as for `ObjectStore.save`.

    Returns:
        Why that could not be done; None where the cluster takes the pod, or where the pod stays as it was.

    Raises:
        Failure: as `ObjectStore.save`; or `InvalidPodSpec`, where the API server says so.
    """
    trials: list[Trial] = []

    def noting(values: Values, reader: Reader) -> Values:
        checked = check(values, reader)
        trials.append(_trial(request, checked, reader, wanted.given.get(OVERRIDE)))
        return checked

    change = await opened.calls(opened.store.objects.save, KIND, wanted, check=noting, dry_run=True)
    return await dry_run(trials[-1]) if TRIED & set(change.options) else None


def _trial(request: Request, values: Values, reader: Reader, override: object) -> Trial:
    inputs, environment = None, None
    if values["credential"] is not None:
        inputs = reader("credential", values["credential"]).values["inputs"]
    if values["execution_environment"] is not None:
        found = reader("execution_environment", values["execution_environment"]).values
        environment = ExecutionEnvironment(found["image"], found["pull"] or None)
    return Trial(values, inputs, environment, override, request.environ, request.home)


@dataclass(frozen=True)
class Trial:
    """A container group that is to be tried on its cluster.

    Attributes:
        values: its options, as `check_values` returned them.
        credential_inputs: the inputs of its credential; None where it has none.
        execution_environment: its image; None where it has none of its own.
        override: the override as the user gave it, so that its lines can be named; None for that in `values`.
        environ: the environment variables.
        home: the user's home folder.
    """

    values: Mapping[str, Any] = field(repr=False)
    credential_inputs: Mapping[str, Any] | None = field(repr=False)
    execution_environment: ExecutionEnvironment | None
    override: object
    environ: Mapping[str, str] = field(repr=False)
    home: Path


async def dry_run(trial: Trial, seconds: float = DRY_RUN_SECONDS) -> str | None:
    """Has the API server go through the creation of a pod of the group, without making one.

    Args:
        trial: the group.
        seconds: how long it may take, all in all.

    Returns:
        Why the pod could not be tried, or not to its end; None where the cluster takes it.

    Raises:
        Failure: `InvalidPodSpec`, where the API server says that the pod spec is invalid.
    """
    try:
        await within(seconds, _create(trial, seconds))
    except Failure as failure:
        # Without a service account the spec is invalid only for now, and the answer is a 403.
        if failure.reason == "InvalidPodSpec" and failure.http_status != 403:
            raise _explained(failure, trial) from failure
        return _why_not(trial, failure.message)
    except Unreachable as trouble:
        return _why_not(trial, trouble.failure.message)
    except AlreadyExists as trouble:
        return _why_not(trial, f"there is a pod of the same name: {trouble}")
    except asyncio.TimeoutError:
        return _why_not(trial, f"the cluster gave no answer within {seconds:g} s.")
    return None


async def _create(trial: Trial, seconds: float) -> None:
    values = trial.values
    connection = resolve_group_connection(values, trial.credential_inputs, trial.environ, trial.home)
    manifest = pod_manifest(
        PodIdentity(0, uuid4().hex, 1, socket.gethostname()),
        namespace=group_namespace(values),
        override=values[OVERRIDE],
        execution_environment=trial.execution_environment,
        supervisor_config={},
        active_deadline=None,
    )
    limits = Limits(connect=seconds / 2, request=seconds, login=seconds)
    retry = RetryPolicy(attempts=2)
    async with ClusterClient(connection, environ=trial.environ, limits=limits, retry=retry) as client:
        await client.create_pod(manifest, dry_run=True)


def _why_not(trial: Trial, why: str) -> str:
    unknown = unknown_fields(_given(trial))
    more = f" Unknown fields in {OVERRIDE}: {'; '.join(unknown)}." if unknown else ""
    return f"{why}{more}"


def _explained(failure: Failure, trial: Trial) -> Failure:
    """The API server's refusal, with the option, its lines, and what is likely meant by unknown fields."""
    given = _given(trial)
    notes = []
    for name in dict.fromkeys(failure.details.get("fields") or ()):
        path = faults.parsed(name)
        line = line_of(given, path) if isinstance(given, str) else None
        likely = faults.meant(path) if f'unknown field "{name}"' in failure.traceback else ""
        known = [f"line {line}"] if line else []
        known += [f"{likely} is likely meant"] if likely else []
        notes += [f"{name}: {', '.join(known)}"] if known else []
    words = failure.message.rstrip(".")
    more = f" ({'; '.join(notes)})" if notes else ""
    return replace(failure, message=f"{OVERRIDE}: {words}{more}.")


def _given(trial: Trial) -> object:
    return trial.values[OVERRIDE] if trial.override is None else trial.override


VERBS: dict[str, Verb] = {KIND: partial(save_object, kind=KIND, trying=try_group)}
