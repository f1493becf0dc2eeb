# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one does without any of it: `kubectl run --rm -i`, with the project on its standard input."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from uuid import uuid4

from ansible_collections.jobpods.controller.tests.benchmarks.bench import IMAGE, Bench
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Process, Sample
from ansible_collections.jobpods.controller.tests.benchmarks.workloads import FIRST_OUTPUT, Workload

IN_POD = (
    "mkdir /tmp/p && cd /tmp/p && tar xf - &&"
    " exec ansible-playbook -i hosts.json -f {forks} site.yml < /dev/null"
)
"""In the pod: takes the project from standard input, and plays it."""


def program(bench: Bench) -> Path:
    """The local cluster's own kubectl."""
    return bench.kubeconfig.with_name("bin") / "kubenode"


class Kubectl:
    """One `kubectl run`.

    Attributes:
        process: kubectl.
        name: of its pod.
        first: seconds to the playbook's first output.
    """

    def __init__(self, bench: Bench, workload: Workload, kubeconfig: Path | None = None) -> None:
        self.name = f"kubectl-{uuid4().hex[:8]}"
        self.first: float | None = None
        self.words: list[bytes] = []
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(workload.project, ".")
        given = bench.folder / f"{self.name}.tar"
        given.write_bytes(packed.getvalue())
        requests = {"spec": {"containers": [{"name": self.name, "resources": {"requests": {"cpu": "250m"}}}]}}
        command = [
            str(program(bench)),
            "kubectl",
            f"--kubeconfig={kubeconfig or bench.kubeconfig}",
            f"--cache-dir={bench.folder / 'kubectl'}",
            f"--namespace={bench.namespace}",
            "run",
            self.name,
            "--rm",
            "-i",
            "--quiet",
            "--restart=Never",
            "--image-pull-policy=IfNotPresent",
            f"--image={IMAGE}",
            f"--overrides={json.dumps(requests)}",
            "--override-type=strategic",
            "--pod-running-timeout=5m",
            "--command",
            "--",
            "sh",
            "-c",
            IN_POD.format(forks=workload.forks),
        ]
        with given.open("rb") as file:
            self.process = Process(command, self._line, env=bench.environ, folder=bench.folder, given=file)
        given.unlink()

    def sample(self, limit: float) -> Sample:
        """Waits for its end."""
        rc = self.process.wait(limit)
        words = "" if rc == 0 else b"".join(self.words[-5:]).decode(errors="replace")[-500:]
        process = self.process
        return Sample(process.elapsed, self.first, process.cpu, process.memory, rc == 0, words)

    def _line(self, now: float, line: bytes) -> None:
        if self.first is None and FIRST_OUTPUT.encode() in line:
            self.first = now
        self.words[:] = [*self.words[-5:], line]


def run(bench: Bench, workload: Workload, kubeconfig: Path | None = None) -> Sample:
    """Runs a workload by kubectl."""
    return Kubectl(bench, workload, kubeconfig).sample(workload.limit)
