# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way that AWX takes: receptor beside ansible-runner. Debian's receptor, unpacked into a folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from ansible_collections.jobpods.controller.plugins.module_utils.pod import spec
from ansible_collections.jobpods.controller.tests.benchmarks.bench import IMAGE, Bench
from ansible_collections.jobpods.controller.tests.benchmarks.measure import (
    Process,
    Sample,
    cpu_of,
    peak_memory_of,
)
from ansible_collections.jobpods.controller.tests.benchmarks.workloads import Workload

CLIENT = Path(__file__).with_name("receptor_client.py")
SUITES = ("sid", "trixie")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
START_LIMIT = 30.0


def unpacked(cache: Path) -> Path:
    """Debian's receptor in a folder, from the newest suite that has it; the machine's own lists stay."""
    folder = cache / "receptor"
    if folder.exists():
        return folder / "usr/bin/receptor"
    mirror = "http://deb.debian.org/debian"
    trouble = ""
    for suite in SUITES:
        apt = cache / f"apt-{suite}"
        for part in ("lists/partial", "cache/archives/partial"):
            (apt / part).mkdir(parents=True, exist_ok=True)
        (apt / "status").touch()
        (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
        settings = {
            "Dir::Etc::sourcelist": apt / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": apt / "lists",
            "Dir::State::status": apt / "status",
            "Dir::Cache": apt / "cache",
            "APT::Sandbox::User": "root",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        try:
            for words in (("update", "-q"), ("download", "-q", "receptor")):
                command = ["apt-get", *options, *words]
                subprocess.run(command, cwd=apt, check=True, capture_output=True)
            (archive,) = apt.glob("receptor_*.deb")
            fresh = cache / "receptor.new"
            shutil.rmtree(fresh, ignore_errors=True)
            subprocess.run(
                ["dpkg-deb", "--extract", str(archive), str(fresh)], check=True, capture_output=True
            )
            program = [str(fresh / "usr/bin/receptor"), "--version"]
            subprocess.run(program, check=True, capture_output=True)
        except (subprocess.CalledProcessError, OSError, ValueError) as exc:
            trouble = f"{exc} {getattr(exc, 'stderr', b'') or b''!r}"
            continue
        fresh.rename(folder)
        return folder / "usr/bin/receptor"
    raise RuntimeError(f"receptor can't be had: {trouble}")


@dataclass
class Receptor:
    """A receptor that runs.

    Attributes:
        version: its own word.
        socket: of its control service.
        process: the daemon.
        folder: for its files.
    """

    version: str
    socket: Path
    process: subprocess.Popen[bytes]
    folder: Path

    def run(self, bench: Bench, workload: Workload, kubeconfig: Path | None = None) -> Sample:
        """Runs a workload; its clock starts when the client has its imports, as AWX's dispatcher has.

        The daemon's CPU counts, so nothing else may run by it meanwhile, where it is to be known.
        """
        sample, cpu = Sample(0.0), cpu_of(self.process.pid)
        client = Client(self, bench, workload, kubeconfig)
        client.process.wait(workload.limit)
        sample = client.sample()
        sample.cpu += cpu_of(self.process.pid) - cpu
        sample.memory = max(sample.memory, peak_memory_of(self.process.pid))
        return sample


class Client:
    """One job by receptor.

    Attributes:
        process: the client.
        told: what it told so far, by type.
    """

    def __init__(
        self, receptor: Receptor, bench: Bench, workload: Workload, kubeconfig: Path | None = None
    ) -> None:
        ident = uuid4().hex[:12]
        folder = receptor.folder / ident
        (folder / "env").mkdir(parents=True)
        (folder / "inventory").mkdir()
        os.link(workload.inventory, folder / "inventory/hosts.json")
        # AWX has a copy of the project for each job, too.
        shutil.copytree(workload.project, folder / "project", copy_function=os.link)
        config = (kubeconfig or bench.kubeconfig).read_text(encoding="utf-8")
        job = {
            "socket": str(receptor.socket),
            "private_data_dir": str(folder),
            "ident": ident,
            "forks": workload.forks,
            "pod": json.dumps(pod(bench.namespace, ident)),
            "kubeconfig": config,
            "queue": str(folder / "events"),
        }
        self.told: dict[str, dict[str, Any]] = {}
        self.words: list[bytes] = []
        self.process = Process(
            [sys.executable, str(CLIENT)],
            self._line,
            env=bench.environ,
            folder=folder,
            given=json.dumps(job).encode() + b"\n",
        )

    def sample(self) -> Sample:
        """What was measured, once it has ended."""
        begin = self.told.get("begin", {"at": self.process.started, "cpu": 0.0})
        end = self.told.get("result", {"at": self.process.started + self.process.elapsed})
        sample = Sample(
            end["at"] - begin["at"],
            self.told["first"]["at"] - begin["at"] if "first" in self.told else None,
            self.process.cpu - begin["cpu"],
            self.process.memory,
            end.get("status") == "successful",
        )
        if not sample.ok:
            sample.words = f"{end.get('status', '')} {end.get('detail', '')}".strip()
            if "result" not in self.told:
                sample.words = b"".join(self.words[-3:]).decode(errors="replace")[-500:]
        if "submitted" in self.told:
            sample.marks["submitted"] = self.told["submitted"]["at"] - begin["at"]
        sample.more["events"] = end.get("events", 0)
        sample.more["with_imports"] = end["at"] - self.process.started
        return sample

    def _line(self, _now: float, line: bytes) -> None:
        try:
            told = json.loads(line)
            self.told[told["type"]] = told
        except (ValueError, KeyError, TypeError):
            self.words.append(line)


def pod(namespace: str, ident: str) -> dict[str, Any]:
    """The pod that AWX would ask for: its default spec with this image, as ours has it too."""
    ours = spec.default_pod_spec()
    container = {**ours["spec"]["containers"][0], "name": "worker", "image": IMAGE}
    container["imagePullPolicy"] = "IfNotPresent"
    container["args"] = ["ansible-runner", "worker", "--private-data-dir=/runner"]
    metadata = {"generateName": "receptor-", "namespace": namespace, "labels": {"bench-job": ident}}
    return {**ours, "metadata": metadata, "spec": {**ours["spec"], "containers": [container]}}


@contextmanager
def running(bench: Bench) -> Iterator[Receptor]:
    """A receptor with AWX's work type for clusters, for as long as the block lasts."""
    program = unpacked(bench.cache)
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    folder = bench.folder / f"receptor-{uuid4().hex[:6]}"
    folder.mkdir()
    control = folder / "control.sock"
    config: list[dict[str, Any]] = [
        {"node": {"id": "controller", "datadir": str(folder / "data")}},
        {"local-only": None},
        {"log-level": "info"},
        {"control-service": {"service": "control", "filename": str(control)}},
        {
            "work-kubernetes": {
                "worktype": "kubernetes-runtime-auth",
                "authmethod": "runtime",
                "allowruntimeauth": True,
                "allowruntimepod": True,
                "allowruntimeparams": True,
            }
        },
    ]
    (folder / "receptor.yml").write_text(json.dumps(config), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        command = [str(program), "--config", str(folder / "receptor.yml")]
        process = subprocess.Popen(command, env=bench.environ, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_LIMIT
        while not _answers(control):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"receptor doesn't start: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.05)
        yield Receptor(version.strip(), control, process, folder)
    finally:
        process.terminate()
        process.wait()


def _answers(control: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(control))
        except OSError:
            return False
        return True
