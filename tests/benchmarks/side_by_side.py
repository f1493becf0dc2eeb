# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work by every contender, in turn: one job, and several at once."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.pod import spec
from ansible_collections.jobpods.controller.tests.benchmarks import kubectl, ours, receptor, workloads
from ansible_collections.jobpods.controller.tests.benchmarks.bench import Bench, Contender, Samples
from ansible_collections.jobpods.controller.tests.benchmarks.measure import (
    Process,
    Sample,
    cpu_of,
    peak_memory_of,
)
from ansible_collections.jobpods.controller.tests.benchmarks.workloads import FIRST_OUTPUT, Workload
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

ENGINE, MODULE, WARM, CONTROLPLANE = "engine", "module", "warm pods", "controlplane"
RECEPTOR, KUBECTL, PLAIN = "receptor", "kubectl run", "ansible-playbook"
ALL = (RECEPTOR, KUBECTL, PLAIN, ENGINE, MODULE, WARM, CONTROLPLANE)
CONTROLPLANE_OPTIONS = {"container_group": None, "instance_groups": ["controlplane"]}
NO_WARM_PODS = "skipped: this version has no option warm_pods"
WARM_LIMIT = 30.0


def single(bench: Bench, workload: Workload, stack: ExitStack) -> dict[str, Contender]:
    """Each contender that this version has, with one job."""
    daemon = _receptor(bench, stack)
    found: dict[str, Contender] = {
        RECEPTOR: lambda: daemon().run(bench, workload),
        KUBECTL: partial(kubectl.run, bench, workload),
        PLAIN: partial(ours.plain, bench, workload),
        ENGINE: partial(ours.engine, bench, workload, used(bench)),
        MODULE: partial(ours.module, bench, workload, used(bench)),
        CONTROLPLANE: partial(ours.engine, bench, workload, used(bench), **CONTROLPLANE_OPTIONS),
    }
    if ours.WARM:
        found[WARM] = partial(_warm, bench, workload, used(bench))
        stack.callback(bench.remove_pods)
    return found


def used(bench: Bench) -> Controller:
    """A machine whose store is there already, as it is for all jobs but a user's first one."""
    machine = bench.controller()
    with machine.opened():
        return machine


def _receptor(bench: Bench, stack: ExitStack) -> Callable[[], receptor.Receptor]:
    """A receptor that is started when the first job wants it: where there is none, only its samples fail."""
    started: list[receptor.Receptor] = []

    def daemon() -> receptor.Receptor:
        if not started:
            started.append(stack.enter_context(receptor.running(bench)))
        return started[0]

    return daemon


def _warm(bench: Bench, workload: Workload, machine: Controller) -> Sample:
    """A job that finds a warm pod; where none is there yet, a job before it makes the pool."""
    group = ours.group(bench, warm_pods=1)
    if not _idle(bench):
        ours.engine(bench, workload, machine, container_group=group)
    deadline = time.monotonic() + WARM_LIMIT
    while not _idle(bench):
        if time.monotonic() > deadline:
            raise TimeoutError("no warm pod got ready")
        time.sleep(0.05)
    time.sleep(1.0)  # its supervisor says ready a moment after its container runs
    sample = ours.engine(bench, workload, machine, container_group=group)
    if sample.ok and "warm pod claimed" not in sample.marks:
        sample.ok, sample.words = False, "it got no warm pod"
    return sample


def _idle(bench: Bench) -> bool:
    """Whether a warm pod runs that belongs to no job."""
    found = bench.core.list_namespaced_pod(bench.namespace, label_selector=f"{spec.LABEL_PREFIX}warm=idle")
    return any(pod.status is not None and pod.status.phase == "Running" for pod in found.items)


def as_section(samples: Samples, **more: Any) -> dict[str, Any]:
    """A section's results as they are kept."""
    skipped = {} if ours.WARM else {WARM: NO_WARM_PODS}
    kept = {name: [sample.as_json() for sample in each] for name, each in samples.items()}
    return {"samples": kept, "skipped": skipped, **more}


def one_workload(bench: Bench, workload: Workload, rounds: int, budget: float) -> dict[str, Any]:
    """All contenders with one workload."""
    with ExitStack() as stack:
        samples = bench.side_by_side(single(bench, workload, stack), rounds, budget)
    return as_section(samples)


def one_task(bench: Bench) -> dict[str, Any]:
    """One task, from the launch to the final state."""
    return one_workload(bench, workloads.one_task(bench.folder), bench.some(10, 2), 130)


def events(bench: Bench) -> dict[str, Any]:
    """20 hosts with 200 items each."""
    return one_workload(
        bench, workloads.many_events(bench.folder, 20, bench.some(200, 20)), bench.some(3, 1), 150
    )


def output(bench: Bench) -> dict[str, Any]:
    """30 MB of output."""
    workload = workloads.much_output(bench.folder, bench.some(30, 3) << 20)
    return one_workload(bench, workload, bench.some(3, 1), 80)


def project(bench: Bench) -> dict[str, Any]:
    """A project of 50 MB."""
    workload = workloads.large_project(bench.folder, bench.some(50, 5))
    return one_workload(bench, workload, bench.some(3, 1), 80)


# -- several at once --


class Started(Protocol):
    """One of several jobs that run at once."""

    process: Process

    def end(self, limit: float) -> Sample:
        """Waits for it."""


class StartedEngine(ours.Engine):
    """One job process of several."""

    def end(self, limit: float) -> Sample:
        """Waits for it."""
        return self.wait(limit)


class StartedClient(receptor.Client):
    """One receptor job of several."""

    def end(self, limit: float) -> Sample:
        """Waits for it."""
        self.process.wait(limit)
        return self.sample()


class StartedKubectl(kubectl.Kubectl):
    """One kubectl of several."""

    def end(self, limit: float) -> Sample:
        """Waits for it."""
        return self.sample(limit)


def together(starts: Sequence[Callable[[], Started]], limit: float) -> Sample:
    """Starts jobs at once, and waits until all have their final state; its CPU and memory are the sums."""
    began = time.monotonic()
    started = [start() for start in starts]
    samples: list[Sample] = []
    for each in started:
        try:
            samples.append(each.end(limit))
        except TimeoutError as exc:
            samples.append(Sample(each.process.since(), ok=False, words=str(exc)))
    offsets = [each.process.started - began for each in started]
    firsts = [
        offset + sample.first
        for offset, sample in zip(offsets, samples, strict=True)
        if sample.first is not None
    ]
    failed = [sample for sample in samples if not sample.ok]
    return Sample(
        max(offset + sample.final for offset, sample in zip(offsets, samples, strict=True)),
        statistics.median(firsts) if firsts else None,
        sum(sample.cpu for sample in samples),
        sum(sample.memory for sample in samples),
        not failed,
        f"{len(failed)} of {len(samples)} failed: {failed[0].words}" if failed else "",
    )


def crowd(bench: Bench, jobs: int, names: Sequence[str], rounds: int, budget: float) -> dict[str, Any]:
    """So many jobs of one task at once, by each contender."""
    workload = workloads.one_task(bench.folder, name=f"{jobs}-at-once")
    limit = 60.0 + 6 * jobs

    def engines(**more: Any) -> Sample:
        machine = used(bench)
        params = ours.options(bench, workload, **more)
        return together([lambda: StartedEngine(machine, params)] * jobs, limit)

    def by_module() -> Sample:
        machine = bench.controller()
        machine.write("outer", "\n".join(f"job{number} ansible_connection=local" for number in range(jobs)))
        task = {"name": "Outer", "jobpods.controller.container_group_job": ours.options(bench, workload)}
        machine.write("outer.yml", [{"hosts": "all", "gather_facts": False, "tasks": [task]}])
        return ours.ansible_playbook(machine, ["outer.yml", "-i", "outer", "-f", str(jobs)], limit)

    with ExitStack() as stack:
        daemon = _receptor(bench, stack)

        def by_receptor() -> Sample:
            running = daemon()
            cpu = cpu_of(running.process.pid)
            sample = together([lambda: StartedClient(running, bench, workload)] * jobs, limit)
            sample.cpu += cpu_of(running.process.pid) - cpu
            sample.memory += peak_memory_of(running.process.pid)
            return sample

        def by_playbooks() -> Sample:
            return together([lambda: _StartedPlaybook(bench, workload)] * jobs, limit)

        contenders: dict[str, Contender] = {
            RECEPTOR: by_receptor,
            KUBECTL: lambda: together([lambda: StartedKubectl(bench, workload)] * jobs, limit),
            PLAIN: by_playbooks,
            ENGINE: engines,
            MODULE: by_module,
            CONTROLPLANE: lambda: engines(**CONTROLPLANE_OPTIONS),
        }
        chosen = {name: contenders[name] for name in names if name in contenders}
        return as_section(bench.side_by_side(chosen, rounds, budget), jobs=jobs)


class _StartedPlaybook:
    """One plain ansible-playbook of several."""

    def __init__(self, bench: Bench, workload: Workload) -> None:
        self._first: float | None = None
        self._last = b""
        machine = bench.controller()
        command = [str(Path(sys.executable).with_name("ansible-playbook"))]
        command += [str(workload.project / "site.yml"), "-i", str(workload.inventory)]
        self.process = Process(command, self._line, env=machine.environ, folder=machine.folder)

    def end(self, limit: float) -> Sample:
        """Waits for it."""
        rc, process = self.process.wait(limit), self.process
        words = "" if rc == 0 else self._last.decode(errors="replace")
        return Sample(process.elapsed, self._first, process.cpu, process.memory, rc == 0, words)

    def _line(self, now: float, line: bytes) -> None:
        self._last = line
        if self._first is None and FIRST_OUTPUT.encode() in line:
            self._first = now


def crowd_of_8(bench: Bench) -> dict[str, Any]:
    """8 jobs at once."""
    names = (RECEPTOR, KUBECTL, PLAIN, ENGINE, MODULE, CONTROLPLANE)
    return crowd(bench, bench.some(8, 3), names, bench.some(3, 1), 90)


def crowd_of_25(bench: Bench) -> dict[str, Any]:
    """25 jobs at once; more than the node has room for, so that some wait for the others."""
    return crowd(bench, bench.some(25, 5), (RECEPTOR, KUBECTL, ENGINE, MODULE), 1, 120)


def sliced(bench: Bench) -> dict[str, Any]:
    """One job in 8 slices, by one job process."""
    count = bench.some(8, 3)
    workload = workloads.one_task(bench.folder, hosts=count, name="slices")
    contenders: dict[str, Contender] = {
        "engine, sliced": partial(ours.engine, bench, workload, job_slice_count=count),
        "module, sliced": partial(ours.module, bench, workload, job_slice_count=count),
    }
    return as_section(bench.side_by_side(contenders, bench.some(3, 1), 30), jobs=count)
