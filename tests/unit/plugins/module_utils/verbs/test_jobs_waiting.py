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
    """A job in a store, whose owner the test is.

    Args:
        folder: where the store is.
        kind: type of the job.
        columns: others of its row.
    """

    def __init__(self, folder: Path, kind: str = "job", **columns: Any) -> None:
        self._folder = folder
        self._place = {"data_dir": str(folder / "store")}
        self._store = JobStore.open(store_options(self._place, {}, folder))
        self.id = self._store.create(
            NewJob(uuid.uuid4().hex, kind, "site.yml", False, "here", None, "jobs", {}, {}, columns=columns)
        )
        self._lease = self._store.claim(self.id, "here")
        self._store.update(self.id, self._lease, status="running", pod_name="pod-1")

    def print(self, counter: int, text: str) -> None:
        """Prints a line."""
        event = {"counter": counter, "event": "verbose", "stdout": text, "event_data": {}}
        batch = EventBatch(counter, counter, json.dumps(event).encode() + b"\n", 10 * counter)
        self._store.add_events(self.id, self._lease, batch)

    def wait_for(self, what: str) -> None:
        """Says what it waits for."""
        self._store.update(self.id, self._lease, status="pending", job_explanation=what, pod_name="")

    def start(self, *phases: tuple[str, float | None, str]) -> None:
        """Goes through the phases of a start, which began long ago."""
        start = [{"phase": name, "at": 0.0, "seconds": lasted, "detail": why} for name, lasted, why in phases]
        self._store.update(self.id, self._lease, status="waiting", start=start)

    def lose(self) -> None:
        """Loses the pod, and gets another one."""
        lost = {
            "attempt": 1,
            "pod_name": "pod-1",
            "execution_node": "",
            "reason": "Evicted",
            "message": "No.",
        }
        self._store.next_attempt(self.id, self._lease, lost, started=True)
        self._store.update(self.id, self._lease, status="running", pod_name="pod-2")

    def end(self) -> None:
        """Prints a line, and ends well."""
        self.print(1, "PLAY [all]")
        self.finish()

    def finish(self) -> None:
        """Ends well."""
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


def test_what_a_start_waits_for_is_told_once(job: Job) -> None:
    told: list[str] = []
    job.start(("scheduling", 9.0, "on node node1"), ("pulling", None, "Pulling image x"))

    def show(message: Message) -> None:
        if message["type"] == "step":
            told.append(message["text"])
            if len(told) == 1:
                job.start(("pulling", 9.0, "Pulled image x"), ("sending", None, ""))
            else:
                job.end()

    job.ask("job_wait", show)
    waiting = "waiting in pod pod-1: "
    assert told == [f"{waiting}pulling: Pulling image x", f"{waiting}sending"]


def test_the_output_of_another_attempt_is_told_from_its_beginning(job: Job) -> None:
    told: list[Message] = []
    job.print(1, "PLAY [all]")
    job.print(2, "TASK [one]")

    def show(message: Message) -> None:
        told.append(message)
        if message["type"] == "output" and len(told) == 3:
            job.lose()
            job.print(1, "PLAY [again]")
            job.print(2, "TASK [again]")
            job.print(3, "RECAP")
            job.finish()

    result = job.ask("job_wait", show)
    first, again = ["PLAY [all]", "TASK [one]"], ["PLAY [again]", "TASK [again]", "RECAP"]
    assert [[line[2] for line in message.get("events", ())] for message in told] == [[], [], first, [], again]
    assert told[3] == {
        "type": "warning",
        "job": job.id,
        "text": "attempt 1 was lost (No.); trying again in another pod; the output starts again from its"
        " beginning",
    }
    assert [each["pod_name"] for each in result["job"]["attempts"]] == ["pod-1", "pod-2"]
    assert result["stdout"] == "PLAY [again]\nTASK [again]\nRECAP\n"


def test_what_a_job_waits_for_is_told(job: Job) -> None:
    told: list[Message] = []
    job.wait_for("The quota is full.")

    def show(message: Message) -> None:
        told.append(message)
        if message["type"] == "step":
            job.finish()

    job.ask("job_wait", show)
    assert [message["text"] for message in told if message["type"] == "step"] == [
        "pending: The quota is full."
    ]


def test_the_output_of_slices_is_told_too(tmp_path: Path) -> None:
    parent = Job(tmp_path, "workflow_job")
    slices = [Job(tmp_path, parent_id=parent.id) for _number in range(2)]
    slices[0].print(1, "PLAY [first]")
    told: list[Message] = []

    def show(message: Message) -> None:
        told.append(message)
        if message["type"] == "output" and message["job"] == slices[0].id:
            slices[0].finish()
            slices[1].print(1, "PLAY [second]")
            slices[1].finish()
            parent.finish()

    result = parent.ask("job_wait", show)
    for each in (parent, *slices):
        each.close()
    assert [(message["id"], message["child"]) for message in told if message["type"] == "job"] == [
        (parent.id, False),
        (slices[0].id, True),
        (slices[1].id, True),
    ]
    lines = [(message["job"], message["events"][0][2]) for message in told if message["type"] == "output"]
    assert lines == [(slices[0].id, "PLAY [first]"), (slices[1].id, "PLAY [second]")]
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
