# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What job_wait and job_cancel tell of a job that another process owns."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import call
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request

Message = dict[str, Any]


class Job:
    """A job in a store, whose owner the test is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = {"data_dir": str(folder / "store")}
        self._store = JobStore.open(store_options(self._place, {}, folder))
        self.id = self._store.create(
            NewJob(uuid.uuid4().hex, "job", "site.yml", False, "here", None, "jobs", {}, {})
        )
        self._lease = self._store.claim(self.id, "here")
        self._store.update(self.id, self._lease, status="running", pod_name="pod-1")

    def end(self) -> None:
        """Prints a line, and ends well."""
        event = {"counter": 1, "event": "verbose", "stdout": "PLAY [all]", "event_data": {}}
        batch = EventBatch(1, 1, json.dumps(event).encode() + b"\n", 10)
        self._store.add_events(self.id, self._lease, batch)
        self._store.finish(self.id, self._lease, status="successful", host_status_counts={"ok": 1})

    def close(self) -> None:
        self._store.close()

    def ask(self, verb: str, show: Callable[[Message], None], check: bool = False, **params: Any) -> Message:
        asked = validated(verb, {"job_id": self.id, **params, **self._place})
        return call(Request(verb, asked, str(self._folder), check=check), show)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path)
    yield job
    job.close()


def test_the_output_comes_before_the_end(job: Job) -> None:
    told: list[Message] = []

    def show(message: Message) -> None:
        told.append(message)
        if message["type"] == "step":
            job.end()  # between two looks of job_wait: it sees output and end at once

    result = job.ask("job_wait", show)
    assert told == [
        {"type": "job", "id": job.id, "name": "site.yml", "child": False},
        {"type": "step", "job": job.id, "text": "running in pod pod-1", "verbosity": 0},
        {"type": "output", "job": job.id, "events": [["verbose", False, "PLAY [all]"]], "last": 1},
    ]
    assert result["job"]["status"] == "successful"


def test_a_cancel_in_check_mode_tells_what_it_would_do(job: Job) -> None:
    told: list[Message] = []
    result = job.ask("job_cancel", told.append, check=True)
    assert told == [{"type": "job", "id": job.id, "name": "site.yml", "child": False}]
    assert (result["changed"], result["failed"]) == (True, False)
    assert result["msg"] == f"Job {job.id} (site.yml) is running, and would be canceled."


def test_a_cancel_without_patience_does_not_wait(job: Job) -> None:
    result = job.ask("job_cancel", lambda message: None, timeout=0)
    assert (result["changed"], result["failed"]) == (True, True)
    assert f"Job {job.id} was not canceled within timeout (0 s)" in result["msg"]
