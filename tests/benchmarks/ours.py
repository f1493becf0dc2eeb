# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own contenders: the engine (a job process without ansible-playbook), and the module."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import (
    INLINE_GROUP,
    validated,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.job_process import ENTRY
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request, request_line
from ansible_collections.jobpods.controller.tests.benchmarks.bench import IMAGE, Bench
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Process, Sample, wait_for_orphans
from ansible_collections.jobpods.controller.tests.benchmarks.workloads import FIRST_OUTPUT, Workload
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

WARM = "warm_pods" in INLINE_GROUP
"""Whether this version has warm pods."""
MARKS = {
    "pod created": re.compile(r"pod \S+ (created|claimed)"),
    "warm pod claimed": re.compile(r"warm pod \S+ claimed"),
    "scheduled": re.compile(r"scheduled on node"),
    "payload received": re.compile(r"payload received"),
    "playbook started": re.compile(r"playbook started"),
    "canceling": re.compile(r"canceling"),
}
"""Steps that are told, by what they say."""

Seen = Callable[[dict[str, Any], float], None]


def group(bench: Bench, kubeconfig: Path | None = None, **more: Any) -> dict[str, Any]:
    """The container group of the benchmarks, with the default pod spec but for its image."""
    return {
        "kubeconfig": str(kubeconfig or bench.kubeconfig),
        "namespace": bench.namespace,
        "execution_environment": {"image": IMAGE, "pull": "missing"},
        **more,
    }


def options(bench: Bench, workload: Workload, **more: Any) -> dict[str, Any]:
    """A module's options that run a workload in a pod."""
    return {
        "container_group": group(bench),
        "project": str(workload.project),
        "playbook": "site.yml",
        "inventory": str(workload.inventory),
        "forks": workload.forks,
        **workload.options,
        **more,
    }


class Engine:
    """A job process as the action plugin starts it, with the benchmark as its launcher.

    Attributes:
        sample: what was measured; complete after `wait`.
        result: of the job.
        messages: all that it told but output.
    """

    def __init__(
        self,
        controller: Controller,
        params: dict[str, Any],
        *,
        verb: str = "container_group_job",
        seen: Seen | None = None,
        python: tuple[str, ...] = (sys.executable,),
    ) -> None:
        """Starts it.

        Args:
            controller: the user's machine.
            params: the module's options.
            verb: the module.
            seen: told each message, and the seconds since the start.
            python: the interpreter, and its options.
        """
        self.sample = Sample(0.0)
        self.result: dict[str, Any] = {}
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.words: list[bytes] = []
        self._seen = seen
        request = Request(verb, validated(verb, params), str(controller.folder), environment={})
        self.process = Process(
            (*python, str(ENTRY)),
            self._line,
            env=controller.environ,
            folder=controller.folder,
            given=request_line(request),
            keep_open=True,
        )

    def wait(self, limit: float) -> Sample:
        """Waits until the job's process has ended, which is when its pod is gone."""
        rc = self.process.wait(limit)
        sample = self.sample
        sample.marks["process ended"] = self.process.elapsed
        sample.cpu, sample.memory = self.process.cpu, self.process.memory
        if not self.result:
            sample.final, sample.ok = self.process.elapsed, False
            sample.words = f"it ended with {rc}: " + b"".join(self.words[-5:]).decode(errors="replace")[-500:]
        return sample

    def _line(self, now: float, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self.words.append(line)
            return
        sample = self.sample
        if message["type"] == "output":
            if sample.first is None and message["events"]:
                sample.first = now
            sample.marks["last output"] = now
        else:
            self.messages.append((now, message))
        if message["type"] == "job":
            sample.marks.setdefault("job made", now)
        if message["type"] == "step":
            for name, pattern in MARKS.items():
                if pattern.search(message["text"]):
                    sample.marks.setdefault(name, now)
        if message["type"] == "result":
            self.result = message["result"]
            sample.final = now
            sample.ok = not self.result["failed"]
            sample.words = str(self.result["msg"])[:500] if self.result["failed"] else ""
            facts = self.result.get("job") or {}
            sample.more["events"] = facts.get("event_count") or 0
        if self._seen is not None:
            self._seen(message, now)


def engine(bench: Bench, workload: Workload, controller: Controller | None = None, **more: Any) -> Sample:
    """Runs a workload by the engine alone."""
    run = Engine(controller or bench.controller(), options(bench, workload, **more))
    return run.wait(workload.limit)


def module(bench: Bench, workload: Workload, controller: Controller | None = None, **more: Any) -> Sample:
    """Runs a workload by a playbook with the module, as users do; first and last output as they see it."""
    machine = controller or bench.controller()
    task = {"jobpods.controller.container_group_job": options(bench, workload, **more)}
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"name": "Outer", **task}]}]
    machine.write("outer.yml", play)
    return ansible_playbook(machine, ["outer.yml"], workload.limit)


def ansible_playbook(machine: Controller, arguments: list[str], limit: float) -> Sample:
    """Runs ansible-playbook on this machine, and looks for the workload's first output."""
    sample = Sample(0.0)
    last: list[bytes] = []

    def seen(now: float, line: bytes) -> None:
        last[:] = [*last[-4:], line]
        if sample.first is None and FIRST_OUTPUT.encode() in line:
            sample.first = now

    command = [str(Path(sys.executable).with_name("ansible-playbook")), *arguments]
    process = Process(command, seen, env=machine.environ, folder=machine.folder)
    rc = process.wait(limit)
    # The job process goes on until its pod is gone.
    cpu, memory = wait_for_orphans(str(ENTRY), limit)
    sample.final, sample.cpu = process.elapsed, process.cpu + cpu
    sample.memory = max(process.memory, memory)
    sample.ok, sample.words = rc == 0, "" if rc == 0 else b"".join(last).decode(errors="replace")[-500:]
    return sample


def plain(bench: Bench, workload: Workload) -> Sample:
    """Runs a workload by ansible-playbook on the controller, without any pod: the floor."""
    arguments = [str(workload.project / "site.yml"), "-i", str(workload.inventory), "-f", str(workload.forks)]
    return ansible_playbook(bench.controller(), arguments, workload.limit)
