# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who shares a client with whom, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.shared_clients import SharedClients
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    ApiServer,
    document,
)

VERSION = {"gitVersion": "v1"}


async def test_the_same_connection_is_shared_until_nobody_uses_it(
    connection: Connection, server: ApiServer
) -> None:
    server.on("GET", "/version", document(VERSION), document(VERSION), document(VERSION))
    clients = SharedClients()
    async with clients.client(connection, {"A": "1"}) as one:
        async with clients.client(replace(connection), {"A": "1"}) as other:
            assert other is one
        assert await one.check() == VERSION, "it is still open"
    async with clients.client(connection, {"A": "1"}) as later:
        assert later is not one
        assert await later.check() == VERSION


@pytest.mark.parametrize(
    "change", [{"token": "another"}, {"impersonation": (("Impersonate-User", "bob"),)}, {"host": "https://b"}]
)
async def test_another_connection_gets_its_own(connection: Connection, change: dict[str, object]) -> None:
    clients = SharedClients()
    other = replace(connection, **change)  # type: ignore[arg-type]
    async with clients.client(connection, {}) as one, clients.client(other, {}) as two:
        assert one is not two


async def test_another_environment_gets_its_own(connection: Connection) -> None:
    clients = SharedClients()
    proxied = {"HTTPS_PROXY": "http://proxy:3128"}
    async with clients.client(connection, {}) as one, clients.client(connection, proxied) as two:
        assert one is not two


async def test_a_client_that_can_not_be_opened_is_tried_again_by_the_next(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients, tried = SharedClients(), []

    async def refuse(client: ClusterClient) -> ClusterClient:
        tried.append(client)
        await asyncio.sleep(0)
        raise Failure("ConnectionRefused", "it ended with 1")

    monkeypatch.setattr(ClusterClient, "__aenter__", refuse)

    async def use() -> None:
        async with clients.client(connection, {}):
            raise AssertionError("it is not open")

    found = await asyncio.gather(use(), use(), return_exceptions=True)
    assert [str(each) for each in found] == ["it ended with 1"] * 2
    assert len(tried) == 2
    assert clients._shared == {}
