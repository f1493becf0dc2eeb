# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of an update are a job's events, and however its work ends, it is over when the job is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.owner import JobOwner
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.update_run import (
    Work,
    update_on_controller,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    DEADLINE,
    Scene,
)

pytestmark = pytest.mark.usefixtures("quick")

Output = Callable[[str], None]


def owner_of(scene: Scene, work: Work) -> JobOwner:
    async def prepare() -> Start:
        return update_on_controller(work, "here.test")

    return JobOwner(scene.job_id, scene.lease, prepare, scene.store, scene.calls, scene.told)


async def own(scene: Scene, work: Work) -> JobRecord:
    """The job's row when it has ended."""
    async with deadline(DEADLINE):
        await owner_of(scene, work).own(scene.finished)
    assert scene.finished.is_set()
    return scene.record


@pytest.mark.parametrize("changed", [True, False])
async def test_lines_are_events(scene: Scene, changed: bool) -> None:
    async def work(output: Output, progress: Progress) -> bool:
        output("fetching")
        progress.step("half of it")
        output("")
        output("done \x1b[31m\udce9 🐄")
        return changed

    record = await own(scene, work)
    assert (record.status, record.failure, record.changed) == ("successful", None, changed)
    assert (record.execution_node, record.pod_name, record.pod_deleted) == ("here.test", "", True)
    assert record.event_count == 3
    found = list(scene.store.events(scene.job_id))
    assert [(event["counter"], event["event"]) for event in found] == [
        (number, "verbose") for number in (1, 2, 3)
    ]
    assert [event["stdout"] for event in found] == ["fetching", "", "done \x1b[31m\udce9 🐄"]
    assert len({event["uuid"] for event in found}) == 3
    assert scene.told.counters == [1, 2, 3]
    assert scene.told.steps == ["half of it"]
    assert record.started is not None


async def test_very_many_lines_are_all_stored_in_their_order(scene: Scene) -> None:
    async def work(output: Output, progress: Progress) -> bool:
        for number in range(5000):
            output(f"line {number}")
        return True

    record = await own(scene, work)
    assert record.event_count == 5000
    stdout, truncated = scene.store.stdout(scene.job_id)
    assert stdout.split("\n") == [*(f"line {number}" for number in range(5000)), ""]
    assert not truncated


async def test_failure_of_the_work_is_the_job_s(scene: Scene) -> None:
    async def work(output: Output, progress: Progress) -> bool:
        output("fetching")
        raise Failure("ProjectUpdateFailed", "The repository is not there.", traceback="git's words")

    record = await own(scene, work)
    assert record.status == "error"
    assert record.failure is not None and record.failure["reason"] == "ProjectUpdateFailed"
    assert (record.job_explanation, record.result_traceback) == (
        "The repository is not there.",
        "git's words",
    )
    assert record.changed is False
    assert scene.store.stdout(scene.job_id) == ("fetching\n", False)


async def test_fault_of_our_own_is_told(scene: Scene) -> None:
    async def work(output: Output, progress: Progress) -> bool:
        output("fetching")
        raise KeyError("oh no")

    record = await own(scene, work)
    assert record.failure is not None and record.failure["reason"] == "ControllerLost"
    assert "KeyError: 'oh no'" in record.result_traceback
    assert scene.store.stdout(scene.job_id) == ("fetching\n", False)


async def test_cancel_ends_the_work_before_the_job(scene: Scene) -> None:
    begun = asyncio.Event()
    statuses: list[str] = []

    async def work(output: Output, progress: Progress) -> bool:
        output("fetching")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:  # as git's end, which takes a moment
            await asyncio.sleep(0.05)
            output("ended")
            statuses.append(scene.record.status)
        return True

    owning = owner_of(scene, work)
    async with deadline(DEADLINE):
        task = asyncio.create_task(owning.own(scene.finished))
        await begun.wait()
        owning.cancel("Nobody wants it.")
        owning.cancel("Still nobody.")
        await task
    assert statuses == ["running"]
    assert (scene.record.status, scene.record.job_explanation) == ("canceled", "Nobody wants it.")
    assert scene.record.changed is False
    assert scene.told.steps == ["canceling: Nobody wants it."]
    assert scene.store.stdout(scene.job_id) == ("fetching\nended\n", False)


async def test_cancel_before_the_start_does_no_work(scene: Scene) -> None:
    worked: list[bool] = []

    async def work(output: Output, progress: Progress) -> bool:
        worked.append(True)
        return True

    owning = owner_of(scene, work)
    owning.cancel("Nobody wants it.")
    async with deadline(DEADLINE):
        await owning.own(scene.finished)
    assert scene.record.status == "canceled"
    assert worked == []


async def test_job_cancel_reaches_it(scene: Scene) -> None:
    async def work(output: Output, progress: Progress) -> bool:
        scene.store.request_cancel(scene.job_id)
        await asyncio.Event().wait()
        return True

    record = await own(scene, work)
    assert (record.status, record.job_explanation) == ("canceled", "Canceled by job_cancel.")
