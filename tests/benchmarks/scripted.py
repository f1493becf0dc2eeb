# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that replays recorded events as fast as it is asked to, so that only our part is measured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks import ours, workloads
from ansible_collections.jobpods.controller.tests.benchmarks.bench import IMAGE, Bench
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Process, Sample, cpu_of
from ansible_collections.jobpods.controller.tests.benchmarks.side_by_side import as_section
from ansible_collections.jobpods.controller.tests.benchmarks.workloads import Workload
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    scripted_worker,
    supervised_pod,
)
from kubernetes import client

CONFIG_MAP = "replayed"
PROGRAM = """#!/usr/bin/python3 -IS
import json, os, sys

count = int(os.environ["EVENTS"])
with open(os.path.dirname(os.path.abspath(sys.argv[0])) + "/events.jsonl") as file:
    recorded = [json.loads(line) for line in file]
out = sys.stdout.buffer
cut = []
for event in recorded:
    event["counter"] = "@counter@"
    cut.append([part.encode() for part in json.dumps(event).split('"@counter@"')])
out.write(b'{"status": "starting"}\\n')
lines = []
for number in range(1, count):
    # The first three begin the playbook, the last one is its recap.
    before, after = cut[number - 1] if number <= 3 else cut[3 + (number - 4) % (len(cut) - 4)]
    lines.append(before + str(number).encode() + after)
    if len(lines) == 50:
        out.write(b"\\n".join(lines) + b"\\n")
        lines.clear()
before, after = cut[-1]
lines.append(before + str(count).encode() + after)
out.write(b"\\n".join(lines) + b"\\n")
out.write(b'{"status": "successful"}\\n{"eof": true}\\n')
out.flush()
"""
"""Stands for ansible-runner; its events are those beside it, the first three and the last one once only."""
SPEED = 500 << 20
"""Bytes that the supervisor has to bring out for the measurement of its speed."""
SPEED_WORKER = """
piece = (b"x" * 1000 + b"\\n") * 64
for _number in range(int(os.environ["PIECES"])):
    sys.stdout.buffer.write(piece)
"""


class Replayed:
    """Pods in which ansible-runner replays events.

    Attributes:
        lines: the recorded events, of a playbook with two hosts and 20 items each.
    """

    def __init__(self, bench: Bench) -> None:
        """Records events by a run on the controller, and puts them into a config map."""
        self._bench = bench
        workload = workloads.many_events(bench.folder / f"recorded-{time.monotonic_ns()}", hosts=2, items=20)
        machine = bench.controller()
        params = {"container_group": None, "instance_groups": ["controlplane"]}
        sample = ours.engine(bench, workload, machine, **params)
        if not sample.ok:
            raise RuntimeError(f"no events could be recorded: {sample.words}")
        self.lines = [json.dumps(event) for event in machine.events(1)]
        data = {"ansible-runner": PROGRAM, "events.jsonl": "\n".join(self.lines)}
        config_map = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=CONFIG_MAP), data=data)
        bench.core.create_namespaced_config_map(bench.namespace, config_map)

    def remove(self) -> None:
        """Removes the config map."""
        self._bench.core.delete_namespaced_config_map(CONFIG_MAP, self._bench.namespace)

    def options(self, workload: Workload, events: int, **more: Any) -> dict[str, Any]:
        """A module's options for a job of so many events, whose pod asks for hardly anything."""
        worker = {
            "name": "worker",
            "image": IMAGE,
            "env": [
                {"name": "PATH", "value": "/replayed:/usr/local/bin:/usr/bin:/bin"},
                {"name": "EVENTS", "value": str(events)},
            ],
            "resources": {"requests": {"cpu": "1m", "memory": "10Mi"}},
            "volumeMounts": [{"name": CONFIG_MAP, "mountPath": "/replayed"}],
        }
        volume = {"name": CONFIG_MAP, "configMap": {"name": CONFIG_MAP, "defaultMode": 0o755}}
        override = {"spec": {"containers": [worker], "volumes": [volume]}}
        group = ours.group(self._bench, pod_spec_override=override)
        return ours.options(self._bench, workload, container_group=group, **more)

    def run(self, jobs: int, events: int, limit: float) -> Sample:
        """So many jobs at once, in one job process, with so many events each."""
        name = f"replayed-{jobs}-{events}"
        workload = workloads.one_task(self._bench.folder, hosts=jobs, name=f"{name}-{time.monotonic_ns()}")
        machine = self._bench.controller()
        more: dict[str, Any] = {"job_slice_count": jobs} if jobs > 1 else {}
        server = api_server(self._bench)
        cpu = cpu_of(server) if server else 0.0
        run = ours.Engine(machine, self.options(workload, events, **more))
        sample = run.wait(limit)
        files = machine.store.glob("jobpods.db*")
        sample.more["stored_bytes"] = sum(file.stat().st_size for file in files)
        if server:
            sample.more["api_server_cpu"] = cpu_of(server) - cpu
        slices = (run.result.get("job") or {}).get("slices") or []
        if slices:
            sample.more["events"] = sum(each["event_count"] for each in slices)
        if sample.ok and sample.more["events"] != jobs * events:
            sample.ok, sample.words = False, f"{sample.more['events']} events of {jobs * events}"
        return sample


def api_server(bench: Bench) -> int | None:
    """Process id of the local cluster's API server; None on any other cluster."""
    try:
        return int((bench.kubeconfig.with_name("pids") / "kube-apiserver").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def many_jobs(bench: Bench) -> dict[str, Any]:
    """100 jobs at once from one job process, with a million events in all."""
    jobs, events = bench.some(100, 10), bench.some(10_000, 1000)
    replayed = Replayed(bench)
    try:
        contenders = {f"{jobs} jobs in one process": partial(replayed.run, jobs, events, 400.0)}
        samples = bench.side_by_side(contenders, 1, 400)
    finally:
        replayed.remove()
    return as_section(samples, jobs=jobs, events_each=events)


def per_event(bench: Bench) -> dict[str, Any]:
    """The same recorded events read by our job process, and by `ansible-runner process` from a file."""
    few, many = bench.some(1000, 200), bench.some(20_000, 2000)
    replayed = Replayed(bench)
    try:
        size = sum(map(len, replayed.lines)) / len(replayed.lines)
        contenders = {
            f"engine, {few} events": partial(replayed.run, 1, few, 120.0),
            f"engine, {many} events": partial(replayed.run, 1, many, 120.0),
            f"ansible-runner process, {few} events": partial(_process, bench, replayed, few),
            f"ansible-runner process, {many} events": partial(_process, bench, replayed, many),
        }
        samples = bench.side_by_side(contenders, bench.some(3, 1), 120)
    finally:
        replayed.remove()
    return as_section(samples, few=few, many=many, event_size=size)


def _process(bench: Bench, replayed: Replayed, events: int) -> Sample:
    """ansible-runner's own reader of such a stream; it writes its files as it always does."""
    folder = bench.folder / f"process-{time.monotonic_ns()}"
    (folder / "bin").mkdir(parents=True)
    program, stream = folder / "bin/ansible-runner", folder / "stream"
    program.write_text(PROGRAM)
    (folder / "bin/events.jsonl").write_text("\n".join(replayed.lines))
    with stream.open("wb") as file:
        subprocess.run(
            [sys.executable, program], env={**bench.environ, "EVENTS": str(events)}, stdout=file, check=True
        )
    command = [str(Path(sys.executable).with_name("ansible-runner")), "process", str(folder / "data")]
    (folder / "data").mkdir()
    shown: list[bytes] = []
    with stream.open("rb") as file:
        process = Process(
            command, lambda _now, line: shown.append(line), env=bench.environ, folder=folder, given=file
        )
        rc = process.wait(300)
    done = len(list((folder / "data").glob("artifacts/**/job_events/*.json")))
    ok = rc == 0 and done >= events - 1
    words = "" if ok else f"exit status {rc}, {done} events: {b''.join(shown[-3:])!r}"
    return Sample(process.elapsed, None, process.cpu, process.memory, ok, words, more={"events": events})


def supervisor(bench: Bench) -> dict[str, Any]:
    """How many MB a second the supervisor brings from its runner to the controller; its target is 50."""
    pieces = (bench.some(SPEED, SPEED // 10)) // (1001 * 64)

    def once() -> Sample:
        folder = bench.folder / f"supervisor-{time.monotonic_ns()}"
        folder.mkdir()
        scripted_worker(folder, SPEED_WORKER)
        with supervised_pod(folder, env={"PIECES": str(pieces)}) as pod:
            pod.read_size = 1 << 20
            pod.attach()
            pod.started()
            began = time.monotonic()
            total = pieces * 64 * 1001
            while len(pod.output) < total:
                pod.feed(pod.read())
            seconds = time.monotonic() - began
            cpu = cpu_of(pod.process.pid)
            megabytes = total / 1e6
            more = {"mb_per_second": megabytes / seconds, "cpu_per_100_mb": cpu / megabytes * 100}
            return Sample(seconds, cpu=cpu, more=more)

    return as_section(bench.side_by_side({"supervisor": once}, bench.some(5, 2), 60))
