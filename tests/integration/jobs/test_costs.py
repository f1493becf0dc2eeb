# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job costs, in numbers that depend on no machine: requests to the API server, and stored bytes."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any
from uuid import uuid4

from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import EventBatch, NewJob
from ansible_collections.jobpods.controller.tests.api_proxy import ApiProxy
from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from ansible_collections.jobpods.controller.tests.integration.warm.conftest import IDLE, await_idle
from kubernetes import client

Options = dict[str, Any]

ONCE = ("create pods", "get pods/attach", "watch pods", "get pods", "delete pods")
"""What each job has to ask for: `get pods` shows that its pod is gone."""
AS_LONG_AS_IT_STARTS = ("get pods/attach", "list events")
MOST_REQUESTS = 10
MOST_OF_A_FIRST = 18
"""The same where a job finds an empty pool, and leaves two warm pods behind."""
HOSTS, ITEMS = 4, 100
BATCH = 50
MOST_OF_AN_EVENT, MOST_OF_A_LONELY_ONE = 0.15, 0.6
"""Share of an event's own bytes that it may take in the database: in a batch, and where it comes alone."""


def asked(proxy: ApiProxy, controller: Controller) -> Counter[str]:
    """The requests, once no job process is left to make more of them.

    Those of which there are more the longer a container takes to start count once for each pod.
    """
    until(lambda: not controller.processes(), "the job process to end")
    requests = Counter(proxy.requests)
    for name in AS_LONG_AS_IT_STARTS:
        requests[name] = min(requests[name], max(1, requests["create pods"]))
    return requests


def test_the_requests_of_a_job(
    controller: Controller, job: Options, group: Options, proxy: tuple[ApiProxy, Options]
) -> None:
    running, way = proxy
    job["container_group"] = {**group, **way}
    result = controller.verb("container_group_job", **job)
    assert result["job"]["status"] == "successful", result["msg"]
    requests = asked(running, controller)
    assert set(ONCE) <= set(requests)
    assert requests["create pods"] == requests["watch pods"] == 1
    assert requests.total() <= MOST_REQUESTS, requests


def test_the_requests_of_jobs_with_warm_pods(
    controller: Controller,
    job: Options,
    group: Options,
    proxy: tuple[ApiProxy, Options],
    core: client.CoreV1Api,
    namespace: str,
) -> None:
    """The second one claims a pod, and has another one made in its place."""
    running, way = proxy
    job["container_group"] = {**group, **way, "warm_pods": 2}
    try:
        first = controller.verb("container_group_job", **job)
        requests = asked(running, controller)
        assert requests["create pods"] == 1 + 2
        assert requests.total() <= MOST_OF_A_FIRST, requests
        await_idle(core, namespace, 2)
        running.requests.clear()
        second = controller.verb("container_group_job", **job)
        requests = asked(running, controller)
    finally:
        core.delete_collection_namespaced_pod(namespace, label_selector=IDLE, grace_period_seconds=0)
    assert (first["job"]["status"], second["job"]["status"]) == ("successful", "successful"), second["msg"]
    assert second["job"]["pod_name"].startswith("automation-warm-")
    assert requests["create pods"] == requests["watch pods"] == 1
    assert requests.total() <= MOST_REQUESTS, requests


def test_the_requests_of_slices(
    controller: Controller, job: Options, group: Options, proxy: tuple[ApiProxy, Options]
) -> None:
    running, way = proxy
    slices = 4
    job["container_group"] = {**group, **way}
    hosts = {f"host{number}": LOCAL for number in range(slices)}
    result = controller.verb(
        "container_group_job", **{**job, "inventory": {"all": {"hosts": hosts}}, "job_slice_count": slices}
    )
    assert result["job"]["status"] == "successful", result["msg"]
    requests = asked(running, controller)
    assert requests["create pods"] == slices
    assert requests["watch pods"] < slices, "they share one, as long as several of them run"
    assert requests.total() <= MOST_REQUESTS * slices, requests


def test_the_bytes_of_an_event(controller: Controller, job: Options) -> None:
    debug = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }}/{{ item }}"}}
    controller.project(site=[{"name": "Count", **debug, "loop": f"{{{{ range({ITEMS}) | list }}}}"}])
    hosts = {f"host{number}": LOCAL for number in range(HOSTS)}
    result = controller.verb("container_group_job", **{**job, "inventory": {"all": {"hosts": hosts}}})
    assert result["job"]["event_count"] > HOSTS * ITEMS, result["msg"]
    with controller.opened() as store:
        lines = [line + b"\n" for line in store.event_lines(result["job"]["id"])]
        size = sum(map(len, lines))
        # How many come together is a matter of the machine's speed, so the same ones are stored once more.
        again = store.create(NewJob(uuid4().hex, "job", "again", True, "here"))
        lease = store.claim(again, "test")
        for first in range(0, len(lines), BATCH):
            batch = lines[first : first + BATCH]
            store.add_events(again, lease, EventBatch(first + 1, first + len(batch), b"".join(batch), 0))
    assert stored_bytes(controller, result["job"]["id"]) <= size * MOST_OF_A_LONELY_ONE
    assert stored_bytes(controller, again) <= size * MOST_OF_AN_EVENT


def stored_bytes(controller: Controller, job_id: int) -> int:
    """Bytes that the events of a job take in the database."""
    with closing(sqlite3.connect(controller.store / "jobpods.db")) as database:
        asked_for = "SELECT sum(length(lines)) FROM events WHERE job_id = ?"
        (size,) = database.execute(asked_for, (job_id,)).fetchone()
    return int(size)
