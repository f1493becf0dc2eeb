# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference to the pod that the controller runs in is certain, or it is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.own_pod import owner_reference
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    document,
    status,
)

POD = "/api/v1/namespaces/jobs/pods/controller-0"
FOUND = {"kind": "Pod", "metadata": {"name": "controller-0", "namespace": "jobs", "uid": "u7"}}


class InPod:
    """A process in a pod of the namespace `jobs`."""

    def __init__(self, server: ApiServer, connection: Connection, folder: Path) -> None:
        (folder / "token").write_text(SENT)
        self.server, self.folder = server, folder
        self.connection = replace(connection, token=None, token_file=str(folder / "token"), namespace="jobs")

    async def reference(self, namespace: str = "jobs") -> dict[str, Any] | None:
        async with ClusterClient(self.connection, environ={}) as client:
            return await owner_reference(client, namespace, "controller-0", service_account=self.folder)


@pytest.fixture
def here(server: ApiServer, connection: Connection, tmp_path: Path) -> InPod:
    server.on("GET", POD, document(FOUND))
    return InPod(server, connection, tmp_path)


async def test_pod_of_the_same_namespace(here: InPod) -> None:
    assert await here.reference() == {"apiVersion": "v1", "kind": "Pod", "name": "controller-0", "uid": "u7"}


async def test_other_namespace(here: InPod) -> None:
    assert await here.reference("others") is None
    assert here.server.seen == []


async def test_other_connection_may_lead_to_another_cluster(here: InPod) -> None:
    here.connection = replace(here.connection, token=SENT, token_file=None)
    assert await here.reference() is None
    assert here.server.seen == []


async def test_host_name_that_names_no_pod(here: InPod) -> None:
    here.server.on("GET", POD, status(404, "not found", "NotFound"))
    with pytest.raises(Failure, match="no pod in namespace jobs that is called as this host, controller-0"):
        await here.reference()


async def test_pod_that_may_not_be_read(here: InPod) -> None:
    here.server.on("GET", POD, status(403, "pods is forbidden: no", "Forbidden"))
    with pytest.raises(Failure) as caught:
        await here.reference()
    assert caught.value.reason == "Forbidden"
