# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that gives a service account what jobs need in a namespace, and gets a token of it."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import (
    NAMESPACE,
    expiry_of,
    timestamp,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.apply import Applier, Document
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import (
    Connection,
    resolve_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.grants import (
    access_objects,
    comes_with_namespace,
    is_ours,
    namespace_object,
    shown,
    token_secret,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import given_options
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

CONTENT = (
    "Pod",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "Service",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
)
"""Kinds of what other people may have in a namespace; the rest comes with these, or is not worth keeping."""
WAIT_SECONDS = 60.0
"""For what the cluster's own controllers do: a token, a service account, the end of a namespace."""
LOOK_INTERVAL = 0.2
LEAST_TOKEN_SECONDS = 600
MOST_TOKEN_SECONDS = 1 << 32
"""What Kubernetes lets be asked for at least and at most (TokenRequest v1)."""


async def cluster_access(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Makes, or removes, what gives jobs access to a namespace."""
    params = request.params
    _check(params)
    connection = resolve_connection(given_options(params), request.environ, request.home)
    feed.step(f"connection from {connection.source}", verbosity=1)
    try:
        async with ClusterClient(connection, environ=request.environ) as client:
            work = _Work(Applier(client, dry_run=request.check), feed, params)
            if params["state"] == "absent":
                await work.remove()
                facts: dict[str, Any] = {}
            else:
                await work.make()
                facts = {**_reached_by(connection, feed), **await work.token()}
    except Unreachable as trouble:
        raise trouble.failure from trouble
    result: Result = {
        "changed": bool(work.changes),
        "failed": False,
        "msg": work.sentence(),
        "namespace": params["namespace"],
        "service_account": params["service_account"],
        "objects": [{"kind": kind, "name": name, "action": action} for kind, name, action in work.changes],
        **facts,
    }
    if request.diff:
        result["diff"] = work.diffs
    return result


class _Work:
    """One call's work.

    Attributes:
        changes: kind, name and what was done (or would be), for each object that is different now.
        diffs: the objects before and after.
    """

    def __init__(self, applier: Applier, feed: LauncherFeed, params: dict[str, Any]) -> None:
        self.changes: list[tuple[str, str, str]] = []
        self.diffs: list[dict[str, Any]] = []
        self._applier = applier
        self._feed = feed
        self._params = params
        self._namespace: str = params["namespace"]
        self._account: str = params["service_account"]
        self._virtual = False  # the namespace is only there in the dry run

    # -- present --

    async def make(self) -> None:
        """Has all objects there; those of other people are left alone."""
        wanted = namespace_object(self._namespace)
        found = await self._living_namespace(wanted)
        if found is None:
            self._note(None, await self._applier.apply(wanted), "created")
            self._virtual = self._applier.dry_run
            if not self._virtual:
                await self._await_default_account()
        secrets = self._params["registry_secrets"]
        for each in access_objects(self._namespace, self._account, registry_secrets=secrets):
            await self._apply(each)

    async def token(self) -> dict[str, Any]:
        """The token that is asked for, and when it ends."""
        kind = self._params["token"]
        token = ""
        if kind == "long_lived":
            token = await self._long_lived_token()
        elif kind == "bound":
            token = await self._bound_token()
        expires = expiry_of(token)
        return {"token": token, "token_expires": timestamp(expires) if expires else None}

    async def _long_lived_token(self) -> str:
        secret = token_secret(self._namespace, self._account)
        await self._apply(secret)

        async def filled() -> str | None:
            found = await self._applier.get(secret)
            return ((found or {}).get("data") or {}).get("token")

        if self._applier.dry_run:
            kept = None if self._virtual else await filled()
        else:
            kept = await _until(filled, f"a token in the secret {secret['metadata']['name']}")
        return base64.b64decode(kept).decode() if kept else ""

    async def _bound_token(self) -> str:
        # A token that ends would be worth little beside one that does not.
        if not self._virtual:
            await self._delete(token_secret(self._namespace, self._account))
        self._changed("TokenRequest", self._account, "created")
        if self._applier.dry_run:
            return ""
        seconds = self._params["token_seconds"]
        return str((await self._applier.request_token(self._namespace, self._account, seconds))["token"])

    async def _living_namespace(self, wanted: Document) -> Document | None:
        """The namespace; one that is being deleted is waited for, until it is gone."""

        async def settled() -> tuple[Document | None] | None:
            found = await self._applier.get(wanted)
            ending = ((found or {}).get("status") or {}).get("phase") == "Terminating"
            return None if ending else (found,)

        answer: tuple[Document | None] = await _until(settled, f"the end of the old {self._namespace}")
        return answer[0]

    async def _await_default_account(self) -> None:
        """Until then a new namespace takes no pods."""
        metadata = {"namespace": self._namespace, "name": "default"}
        default = {"kind": "ServiceAccount", "metadata": metadata}
        await _until(lambda: self._applier.get(default), f"the service account default in {self._namespace}")

    async def _apply(self, wanted: Document) -> None:
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        if self._virtual:
            self._note(None, wanted, "created")
            return
        before = await self._applier.get(wanted)
        if before is not None and not is_ours(before):
            raise _invalid(
                f"service_account: the {kind} {name!r} in the namespace {self._namespace!r} was not made by"
                " this module, which leaves it alone; choose another name, or delete it."
            )
        after = await self._applier.apply(wanted)
        if shown(before) != shown(after):
            self._note(before, after, "created" if before is None else "changed")

    # -- absent --

    async def remove(self) -> None:
        """Deletes what was made here, and the namespace if it was and nothing else is in it."""
        wanted = namespace_object(self._namespace)
        found = await self._applier.get(wanted)
        if found is None or (found.get("status") or {}).get("phase") == "Terminating":
            return
        ours = access_objects(self._namespace, self._account, registry_secrets=False)
        ours.append(token_secret(self._namespace, self._account))
        for each in reversed(ours):
            await self._delete(each)
        if not is_ours(found):
            return
        gone = {(kind, name) for kind, name, _action in self.changes}
        others = [each async for each in _others(self._applier, self._namespace, gone)]
        if others:
            more = f" and {len(others) - 5} more" if len(others) > 5 else ""
            self._feed.warning(
                f"the namespace {self._namespace} is kept, since it has {', '.join(others[:5])}{more}"
            )
            return
        await self._delete(wanted)

    async def _delete(self, wanted: Document) -> None:
        found = await self._applier.get(wanted)
        if found is not None and is_ours(found):
            await self._applier.delete(found)
            self._note(found, None, "deleted")

    # -- telling --

    def sentence(self) -> str:
        """What was done, or in check mode would be, in one sentence."""
        who = f"the service account {self._account} in the namespace {self._namespace}"
        if self._params["state"] == "absent":
            state = f"{who} is gone" if self.changes else f"{who} is not there"
        else:
            state = f"{who} has what jobs need"
        if not self.changes:
            return f"{state[0].upper()}{state[1:]}."
        would = "would be " if self._applier.dry_run else ""
        done = ", ".join(f"{kind} {name} {would}{action}" for kind, name, action in self.changes)
        return f"{done}." if would else f"{state[0].upper()}{state[1:]}: {done}."

    def _note(self, before: Document | None, after: Document | None, action: str) -> None:
        found = after or before or {}
        kind, name = found["kind"], found["metadata"]["name"]
        self._changed(kind, name, action)
        self.diffs.append(
            {
                "before_header": f"{kind} {name}",
                "after_header": f"{kind} {name}",
                "before": shown(before),
                "after": shown(after),
            }
        )

    def _changed(self, kind: str, name: str, action: str) -> None:
        self.changes.append((kind, name, action))
        would = "would be " if self._applier.dry_run else ""
        self._feed.step(f"{kind} {name} {would}{action}")


async def _others(applier: Applier, namespace: str, gone: set[tuple[str, str]]) -> Any:
    """What is in a namespace that neither the cluster itself nor this module has put there."""
    for kind in CONTENT:
        for found in await applier.list(kind, namespace):
            name = found["metadata"]["name"]
            if (kind, name) not in gone and not comes_with_namespace(found):
                yield f"{kind} {name}"


async def _until(look: Callable[[], Awaitable[Any]], what: str) -> Any:
    """What `look` returns as soon as it is something; a controller of the cluster takes a moment for it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = await look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise Failure(
                "APIServerError",
                f"Waited {WAIT_SECONDS:g} s in vain for {what}.",
                hint="See whether the cluster's controller manager runs.",
            )
        await asyncio.sleep(LOOK_INTERVAL)


def _reached_by(connection: Connection, feed: LauncherFeed) -> dict[str, Any]:
    """How the cluster is reached, as the inputs of a credential."""
    if connection.proxy_url:
        feed.warning("the kubeconfig has a proxy-url, which a credential can't hold: set HTTPS_PROXY")
    if connection.tls_server_name:
        feed.warning(
            "the kubeconfig has a tls-server-name, which a credential can't hold: give a host whose name is"
            " in the API server's certificate"
        )
    return {
        "host": connection.host,
        "verify_ssl": connection.verify_ssl,
        "ssl_ca_cert": connection.ca_text or "",
    }


def _check(params: dict[str, Any]) -> None:
    for option in ("namespace", "service_account"):
        if not NAMESPACE.fullmatch(params[option]):
            raise _invalid(
                f"{option} is {params[option]!r}; such a name has lower-case letters, digits and - only,"
                " at most 63 of them."
            )
    if not LEAST_TOKEN_SECONDS <= params["token_seconds"] <= MOST_TOKEN_SECONDS:
        raise _invalid(
            f"token_seconds is {params['token_seconds']}; Kubernetes makes tokens for"
            f" {LEAST_TOKEN_SECONDS} to {MOST_TOKEN_SECONDS} s."
        )


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)


VERBS: dict[str, Verb] = {"cluster_access": cluster_access}
