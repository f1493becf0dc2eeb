# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many short jobs, while pods, processes and the API server go away at random, and jobs are cancelled."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import FINAL, JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import RESUMPTIONS
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LOCAL, LocalCluster
from ansible_collections.jobpods.controller.tests.integration.jobs.gated import age
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import verb
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, Running, until
from kubernetes import client

Options = dict[str, Any]

JOBS = int(os.environ.get("JOBPODS_SOAK_JOBS", "60"))
"""How many; a quarter of them is launched one after the other, the others are the slices of one job."""
SEED = int(os.environ.get("JOBPODS_SOAK_SEED", "1"))
LAUNCHES = JOBS // 4
SLICES = JOBS - LAUNCHES
AT_ONCE = {"slices": 4, "launches": 2}
"""Places in the container groups in which the jobs run."""
LINES = 30
SITE: list[Options] = [
    {
        "ansible.builtin.debug": {"msg": "{{ tag | default('slice') }}-{{ item }}."},
        "loop": f"{{{{ range({LINES // 2}) | list }}}}",
    },
    {"ansible.builtin.command": "sleep 1"},
    {
        "ansible.builtin.debug": {"msg": "{{ tag | default('slice') }}-{{ item }}."},
        "loop": f"{{{{ range({LINES // 2}, {LINES}) | list }}}}",
    },
]
FAULTS = {"pod": 8, "cancel": 5, "process of a launch": 4, "process of the slices": 1, "API server": 1}
"""How often each of them comes for every 60 jobs, rounded up."""
OUTAGE = (2.0, 8.0)
FEW_HANDLES = 8
"""So many more may be open at one moment than at another, since a job is just at another point."""
FEW_BYTES, MORE_BYTES = 16 << 10, 2 << 20
"""So much memory may stay for each job that the process has had, and so much whatever it has had."""


@dataclass
class Soak:
    """All that goes on.

    Attributes:
        deleted: jobs whose pods were deleted.
        canceled: jobs that were cancelled.
        cut_off: jobs whose processes may have met the API server for the first time while it was away: that
            is a failure at once.
        done: the faults, in their order.
    """

    controller: Controller
    store: JobStore
    core: client.CoreV1Api
    namespace: str
    local_cluster: LocalCluster
    chance: random.Random
    deleted: set[int] = field(default_factory=set)
    canceled: set[int] = field(default_factory=set)
    cut_off: set[int] = field(default_factory=set)
    done: list[str] = field(default_factory=list)

    def jobs(self) -> list[JobRecord]:
        """All of them, without the one that holds the slices."""
        return [record for record in self.store.list() if record.type == "job"]

    def _one(self, **columns: Any) -> JobRecord | None:
        """Any job that goes on."""
        found = [
            record
            for record in self.jobs()
            if record.status not in FINAL
            and all(getattr(record, name) == value for name, value in columns.items())
        ]
        return self.chance.choice(found) if found else None

    def causes(self, fault: str) -> bool:
        """Causes a fault, where there is something now that it can befall; returns whether there was."""
        attempt = {
            "pod": self._delete_pod,
            "cancel": self._cancel,
            "process of a launch": lambda: self._kill(wait=True),
            "process of the slices": lambda: self._kill(wait=False),
            "API server": self._kill_api_server,
        }[fault]
        return attempt()

    def _delete_pod(self) -> bool:
        job = self._one(pod_deleted=False)
        if job is None or not job.pod_name:
            return False
        self.deleted.add(job.id)
        grace = self.chance.choice((0, 5))
        with suppress(client.ApiException):  # it has just gone
            self.core.delete_namespaced_pod(job.pod_name, self.namespace, grace_period_seconds=grace)
        return True

    def _cancel(self) -> bool:
        job = self._one()
        if job is None:
            return False
        self.canceled.add(job.id)
        self.store.request_cancel(job.id)
        return True

    def _kill(self, *, wait: bool) -> bool:
        job = self._one(wait=wait)
        if job is None or (wait and job.lease > RESUMPTIONS):  # its launcher would give it up
            return False
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(owner(job), signal.SIGKILL)
        if not wait:  # nobody waits for it, but somebody looks
            self.controller.elsewhere().verb("job_info", job_id=job.id)
        return True

    def _kill_api_server(self) -> bool:
        before = {record.id for record in self.jobs() if record.pod_name or not record.wait}
        with self.local_cluster.without_api_server():
            time.sleep(self.chance.uniform(*OUTAGE))
        self.cut_off |= {record.id for record in self.jobs()} - before
        return True


class Measured:
    """What a process has of memory and files, each time that it is looked at."""

    def __init__(self) -> None:
        self._seen: dict[int, list[tuple[int, int, int]]] = {}

    def look(self, process: int, ended: int) -> None:
        """Looks at a process, when so many jobs have ended."""
        with suppress(OSError, StopIteration):
            status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
            line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
            handles = len(os.listdir(f"/proc/{process}/fd"))
            self._seen.setdefault(process, []).append((ended, int(line.split()[1]) << 10, handles))

    def check(self) -> list[str]:
        """Of each process that has had many jobs, the last third of its life is as the second was."""
        told = []
        for process, seen in self._seen.items():
            jobs = seen[-1][0] - seen[0][0]
            third = len(seen) // 3
            if jobs < 20 or third < 3:
                continue
            second, last = seen[third : 2 * third], seen[2 * third :]
            memory = [statistics.median(each[1] for each in part) for part in (second, last)]
            handles = [statistics.median(each[2] for each in part) for part in (second, last)]
            between = statistics.median(each[0] for each in last) - statistics.median(
                each[0] for each in second
            )
            growth = memory[1] - memory[0]
            told.append(
                f"process {process}: {jobs} jobs, {growth / 1024:.0f} KB more after {between:.0f} of them,"
                f" {handles} handles"
            )
            assert handles[1] <= handles[0] + FEW_HANDLES, told
            assert growth <= MORE_BYTES + FEW_BYTES * between, told
        return told


def owner(job: JobRecord) -> int:
    """The process that owns a job."""
    return int(job.owner.split()[-2])


def define(controller: Controller, job: Options) -> None:
    """Makes the container groups, in each of which a few jobs run at once."""
    group = {**job["container_group"], "execution_environment": "tools"}
    tasks = [
        verb("execution_environment", name="tools", image=IMAGE, pull="missing"),
        *(
            verb("container_group", name=name, max_concurrent_jobs=most, **group)
            for name, most in AT_ONCE.items()
        ),
    ]
    played = controller.play(tasks)
    assert played.rc == 0, played.terminal


@pytest.fixture
def soak(
    controller: Controller,
    job: Options,
    core: client.CoreV1Api,
    namespace: str,
    local_cluster: LocalCluster,
) -> Iterator[Soak]:
    define(controller, job)
    with controller.opened() as store:
        yield Soak(controller, store, core, namespace, local_cluster, random.Random(SEED))  # noqa: S311


def test_soak(soak: Soak, job: Options) -> None:
    controller = soak.controller
    launch = {name: value for name, value in job.items() if name != "container_group"}
    launch |= {"project": str(controller.project(site=SITE)), "cancel_grace": 1}
    hosts = {f"h{number}": LOCAL for number in range(SLICES)}
    sliced = {
        **launch,
        "instance_groups": ["slices"],
        "inventory": {"all": {"hosts": hosts}},
        "job_slice_count": SLICES,
        "wait": False,
    }
    whole = controller.elsewhere("slices").verb("container_group_job", **sliced)["job"]["id"]
    single = {**launch, "instance_groups": ["launches"], "extra_vars": {"tag": "launch{{ item }}"}}
    task = {
        "jobpods.controller.container_group_job": single,
        "loop": list(range(LAUNCHES)),
        "ignore_errors": True,
    }
    measured = Measured()
    with controller.playing([task]) as running:
        cause_faults(soak, running, whole, measured)
        (result,) = running.results()
        terminal = running.terminal
    check_jobs(soak, whole)
    check_launches(soak, result["results"], terminal)
    print(f"\nseed {SEED}: {len(soak.jobs())} jobs, faults: {', '.join(soak.done)}")
    print("\n".join(measured.check()))
    remove_left_pods(soak)
    until(lambda: not controller.processes(), "the job processes to end")


def cause_faults(soak: Soak, running: Running, whole: int, measured: Measured) -> None:
    """Spreads the faults over the jobs, until all of them have ended."""
    faults = [fault for fault, times in FAULTS.items() for _time in range(-(-times * JOBS // 60))]
    soak.chance.shuffle(faults)
    due = [JOBS * (number + 1) // (len(faults) + 2) for number in range(len(faults))]
    limit = time.monotonic() + 60 * JOBS
    while True:
        records = soak.jobs()
        ended = sum(record.status in FINAL for record in records)
        slices = soak.store.get(whole)
        measured.look(owner(slices), ended)
        measured.look(running.process.pid, ended)
        if faults and ended >= due[0]:
            fault = faults.pop(0)
            if soak.causes(fault):
                due.pop(0)
                soak.done.append(fault)
            else:  # its turn comes again after the others'
                faults.append(fault)
        over = slices.status in FINAL and running.process.poll() is not None
        if over:
            return
        assert time.monotonic() < limit, f"{ended} of {JOBS} jobs have ended: {told(soak)}"
        time.sleep(0.5)


def told(soak: Soak) -> list[str]:
    """How it stands with the jobs that are not successful."""
    return [
        f"{record.id}: {record.status} {record.job_explanation}"
        for record in soak.jobs()
        if record.status != "successful"
    ]


def check_jobs(soak: Soak, whole: int) -> None:
    """Each job has the status that what befell it leads to, and its events without a gap."""
    records = soak.jobs()
    assert len(records) == JOBS
    for record in records:
        reason = record.failure["reason"] if record.failure is not None else None
        end = (record.status, reason)
        allowed: set[tuple[str, str | None]] = {("successful", None)}
        if record.id in soak.canceled:
            allowed.add(("canceled", "Canceled"))
        if record.id in soak.deleted:
            allowed |= {("error", "PodDeleted"), ("error", "ControllerLost")}
        if record.id in soak.cut_off:
            allowed.add(("error", "ConnectionRefused"))
        assert end in allowed, (record, soak.done)
        events = list(soak.store.events(record.id))
        assert [event["counter"] for event in events] == list(range(1, record.event_count + 1)), record
        assert len({event["uuid"] for event in events}) == len(events), record
        if record.status == "successful":
            printed = "".join(event["stdout"] for event in events)
            assert [printed.count(f"-{line}.") for line in range(LINES)] == [1] * LINES, record
    befallen = soak.canceled | soak.deleted | soak.cut_off
    slices = soak.store.children(whole)
    assert len(slices) == SLICES
    all_good = all(record.status == "successful" for record in slices)
    assert soak.store.get(whole).status == ("successful" if all_good else "failed")
    assert all_good or befallen


def check_launches(soak: Soak, results: list[Options], terminal: str) -> None:
    """Whoever waited for a job has seen each of its lines once, and knows its end."""
    by_id = {record.id: record for record in soak.jobs()}
    assert len(results) == LAUNCHES
    for result in results:
        facts = result["job"]
        record = by_id[facts["id"]]
        assert facts["status"] == record.status, (result, record)
        if record.status == "successful":
            lines = [f'"msg": "launch{result["item"]}-{line}."' for line in range(LINES)]
            assert [terminal.count(line) for line in lines] == [1] * LINES, json.dumps(facts)


def remove_left_pods(soak: Soak) -> None:
    """A pod whose process was killed while it was deleted is there until somebody looks, a while later."""

    def left() -> list[int]:
        return [record.id for record in soak.jobs() if not record.pod_deleted]

    with suppress(AssertionError):
        until(lambda: not left(), "the job processes to delete them", limit=10)
    if left():
        age(soak.controller)
        soak.controller.elsewhere().verb("job_info")
    until(lambda: not left(), f"the pods of {left()} to be gone", limit=120)
