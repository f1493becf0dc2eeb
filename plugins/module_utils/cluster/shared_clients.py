# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of one process: jobs that reach a cluster in the same way share one, and its connections."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection


class _Shared:
    """A client and how many use it."""

    def __init__(self, client: ClusterClient) -> None:
        self.client = client
        self.users = 0
        self.opening = asyncio.Lock()
        self.is_open = False


class SharedClients:
    """Clients by their connection, each open as long as somebody uses it.

    Attributes:
        own_pods: label selector of the pods that this process makes, for which each client has one watch;
            empty where each of them is watched on its own.
    """

    def __init__(self, own_pods: str = "") -> None:
        """Begins with none."""
        self.own_pods = own_pods
        self._shared: dict[str, _Shared] = {}

    @asynccontextmanager
    async def client(
        self, connection: Connection, environ: Mapping[str, str]
    ) -> AsyncIterator[ClusterClient]:
        """A client for a connection.

        Args:
            connection: how to reach the cluster.
            environ: where proxies are looked for, and what exec plugins get.
        """
        key = _key(connection, environ)
        shared = self._shared.get(key)
        if shared is None:
            client = ClusterClient(connection, environ=environ, own_pods=self.own_pods)
            shared = self._shared[key] = _Shared(client)
        shared.users += 1
        try:
            async with shared.opening:
                if not shared.is_open:
                    await shared.client.__aenter__()
                    shared.is_open = True
            yield shared.client
        finally:
            shared.users -= 1
            if not shared.users:
                del self._shared[key]
                await shared.client.__aexit__(None, None, None)


def _key(connection: Connection, environ: Mapping[str, str]) -> str:
    """Tells connections apart; of what is secret in them, only a digest is kept."""
    facts = json.dumps([asdict(connection), dict(environ)], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()
