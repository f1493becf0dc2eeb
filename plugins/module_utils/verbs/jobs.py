# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the job process: what each module does, once Ansible is out of the way."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import resolve_connection
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Event
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import read_launch
from ansible_collections.jobpods.controller.plugins.module_utils.job.owner import JobOwner
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import build_payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import (
    FINAL,
    job_facts,
    job_result,
    refusal,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.run import RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord

Result = dict[str, Any]
Verb = Callable[[Request, LauncherFeed, Launcher], Awaitable["Result | None"]]

LOOK_INTERVAL = 0.5
"""Seconds between two looks at the store while waiting for another process' job."""
OWNER_SILENCE = 30.0
"""Seconds without a heartbeat after which a job's process is likely to be gone."""
OUTPUT_EVENTS = 500
"""Events that are read from the store at once to show them."""


class OpenStore:
    """The store and the one thread that calls it."""

    def __init__(self, store: JobStore, calls: StoreCalls) -> None:
        self.store = store
        self.calls = calls

    async def events_after(self, job_id: int, counter: int) -> list[Event]:
        """Up to `OUTPUT_EVENTS` events after a counter."""
        return await self.calls(self._read_events, job_id, counter)

    def _read_events(self, job_id: int, counter: int) -> list[Event]:
        found: list[Event] = []
        for line in self.store.event_lines(job_id, counter):
            fields = json.loads(line)
            changed = ((fields.get("event_data") or {}).get("res") or {}).get("changed") is True
            found.append(Event(fields["counter"], fields["event"], fields.get("stdout", ""), changed))
            if len(found) >= OUTPUT_EVENTS:
                break
        return found


@asynccontextmanager
async def open_store(request: Request) -> AsyncIterator[OpenStore]:
    """The store that the request names.

    Raises:
        Failure: `InvalidConfiguration`, where it can't be opened.
    """
    options = store_options(request.params, request.environ, request.home)
    calls = StoreCalls()
    try:
        store = await calls(JobStore.open, options)
        try:
            yield OpenStore(store, calls)
        finally:
            await calls(store.close)
    finally:
        calls.close()


async def container_group_job(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Launches a job, owns it, and answers when it has ended; with `wait: false` at once."""
    launch = read_launch(request.params, Path(request.folder), check=request.check, diff=request.diff)
    connection = resolve_connection(launch.group.connection, request.environ, request.home)
    feed.step(f"connection from {connection.source}", verbosity=1)
    async with open_store(request) as opened:
        store, calls = opened.store, opened.calls
        job = NewJob(
            uuid=uuid.uuid4().hex,
            type="job",
            name=launch.name,
            wait=launch.wait,
            controller_node=request.controller_node,
            container_group=None,
            namespace=launch.namespace,
            launch=launch.to_stored(),
            connection=connection.to_stored(),
        )
        job_id = await calls(store.create, job)
        lease = await calls(store.claim, job_id, request.controller_node)
        feed.stored_after = lambda counter: opened.events_after(job_id, counter)
        feed.tell({"type": "job", "id": job_id, "name": launch.name})
        run = RunRequest(
            launch=launch,
            identity=PodIdentity(job_id, job.uuid, 1, request.controller_node),
            lease=lease,
            payload=lambda unwanted: build_payload(launch, str(job_id), unwanted=unwanted),
        )
        owner = JobOwner(run, connection, store, calls, feed)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            if launch.wait:
                loop.add_signal_handler(number, owner.cancel, f"The job process got {number.name}.")
            else:  # as with any other end of its process, the job goes on
                loop.add_signal_handler(number, owner.leave)
        finished = asyncio.Event()
        owning = asyncio.create_task(owner.own(request.environ, finished))
        if not launch.wait:
            await _answer(feed, await _result(opened, job_id, job, None))
            await owning
            return None
        watching = asyncio.create_task(_cancel_without(launcher, owner))
        try:
            trouble = await _first(owning, finished) or owner.unfinished
            await _answer(feed, await _result(opened, job_id, job, trouble))
            await owning
        finally:
            watching.cancel()
        return None


async def _result(opened: OpenStore, job_id: int, job: NewJob, trouble: Failure | None) -> Result:
    """The job's result as the store has it; where the store can't, what is in the way, and of which job."""
    if trouble is None:
        try:
            return await opened.calls(job_result, opened.store, job_id)
        except Exception as exc:
            trouble = Failure.of(exc)
    result = refusal(trouble, name=job.name, controller_node=job.controller_node)
    result["changed"] = True  # as far as can be known
    result["job"]["id"] = job_id
    return result


async def _answer(feed: LauncherFeed, result: Result) -> None:
    feed.tell({"type": "result", "result": result})
    await feed.flush()


async def _first(owning: asyncio.Task[None], finished: asyncio.Event) -> Failure | None:
    """Waits until the job has its final status; what is wrong where its owner gave up instead."""
    waiting = asyncio.create_task(finished.wait())
    await asyncio.wait((owning, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    error = owning.exception() if owning.done() else None
    return None if error is None else Failure.of(error)


async def _cancel_without(launcher: Launcher, owner: JobOwner) -> None:
    why = await launcher.gone()
    owner.cancel(f"Canceled because {why}.")


async def job_wait(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Waits for a job that another process owns, and shows its output meanwhile."""
    job_id, timeout = int(request.params["job_id"]), int(request.params["timeout"])
    deadline = time.monotonic() + timeout if timeout else None
    leaving = asyncio.create_task(launcher.gone())
    async with open_store(request) as opened:
        shown, status, warned = 0, "", False
        while not leaving.done():
            record = await opened.calls(opened.store.get, job_id)
            if record.status != status:
                status = record.status
                where = f" in pod {record.pod_name}" if record.pod_name else ""
                feed.step(f"job {job_id} ({record.name}) is {status}{where}")
            while events := await opened.events_after(job_id, shown):
                shown = events[-1].counter
                feed.output(events)
                await feed.flush()
            if record.status in FINAL:
                break
            if not warned and (words := _owner_silent(record)):
                warned = True
                feed.warning(words)
            if deadline is not None and time.monotonic() >= deadline:
                result = await opened.calls(job_result, opened.store, job_id)
                result.update(changed=False, failed=True)
                result["msg"] = (
                    f"Job {job_id} did not end within timeout ({timeout} s); it goes on. {result['msg']}"
                )
                return result
            await asyncio.sleep(LOOK_INTERVAL)
        leaving.cancel()
        result = await opened.calls(job_result, opened.store, job_id)
        result["changed"] = False
        return result


async def job_cancel(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Asks the owner of a job to cancel it, and waits until it has."""
    params = request.params
    job_id, timeout = int(params["job_id"]), int(params["timeout"])
    async with open_store(request) as opened:
        record = await opened.calls(opened.store.get, job_id)
        if record.status in FINAL:
            result = await opened.calls(job_result, opened.store, job_id)
            result.update(changed=False, failed=bool(params["fail_if_not_running"]))
            result["msg"] = f"Job {job_id} is not running. {result['msg']}"
            return result
        if request.check:
            result = await opened.calls(job_result, opened.store, job_id)
            result.update(changed=True, failed=False)
            return result
        await opened.calls(opened.store.request_cancel, job_id)
        feed.step(f"job {job_id} ({record.name}): cancel requested")
        deadline = time.monotonic() + timeout
        while record.status not in FINAL and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_INTERVAL / 2)
            record = await opened.calls(opened.store.get, job_id)
        result = await opened.calls(job_result, opened.store, job_id)
        if record.status in FINAL and record.status != "canceled":
            result.update(changed=False, failed=bool(params["fail_if_not_running"]))
            result["msg"] = f"Job {job_id} was over before the cancel reached it. {result['msg']}"
            return result
        result.update(changed=True, failed=record.status not in FINAL)
        if result["failed"]:
            how = f"Its job process on {record.controller_node} cancels it as soon as it can."
            result["msg"] = (
                f"Job {job_id} was not canceled within timeout ({timeout} s), but the request stays."
                f" {_owner_silent(record) or how} {result['msg']}"
            )
        return result


def _owner_silent(record: JobRecord) -> str:
    """What to say of a job whose process seems to be gone; empty where it is not."""
    heard = record.heartbeat
    silent = (datetime.now(timezone.utc) - heard).total_seconds() if heard is not None else 0.0
    if silent < OWNER_SILENCE:
        return ""
    words = f"Its job process on {record.controller_node} has given no sign of life for {silent:.0f} s."
    if record.pod_name:
        words += (
            f" The pod {record.pod_name} in namespace {record.namespace} ends by itself after its"
            " controller_lost_timeout, or when you delete it."
        )
    return words


async def job_info(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """What the store knows of one job, or of many."""
    params = request.params
    async with open_store(request) as opened:
        if params["job_id"] is not None:
            result = await opened.calls(job_result, opened.store, int(params["job_id"]))
            return {
                "changed": False,
                "failed": False,
                "jobs": [result["job"]],
                "stdout": result["stdout"],
                "stdout_truncated": result["stdout_truncated"],
            }
        records = await opened.calls(opened.store.list, status=params["status"], limit=params["limit"])
        return {"changed": False, "failed": False, "jobs": [job_facts(record) for record in records]}


VERBS: dict[str, Verb] = {
    "container_group_job": container_group_job,
    "job_cancel": job_cancel,
    "job_info": job_info,
    "job_wait": job_wait,
}
