# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few requests to the API server that running jobs in pods takes."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.attach import (
    MESSAGE_LIMIT,
    PROTOCOLS,
    AttachStream,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    AlreadyExists,
    NotAttachable,
    WatchExpired,
    not_kubernetes,
    words_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.pods_watch import PodsWatch
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import (
    ANSWER_LIMIT,
    Answer,
    Limits,
    Request,
    Transport,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.watch import PodChange, WatchReader
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

Document = dict[str, Any]

_PAGE = 500


class ClusterClient:
    """A client for one connection; an asynchronous context manager.

    All methods raise `Failure` for what trying again can't cure, and `Unreachable` for what it may.

    Attributes:
        connection: how it reaches the cluster.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        environ: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        own_pods: str = "",
    ) -> None:
        """Prepare a client; nothing is asked before the first request.

        Args:
            connection: how to reach the cluster.
            environ: where proxies are looked for, and what exec plugins get; None is this process's own.
            limits: time limits.
            retry: how often a request is sent again.
            own_pods: label selector, as `name=value`, of pods that are followed by one watch; empty for none.

        Raises:
            Failure: `InvalidConfiguration` for a proxy's address that is none.
        """
        self.connection = connection
        self._own_pods = own_pods
        self._watches: dict[str, PodsWatch] = {}
        self._transport = Transport(
            connection, os.environ if environ is None else environ, limits or Limits(), retry or RetryPolicy()
        )

    async def __aenter__(self) -> ClusterClient:
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    @property
    def requests(self) -> int:
        """How many requests have been sent, attaches and watches included."""
        return self._transport.requests

    async def check(self) -> Document:
        """Ask for the server's version: shows that it is there, is Kubernetes and accepts the credentials.

        Returns:
            The server's `/version`; empty where the user may not see it.
        """
        try:
            answer = await self._transport.ask(Request("GET", "/version", "get", "/version"))
        except Failure as failure:
            if failure.reason == "Forbidden":
                return {}
            raise
        version = self._document(answer)
        if "gitVersion" not in version:
            raise self._transport.stranger(answer)
        return version

    async def ask(self, request: Request, accept: Collection[int] = ()) -> Answer:
        """Send any other request; the answer has a status of 2xx or one of `accept`."""
        return await self._transport.ask(request, accept)

    async def create_pod(
        self, manifest: Document, *, dry_run: bool = False, warn: Callable[[str], None] | None = None
    ) -> Document:
        """Create a pod in the namespace that its metadata names.

        Args:
            manifest: the pod.
            dry_run: the server does everything but keep it, and does not take fields that it does not know.
            warn: told what the API server finds odd in a pod that it takes, such as fields that it does not
                know.

        Raises:
            AlreadyExists: there is a pod of this name, perhaps made by an earlier try.
        """
        params = {"dryRun": "All", "fieldValidation": "Strict"} if dry_run else {}
        answer = await self._create("pods", manifest, params)
        pod = self._document(answer)
        if warn is not None:
            for text in answer.warnings:
                warn(text)
        return pod

    async def get_pod(self, namespace: str, name: str) -> Document | None:
        """The pod, or None where there is none of this name."""
        return await self._get("pods", namespace, name)

    async def delete_pod(self, namespace: str, name: str, *, uid: str | None, grace: int | None) -> bool:
        """Ask for a pod's deletion.

        Args:
            namespace: the pod's namespace.
            name: the pod's name.
            uid: the pod's UID, so that a namesake stays; None deletes whatever has the name.
            grace: seconds its containers get to end; 0 removes it at once; None is the pod's own.

        Returns:
            Whether the pod was there and will go; False where it is gone, or another one has its name.
        """
        options: Document = {} if grace is None else {"gracePeriodSeconds": grace}
        return await self._delete("pods", namespace, name, uid, options)

    async def create_secret(self, manifest: Document) -> Document:
        """Create a secret in the namespace that its metadata names.

        Raises:
            AlreadyExists: there is a secret of this name, perhaps made by an earlier try.
        """
        return self._document(await self._create("secrets", manifest, {}))

    async def get_secret(self, namespace: str, name: str) -> Document | None:
        """The secret, or None where there is none of this name."""
        return await self._get("secrets", namespace, name)

    async def delete_secret(self, namespace: str, name: str, *, uid: str | None) -> bool:
        """Delete a secret.

        Args:
            namespace: the secret's namespace.
            name: the secret's name.
            uid: the secret's UID, so that a namesake stays; None deletes whatever has the name.

        Returns:
            Whether it was there; False where it is gone, or another one has its name.
        """
        return await self._delete("secrets", namespace, name, uid, {})

    async def list_pods(self, namespace: str, label_selector: str) -> list[Document]:
        """The pods that a label selector finds."""
        return await self._list("pods", namespace, {"labelSelector": label_selector})

    async def pages(
        self, resource: str, namespace: str, selector: Mapping[str, str], accept: str = "application/json"
    ) -> AsyncGenerator[tuple[list[Document], str], None]:
        """A list, page by page.

        Args:
            resource: what to list.
            namespace: where.
            selector: the query's selectors.
            accept: kinds of answers, best first.

        Returns:
            The items of each page, and the date of the answer, as HTTP tells it.
        """
        params = {**selector, "limit": str(_PAGE)}
        while True:
            request = Request(
                "GET", _path(namespace, resource), "list", resource, namespace, params, accept=accept
            )
            answer = await self._transport.ask(request)
            document = self._document(answer)
            yield document.get("items") or [], answer.date
            following = (document.get("metadata") or {}).get("continue")
            if not following:
                return
            params = {**params, "continue": following}

    async def pod_events(self, namespace: str, uid: str) -> list[Document]:
        """The cluster's events about a pod, oldest first."""
        events = await self._list("events", namespace, {"fieldSelector": f"involvedObject.uid={uid}"})
        return sorted(events, key=_event_time)

    def follow_pod(self, pod: Document, resource_version: str) -> AsyncGenerator[PodChange, None]:
        """What happens to a pod after a resource version, as `watch_pod` tells it.

        Close the iterator (`aclose`, or `contextlib.aclosing`) to end it earlier.

        Args:
            pod: as it was seen; one of `own_pods` shares its watch with the others of its namespace.
            resource_version: where to begin.
        """
        metadata = pod["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        if self._own_pods not in (f"{key}={value}" for key, value in (metadata.get("labels") or {}).items()):
            return self.watch_pod(namespace, name, resource_version)
        watch = self._watches.get(namespace)
        if watch is None:
            watch = self._watches[namespace] = PodsWatch(
                lambda version: self._watch(namespace, {"labelSelector": self._own_pods}, version),
                lambda name: self._seen(namespace, name),
            )
        return watch.follow(name, resource_version)

    async def _seen(self, namespace: str, name: str) -> PodChange | None:
        pod = await self.get_pod(namespace, name)
        return None if pod is None else PodChange("MODIFIED", pod)

    def watch_pod(self, namespace: str, name: str, resource_version: str) -> AsyncGenerator[PodChange, None]:
        """What happens to a pod after a resource version, until the server ends the watch in order.

        Close the iterator (`aclose`, or `contextlib.aclosing`) to end the watch earlier.

        Raises:
            WatchExpired: the resource version is too old.
        """
        return self._watch(namespace, {"fieldSelector": f"metadata.name={name}"}, resource_version)

    async def _watch(
        self, namespace: str, selector: Mapping[str, str], resource_version: str
    ) -> AsyncGenerator[PodChange, None]:
        params = {
            "watch": "true",
            **selector,
            "resourceVersion": resource_version,
            "timeoutSeconds": str(int(self._transport.limits.watch)),
        }
        request = Request("GET", _path(namespace, "pods"), "watch", "pods", namespace, params)
        response = await self._transport.stream(request)
        if isinstance(response, Answer):
            if response.status == 410:
                raise WatchExpired(words_of(response.body))
            raise self._transport.trouble(response, request)
        reader = WatchReader(namespace, ANSWER_LIMIT)
        try:
            while piece := await self._transport.next_piece(response):
                for change in reader.feed(piece):
                    yield change
        finally:
            response.close()

    async def attach(self, namespace: str, pod: str, container: str) -> AttachStream:
        """Attach to a container's standard streams; it must have `stdin: true`.

        That it returns is no proof that the container runs: see `AttachStream.error`.

        Raises:
            NotAttachable: the pod or its container is not there yet, or no more.
            Failure: among others `AttachForbidden`.
        """
        params = {"container": container, "stdin": "true", "stdout": "true", "stderr": "true", "tty": "false"}
        path = _path(namespace, "pods", pod, "attach")
        request = Request("GET", path, "get", "pods/attach", namespace, params)
        answer = await self._transport.upgrade(request, PROTOCOLS, MESSAGE_LIMIT)
        if isinstance(answer, Answer):
            if answer.status in (400, 404, 500):
                raise NotAttachable(words_of(answer.body))
            raise self._transport.trouble(answer, request)
        stream = AttachStream(answer, self.connection.host, self._transport.limits.write)
        if answer.protocol not in PROTOCOLS:
            await stream.close()
            raise not_kubernetes(self.connection.host, "it does not know the protocol v4.channel.k8s.io")
        return stream

    async def _create(self, resource: str, manifest: Document, params: Mapping[str, str]) -> Answer:
        namespace = manifest["metadata"]["namespace"]
        path = _path(namespace, resource)
        request = Request("POST", path, "create", resource, namespace, params, body=manifest)
        answer = await self._transport.ask(request, accept={409})
        if answer.status == 409:
            raise AlreadyExists(words_of(answer.body))
        return answer

    async def _get(self, resource: str, namespace: str, name: str) -> Document | None:
        request = Request("GET", _path(namespace, resource, name), "get", resource, namespace)
        answer = await self._transport.ask(request, accept={404})
        return None if self._is_missing(answer) else self._document(answer)

    async def _delete(
        self, resource: str, namespace: str, name: str, uid: str | None, options: Document
    ) -> bool:
        body: Document = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        path = _path(namespace, resource, name)
        request = Request("DELETE", path, "delete", resource, namespace, body=body)
        answer = await self._transport.ask(request, accept={404, 409})
        return not self._is_missing(answer) and answer.status != 409

    async def _list(self, resource: str, namespace: str, selector: Mapping[str, str]) -> list[Document]:
        return [item async for items, _date in self.pages(resource, namespace, selector) for item in items]

    def _is_missing(self, answer: Answer) -> bool:
        """Whether the API server says that the object is not there; another server's 404 says nothing."""
        if answer.status != 404:
            return False
        if answer.document().get("kind") != "Status":
            raise self._transport.stranger(answer)
        return True

    def _document(self, answer: Answer) -> Document:
        """The object in a good answer."""
        document = answer.document()
        if not document:
            raise self._transport.stranger(answer)
        return document


def _path(namespace: str, *parts: str) -> str:
    return "/".join(("/api/v1/namespaces", *(quote(part, safe="") for part in (namespace, *parts))))


def _event_time(event: Document) -> str:
    metadata = event.get("metadata") or {}
    return str(
        event.get("lastTimestamp") or event.get("eventTime") or metadata.get("creationTimestamp") or ""
    )
