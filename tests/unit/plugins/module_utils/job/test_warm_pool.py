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
from ansible_collections.jobpods.controller.plugins.module_utils.job import warm_filling, warm_pool
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
    CLAIMED,
    IDLE,
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
        self.needed: set[tuple[str, str]] = set()

    @property
    def marks(self) -> Marks:
        """Those of the store, whose jobs have the pods in `needed`."""

        async def has(job_uuid: str, pod_uid: str) -> bool:
            return (job_uuid, pod_uid) in self.needed

        return Marks("store", mark, has)

    def request(self, number: int = 1, **group: Any) -> RunRequest:
        given = {"namespace": "jobs", "warm_pods": 2, "warm_pod_ttl": TTL, **group}
        launch = launched(self.folder, container_group=given)
        identity = PodIdentity(number, f"job{number}", 1, "here")
        return RunRequest(launch, identity, 1, lambda _unwanted: pytest.fail(), marks=self.marks)

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
        return {name for name, pod in self.table.pods.items() if pod["metadata"]["labels"][STATE] == IDLE}


@pytest.fixture
async def pool(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setattr(warm_filling, "PAUSE", (0.0, 0.0))
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
    assert metadata["labels"][STATE] == CLAIMED
    assert metadata["ownerReferences"] == [owner]
    assert pod["spec"]["activeDeadlineSeconds"] == 1062
    assert await pool.launcher(2).claim(None, None) is None


@pytest.mark.parametrize(
    ("of_the_spec", "of_the_job", "set_to"),
    [
        pytest.param(None, None, None, id="none"),
        pytest.param(100, None, 161, id="the pod spec's"),
        pytest.param(100, 1000, 1061, id="the job's, though it is longer"),
    ],
)
async def test_a_deadline_counts_from_the_claim_on(
    pool: Pool, of_the_spec: int | None, of_the_job: int | None, set_to: int | None
) -> None:
    """Kubernetes would only let one that a pod has be made shorter."""
    group: dict[str, Any] = {"pod_spec_override": {"spec": {"activeDeadlineSeconds": of_the_spec}}}
    idle = pool.idle("w", age=60.5, group=group)
    assert "activeDeadlineSeconds" not in idle["spec"]
    pod = await pool.launcher(**group).claim(of_the_job, None)
    assert pod is not None and pod["spec"].get("activeDeadlineSeconds") == set_to


async def test_only_a_claimed_pod_holds_its_node(pool: Pool) -> None:
    evictable, disruptable = "cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt"
    own: dict[str, Any] = {"pod_spec_override": {"metadata": {"annotations": {disruptable: "false"}}}}
    nothing: dict[str, Any] = {}
    for group, then in (nothing, "true"), (own, "false"):
        idle = pool.idle("w", group=group)["metadata"]["annotations"]
        assert (idle[evictable], idle.get(disruptable) == "true") == ("true", False)
        pod = await pool.launcher(**group).claim(None, None)
        assert pod is not None
        claimed = pod["metadata"]["annotations"]
        assert (claimed[evictable], claimed[disruptable]) == ("false", then)
        assert MARK in claimed


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


@pytest.mark.parametrize("lands", [True, False], ids=["came to something", "may still come"])
async def test_a_claim_that_is_never_answered_leaves_no_pod(pool: Pool, lands: bool) -> None:
    pool.idle("w")
    patch = pool.table._patch

    async def unheard(request: web.Request) -> web.StreamResponse:
        if lands:
            await patch(request)
        return await hang_up(request)

    pool.table.server.on("PATCH", f"{PODS}/w", unheard)
    launcher = pool.launcher()
    assert await launcher.claim(None, None) is None
    await launcher.close()
    assert pool.names == set(), "a claim that comes now finds nothing"


async def test_a_pod_that_another_one_got_meanwhile_stays(pool: Pool) -> None:
    metadata = pool.idle("w")["metadata"]

    async def quicker(request: web.Request) -> web.StreamResponse:
        metadata["labels"] |= {**PodIdentity(2, "job2", 1, "here").labels, STATE: CLAIMED}
        metadata["resourceVersion"] = "changed"
        return await hang_up(request)

    pool.table.server.on("PATCH", f"{PODS}/w", quicker)
    launcher = pool.launcher()
    assert await launcher.claim(None, None) is None
    await launcher.close()
    assert pool.names == {"w"}


async def test_a_pod_whose_container_has_ended_is_removed(pool: Pool) -> None:
    pod = pool.idle("w")
    pod["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    launcher = pool.launcher()
    assert await launcher.claim(None, None) is None
    await launcher.close()
    assert pool.names == set()


@pytest.mark.parametrize("noted", [False, True])
async def test_a_pod_that_the_jobs_next_owner_has_found_is_not_removed(pool: Pool, noted: bool) -> None:
    pool.idle("w")
    launcher = pool.launcher()
    claimed = await launcher.claim(None, None)
    assert claimed is not None
    if noted:
        pool.needed.add(("job1", claimed["metadata"]["uid"]))
    launcher.discard(claimed["metadata"])
    await launcher.close()
    assert pool.names == ({"w"} if noted else set())


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
    assert len(pool.waiting) == 2
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


async def test_a_claimed_pod_is_replaced(pool: Pool) -> None:
    await filled(pool.launcher())
    launcher = pool.launcher()
    claimed = await launcher.claim(None, None)
    assert claimed is not None
    await filled(launcher)
    assert len(pool.waiting) == 2
    assert pool.names == pool.waiting | {claimed["metadata"]["name"]}


async def test_no_name_is_used_twice(pool: Pool) -> None:
    """Who still knows a pod by its name, a job that has lost it or a person, must not meet another one."""
    await filled(pool.launcher())
    before = pool.names
    pool.table.pods.clear()
    await filled(pool.launcher())
    assert len(before) == len(pool.names) == 2
    assert not before & pool.names


async def test_who_finds_that_another_one_has_filled_the_pool_takes_away_what_is_too_much(pool: Pool) -> None:
    create = pool.table._create

    async def quicker(request: web.Request) -> web.StreamResponse:
        for name in ("a", "b"):
            pool.idle(name, age=2)
        return await create(request)

    pool.table.server.on("POST", PODS, quicker, create)
    await filled(pool.launcher())
    assert pool.names == {"a", "b"}


async def test_many_who_fill_it_at_once(pool: Pool) -> None:
    await asyncio.gather(*(filled(pool.launcher(number)) for number in range(5)))
    assert len(pool.names) == len(pool.waiting) == 2


async def test_a_create_whose_answer_is_lost(pool: Pool) -> None:
    create = pool.table._create

    async def unheard(request: web.Request) -> web.StreamResponse:
        await create(request)
        return await hang_up(request)

    pool.table.server.on("POST", PODS, unheard, create)
    await filled(pool.launcher())
    assert len(pool.names) == 2
    assert all(MARK in pod["metadata"]["annotations"] for pod in pool.table.pods.values())


async def test_pods_that_end_at_once_are_not_made_for_ever(pool: Pool) -> None:
    create = pool.table._create

    async def ends(request: web.Request) -> web.StreamResponse:
        answer = await create(request)
        for pod in pool.table.pods.values():
            pod["status"]["phase"] = "Failed"
        return answer

    pool.table.server.on("POST", PODS, ends)
    await filled(pool.launcher())
    assert len(pool.names) == 2


async def test_ended_pods_without_a_job_are_in_nobodys_way(pool: Pool) -> None:
    for number in range(12):
        pool.idle(f"w{number}", phase="Succeeded")["metadata"]["labels"][STATE] = CLAIMED
        pool.needed.add(("", f"u{number + 1}"))
    await filled(pool.launcher())
    assert len(pool.waiting) == 2


@pytest.mark.parametrize(
    ("how", "stays"),
    [
        pytest.param({"phase": "Succeeded"}, False, id="ended"),
        pytest.param({"phase": "Running"}, True, id="runs"),
        pytest.param({"phase": "Succeeded", "needed": True}, True, id="kept by its job"),
        pytest.param({"phase": "Succeeded", "known": False}, True, id="of another store"),
    ],
)
async def test_claimed_pods_that_nobody_removes(pool: Pool, how: dict[str, Any], stays: bool) -> None:
    """For example where a claim came to something after its job had given up, or was another one's."""
    needed, phase = how.pop("needed", False), how.pop("phase")
    idle = pool.idle("w", **how)
    assert await pool.launcher().claim(None, None) is not None or "known" in how
    idle["metadata"]["labels"][STATE] = CLAIMED
    idle["status"]["phase"] = phase
    if needed:
        pool.needed.add(("job1", idle["metadata"]["uid"]))
    await filled(pool.launcher(2))
    assert ("w" in pool.names) == stays
    assert len(pool.waiting) == 2


async def test_what_is_too_much_or_too_old_goes(pool: Pool) -> None:
    for name, age in (("a", 400), ("b", 300), ("c", 200)):
        pool.idle(name, age=age)
    pool.idle("over", age=TTL + 1)
    pool.idle("unmarked", known=False)
    pool.idle("ended", phase="Failed")
    pool.idle("other", group={"warm_pods": 1})
    await filled(pool.launcher())
    assert pool.names == {"a", "b", "other"}


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
    await filled(WarmPool(pool.client, spec("7", "new", "b"), identity, pool.marks, pool.told))
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
