# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that tests a connection to a cluster, and what its user may do there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import (
    NAMESPACE,
    Check,
    timestamp,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import (
    Connection,
    resolve_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.probe import Probe
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import CONTROLPLANE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    StoredObject,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import (
    given_options,
    group_namespace,
    resolve_group_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

CREDENTIAL_TYPE = "kubernetes_bearer_token"


@dataclass(frozen=True)
class Target:
    """What is to be tested.

    Attributes:
        connection: how the cluster is reached.
        namespace: of the container group, where one is tested; empty otherwise.
    """

    connection: Connection
    namespace: str = ""


async def credential_test(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Tests a connection step by step, and tells each step."""
    target = await _target(request, feed)
    namespace = str(request.params.get("namespace") or target.namespace or "default")
    if not NAMESPACE.fullmatch(namespace):
        raise _invalid(
            f"namespace is {namespace!r}; a namespace's name has lower-case letters, digits and -, at most 63"
            " of them."
        )
    feed.step(f"connection from {target.connection.source}", verbosity=1)
    probe = Probe(target.connection, namespace, request.environ)
    checks: list[Check] = []
    async for check in probe.checks():
        checks.append(check)
        feed.step(check.line, verbosity=1 if check.ok is None and not check.hint else 0)
    return {
        "changed": False,
        "failed": any(check.failed for check in checks),
        "msg": _sentence(checks, probe, target.connection, namespace),
        "checks": [check.as_result() for check in checks],
        "host": target.connection.host,
        "namespace": namespace,
        "version": probe.version,
        "user": probe.user,
        "token_expires": timestamp(probe.expires) if probe.expires else None,
    }


async def _target(request: Request, feed: LauncherFeed) -> Target:
    """What the options name: a stored credential or container group, or a connection of their own."""
    params = request.params
    own = given_options(params)
    named = [name for name in ("credential", "container_group", *own) if params.get(name) not in (None, "")]
    stored = [name for name in named if name not in own]
    if stored and len(named) > 1:
        raise _invalid(f"{named[0]} and {named[1]} exclude each other: name one connection to test.")
    if params.get("organization") and stored != ["credential"]:
        raise _invalid("organization is given without credential, whose organization it tells.")
    if not stored:
        return Target(resolve_connection(own, request.environ, request.home))
    async with open_store(request, feed) as opened:
        objects = opened.store.objects
        if stored == ["credential"]:
            found = await opened.calls(
                objects.get, "credential", params["credential"], "credential", params.get("organization")
            )
            return Target(_of_group(request, {}, _inputs(found)))
        group, credential = await opened.calls(_group, objects, params["container_group"])
        return Target(_of_group(request, group, credential), group_namespace(group))


def _of_group(request: Request, values: Mapping[str, Any], inputs: Mapping[str, Any] | None) -> Connection:
    return resolve_group_connection(values, inputs, request.environ, request.home)


def _group(objects: ObjectStore, called: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A container group's options, and the inputs of its credential."""
    group = objects.get("container_group", called, "container_group")
    if group.name == CONTROLPLANE:
        raise _invalid(
            f"container_group: {CONTROLPLANE} runs jobs on the controller, and reaches no cluster."
        )
    number = group.values["credential"]
    return group.values, None if number is None else _inputs(objects.by_id("credential", number))


def _inputs(credential: StoredObject) -> dict[str, Any]:
    kind = credential.values["credential_type"]
    if kind != CREDENTIAL_TYPE:
        raise _invalid(f"credential: {credential.name!r} is of type {kind}; it must be {CREDENTIAL_TYPE}.")
    inputs: dict[str, Any] = credential.values["inputs"]
    return inputs


def _sentence(checks: list[Check], probe: Probe, connection: Connection, namespace: str) -> str:
    """What the test has shown, in one sentence or two."""
    failed = [check for check in checks if check.failed]
    if failed:
        first = failed[0]
        others = [check.check for check in failed[1:] if check.ok is False]
        more = f" Also failed: {', '.join(others)}." if others else ""
        return " ".join(
            part for part in (f"{first.check}: {first.message}", first.hint, more.strip()) if part
        )
    who = f" as {probe.user}" if probe.user else ""
    kubernetes = f"Kubernetes {probe.version}" if probe.version else "Kubernetes"
    return f'{connection.host} ({kubernetes}) lets jobs run in the namespace "{namespace}"{who}.'


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)


VERBS: dict[str, Verb] = {"credential_test": credential_test}
