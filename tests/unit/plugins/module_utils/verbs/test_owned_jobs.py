# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No job of a process is without an owner, whenever it was made; they are cancelled, or left, together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import this_process
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import owned_row
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import KeptFeed
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import (
    DEADLINE,
    launcher,
    read_messages,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    Stock,
    ended,
    no_waits,
    until,
)

ORDER = Order("job", "site.yml", {"asked": "for"}, {"launch_type": "relaunch", "task_impact": 3})
REFUSED = Failure("InventoryInvalid", "inventory is empty.")


async def never(job: OwnedJob) -> Start:
    """Nothing to do yet."""
    await asyncio.Event().wait()
    raise AssertionError


async def refused(job: OwnedJob) -> Start:
    raise REFUSED


@pytest.fixture
async def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stock]:
    no_waits(monkeypatch)
    made = Stock(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
async def jobs(stock: Stock) -> AsyncIterator[OwnedJobs]:
    async with stock.jobs() as made:
        yield made


async def test_row_says_who_asked_for_what(stock: Stock, jobs: OwnedJobs) -> None:
    job = await jobs.start(ORDER, never)
    record = stock.store.get(job.id)
    assert (record.name, record.type, record.status, record.wait) == ("site.yml", "job", "pending", True)
    assert (record.launch_type, record.task_impact) == ("relaunch", 3)
    assert record.launched_by == jobs.request.launched_by
    assert (record.owner, record.lease) == (this_process(), job.lease)
    assert stock.store.request(job.id) == {"asked": "for"}
    assert job.identity.job_uuid == record.uuid


async def test_job_that_can_t_be_prepared_ends_with_the_reason(stock: Stock, jobs: OwnedJobs) -> None:
    job = await jobs.start(ORDER, refused)
    await ended(job)
    record = await jobs.record(job)
    assert (record.status, record.job_explanation) == ("error", REFUSED.message)
    assert job.trouble is None
    await until(lambda: job.feed.all_stored)


async def test_all_are_cancelled_and_those_that_come_later_too(stock: Stock, jobs: OwnedJobs) -> None:
    first = await jobs.start(ORDER, never)
    jobs.cancel("Nobody waits.")
    later = await jobs.start(ORDER, never)
    await asyncio.gather(ended(first), ended(later))
    assert [(job.status, job.job_explanation) for job in stock.all_jobs()] == [
        ("canceled", "Nobody waits.")
    ] * 2


async def test_all_are_left_and_those_that_come_later_too(stock: Stock, jobs: OwnedJobs) -> None:
    await jobs.start(ORDER, never)
    jobs.leave()
    await jobs.start(ORDER, never)
    await jobs.close()
    assert [job.status for job in stock.all_jobs()] == ["pending", "pending"]


async def test_job_whose_making_is_cancelled_gets_its_end(
    stock: Stock, jobs: OwnedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, begun, go_on = JobStore.create, threading.Event(), threading.Event()

    def slowly(store: JobStore, job: NewJob) -> int:
        begun.set()
        go_on.wait(DEADLINE)
        return create(store, job)

    monkeypatch.setattr(JobStore, "create", slowly)
    starting = asyncio.create_task(jobs.start(ORDER, never))
    await asyncio.to_thread(begun.wait, DEADLINE)
    starting.cancel()
    closing = asyncio.create_task(jobs.close())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait((starting,))
    assert starting.cancelled()
    assert [job.status for job in stock.all_jobs()] == ["canceled"]
    await closing


async def test_job_that_can_t_be_made_is_no_job(
    stock: Stock, jobs: OwnedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: JobStore, job: NewJob) -> int:
        raise Failure("InvalidConfiguration", "The database can't be used: disk full.")

    monkeypatch.setattr(JobStore, "create", full)
    with pytest.raises(Failure, match="disk full"):
        await jobs.start(ORDER, never)
    await jobs.close()
    assert stock.all_jobs() == []


async def test_trouble_is_why_the_end_is_not_stored(jobs: OwnedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_columns: object) -> None:
        raise Failure("InvalidConfiguration", "The database can't be used: disk full.")

    monkeypatch.setattr(owned_row, "STORE_LIMIT", 0.05)
    monkeypatch.setattr(owned_row, "STORE_BACKOFF", (0.01,))
    monkeypatch.setattr(JobStore, "finish", full)
    job = await jobs.start(ORDER, refused)
    await ended(job)
    assert job.trouble is not None
    assert "disk full" in job.trouble.message
    result = jobs.refusal(job, job.trouble)
    assert (result["changed"], result["failed"]) == (True, True)
    assert (result["id"], result["job"]["id"], result["job"]["name"]) == (job.id, job.id, "site.yml")


async def test_job_is_told_by_its_number_and_as_a_child_where_it_is_one(stock: Stock) -> None:
    async with launcher() as (told, pipe), open_store(stock.request("job_info"), KeptFeed()) as opened:
        jobs = OwnedJobs(stock.request("job_info"), opened, told)
        first = await jobs.start(ORDER, refused)
        second = await jobs.start(ORDER, refused, child=True)
        await jobs.close()
        told.tell({"type": "end"})
        messages = await asyncio.to_thread(read_messages, pipe, type="end")
    assert messages[:2] == [
        {"type": "job", "id": first.id, "name": "site.yml", "child": False},
        {"type": "job", "id": second.id, "name": "site.yml", "child": True},
    ]
