# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claiming a warm pod, and filling the pool again, beside others that do the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.job import warm_pool
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Marks, RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.job.warm_pool import (
    WarmPool,
    make_room,
    pool_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    ExecutionEnvironment,
    PodIdentity,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import (
    MARK,
    STATE,
    PoolSpec,
    marked,
    pool_spec,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    hang_up,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.launching import launched
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import Told
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.pod_table import (
    PODS,
    PodTable,
)

TTL = 600
FORBIDDEN = status(
    403, 'pods "w" is forbidden: User "me" cannot patch resource "pods" in API group ""', "Forbidden"
)


def mark(text: str) -> str:
    return f"only we say {text}"


class Pool:
    """A table of pods, and launchers that want some of them."""

    def __init__(self, table: PodTable, client: ClusterClient, folder: Path) -> None:
        self.table, self.client, self.folder = table, client, folder
        self.told = Told()

    def request(self, number: int = 1, **group: Any) -> RunRequest:
        given = {"namespace": "jobs", "warm_pods": 2, "warm_pod_ttl": TTL, **group}
        launch = launched(self.folder, container_group=given)
        identity = PodIdentity(number, f"job{number}", 1, "here")
        return RunRequest(launch, identity, 1, lambda _unwanted: pytest.fail(), marks=Marks("store", mark))

    def launcher(self, number: int = 1, **group: Any) -> WarmPool:
        found = pool_of(self.request(number, **group), self.client, self.told)
        assert found is not None
        return found

    def spec(self, **group: Any) -> PoolSpec:
        launch = self.request(**group).launch
        assert launch.group.warm
        return pool_spec(
            launch.group.warm,
            cluster=self.client.connection.host,
            namespace=launch.namespace,
            override=launch.group.pod_spec_override,
            execution_environment=launch.group.execution_environment,
            store="store",
        )

    def idle(self, name: str, *, known: bool = True, age: float = 60, **how: Any) -> dict[str, Any]:
        """Puts an idle pod there, with the mark or without."""
        spec = self.spec(**how.pop("group", {}))
        pod = self.table.add(spec.manifest(name), age=age, **how)
        if known:
            annotations = pod["metadata"].setdefault("annotations", {})
            annotations[MARK] = mark(marked(pod["metadata"]["uid"], spec.pool))
        return pod

    @property
    def names(self) -> set[str]:
        return set(self.table.pods)

    @property
    def waiting(self) -> set[str]:
        return {name for name, pod in self.table.pods.items() if STATE in pod["metadata"]["labels"]}


@pytest.fixture
async def pool(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setattr(warm_pool, "ROUND_PAUSE", (0.0, 0.0))
    monkeypatch.setattr(warm_pool, "REMOVAL_PAUSES", (0.0, 0.0))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "site.yml").write_text("[]")
    context = server_context(tmp_path / "server", *authority.issue("127.0.0.1"))
    async with ApiServer(context) as server:
        table = PodTable(server)
        connection = Connection(host=server.url, source="the test", token=SENT, ca_text=authority.pem)
        async with ClusterClient(connection) as client:
            yield Pool(table, client, tmp_path)


async def filled(launcher: WarmPool) -> None:
    launcher.due()
    await launcher.close()


# --- claiming -----


async def test_a_claimed_pod_is_the_jobs(pool: Pool) -> None:
    before = dict(pool.idle("w", age=61.5)["metadata"])
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "here", "uid": "h"}
    pod = await pool.launcher().claim(1000, owner)
    assert pod is not None
    metadata = pod["metadata"]
    assert (metadata["name"], metadata["uid"]) == ("w", before["uid"])
    assert metadata["labels"].items() >= PodIdentity(1, "job1", 1, "here").labels.items()
    assert STATE not in metadata["labels"]
    assert metadata["ownerReferences"] == [owner]
    assert pod["spec"]["activeDeadlineSeconds"] == 1062
    assert await pool.launcher(2).claim(None, None) is None


async def test_a_job_without_a_limit_sets_no_deadline(pool: Pool) -> None:
    pool.idle("w")
    pod = await pool.launcher().claim(None, None)
    assert pod is not None and "activeDeadlineSeconds" not in pod["spec"]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"known": False}, id="not ours"),
        pytest.param({"age": TTL - 1}, id="ends soon"),
        pytest.param({"phase": "Pending"}, id="does not run"),
        pytest.param({"phase": "Succeeded"}, id="has ended"),
        pytest.param({"deletionTimestamp": "2026-01-01T12:00:00Z"}, id="is being deleted"),
        pytest.param({"group": {"warm_pods": 3}}, id="another number"),
        pytest.param({"group": {"pod_spec_override": {"spec": {"priority": 1}}}}, id="another spec"),
    ],
)
async def test_what_is_not_claimed(pool: Pool, how: dict[str, Any]) -> None:
    pool.idle("w", **how)
    assert await pool.launcher().claim(None, None) is None
    assert pool.told.warnings == []


async def test_a_mark_is_good_for_one_pod_only(pool: Pool) -> None:
    """Who may make pods must not get a job's secrets by one that looks like ours."""
    ours = pool.idle("w")
    annotations = dict(ours["metadata"]["annotations"])
    pool.table.add(pool.spec().manifest("w"), age=60, annotations=annotations)
    assert await pool.launcher().claim(None, None) is None


async def test_who_is_slower_gets_another_one(pool: Pool) -> None:
    pool.idle("w")
    pool.idle("x")
    patch = pool.table._patch

    async def quicker(request: web.Request) -> web.StreamResponse:
        pod = pool.table.named(request)
        assert pod is not None
        pod["metadata"]["resourceVersion"] += " changed"
        return await patch(request)

    pool.table.server.on("PATCH", f"{PODS}/w", quicker)
    pod = await pool.launcher().claim(None, None)
    assert pod is not None and pod["metadata"]["name"] == "x"
    assert await pool.launcher(2).claim(None, None) is None


async def test_a_claim_whose_answer_is_lost_is_not_made_twice(pool: Pool) -> None:
    pool.idle("w")
    patch = pool.table._patch

    async def unheard(request: web.Request) -> web.StreamResponse:
        await patch(request)
        return await hang_up(request)

    pool.table.server.on("PATCH", f"{PODS}/w", unheard, patch)
    pod = await pool.launcher().claim(None, None)
    assert pod is not None and pod["metadata"]["name"] == "w"


async def test_a_pod_whose_container_has_ended_is_removed(pool: Pool) -> None:
    pod = pool.idle("w")
    pod["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    launcher = pool.launcher()
    assert await launcher.claim(None, None) is None
    await launcher.close()
    assert pool.names == set()


async def test_patch_is_forbidden(pool: Pool) -> None:
    pool.idle("w")
    pool.table.server.on("PATCH", f"{PODS}/w", FORBIDDEN)
    launcher = pool.launcher()
    assert await launcher.claim(None, None) is None
    await filled(launcher)
    (warning,) = pool.told.warnings
    assert "no warm pod could be claimed, so the job gets a new one" in warning
    assert '{apiGroups: [""], resources: [pods], verbs: [patch]}' in warning
    assert pool.names == {"w"}


async def test_the_pod_that_an_earlier_owner_has_claimed(pool: Pool) -> None:
    pool.idle("w")
    assert await pool.launcher(2).find() is None
    claimed = await pool.launcher().claim(None, None)
    assert claimed is not None
    assert await pool.launcher().find() == claimed
    assert await pool.launcher(2).find() is None


# --- the pool -----


async def test_an_empty_pool_is_filled(pool: Pool) -> None:
    await filled(pool.launcher())
    assert pool.waiting == {pool.spec().name(1), pool.spec().name(2)}
    for pod in pool.table.pods.values():
        assert pod["metadata"]["annotations"][MARK] == mark(marked(pod["metadata"]["uid"], pool.spec().pool))
        assert "jobpods.job-id" not in pod["metadata"]["labels"]
    assert await pool.launcher().claim(None, None) is not None


async def test_the_pool_of_a_long_job_is_filled_while_it_runs(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_pool, "REFILL_DELAY", 0.01)
    launcher = pool.launcher()
    launcher.due()
    launcher.refill()
    async with deadline(30):
        while len(pool.waiting) < 2:
            await asyncio.sleep(0.01)
    await launcher.close()
    assert len(pool.waiting) == 2


async def test_a_job_without_a_pod_leaves_the_pool_alone(pool: Pool) -> None:
    await pool.launcher().close()
    assert pool.names == set()


async def test_a_claimed_pod_is_replaced_under_another_name(pool: Pool) -> None:
    await filled(pool.launcher())
    launcher = pool.launcher()
    claimed = await launcher.claim(None, None)
    assert claimed is not None
    await filled(launcher)
    assert len(pool.waiting) == 2
    assert pool.names == pool.waiting | {claimed["metadata"]["name"]}


async def test_who_finds_that_another_one_fills_the_pool_looks_again(pool: Pool) -> None:
    create = pool.table._create

    async def quicker(request: web.Request) -> web.StreamResponse:
        manifest = await request.json()
        pool.idle(manifest["metadata"]["name"], age=0)
        return await create(request)

    pool.table.server.on("POST", PODS, quicker, create)
    await filled(pool.launcher())
    assert pool.waiting == {pool.spec().name(1), pool.spec().name(2)}


async def test_a_name_that_an_ended_pod_has_is_left_out(pool: Pool) -> None:
    kept = pool.idle(pool.spec().name(1), phase="Succeeded")
    del kept["metadata"]["labels"][STATE]
    await filled(pool.launcher())
    assert pool.waiting == {pool.spec().name(2), pool.spec().name(3)}


async def test_what_is_too_much_or_too_old_goes(pool: Pool) -> None:
    for name, age in (("a", 400), ("b", 300), ("c", 200)):
        pool.idle(name, age=age)
    pool.idle("over", age=TTL + 1)
    pool.idle("unmarked", known=False)
    pool.idle("ended", phase="Failed")
    pool.idle("other", group={"warm_pods": 1})
    await filled(pool.launcher())
    assert pool.names == {"b", "c", "other"}


@pytest.mark.parametrize(
    ("group", "gone"),
    [
        pytest.param("7", True, id="same group"),
        pytest.param("8", False, id="another group"),
        pytest.param("", False, id="inline group"),
    ],
)
async def test_pods_of_an_older_spec(pool: Pool, group: str, gone: bool) -> None:
    def spec(number: str, revision: str, image: str) -> PoolSpec:
        warm = pool.request().launch.group.warm
        assert warm
        return pool_spec(
            replace(warm, group=number, revision=revision),
            cluster=pool.client.connection.host,
            namespace="jobs",
            override={},
            execution_environment=ExecutionEnvironment(image),
            store="store",
        )

    pool.table.add(spec(group, "old", "a").manifest("w"), age=60)
    pool.table.add(spec("7", "new", "of another job").manifest("x"), age=60)
    identity = pool.request().identity
    await filled(WarmPool(pool.client, spec("7", "new", "b"), identity, Marks("store", mark), pool.told))
    assert ("w" not in pool.names) == gone
    assert "x" in pool.names


async def test_a_pod_that_was_claimed_meanwhile_is_not_deleted(pool: Pool) -> None:
    for name in ("a", "b", "c"):
        pool.idle(name)
    launcher, delete = pool.launcher(), pool.table._delete

    async def claimed(request: web.Request) -> web.StreamResponse:
        pod = pool.table.named(request)
        assert pod is not None
        pod["metadata"]["resourceVersion"] += " claimed"
        return await delete(request)

    for name in ("a", "b", "c"):
        pool.table.server.on("DELETE", f"{PODS}/{name}", claimed)
    await filled(launcher)
    assert await make_room(pool.client, "jobs") == 0
    assert pool.names == {"a", "b", "c"}


async def test_nothing_is_made_that_could_not_be_claimed(pool: Pool) -> None:
    pool.table.allowed = False
    launcher = pool.launcher()
    assert await launcher.claim(None, None) is None
    await filled(launcher)
    assert pool.names == set()
    (warning,) = pool.told.warnings
    assert 'may not patch pods in the namespace "jobs"' in warning
    assert "verbs: [patch]" in warning


async def test_a_quota_leaves_no_room_for_warm_pods(pool: Pool) -> None:
    words = 'pods "w" is forbidden: exceeded quota: two, requested: pods=1, used: pods=2, limited: pods=2'
    pool.table.server.on("POST", PODS, status(403, words, "Forbidden"))
    await filled(pool.launcher())
    assert pool.names == set()
    assert pool.told.warnings == []


async def test_room_is_made_by_idle_pods_only(pool: Pool) -> None:
    pool.idle("a")
    pool.idle("b", group={"warm_pods": 1})
    await pool.launcher().claim(None, None)
    assert await make_room(pool.client, "jobs") == 1
    assert pool.names == {"a"}


# --- groups that have none -----


async def test_a_group_that_does_not_ask_for_them(pool: Pool) -> None:
    assert pool_of(pool.request(warm_pods=0), pool.client, pool.told) is None
    assert pool.told.warnings == []


async def test_a_login_of_the_registry(pool: Pool) -> None:
    request = pool.request()
    environment = ExecutionEnvironment("quay.io/a", registry=Registry("quay.io", "me", "s3cret-login"))
    group = replace(request.launch.group, execution_environment=environment)
    request = replace(request, launch=replace(request.launch, group=group))
    assert pool_of(request, pool.client, pool.told) is None
    (warning,) = pool.told.warnings
    assert "warm_pods of the container group are not used" in warning
