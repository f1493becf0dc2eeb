# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that ended jobs have left behind are deleted later, with their secrets, and by one process each."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import removal
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import left_pods
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    Reply,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    GONE,
    PODS,
    SECRETS,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.adopting import (
    Scene,
    change,
    hurry,
    left_behind,
)

OTHER = status(409, "Precondition failed: UID in precondition: another, UID in object meta: u1", "Conflict")
FORBIDDEN = status(403, "secrets is forbidden: no", "Forbidden")


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def scene(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    hurry(monkeypatch)
    monkeypatch.setattr(removal, "BACKOFF", (0.02,))
    monkeypatch.setattr(removal, "LOOK_INTERVAL", 0.02)
    async with left_behind(tmp_path, authority) as made:
        yield made


async def left(scene: Scene, *, silent: bool = True, **options: Any) -> JobRecord:
    """A job that has ended while its pod was not deleted, and whose process is gone."""
    at_the_gate = await scene.left(lambda: bool(scene.counters()), **options)
    scene.store.finish(
        at_the_gate.id,
        at_the_gate.lease,
        status="successful",
        pod_name=at_the_gate.pod_name,
        pod_deleted=False,
    )
    secret(scene, at_the_gate, GONE)
    if not silent:
        change(scene.stock.folder, at_the_gate.id, heartbeat=time.time())
    return scene.record()


def secret(scene: Scene, record: JobRecord, reply: Reply) -> str:
    """Has the cluster answer so when somebody looks for the secret of a job's pod; returns its path."""
    path = f"{SECRETS}/{record.pod_name}-pull"
    scene.at.server.on("GET", path, reply)
    return path


def check_gone(scene: Scene) -> None:
    assert not scene.at.exists
    assert scene.record().pod_deleted
    for way in (scene.store.connection, scene.store.caller):
        with pytest.raises(Failure, match="keeps no"):
            way(1)


async def test_it_is_deleted(scene: Scene) -> None:
    await left(scene)
    await scene.adopt()
    check_gone(scene)
    assert scene.at.deleted == [left_pods.GRACE]
    assert scene.record().status == "successful"


async def test_it_is_gone_already(scene: Scene) -> None:
    await left(scene)
    scene.at.lose()
    await scene.adopt()
    check_gone(scene)


async def test_namesake_is_left_alone(scene: Scene) -> None:
    record = await left(scene)
    change(scene.stock.folder, record.id, pod_uid="another")
    pod = f"{PODS}/{record.pod_name}"
    scene.at.server.on("DELETE", pod, OTHER)
    await scene.adopt()
    assert scene.at.exists
    assert scene.record().pod_deleted


async def test_what_is_told_of_it(scene: Scene) -> None:
    record = await left(scene)
    async with scene.stock.jobs() as jobs:
        assert await left_pods.why_there(jobs.opened, record) == "The cluster still has it."
        former = replace(record, pod_uid="another")
        assert "It is gone now" in await left_pods.why_there(jobs.opened, former)
        await jobs.close()


async def test_its_own_process_may_still_be_at_it(scene: Scene) -> None:
    await left(scene, silent=False)
    await scene.adopt()
    assert scene.at.exists
    assert not scene.record().pod_deleted


async def test_one_that_can_t_be_deleted_stays_for_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_pods, "REMOVAL_LIMIT", 0.1)
    await left(scene)
    scene.at.undeletable = 1000
    await scene.adopt()
    assert not scene.record().pod_deleted
    assert scene.store.connection(1)
    scene.at.undeletable = 0
    scene.found(1)
    await scene.adopt()
    check_gone(scene)


def by_plugin(scene: Scene) -> Path:
    """A kubeconfig whose token is in a file that only the environment names."""
    connection = scene.at.connection
    version = "client.authentication.k8s.io/v1"
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": connection.token}}
    (scene.stock.folder / "answer").write_text(json.dumps(answer))
    plugin = {"apiVersion": version, "command": "sh", "args": ["-c", 'cat "$ANSWER"']}
    cluster = {
        "server": connection.host,
        "certificate-authority-data": base64.b64encode((connection.ca_text or "").encode()).decode(),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"exec": {**plugin, "interactiveMode": "Never"}}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    path = scene.stock.folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


async def test_environment_of_its_connection_is_the_job_s_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = {"kubeconfig": str(by_plugin(scene)), "namespace": "jobs"}
    with monkeypatch.context() as patch:
        patch.setenv("ANSWER", str(scene.stock.folder / "answer"))
        record = await left(scene, container_group=group)
    async with scene.stock.jobs() as jobs:
        assert await left_pods.why_there(jobs.opened, record) == "The cluster still has it."
    await scene.adopt()
    check_gone(scene)


async def test_secret_of_the_job_goes_with_it(scene: Scene) -> None:
    record = await left(scene)
    asked: list[object] = []

    async def delete(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json()).get("preconditions"))
        return web.json_response({"kind": "Status", "status": "Success"})

    labels = {"jobpods.job-uuid": record.uuid}

    async def show(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Secret", "metadata": {"uid": "s1", "labels": labels}})

    scene.at.server.on("DELETE", secret(scene, record, show), delete)
    await scene.adopt()
    check_gone(scene)
    assert asked == [{"uid": "s1"}]


async def test_secret_of_somebody_else_stays(scene: Scene) -> None:
    record = await left(scene)

    async def show(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Secret", "metadata": {"uid": "s1", "labels": {}}})

    secret(scene, record, show)
    await scene.adopt()
    check_gone(scene)


async def test_where_secrets_may_not_be_read_there_is_none(scene: Scene) -> None:
    secret(scene, await left(scene), FORBIDDEN)
    await scene.adopt()
    check_gone(scene)
