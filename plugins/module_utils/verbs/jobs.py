# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the job process: what each module does, once Ansible is out of the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import MAX_SECONDS
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import (
    FINAL,
    job_facts,
    job_result,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.followed import FollowedFamily
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore, open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import OWNER_SILENCE
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

if TYPE_CHECKING:
    from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord

LOOK_INTERVAL = 0.5
"""Seconds between two looks at the store while waiting for another process' job."""
ORPHANS_INTERVAL = 5.0
"""Seconds between two looks for jobs that have lost their process."""
LONG_SILENCE = 2 * OWNER_SILENCE
"""Seconds without a heartbeat after which to say so: nobody could take the job over."""


async def job_wait(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Waits for a job that another process owns, and shows its output meanwhile."""
    job_id = int(request.params["job_id"])
    patience = Patience(_timeout(request) or None, request.limit)
    leaving = asyncio.create_task(launcher.gone())
    async with open_store(request, feed) as opened:
        family = FollowedFamily(opened, feed, job_id)
        told = family.tell(await opened.calls(opened.store.get, job_id))
        warned = False
        orphans_at = time.monotonic() + ORPHANS_INTERVAL
        while not leaving.done():
            record = await family.look()
            if record.status in FINAL:
                break
            if time.monotonic() >= orphans_at:
                orphans_at = time.monotonic() + ORPHANS_INTERVAL
                await opened.see_to_orphans(request)
            if not warned and (words := _owner_silent(record)):
                warned = True
                told.warning(words)
            if patience.over:
                result = await opened.calls(job_result, opened.store, job_id)
                result.update(changed=False, failed=True)
                result["msg"] = f"Job {job_id} did not end within {patience}; it goes on. {result['msg']}"
                return result
            await asyncio.sleep(LOOK_INTERVAL)
        leaving.cancel()
        result = await opened.calls(job_result, opened.store, job_id)
        result["changed"] = False
        return result


async def job_cancel(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Asks the owner of a job to cancel it, and waits until it has."""
    job_id = int(request.params["job_id"])
    patience = Patience(_timeout(request), request.limit)
    async with open_store(request, feed) as opened:
        record = await opened.calls(opened.store.get, job_id)
        who = f"Job {job_id} ({record.name})"
        told = feed.job(job_id, record.name)
        if record.status in FINAL:
            result = await opened.calls(job_result, opened.store, job_id)
            result.update(changed=False, failed=bool(request.params["fail_if_not_running"]))
            result["msg"] = f"{who} is not running. {result['msg']}"
            return result
        if request.check:
            result = await opened.calls(job_result, opened.store, job_id)
            result.update(changed=True, failed=False, msg=f"{who} is {record.status}, and would be canceled.")
            return result
        await opened.calls(opened.store.request_cancel, job_id)
        told.step("cancel requested")
        orphans_at = time.monotonic() + ORPHANS_INTERVAL
        while True:
            over = patience.over
            record = await opened.calls(opened.store.get, job_id)
            left = await _pods_left(opened, record) if record.status == "canceled" else []
            if over or (record.status in FINAL and not left):
                break
            if time.monotonic() >= orphans_at:
                orphans_at = time.monotonic() + ORPHANS_INTERVAL
                await opened.see_to_orphans(request)
            await asyncio.sleep(LOOK_INTERVAL / 2)
        result = await opened.calls(job_result, opened.store, job_id)
        if record.status in FINAL and record.status != "canceled":
            result.update(changed=False, failed=bool(request.params["fail_if_not_running"]))
            result["msg"] = f"Job {job_id} was over before the cancel reached it. {result['msg']}"
            return result
        result.update(changed=True, failed=record.status not in FINAL)
        if left:
            result["msg"] += f" {plain_text(await _why_left(opened, left))}"
        if result["failed"]:
            how = f"Its job process on {record.controller_node} cancels it as soon as it can."
            result["msg"] = (
                f"Job {job_id} was not canceled within {patience}, but the request stays."
                f" {_owner_silent(record) or how} {result['msg']}"
            )
        return result


def _timeout(request: Request) -> int:
    seconds = int(request.params["timeout"])
    if not 0 <= seconds <= MAX_SECONDS:
        raise Failure(
            "InvalidConfiguration", f"timeout is {seconds}; it must be from 0 to {MAX_SECONDS} (seconds)."
        )
    return seconds


async def _pods_left(opened: OpenStore, record: JobRecord) -> list[JobRecord]:
    """Of a job that has ended, and those that belong to it, the ones whose pods are neither gone nor kept."""
    found: list[JobRecord] = []
    todo = [record]
    while todo:
        each = todo.pop()
        if not each.pod_deleted and each.keep_pod_until is None:
            found.append(each)
        if each.type == "workflow_job":
            todo += await opened.calls(opened.store.children, each.id)
    return found


async def _why_left(opened: OpenStore, left: Sequence[JobRecord]) -> str:
    """What to say of pods that are still there."""
    # Here, since no other verb of this file needs what reaches a cluster.
    from ansible_collections.jobpods.controller.plugins.module_utils.verbs.left_pods import why_there

    first = left[0]
    why = await why_there(opened, first)
    others = f", and {len(left) - 1} others," if len(left) > 1 else ""
    return (
        f"The pod {first.pod_name} in namespace {first.namespace}{others} could not be deleted yet. {why} The"
        f" deletion is tried again: by the job process on {first.controller_node}, and where that is gone, by"
        " later calls of this collection."
    )


class Patience:
    """How long a verb waits for another process' job: its own `timeout`, or its task's `async`."""

    def __init__(self, timeout: int | None, limit: int) -> None:
        """Starts to wait.

        Args:
            timeout: seconds; None is no limit.
            limit: of the task's `async`; 0 is none.
        """
        seconds, self._name = timeout, "timeout"
        if limit and (timeout is None or limit < timeout):
            seconds, self._name = limit, "the task's async limit"
        self._seconds = seconds
        self._deadline = None if seconds is None else time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether it has waited long enough."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def __str__(self) -> str:
        return f"{self._name} ({self._seconds} s)"


def _owner_silent(record: JobRecord) -> str:
    """What to say of a job whose process seems to be gone; empty where it is not."""
    heard = record.heartbeat
    silent = (datetime.now(timezone.utc) - heard).total_seconds() if heard is not None else 0.0
    if silent < LONG_SILENCE:
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
    async with open_store(request, feed) as opened:
        if params["job_id"] is not None:
            job_id = int(params["job_id"])
            result = await opened.calls(job_result, opened.store, job_id)
            task = ""
            if result["job"]["status"] == "running":
                task = plain_text(await opened.calls(opened.store.current_task, job_id))
            return {
                "changed": False,
                "failed": False,
                "jobs": [{**result["job"], "current_task": task}],
                "stdout": result["stdout"],
                "stdout_truncated": result["stdout_truncated"],
            }
        records = await opened.calls(opened.store.list, status=params["status"], limit=params["limit"])
        return {"changed": False, "failed": False, "jobs": [job_facts(record) for record in records]}


VERBS: dict[str, Verb] = {
    "job_cancel": job_cancel,
    "job_info": job_info,
    "job_wait": job_wait,
}
