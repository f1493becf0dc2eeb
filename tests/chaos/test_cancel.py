# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs are cancelled in each of their phases, all in one play: what they have printed is kept, no pod is."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.tests.chaos.connection.toxiproxy import running_toxiproxy
from ansible_collections.jobpods.controller.tests.integration.conftest import (
    IMAGE,
    await_service_account,
    job_pods,
    set_quota,
)
from ansible_collections.jobpods.controller.tests.integration.jobs.gated import BEFORE, SITE, await_end_of_run
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import open_gate, verb
from ansible_collections.jobpods.controller.tests.integration.playbooks import (
    Controller,
    side_by_side,
    until,
)
from kubernetes import client

Options = dict[str, Any]

RATE = 20
"""KB/s at which a payload of 4 MB goes to the pod, so that it is under way when the job is cancelled."""


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def no_room(core: client.CoreV1Api, namespace: str) -> Iterator[str]:
    """Another namespace, in which no pod may be."""
    name = f"{namespace}-full"
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    await_service_account(core, name)
    set_quota(core, name, "none", 0)
    yield name
    core.delete_namespace(name)


@contextmanager
def slow_way(kubeconfig: Path, local: Path, folder: Path) -> Iterator[Path]:
    """A kubeconfig that leads to the API server by a way on which little goes up."""
    given = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster = given["clusters"][0]["cluster"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with running_toxiproxy(local / "cache", folder, port, str(urlsplit(cluster["server"]).netloc)) as proxy:
        link = proxy.link("slow")
        link.worsen("bandwidth", "upstream", rate=RATE)
        cluster["server"] = f"https://127.0.0.1:{link.port}"
        path = folder / "slow.kubeconfig"
        path.write_text(yaml.safe_dump(given), encoding="utf-8")
        path.chmod(0o600)
        yield path


def all_jobs(controller: Controller) -> dict[str, JobRecord]:
    """The jobs by their names."""
    with controller.opened() as store:
        return {record.name: record for record in store.list()}


def test_cancel_in_every_phase(
    controller: Controller,
    job: Options,
    core: client.CoreV1Api,
    namespace: str,
    no_room: str,
    silent: str,
    kubeconfig: Path,
    local: Path,
    tmp_path: Path,
) -> None:
    gated = str(controller.project("gated", site=SITE))
    large = controller.project("large", site=SITE)
    (large / "noise").write_bytes(os.urandom(4 << 20))
    one = {"name": "one", "max_concurrent_jobs": 1, **job["container_group"]}
    one["execution_environment"] = "tools"
    setup = [
        verb("execution_environment", name="tools", image=IMAGE, pull="missing"),
        verb("container_group", **one),
        verb("project", name="unheard", scm_type="git", scm_url=f"git://{silent}/project"),
    ]
    played = controller.play(setup)
    assert played.rc == 0, played.terminal
    job = {**job, "cancel_grace": 2}
    in_one = {name: value for name, value in job.items() if name != "container_group"}
    in_one = {**in_one, "instance_groups": ["one"], "project": gated}

    def grouped(**group: Any) -> Options:
        return {**job, "project": gated, "container_group": {**job["container_group"], **group}}

    with slow_way(kubeconfig, local, tmp_path) as slow:
        launches = {
            "updating": {**job, "project": "unheard"},
            "first": in_one,
            "second": in_one,
            "quota": grouped(namespace=no_room),
            "unschedulable": grouped(pod_spec_override={"spec": {"nodeSelector": {"disk": "ssd"}}}),
            "pulling": grouped(execution_environment={"image": f"{silent}/image:latest", "pull": "always"}),
            "payload": {**grouped(kubeconfig=str(slow)), "project": str(large)},
            "ended": grouped(),
        }
        launches = {name: {**options, "name": name} for name, options in launches.items()}
        tasks, play, hosts = side_by_side(launches)
        with controller.playing(tasks, *hosts, hosts="all", play=play) as running:
            phases = Phases(controller, core, namespace)
            until(phases.reached, "all jobs to be in their phases")
            records = all_jobs(controller)
            assert records.keys() >= launches.keys()
            at_the_gate = "first" if records["first"].event_count else "second"

            # This one ends before its process hears of the cancel.
            ended = records["ended"]
            process = int(ended.owner.split()[-2])
            os.kill(process, signal.SIGSTOP)
            open_gate(core, namespace, ended.pod_name)
            await_end_of_run(core, namespace, ended.pod_name)
            with controller.opened() as store:
                store.request_cancel(ended.id)
            os.kill(process, signal.SIGCONT)

            ids = {name: records[name].id for name in launches if name != "ended"}
            cancel = verb("job_cancel", job_id="{{ ids[inventory_hostname] }}")
            other = controller.elsewhere()
            hosts = ["-i", f"{','.join(ids)},", "-f", str(len(ids))]
            canceled = other.play([cancel], *hosts, hosts="all", play={"vars": {"ids": ids}})
            for name, (result,) in canceled.results.items():
                assert (result["changed"], result["failed"]) == (True, False), (name, result)
                assert result["job"]["status"] == "canceled", (name, result)
            assert canceled.results.keys() == ids.keys(), canceled.terminal
            results = {name: result for name, (result,) in running.results_by_host().items()}
    for name in ids:
        facts = results[name]["job"]
        assert (facts["status"], facts["failure"]["reason"]) == ("canceled", "Canceled"), results[name]
        assert bool(facts["event_count"]) is (name == at_the_gate), (name, facts)
    assert f"{BEFORE} three" in results[at_the_gate]["stdout"]
    assert results["ended"]["job"]["status"] == "successful", results["ended"]
    records = all_jobs(controller)
    assert records["unheard"].status == "canceled"
    assert all(record.pod_deleted for record in records.values())
    assert not job_pods(core, namespace)
    until(lambda: not controller.processes(), "the job processes to end")


class Phases:
    """Tells when each job is in the phase in which it is to be cancelled."""

    def __init__(self, controller: Controller, core: client.CoreV1Api, namespace: str) -> None:
        self._controller = controller
        self._core = core
        self._namespace = namespace

    def reached(self) -> bool:
        """Whether all are."""
        records = all_jobs(self._controller)
        if len(records) < 9 or records["unheard"].status != "running":  # the update before a job
            return False
        gates = [records[name].event_count >= 7 for name in ("first", "second", "ended")]
        waiting = [records[name].job_explanation for name in ("first", "second", "quota")]
        return (
            sorted(gates[:2]) == [False, True]
            and gates[2]
            and any("max_concurrent_jobs" in each or "one" in each for each in waiting[:2])
            and "quota" in waiting[2]
            and self._event(records["unschedulable"], "FailedScheduling")
            and self._event(records["pulling"], "Pulling")
            and self._runs(records["payload"])
        )

    def _event(self, record: JobRecord, reason: str) -> bool:
        """Whether the cluster has said so of a job's pod."""
        about = f"involvedObject.name={record.pod_name},reason={reason}"
        events = self._core.list_namespaced_event(self._namespace, field_selector=about).items
        return bool(record.pod_name and events)

    def _runs(self, record: JobRecord) -> bool:
        """Whether a job's container runs, in which nothing is yet."""
        if not record.pod_name:
            return False
        pod = self._core.read_namespaced_pod(record.pod_name, self._namespace)
        return bool(pod.status and pod.status.phase == "Running")
