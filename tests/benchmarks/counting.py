# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the API server per job, and what becomes of a job while the API server is away."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks import kubectl, ours, workloads
from ansible_collections.jobpods.controller.tests.benchmarks.bench import Bench, Contender
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Sample
from ansible_collections.jobpods.controller.tests.benchmarks.receptor import Client, running
from ansible_collections.jobpods.controller.tests.benchmarks.side_by_side import (
    ENGINE,
    KUBECTL,
    RECEPTOR,
    as_section,
)

SETTLE = 2.0
"""Seconds after a job in which its last requests come."""


def requests(bench: Bench) -> dict[str, Any]:
    """One job of each contender through a proxy that counts."""
    workload = workloads.one_task(bench.folder, name="requests")
    counts: dict[str, dict[str, int]] = {}
    with ExitStack() as stack:
        proxy, kubeconfig = stack.enter_context(bench.proxy())
        daemon = stack.enter_context(running(bench))
        slices = workloads.one_task(bench.folder, hosts=bench.some(8, 3), name="requests-sliced")
        group = ours.group(bench, kubeconfig)
        contenders: dict[str, Contender] = {
            ENGINE: lambda: ours.engine(bench, workload, container_group=group),
            "engine, sliced": lambda: ours.engine(
                bench, slices, container_group=group, job_slice_count=slices.hosts
            ),
            RECEPTOR: lambda: daemon.run(bench, workload, kubeconfig),
            KUBECTL: lambda: kubectl.run(bench, workload, kubeconfig),
        }
        samples = {}
        for name, contender in contenders.items():
            proxy.requests.clear()
            samples[name] = [bench.one(name, contender)]
            time.sleep(SETTLE)
            counts[name] = dict(sorted(proxy.requests.items()))
            bench.tell(f"    {name}: {sum(counts[name].values())} requests")
    return as_section(samples, counts=counts, jobs={"engine, sliced": slices.hosts})


def outage(bench: Bench) -> dict[str, Any]:
    """The API server can't be reached in the middle of a job; ours and receptor's at the same time."""
    away = bench.some(120, 25)
    workload = workloads.of_length(bench.folder, bench.some(60, 12))
    with ExitStack() as stack:
        proxy, kubeconfig = stack.enter_context(bench.proxy())
        daemon = stack.enter_context(running(bench))
        begun = threading.Barrier(3)

        def by_engine() -> Sample:
            machine, first = bench.controller(), threading.Event()

            def seen(message: dict[str, Any], _now: float) -> None:
                if message["type"] == "output":
                    first.set()

            params = ours.options(bench, workload, container_group=ours.group(bench, kubeconfig))
            run = ours.Engine(machine, params, seen=seen)
            first.wait(60)
            begun.wait(120)
            sample = run.wait(away + 180)
            if run.result:
                counters = [event["counter"] for event in machine.events(int(run.result["job"]["id"]))]
                complete = counters == list(range(1, int(sample.more["events"]) + 1))
                sample.words = f"{sample.words} events complete: {complete}".strip()
                sample.ok = sample.ok and complete
            return sample

        def by_receptor() -> Sample:
            client = Client(daemon, bench, workload, kubeconfig)
            deadline = time.monotonic() + 60
            while "first" not in client.told and time.monotonic() < deadline:
                time.sleep(0.01)
            begun.wait(120)
            try:
                client.process.wait(away + 60)
            except TimeoutError as exc:
                return Sample(client.process.since(), ok=False, words=str(exc))
            return client.sample()

        def break_it() -> None:
            with suppress(threading.BrokenBarrierError):
                begun.wait(120)
            bench.tell(f"    away for {away} s")
            proxy.go_away()
            time.sleep(away)
            proxy.come_back()

        contenders: dict[str, Contender] = {ENGINE: by_engine, RECEPTOR: by_receptor}
        breaker = threading.Thread(target=break_it)
        breaker.start()
        found = bench.at_once(contenders)
        breaker.join()
        time.sleep(SETTLE)
        left = bench.pods()
    return as_section({name: [found[name]] for name in contenders}, away=away, left=left)
