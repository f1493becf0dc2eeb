# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a worker says: its job ends clearly, nothing else is touched, and other jobs go on.

The supervisor is the real one, on this machine; the job's owner and store are those of every job.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    JobRecord,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job import conversation, local_run
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_run import on_controller
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.owner import JobOwner
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import build_payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import job_result
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity
from ansible_collections.jobpods.controller.tests.liars import BEGIN, LIARS, RUNNER_FAILED, SUCCESSFUL, Liar
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.launching import launched
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import Told
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    scripted_worker,
)

DEADLINE = 60
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal would obey, or show as something else."""
STORED_LIMIT = 16 << 20
"""Bytes that the store takes in all; the limits of the liars are much smaller than the defaults."""


class House:
    """A controller on which liars run, one by one or all at once."""

    def __init__(self, folder: Path, store: JobStore, calls: StoreCalls) -> None:
        self.folder, self.store, self.calls = folder, store, calls

    def program(self, source: str) -> None:
        """Has this be ansible-runner, beside the Python that this runs in."""
        scripted_worker(self.folder, source)

    async def ended(self, *, environ: dict[str, str] | None = None, **options: Any) -> JobRecord:
        """Runs a job to its end."""
        launch = launched(self.folder, **{"cancel_grace": 0, **options})
        job = NewJob(uuid.uuid4().hex, "job", launch.name, True, "here", None, "", launch.to_stored(), {})
        job_id = self.store.create(job)
        lease = self.store.claim(job_id, "here")
        identity = PodIdentity(job_id, job.uuid, 1, "here")
        request = RunRequest(launch, identity, lease, lambda _unwanted: build_payload(launch, str(job_id)))
        given = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), **(environ or {})}

        async def prepare() -> Start:
            return on_controller(request, self.folder / "jobs" / str(job_id), given)

        finished = asyncio.Event()
        owner = JobOwner(job_id, lease, prepare, self.store, self.calls, Told())
        async with deadline(DEADLINE):
            await owner.own(finished)
        assert owner.unfinished is None
        return self.store.get(job_id)

    def all_files(self) -> set[str]:
        """Every path but those of the store itself."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*"))
        return {str(path) for path in found if path.parts[0] not in ("store", "jobs")}


@pytest.fixture
def house(tmp_path: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A controller, on which nothing but the store may have changed at the end."""
    for name in ("project", "home", "temporary", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "project" / "site.yml").write_text("[]")
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(conversation, "BACKOFF", (0.01,))
    calls = StoreCalls()
    made = House(tmp_path, store, calls)
    made.program("")
    before = made.all_files()
    yield made
    calls.close()
    assert made.all_files() == before
    assert list((tmp_path / "jobs").iterdir()) == []


def told(record: JobRecord) -> str:
    return f"{record.status} {record.failure['reason']}" if record.failure else record.status


def check(house: House, liar: Liar, record: JobRecord) -> None:
    """A job ended as it has to, and what is told of it is clean and short."""
    assert told(record) == liar.ends, (record.failure, record.result_traceback)
    result = job_result(house.store, record.id)
    assert liar.words in result["msg"]
    assert len(result["msg"]) < 4000
    result["job"].pop("artifacts")
    cleaned = json.dumps(result, ensure_ascii=False)
    assert not OBEYED.search(cleaned.replace("\\n", ""))
    assert "\\u00" not in cleaned
    # What is stored can be read again, in order, by whoever comes later.
    assert sum(path.stat().st_size for path in (house.folder / "store").iterdir()) < STORED_LIMIT
    counters = [event["counter"] for event in house.store.events(record.id)]
    assert counters == list(range(1, record.event_count + 1))


@pytest.mark.parametrize("name", LIARS)
async def test_liar(house: House, name: str) -> None:
    liar = LIARS[name]
    house.program(liar.program)
    check(house, liar, await house.ended(**liar.options))


async def test_liar_that_stops_its_supervisor(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "SILENCE_LIMIT", 0.5)
    monkeypatch.setattr(conversation, "HELLO_LIMIT", 0.1)
    monkeypatch.setattr(local_run, "KILL_LIMIT", 0.1)
    stop = "event(2)\ntime.sleep(0.5)\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(600)"
    liar = Liar(stop, "error ClusterUnreachable", "longer than cluster_outage_timeout (1 s)")
    house.program(liar.program)
    check(house, liar, await house.ended(cluster_outage_timeout=1))


async def test_liar_that_kills_its_supervisor(house: House) -> None:
    kill = "end()\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)"
    liar = Liar(kill, RUNNER_FAILED, "was killed by signal 9")
    house.program(liar.program)
    check(house, liar, await house.ended())


CHOSEN = """
import json
with open(os.environ["PROGRAMS"]) as file:
    exec(json.load(file)[os.environ["LIE"]])
"""
HONEST = """
while not os.path.exists(os.environ["GO_ON"]):
    time.sleep(0.02)
end()
"""
TOGETHER = (
    "archive-without-an-end",
    "deep-nesting",
    "endless-line",
    "flood-of-events",
    "flood-of-large-events",
    "forged-end",
    "garbage-between-records",
    "silence",
    "unstorable",
    "wide",
)


def memory(field: str) -> int:
    """A field of this process' status, in bytes."""
    (found,) = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found) << 10


async def test_other_jobs_of_the_process_go_on(house: House) -> None:
    """An honest job begins before the liars and ends after them, and all of them take little memory."""
    programs, go_on = house.folder / "store" / "programs", house.folder / "store" / "go-on"
    programs.write_text(json.dumps({"honest": BEGIN + HONEST, **{n: LIARS[n].program for n in TOGETHER}}))
    house.program(CHOSEN)
    given = {"PROGRAMS": str(programs), "GO_ON": str(go_on)}
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak (proc(5))
    before = memory("VmRSS")
    honest = asyncio.create_task(house.ended(environ={**given, "LIE": "honest"}))
    records = await asyncio.gather(
        *(house.ended(environ={**given, "LIE": name}, **LIARS[name].options) for name in TOGETHER)
    )
    assert not honest.done()
    go_on.touch()
    record = await honest
    assert (told(record), record.event_count) == (SUCCESSFUL, 2)
    for name, each in zip(TOGETHER, records, strict=True):
        check(house, LIARS[name], each)
    assert memory("VmHWM") - before < 256 << 20
