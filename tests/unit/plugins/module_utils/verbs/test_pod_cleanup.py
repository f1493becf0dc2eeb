# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of each pod with our labels it is said what it is; what belongs to nobody is deleted, and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import removal
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity, supervisor_args
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import marked
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import opened, pod_cleanup
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    document,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    GONE,
    PODS,
    SECRETS,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.adopting import change
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import Stock

DAY = 24 * 3600


class Namespace:
    """A user's store, and the pods of the namespace `jobs`.

    Attributes:
        stock: the user's.
        server: the API server.
        pods: by their names.
        deleted: names of those whose deletion was asked for, each once.
    """

    def __init__(self, stock: Stock, server: ApiServer, authority: Authority) -> None:
        self.stock, self.server = stock, server
        self.pods: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self._connection = {"host": server.url, "api_key": SENT, "ssl_ca_cert": authority.pem}
        server.on("GET", PODS, self._list)

    def add(self, name: str, labels: dict[str, str], *, age: int = 2 * DAY, **fields: Any) -> dict[str, Any]:
        """Puts a pod there."""
        made = datetime.fromtimestamp(time.time() - age, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        own = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "creationTimestamp": made}
        args = supervisor_args(fields.pop("config", {"controller_lost_timeout": 3600}))
        self.pods[name] = {
            "metadata": {**own, "labels": labels, **fields.pop("metadata", {})},
            "spec": {"nodeName": "node1", "containers": [{"name": "worker", "args": args}]},
            "status": {"phase": fields.pop("phase", "Running")},
        }
        self.server.on("GET", f"{PODS}/{name}", self._get)
        self.server.on("DELETE", f"{PODS}/{name}", self._delete)
        self.server.on("GET", f"{SECRETS}/{name}-pull", GONE)
        return self.pods[name]

    def job(self, name: str = "site", *, known: bool = True, **fields: Any) -> tuple[int, str]:
        """A job that runs, with its pod; its id in the store, and the pod's name."""
        uuid, job_id, store = uuid4().hex, 7, self.stock.store
        if known:
            job_id = store.create(NewJob(uuid, "job", name, False, "controller.test", namespace="jobs"))
        identity = PodIdentity(job_id, uuid, 1, "controller.test")
        self.add(identity.pod_name, identity.labels, **fields)
        if known:
            pod = {"pod_name": identity.pod_name, "pod_uid": f"uid-{identity.pod_name}", "pod_deleted": False}
            store.update(job_id, store.claim(job_id, "owner"), status="running", **pod)
        return job_id, identity.pod_name

    def ended(self, *, ago: float = 2 * DAY, **columns: Any) -> tuple[int, str]:
        """A job that has ended so many seconds ago, and whose pod is there."""
        job_id, name = self.job()
        self.stock.store.finish(job_id, self.stock.store.get(job_id).lease, status="successful")
        moment = time.time() - ago
        change(self.stock.folder, job_id, finished=moment, heartbeat=moment, **columns)
        return job_id, name

    async def call(self, **options: Any) -> dict[str, Any]:
        """The result of the verb."""
        given = {"namespace": "jobs", **self._connection, **options}
        result, _told = await self.stock.ask("cleanup_pods", **given)
        return result

    async def only(self, **options: Any) -> dict[str, Any]:
        """What the result says of the only pod."""
        (pod,) = (await self.call(**options))["pods"]
        found: dict[str, Any] = pod
        return found

    async def _list(self, request: web.Request) -> web.StreamResponse:
        assert request.query["labelSelector"] == "app.kubernetes.io/managed-by=jobpods"
        return web.json_response({"kind": "PodList", "items": list(self.pods.values())})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        pod = self.pods.get(request.path.rpartition("/")[2])
        return await (GONE if pod is None else document(pod))(request)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        pod = self.pods.pop(name, None)
        if pod is None:
            return await GONE(request)
        conditions = (await request.json())["preconditions"]
        assert conditions["uid"] == pod["metadata"]["uid"]
        self.deleted.append(name)
        return web.json_response(pod)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def namespace(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Namespace]:
    monkeypatch.setattr(removal, "LOOK_INTERVAL", 0.01)
    monkeypatch.setattr(opened, "start_adopter", lambda _request: None)
    stock = Stock(tmp_path)
    async with ApiServer(server_context(tmp_path / "server", *authority.issue("127.0.0.1"))) as server:
        yield Namespace(stock, server, authority)
    stock.store.close()


async def test_there_is_nothing(namespace: Namespace) -> None:
    result = await namespace.call()
    assert (result["changed"], result["failed"], result["pods"]) == (False, False, [])
    assert result["msg"] == 'There are no pods of jobs in the namespace "jobs".'


async def test_pod_of_an_ended_job_is_an_orphan_and_goes(namespace: Namespace) -> None:
    job_id, name = namespace.ended()
    result = await namespace.call()
    assert (result["changed"], result["failed"], namespace.deleted) == (True, False, [name])
    (pod,) = result["pods"]
    created = pod.pop("created")
    assert created.endswith("Z")
    assert 2 * DAY <= pod.pop("age") < 2 * DAY + 600
    assert pod == {
        "pod_name": name,
        "namespace": "jobs",
        "execution_node": "node1",
        "phase": "Running",
        "controller_node": "controller.test",
        "job_id": job_id,
        "job_name": "site",
        "job_status": "successful",
        "state": "left",
        "orphan": True,
        "why": f"Job {job_id} (site) has ended (successful), and nobody has deleted its pod.",
        "until": None,
        "deleted": True,
        "error": "",
    }
    assert namespace.stock.store.get(job_id).pod_deleted
    again = await namespace.call()
    assert (again["changed"], again["pods"]) == (False, [])


async def test_check_mode_only_says_so(namespace: Namespace) -> None:
    _job, name = namespace.ended()
    result = await namespace.call(check=True)
    assert (result["changed"], result["pods"][0]["deleted"], namespace.deleted) == (True, True, [])
    assert result["msg"] == (
        '1 pod of jobs in the namespace "jobs": 1 orphan, and 0 of jobs that this store does not know;'
        " 1 would be deleted."
    )
    assert name in namespace.pods


@pytest.mark.parametrize(
    ("columns", "state", "why"),
    [
        pytest.param(
            {"pod_deleted": True}, "left", "has been taken for deleted", id="deleted, says the store"
        ),
        pytest.param({"pod_uid": "another"}, "left", "has been taken for deleted", id="an earlier attempt's"),
        pytest.param({"keep_pod_until": 1.0e9}, "left", "until 2001-09-09T01:46:40Z", id="no longer kept"),
        pytest.param({"keep_pod_until": 4.0e9}, "kept", "to be kept (keep_pod)", id="kept"),
        pytest.param({"ago": 5.0}, "ending", "a moment ago", id="its process may be at it"),
    ],
)
async def test_pod_of_an_ended_job(
    namespace: Namespace, columns: dict[str, Any], state: str, why: str
) -> None:
    namespace.ended(**columns)
    pod = await namespace.only()
    assert (pod["state"], pod["orphan"], pod["deleted"]) == (state, state == "left", state == "left")
    assert why in pod["why"]
    assert (pod["until"] is not None) == (state == "kept")


async def test_pod_of_a_live_job_stays_whatever_is_asked_for(namespace: Namespace) -> None:
    job_id, _name = namespace.job()
    asked: dict[str, Any] = {"unknown_jobs": "delete", "older_than": 0, "check": True}
    pod = await namespace.only(**asked)
    assert (pod["state"], pod["orphan"], pod["deleted"], pod["job_status"]) == (
        "job",
        False,
        False,
        "running",
    )
    assert pod["why"] == f"It is the pod of job {job_id} (site), which is running."
    change(namespace.stock.folder, job_id, heartbeat=time.time() - 100)
    pod = await namespace.only(**asked)
    assert (pod["state"], pod["deleted"]) == ("job", False)
    assert "has given no sign of life for" in pod["why"]
    assert namespace.deleted == []


@pytest.mark.parametrize(
    ("asked", "running", "ended"),
    [
        pytest.param({}, False, False, id="not asked for"),
        pytest.param({"older_than": 0}, False, False, id="an age is not enough"),
        pytest.param({"unknown_jobs": "delete_ended"}, False, True, id="ended ones"),
        pytest.param({"unknown_jobs": "delete"}, True, True, id="all"),
        pytest.param({"unknown_jobs": "delete", "older_than": 3 * DAY}, False, False, id="too young"),
    ],
)
async def test_pods_of_unknown_jobs(
    namespace: Namespace, asked: dict[str, Any], running: bool, ended: bool
) -> None:
    _job, live = namespace.job(known=False)
    _job, dead = namespace.job(known=False, phase="Succeeded")
    result = await namespace.call(**asked)
    pods = {pod["pod_name"]: pod for pod in result["pods"]}
    assert (pods[live]["deleted"], pods[dead]["deleted"]) == (running, ended)
    assert sorted(namespace.deleted) == sorted([live] * running + [dead] * ended)
    for pod in pods.values():
        assert (pod["state"], pod["orphan"], pod["job_id"], pod["job_status"]) == ("unknown", None, 7, None)
        assert "Its job (7 of the controller controller.test) is not in this store" in pod["why"]
    assert "within 3600 s" in pods[live]["why"]
    assert "nothing runs in the pod any more" in pods[dead]["why"]


async def test_pod_that_names_no_job(namespace: Namespace) -> None:
    namespace.add("odd", {"app.kubernetes.io/managed-by": "jobpods"}, config={"x": [1] * 10})
    pod = await namespace.only()
    assert (pod["state"], pod["job_id"], pod["deleted"]) == ("unknown", None, False)
    assert pod["why"] == "It has the label of our pods, but names no job."


@pytest.mark.parametrize("ours", [True, False])
async def test_warm_pod_waits(namespace: Namespace, ours: bool) -> None:
    labels = {"jobpods.warm": "idle", "jobpods.warm-pool": "p"}
    mark = namespace.stock.store.mark(marked("uid-warm", "p")) if ours else "no"
    annotations = {"annotations": {"jobpods.warm-mark": mark}}
    namespace.add("warm", labels, age=60, config={"warm_pod_ttl": 600}, metadata=annotations)
    pod = await namespace.only(unknown_jobs="delete", older_than=0)
    assert (pod["state"], pod["orphan"], pod["deleted"]) == ("warm", False, False)
    assert ("this store's" in pod["why"]) == ours
    left = datetime.fromisoformat(pod["until"].replace("Z", "+00:00")).timestamp() - time.time()
    assert 500 < left < 600


async def test_warm_pod_that_has_ended_is_an_orphan_of_whatever_store(namespace: Namespace) -> None:
    namespace.add("warm", {"jobpods.warm": "idle"}, phase="Succeeded")
    pod = await namespace.only()
    assert (pod["state"], pod["deleted"], namespace.deleted) == ("left", True, ["warm"])
    conditions = namespace.server.seen[-1].body["preconditions"]
    assert conditions == {"uid": "uid-warm", "resourceVersion": "1"}


@pytest.mark.parametrize(
    ("going", "state"), [(-10, "ending"), (-1000, "left")], ids=["a moment ago", "it is stuck"]
)
async def test_pod_whose_deletion_was_asked_for(namespace: Namespace, going: int, state: str) -> None:
    _job, name = namespace.ended()
    moment = datetime.fromtimestamp(time.time() + going, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace.pods[name]["metadata"]["deletionTimestamp"] = moment
    assert (await namespace.only())["state"] == state


async def test_secret_goes_with_its_pod(namespace: Namespace) -> None:
    job_id, name = namespace.ended()
    labels = {"jobpods.job-uuid": namespace.stock.store.get(job_id).uuid}
    secret = f"{SECRETS}/{name}-pull"
    namespace.server.on(
        "GET", secret, document({"kind": "Secret", "metadata": {"uid": "s", "labels": labels}})
    )
    namespace.server.on("DELETE", secret, document({"kind": "Status", "status": "Success"}))
    assert (await namespace.only())["deleted"]
    deletions = [seen.path for seen in namespace.server.seen if seen.method == "DELETE"]
    assert list(dict.fromkeys(deletions)) == [f"{PODS}/{name}", secret]


async def test_what_may_not_be_deleted_is_told_and_stays_in_mind(namespace: Namespace) -> None:
    job_id, name = namespace.ended()
    _job, other = namespace.ended()
    words = f'pods "{name}" is forbidden: User "ann" cannot delete resource "pods" in API group ""'
    namespace.server.on("DELETE", f"{PODS}/{name}", status(403, words, "Forbidden"))
    result = await namespace.call()
    assert (result["failed"], result["changed"], namespace.deleted) == (True, True, [other])
    assert f"1 was deleted; 1 could not be: {name}: " in result["msg"]
    errors = {pod["pod_name"]: pod["error"] for pod in result["pods"]}
    assert "delete" in errors[name] and "pods" in errors[name]
    assert errors[other] == ""
    assert not namespace.stock.store.get(job_id).pod_deleted


async def test_pods_may_not_be_listed(namespace: Namespace) -> None:
    words = (
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "jobs"'
    )
    namespace.server.on("GET", PODS, status(403, words, "Forbidden"))
    with pytest.raises(Failure) as caught:
        await namespace.call()
    assert caught.value.reason == "Forbidden"


async def test_stored_group_says_cluster_and_namespace(namespace: Namespace) -> None:
    own = namespace._connection
    namespace.stock.add("container_group", "prod", namespace="jobs", **own)
    _job, name = namespace.ended()
    result, _told = await namespace.stock.ask("cleanup_pods", container_group="prod")
    assert (result["namespace"], namespace.deleted) == ("jobs", [name])


async def test_words_of_pods_are_plain(namespace: Namespace) -> None:
    labels = {"jobpods.job-uuid": "u", "jobpods.controller": "a\x1b[31mb", "jobpods.job-id": "x\x07"}
    namespace.add("odd", labels, phase="Run\x1b[2Jning")
    pod = await namespace.only()
    assert (pod["controller_node"], pod["phase"], pod["job_id"]) == ("ab", "Running", None)
    assert "\x1b" not in str(pod)


def test_limits_are_sensible() -> None:
    assert pod_cleanup.AT_ONCE > 1
    assert pod_cleanup.REMOVAL_LIMIT > pod_cleanup.GRACE + removal.FORCE_MARGIN
