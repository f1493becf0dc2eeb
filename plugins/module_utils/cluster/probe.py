# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests a connection step by step, as far as it can be, without changing anything in the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import (
    ANONYMOUS,
    PERMISSIONS,
    Check,
    expiry_of,
    permission_check,
    timestamp,
    user_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    Unreachable,
    not_kubernetes,
    status_document,
    words_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.tls import client_context
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Limits, Request
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

REACHING = ("address", "tls", "kubernetes")
"""The checks that need no token."""
STEPS = (*REACHING, "token", "namespace")
"""The checks that are not about a permission."""

_NOT_TOLD = {401, 403}
_NOT_REACHED = {"NameResolution", "ConnectionRefused", "ConnectionTimeout"}
_OF_THE_POD = {"AdmissionDenied", "InvalidPodSpec", "QuotaExceeded"}
"""Refusals that only come from a namespace that is there."""


class Probe:
    """One test of a connection and a namespace.

    Attributes:
        version: of Kubernetes, for example `v1.34.4`; empty as long as it is not known.
        user: whom the API server takes the connection for; empty as long as it is not known.
        expires: when the token ends by its own words, None where it says nothing.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        environ: Mapping[str, str],
        *,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Gets ready; nothing is asked yet.

        Args:
            connection: what to test.
            namespace: where jobs are to run.
            environ: where proxies are looked for, and what exec plugins get.
            limits: time limits.
            retry: how often a request is sent again.
        """
        self.version = ""
        self.user = ""
        self.expires: datetime | None = expiry_of(connection.token)
        self._connection = connection
        self._namespace = namespace
        self._environ = environ
        self._limits = limits
        self._retry = retry

    async def checks(self) -> AsyncIterator[Check]:
        """All checks in their order, each as soon as its outcome is known; always the same."""
        failed = ""
        told: set[str] = set()
        async for check in self._run():
            told.add(check.check)
            if check.failed and not failed:
                failed = check.check
            yield check
        for name in STEPS:
            if name not in told:
                yield _untried(name, True, failed)
        for permission in PERMISSIONS:
            if permission.check not in told:
                yield _untried(permission.check, permission.required, failed)

    async def _run(self) -> AsyncIterator[Check]:
        reached = await self._reach()
        for check in reached:
            yield check
        if any(check.failed for check in reached):
            return
        try:
            async with self._client(self._connection) as client:
                token = await self._identify(client)
                yield token
                if token.ok:
                    yield await self._namespace_check(client)
                    async for check in self._permissions(client):
                        yield check
        except Failure as failure:  # of an exec plugin, or of a client certificate that can't be used
            yield Check("token", False, True, failure.message, failure.hint)

    def _client(self, connection: Connection) -> ClusterClient:
        return ClusterClient(connection, environ=self._environ, limits=self._limits, retry=self._retry)

    # -- without the token --

    async def _reach(self) -> list[Check]:
        """Asks for the version, without the token, so that whatever fails is not the token's fault."""
        host = self._connection.host
        try:
            async with self._client(_nobody(self._connection)) as client:
                words = await self._read_version(client)
        except Failure as failure:
            return self._not_reached(failure)
        except Unreachable as trouble:
            return self._not_reached(trouble.failure, connected=trouble.interrupted)
        return [*self._reached(len(REACHING) - 1), Check("kubernetes", True, True, f"{host} {words}.")]

    async def _read_version(self, client: ClusterClient) -> str:
        answer = await client.ask(Request("GET", "/version", "get", "/version"), accept=_NOT_TOLD)
        document = answer.document()
        if "gitVersion" in document:
            self.version = str(document["gitVersion"])
            return f"runs Kubernetes {self.version}"
        if answer.status in _NOT_TOLD and status_document(document) is not None:
            return "answers as Kubernetes does, but tells its version only to users that it knows"
        what = f'it answered {answer.status} with "{" ".join(words_of(answer.body).split())[:80]}"'
        raise not_kubernetes(client.connection.host, what, answer.status)

    def _not_reached(self, failure: Failure, *, connected: bool = False) -> list[Check]:
        """The checks up to the one that failed; what was connected to, but broke, has an address."""
        if "proxy" in failure.details or (failure.reason in _NOT_REACHED and not connected):
            index = 0
        elif failure.reason == "TLSVerification" or "TLS" in failure.message:
            index = 1
        else:
            index = 2
        return [
            *self._reached(index),
            Check(REACHING[index], False, True, failure.message, failure.hint),
        ]

    def _reached(self, count: int) -> list[Check]:
        """The first checks, which went well."""
        host, verified = self._connection.host, self._connection.verify_ssl
        trust = (
            "has a certificate that is trusted" if verified else "speaks TLS; its certificate is not checked"
        )
        if host.startswith("http:"):
            tls = Check(
                "tls", None, True, f"{host} is asked without TLS, as its URL says.", "Give an https URL."
            )
        else:
            tls = Check("tls", True, True, f"{host} {trust}.")
        return [Check("address", True, True, f"{host} is reached."), tls][:count]

    # -- with the token --

    async def _identify(self, client: ClusterClient) -> Check:
        try:
            self.user = await _whoami(client)
            if not self.version:
                self.version = str((await client.check()).get("gitVersion", ""))
        except (Failure, Unreachable) as error:
            failure = error.failure if isinstance(error, Unreachable) else error
            accepted = False if failure.reason == "Unauthorized" else None
            return Check("token", accepted, True, failure.message, failure.hint)
        if self.user == ANONYMOUS:
            return Check(
                "token",
                False,
                True,
                f"The connection has no token or certificate, so the API server takes it for {ANONYMOUS}.",
                "Give a token or certificate that this cluster accepts.",
            )
        until = f" until {timestamp(self.expires)}" if self.expires else ""
        whom = f", as {self.user}" if self.user else ", and the API server does not say for whom"
        return Check("token", True, True, f"The token or certificate is accepted{until}{whom}.")

    async def _namespace_check(self, client: ClusterClient) -> Check:
        named = f'The namespace "{self._namespace}"'
        try:
            found = await _namespace_phase(client, self._namespace)
        except (Failure, Unreachable) as error:
            failure = error.failure if isinstance(error, Unreachable) else error
            return Check("namespace", None, True, failure.message, failure.hint)
        if found is None:
            words = "may neither be read nor used, so that it can't be told whether it exists"
            hint = "See the permissions below; with create on pods it can be told."
            return Check("namespace", None, True, f"{named} {words}.", hint)
        if found == "":
            hint = "Create the namespace, or name an existing one."
            return Check("namespace", False, True, f"{named} does not exist.", hint)
        if found == "Terminating":
            hint = "Wait until it is gone and create it again, or name another one."
            return Check("namespace", False, True, f"{named} is being deleted.", hint)
        return Check("namespace", True, True, f"{named} exists.")

    async def _permissions(self, client: ClusterClient) -> AsyncIterator[Check]:
        user = self.user or "The connection's user"
        for permission in PERMISSIONS:
            body = permission.review(self._namespace)
            path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            try:
                answer = await client.ask(
                    Request("POST", path, "create", "selfsubjectaccessreviews", body=body)
                )
            except (Failure, Unreachable) as error:
                # What one of them meets, the others would meet as well.
                failure = error.failure if isinstance(error, Unreachable) else error
                yield Check(permission.check, None, permission.required, failure.message, failure.hint)
                return
            yield permission_check(permission, answer.document(), user, self._namespace)


def _nobody(connection: Connection) -> Connection:
    """The connection without what tells who asks; a client certificate stays, since a proxy may want one."""
    stripped = replace(
        connection,
        token=None,
        token_file=None,
        username=None,
        password=None,
        impersonation=(),
        login=None,
    )
    try:
        client_context(certificate=connection.client_certificate, key=connection.client_key)
    except Failure:  # which is the business of the check of the token
        return replace(stripped, client_certificate=None, client_key=None)
    return stripped


async def _whoami(client: ClusterClient) -> str:
    """Whom the API server takes the connection for; empty where it does not say (before Kubernetes 1.28)."""
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    request = Request("POST", path, "create", "selfsubjectreviews", body=body)
    return user_of((await client.ask(request, accept={403, 404})).document())


async def _namespace_phase(client: ClusterClient, namespace: str) -> str | None:
    """The namespace's phase; empty where there is none, None where that can't be known.

    A user of AWX's role may not read it. But whoever may create pods there learns of it by a dry run.
    """
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}"
    answer = await client.ask(Request("GET", path, "get", "namespaces", namespace), accept={403, 404})
    if answer.status == 404:
        return ""
    if answer.status != 403:
        return str((answer.document().get("status") or {}).get("phase") or "Active")
    try:
        await client.create_pod(_tried_pod(namespace), dry_run=True)
    except Failure as failure:
        if failure.reason == "NamespaceNotFound":
            return "" if failure.http_status == 404 else "Terminating"
        if failure.reason == "Forbidden":
            return None
        if failure.reason not in _OF_THE_POD:
            raise
    return "Active"


def _tried_pod(namespace: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "worker", "image": "jobpods/none"}]}
    metadata = {"name": f"jobpods-test-{uuid4().hex[:10]}", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _untried(name: str, required: bool, failed: str) -> Check:
    because = f" because of the check {failed}" if failed else ""
    return Check(name, None, required, f"Not tried{because}.")
