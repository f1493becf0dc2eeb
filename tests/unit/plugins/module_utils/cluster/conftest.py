# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test's own API server, and the connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    VERSION,
    ApiServer,
    document,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)

QUICK = RetryPolicy(first_delay=0.001, longest_delay=0.002)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest_asyncio.fixture
async def server(authority: Authority, tmp_path: Path) -> AsyncIterator[ApiServer]:
    """An API server whose certificate is valid for 127.0.0.1 and `api.test`."""
    certificate, key = authority.issue("127.0.0.1", "api.test")
    context = server_context(tmp_path / "server", certificate, key, client_ca=authority.pem)
    async with ApiServer(context) as running:
        running.on("GET", "/version", document(VERSION))
        yield running


@pytest.fixture
def connection(server: ApiServer, authority: Authority) -> Connection:
    return Connection(host=server.url, source="the test", token=SENT, ca_text=authority.pem)


@pytest_asyncio.fixture
async def client(connection: Connection) -> AsyncIterator[ClusterClient]:
    async with ClusterClient(connection, environ={}, retry=QUICK) as running:
        yield running
