# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching a pod."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    Unreachable,
    WatchExpired,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.watch import PodChange, WatchReader
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    ApiServer,
    Reply,
    hang_up,
    status,
    status_object,
)

PODS = "/api/v1/namespaces/jobs/pods"


def pod(version: str) -> dict[str, Any]:
    return {"metadata": {"name": "job-1", "resourceVersion": version}}


def line(kind: str, thing: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": thing}).encode() + b"\n"


def streaming(*pieces: bytes, cut: bool = False, wait: bool = False) -> Reply:
    """Answer bit by bit, then end the answer in order, cut it, or leave it open."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if cut:
            return await hang_up(request)
        if wait:
            await asyncio.Event().wait()
        return response

    return reply


async def changes(client: ClusterClient) -> list[PodChange]:
    return [change async for change in client.watch_pod("jobs", "job-1", "5")]


async def test_changes_until_the_server_ends(client: ClusterClient, server: ApiServer) -> None:
    whole = line("ADDED", pod("6")) + line("BOOKMARK", pod("7")) + line("DELETED", pod("8"))
    server.on("GET", PODS, streaming(whole[:10], whole[10:90], whole[90:]))
    assert await changes(client) == [PodChange("ADDED", pod("6")), PodChange("DELETED", pod("8"))]
    assert server.seen[0].query == {
        "watch": "true",
        "fieldSelector": "metadata.name=job-1",
        "resourceVersion": "5",
        "timeoutSeconds": "1800",
    }


async def test_change_comes_while_the_watch_is_open(client: ClusterClient, server: ApiServer) -> None:
    server.on("GET", PODS, streaming(line("MODIFIED", pod("6")), wait=True))
    async with contextlib.aclosing(client.watch_pod("jobs", "job-1", "5")) as watch:
        assert await watch.__anext__() == PodChange("MODIFIED", pod("6"))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(status(410, "too old resource version: 5 (9)", "Expired"), id="answer"),
        pytest.param(
            streaming(line("ERROR", status_object(410, "too old resource version: 5 (9)", "Expired"))),
            id="event",
        ),
    ],
)
async def test_old_version_is_told(client: ClusterClient, server: ApiServer, reply: Reply) -> None:
    server.on("GET", PODS, reply)
    with pytest.raises(WatchExpired, match="too old resource version"):
        await changes(client)


async def test_cut_watch_is_unreachable(client: ClusterClient, server: ApiServer) -> None:
    server.on("GET", PODS, streaming(line("ADDED", pod("6")), cut=True))
    seen = []
    with pytest.raises(Unreachable) as caught:
        async for change in client.watch_pod("jobs", "job-1", "5"):
            seen.append(change.kind)
    assert seen == ["ADDED"]
    assert caught.value.interrupted


async def test_error_event_is_unreachable(client: ClusterClient, server: ApiServer) -> None:
    server.on("GET", PODS, streaming(line("ERROR", status_object(500, "etcd is away", "InternalError"))))
    with pytest.raises(Unreachable, match="etcd is away"):
        await changes(client)


async def test_forbidden_watch(client: ClusterClient, server: ApiServer) -> None:
    message = 'User "bob" cannot watch resource "pods" in API group "" in the namespace "jobs"'
    server.on("GET", PODS, status(403, message, "Forbidden"))
    with pytest.raises(Failure, match='The user "bob" may not watch pods'):
        await changes(client)


def test_endless_line_is_refused() -> None:
    reader = WatchReader("jobs", line_limit=100)
    with pytest.raises(Failure, match="more than 100 bytes"):
        list(reader.feed(b"x" * 101))


@pytest.mark.parametrize(
    "rubbish", [b"<html>\n", b'{"type": "ADDED"}\n', b"[]\n"], ids=["text", "part", "list"]
)
def test_rubbish_is_refused(rubbish: bytes) -> None:
    with pytest.raises(Failure, match="not a list of changes"):
        list(WatchReader("jobs", 1000).feed(rubbish))
