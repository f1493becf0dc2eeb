# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the request for a cancel to the end of the run, and until the pod is gone."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks import ours, workloads
from ansible_collections.jobpods.controller.tests.benchmarks.bench import Bench, Contender
from ansible_collections.jobpods.controller.tests.benchmarks.kubectl import Kubectl
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Sample
from ansible_collections.jobpods.controller.tests.benchmarks.receptor import Client, Receptor, running
from ansible_collections.jobpods.controller.tests.benchmarks.side_by_side import KUBECTL, RECEPTOR, as_section
from ansible_collections.jobpods.controller.tests.benchmarks.workloads import Workload
from receptorctl.socket_interface import ReceptorControl

BEGIN_LIMIT = 60.0
GONE_LIMIT = 30.0
SETTLE = 1.0
"""Seconds for which the playbook runs before it is cancelled: it sleeps by then."""


def cancel(bench: Bench) -> dict[str, Any]:
    """Cancels a playbook that sleeps, each contender in its own way."""
    workload = workloads.endless(bench.folder)
    with ExitStack() as stack:
        daemon = stack.enter_context(running(bench))
        few: dict[str, Contender] = {
            RECEPTOR: lambda: _receptor(bench, workload, daemon),
            KUBECTL: lambda: _kubectl(bench, workload),
            "engine, grace 5 s": lambda: _engine(bench, workload, grace=5),
            "engine, job_cancel": lambda: _engine(bench, workload, grace=0, by_store=True),
        }
        samples = bench.side_by_side(few, bench.some(3, 1), 70)
    ours_only: dict[str, Contender] = {"engine, grace 0 s": lambda: _engine(bench, workload, grace=0)}
    samples.update(bench.side_by_side(ours_only, bench.some(20, 2), 75))
    return as_section(samples)


def _engine(bench: Bench, workload: Workload, *, grace: int, by_store: bool = False) -> Sample:
    """Cancels by a signal to the job process, as Ctrl-C ends, or by the flag that job_cancel sets."""
    machine = bench.controller()
    begun = threading.Event()

    def seen(message: dict[str, Any], _now: float) -> None:
        if message["type"] == "output" and "TASK [Wait]" in str(message["events"]):
            begun.set()

    params = ours.options(bench, workload, cancel_grace=grace)
    run = ours.Engine(machine, params, seen=seen)
    if not begun.wait(BEGIN_LIMIT):
        run.process.signal(signal.SIGTERM)
        raise TimeoutError("the playbook did not begin")
    time.sleep(SETTLE)
    asked = run.process.since()
    if by_store:
        with machine.opened() as store:
            asked = run.process.since()
            store.request_cancel(1)
    else:
        run.process.signal(signal.SIGTERM)
    gone = bench.await_no_pods(GONE_LIMIT) - run.process.started
    sample = run.wait(GONE_LIMIT)
    status = (run.result.get("job") or {}).get("status")
    sample.more = {"stopped": sample.final - asked, "gone": gone - asked}
    sample.final, sample.ok, sample.words = gone - asked, status == "canceled", f"status {status}"
    return sample


def _receptor(bench: Bench, workload: Workload, daemon: Receptor) -> Sample:
    """Cancels as AWX does: by `work cancel`."""
    client = Client(daemon, bench, workload)
    try:
        deadline = time.monotonic() + BEGIN_LIMIT
        while "first" not in client.told:
            if time.monotonic() > deadline:
                raise TimeoutError("the playbook did not begin")
            time.sleep(0.01)
        time.sleep(2 * SETTLE)
        asked = time.monotonic()
        ReceptorControl(str(daemon.socket)).simple_command(f"work cancel {client.told['submitted']['unit']}")
        try:
            gone = bench.await_no_pods(GONE_LIMIT)
        except TimeoutError:
            bench.remove_pods()
            return Sample(GONE_LIMIT, ok=False, words=f"the pod is there after {GONE_LIMIT:.0f} s")
        with suppress(TimeoutError):
            client.process.wait(GONE_LIMIT)
        stopped = client.process.started + client.process.elapsed
        return Sample(gone - asked, more={"stopped": stopped - asked, "gone": gone - asked})
    finally:
        if client.process.popen.returncode is None:
            client.process.signal(signal.SIGKILL)
            client.process.wait(GONE_LIMIT)


def _kubectl(bench: Bench, workload: Workload) -> Sample:
    """Cancels by Ctrl-C."""
    run = Kubectl(bench, workload)
    deadline = time.monotonic() + BEGIN_LIMIT
    while run.first is None:
        if time.monotonic() > deadline or run.process.ended:
            raise TimeoutError("the playbook did not begin")
        time.sleep(0.01)
    time.sleep(2 * SETTLE)
    asked = time.monotonic()
    run.process.signal(signal.SIGINT)
    run.process.wait(GONE_LIMIT)
    stopped = run.process.started + run.process.elapsed
    try:
        gone = bench.await_no_pods(bench.some(10, 5))
    except TimeoutError:
        bench.remove_pods()
        words = "kubectl ended, and left the pod behind, with the playbook in it"
        return Sample(stopped - asked, ok=False, words=words, more={"stopped": stopped - asked})
    return Sample(gone - asked, more={"stopped": stopped - asked, "gone": gone - asked})
