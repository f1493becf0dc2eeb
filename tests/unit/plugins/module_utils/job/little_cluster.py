# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with room for one pod at a time: real HTTPS, a real WebSocket, a real supervisor behind."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.pod.supervisor import (
    POD_UID,
    descendants,
    processes,
    send_signal,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    Reply,
    document,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    SupervisedPod,
    supervised_pod,
)

PODS = "/api/v1/namespaces/jobs/pods"
SECRETS = "/api/v1/namespaces/jobs/secrets"
NODE = "node1"
ENDED = b"\x1eJP1 ended "
GONE = status(404, "pods not found", "NotFound")
NOT_THERE = status(400, "container worker is not available", "BadRequest")
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
REJECTED = {"phase": "Failed", "reason": "OutOfcpu", "message": "Pod was rejected: there is no cpu left"}


def end(pod: SupervisedPod) -> None:
    """Ends a pod as a deletion without grace does: whatever runs in it is killed."""
    inner = descendants(pod.process.pid, processes())
    pod.process.kill()
    send_signal(inner, signal.SIGKILL)


class LittleCluster:
    """Makes, shows and deletes one pod, and its image pull secret; after that, another one.

    Attributes:
        server: the API server; what a test changes there wins.
        connection: to it.
        pod: its supervisor.
        names: of the pods that were made.
        claimed: the patches of the pod.
        losing: statuses that the next pods have from their beginning, in which no worker ever runs.
        manifest: of the pod, once it is made.
        secret: its image pull secret, while there is one.
        deleted: the grace of each deletion that was asked for.
        undeletable: deletions fail so many times before one does not.
        flowing: what the supervisor prints goes to whoever is attached; else it waits.
        ended: the supervisor has reported the run's end, whether that has gone on or not.
    """

    def __init__(
        self,
        server: ApiServer,
        connection: Connection,
        supervise: Callable[[int], SupervisedPod],
        names: tuple[str, ...],
    ) -> None:
        self.server = server
        self.connection = connection
        self.manifest: dict[str, Any] | None = None
        self.secret: dict[str, Any] | None = None
        self.deleted: list[int | None] = []
        self.undeletable = 0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.ended = asyncio.Event()
        self.pod = supervise(1)
        self.names: list[str] = []
        self.claimed: list[dict[str, Any]] = []
        self.losing: list[dict[str, Any]] = []
        self.copying = [asyncio.create_task(self.copy(self.pod))]
        self._supervise = supervise
        self._lost: dict[str, Any] | None = None
        self._number = 1
        self._version = 1
        self._gone = asyncio.Event()
        self._attached: set[asyncio.Queue[bytes]] = set()
        server.on("POST", PODS, self._create)
        server.on("GET", PODS, self._watch)
        for name in names:
            server.on("GET", f"{PODS}/{name}", self._get)
            server.on("DELETE", f"{PODS}/{name}", self._delete)
            server.on("PATCH", f"{PODS}/{name}", self._patch)
            server.on("GET", f"{PODS}/{name}/attach", self._attach)
            server.on("DELETE", f"{SECRETS}/{name}-pull", self._delete_secret)
        server.on("POST", SECRETS, self._create_secret)
        server.on("GET", "/api/v1/namespaces/jobs/events", document({"kind": "EventList", "items": []}))

    def requests(self, method: str) -> int:
        return sum(seen.method == method for seen in self.server.seen)

    @property
    def exists(self) -> bool:
        return self.manifest is not None and not self._gone.is_set()

    @property
    def has_secret(self) -> bool:
        return self.secret is not None

    def has(self, name: str, lost: dict[str, Any] | None = None) -> None:
        """Puts a pod there that somebody has made before, with a status in which no worker runs, or none."""
        self.manifest, self._lost = {"metadata": {"name": name, "namespace": "jobs"}, "spec": {}}, lost

    def has_warm(self, manifest: dict[str, Any], annotations: dict[str, str]) -> None:
        """Puts a pod there that waits for a job."""
        metadata = {"annotations": annotations, "creationTimestamp": datetime.now(timezone.utc).isoformat()}
        self.manifest = {**manifest, "metadata": {**manifest["metadata"], **metadata}}

    def lose(self) -> None:
        """Takes the pod away, as somebody does who deletes it by force."""
        self._gone.set()
        end(self.pod)

    async def copy(self, pod: SupervisedPod) -> None:
        """Copies what a supervisor prints to whoever is attached."""
        last = b""
        while piece := await asyncio.to_thread(os.read, pod.stdout, 1 << 16):
            if ENDED in last + piece:
                self.ended.set()
            last = piece[-len(ENDED) :]
            for queue in self._attached:
                queue.put_nowait(piece)

    def _document(self) -> dict[str, Any]:
        made = copy.deepcopy(self.manifest) or {}
        made["metadata"] |= {"uid": f"u{self._number}", "resourceVersion": str(self._version)}
        made["spec"]["nodeName"] = NODE
        if self._lost is not None:
            return {**made, "status": self._lost}
        running = {"name": "worker", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
        made["status"] = {"phase": "Running", "containerStatuses": [running]}
        return made

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.manifest = manifest = await request.json()
        if self._gone.is_set():
            self._gone = asyncio.Event()
            self._number += 1
            if self._lost is not None:
                end(self.pod)  # which has not run
            self.pod = self._supervise(self._number)
            self.copying.append(asyncio.create_task(self.copy(self.pod)))
        self._lost = self.losing.pop(0) if self.losing else None
        self.names.append(manifest["metadata"]["name"])
        return web.json_response(self._document(), status=201)

    def _has(self, request: web.Request) -> bool:
        """Whether the pod of a request is there."""
        name = request.path.split("/")[6]
        return self.exists and self.manifest is not None and self.manifest["metadata"]["name"] == name

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._document()) if self._has(request) else await GONE(request)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        labels = self.manifest["metadata"].get("labels", {}) if self.manifest and self.exists else {}
        wanted = [term.partition("=") for term in request.query["labelSelector"].split(",")]
        found = bool(labels) and all(
            name in labels and (not value or labels[name] == value) for name, _equals, value in wanted
        )
        return web.json_response({"items": [self._document()] if found else []})

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        if not self._has(request) or self.manifest is None:
            return await GONE(request)
        patch = await request.json()
        self.claimed.append(patch)
        metadata = self.manifest["metadata"]
        merged = {**metadata.get("labels", {}), **patch["metadata"].get("labels", {})}
        metadata["labels"] = {name: value for name, value in merged.items() if value is not None}
        return web.json_response(self._document())

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return await self._list(request)
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(self._change("MODIFIED"))
        await self._gone.wait()
        with suppress(ConnectionError):  # nobody may watch any more
            await answer.write(self._change("DELETED"))
        return answer

    def _change(self, kind: str) -> bytes:
        return json.dumps({"type": kind, "object": self._document()}).encode() + b"\n"

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        if not self._has(request):
            return await GONE(request)
        self.deleted.append((await request.json()).get("gracePeriodSeconds"))
        if self.undeletable:
            self.undeletable -= 1
            return await status(503, "the server is away", "ServiceUnavailable")(request)
        self._gone.set()
        if self._lost is None:
            end(self.pod)
        return web.json_response(self._document())

    async def _create_secret(self, request: web.Request) -> web.StreamResponse:
        self.secret = await request.json()
        return web.json_response({"metadata": {"uid": "s1"}}, status=201)

    async def _delete_secret(self, request: web.Request) -> web.StreamResponse:
        if self.secret is None:
            return await GONE(request)
        assert (await request.json()).get("preconditions") in (None, {"uid": "s1"})
        self.secret = None
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        if self._lost is not None or not self._has(request):
            return await NOT_THERE(request)
        pod = self.pod
        websocket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), max_msg_size=0, timeout=0.1)
        await websocket.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._attached.add(queue)
        sending = asyncio.create_task(self._send(websocket, queue))
        try:
            async for message in websocket:
                await asyncio.to_thread(pod.send, message.data[1:])
        except BrokenPipeError:
            pass  # the pod is gone
        finally:
            self._attached.discard(queue)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return websocket

    async def _send(self, websocket: web.WebSocketResponse, queue: asyncio.Queue[bytes]) -> None:
        while True:
            piece = await queue.get()
            await self.flowing.wait()
            await websocket.send_bytes(b"\x01" + piece)


def dead(at: LittleCluster, **state: Any) -> Reply:
    """A watch that says of the worker container that it has ended."""

    async def watch(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        pod = at._document()
        pod["status"] = {"phase": "Failed", "containerStatuses": [{"name": "worker", "state": state}]}
        await answer.write(json.dumps({"type": "MODIFIED", "object": pod}).encode() + b"\n")
        await at._gone.wait()
        return answer

    return watch


@asynccontextmanager
async def little_cluster(folder: Path, authority: Authority, *names: str) -> AsyncIterator[LittleCluster]:
    """A cluster in which pods of these names can be made, whose programs are those of `folder/bin`."""
    context = server_context(folder / "server", *authority.issue("127.0.0.1"))
    with ExitStack() as pods:

        def supervise(number: int) -> SupervisedPod:
            data = str(folder / ("runner" if number == 1 else f"runner{number}"))
            pod = supervised_pod(folder, env={POD_UID: f"u{number}"}, beat_interval=1, private_data_dir=data)
            return pods.enter_context(pod)

        async with ApiServer(context) as server:
            connection = Connection(host=server.url, source="the test", token=SENT, ca_text=authority.pem)
            cluster = LittleCluster(server, connection, supervise, names)
            try:
                yield cluster
            finally:
                cluster._gone.set()
                end(cluster.pod)
                await asyncio.gather(*cluster.copying)
