# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one job by receptor as AWX's dispatcher does: transmit, submit, and process the results as they come.

A program of its own, since ansible-runner works with the signals and the environment of its process. It reads
what to do as JSON from its standard input, and prints what happens, with the moments, as JSON lines.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

import ansible_runner
from receptorctl.socket_interface import ReceptorControl


def tell(**facts: Any) -> None:
    """Prints what has happened, and when."""
    sys.__stdout__.write(json.dumps({**facts, "at": time.monotonic()}) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def transmit(job: dict[str, Any], to: socket.socket) -> None:
    """Packs the private data dir and sends it, as AWX does while receptor takes it in."""
    with to, to.makefile("wb") as file:
        ansible_runner.interface.run(
            streamer="transmit",
            _output=file,
            private_data_dir=job["private_data_dir"],
            ident=job["ident"],
            playbook="site.yml",
            cmdline=f"--forks {job['forks']}",
            suppress_env_files=True,
            settings={"suppress_ansible_output": True},
        )


class Events:
    """Takes the events as AWX's callbacks do: each becomes JSON for its queue, and none becomes a file."""

    def __init__(self, queue: TextIO) -> None:
        self.count = 0
        self.status = ""
        self._queue = queue

    def event(self, event: dict[str, Any]) -> bool:
        """Takes an event; False keeps ansible-runner from writing a file for it."""
        if not self.count:
            tell(type="first")
        self.count += 1
        self._queue.write(json.dumps(event) + "\n")
        return False

    def changed(self, status: dict[str, Any], runner_config: Any = None) -> None:
        """Takes the runner's status."""
        self.status = str(status["status"])


def main() -> int:
    """Runs the job that standard input names."""
    job = json.loads(sys.stdin.readline())
    control = ReceptorControl(job["socket"])
    used = resource.getrusage(resource.RUSAGE_SELF)
    tell(type="begin", cpu=used.ru_utime + used.ru_stime)
    near, far = socket.socketpair()
    sending = threading.Thread(target=transmit, args=(job, near))
    sending.start()
    with far, far.makefile("rb") as payload:
        unit = control.submit_work(
            worktype="kubernetes-runtime-auth",
            payload=payload,
            params={"secret_kube_pod": job["pod"], "secret_kube_config": job["kubeconfig"]},
        )["unitid"]
    sending.join()
    tell(type="submitted", unit=unit)
    with Path(job["queue"]).open("w", encoding="utf-8") as queue:
        events = Events(queue)
        results = control.get_work_results(unit, return_sockfile=True)
        ansible_runner.interface.run(
            streamer="process",
            quiet=True,
            _input=results,
            private_data_dir=job["private_data_dir"],
            ident=job["ident"],
            event_handler=events.event,
            status_handler=events.changed,
        )
    state = control.simple_command(f"work status {unit}")
    tell(type="result", status=events.status, events=events.count, detail=str(state.get("Detail", "")))
    control.simple_command(f"work release {unit}")
    tell(type="released")
    return 0


if __name__ == "__main__":
    sys.exit(main())
