# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that tests a connection to a cluster, and what its user may do there."""

from __future__ import annotations

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import Check, timestamp
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.probe import Probe
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.cluster_target import (
    Target,
    own_target,
    stored_option,
    stored_target,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher


async def credential_test(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Tests a connection step by step, and tells each step."""
    target = await _target(request, feed)
    namespace = target.namespace
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
    option = stored_option(request.params)
    if option is None:
        return own_target(request)
    async with open_store(request, feed) as opened:
        return await opened.calls(stored_target, request, opened.store.objects, option)


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


VERBS: dict[str, Verb] = {"credential_test": credential_test}
