# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that writes the report of a job as a page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import DEPTH, job_facts
from ansible_collections.jobpods.controller.plugins.module_utils.report.digest import PodStay, ReportedJob
from ansible_collections.jobpods.controller.plugins.module_utils.report.page import Page
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.report_file import (
    ReportFile,
    permissions,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

Event = dict[str, Any]

MOST_OUTPUT = 256 << 20
"""Bytes of output that a page may have: more than any browser shows with pleasure."""


async def job_report(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Writes the report of a job; leaves the file as it is where its launcher is gone before the end."""
    params = request.params
    job_id, max_output = int(params["job_id"]), int(params["max_output_size"])
    if max_output > MOST_OUTPUT:
        raise Failure(
            "InvalidConfiguration", f"max_output_size is {max_output} bytes; it must be at most 256M."
        )
    file = ReportFile.at(request.folder, params["dest"], job_id, permissions(params["mode"]))
    leaving = asyncio.create_task(launcher.gone())
    try:
        async with open_store(request, feed) as opened:
            store = opened.store
            job = await opened.calls(_reported, store, await opened.calls(store.get, job_id))
            page = Page(job, lambda number: _until(store.events(number), leaving.done), max_output)
            changed = await opened.calls(file.write, page.pieces(), dry_run=request.check)
    finally:
        leaving.cancel()
    return {
        "changed": changed,
        "failed": False,
        "msg": _sentence(job, file, page, changed, request.check),
        "dest": str(file.path),
        "size": file.size,
        "jobs": page.jobs,
        "left_out": vars(page.left_out),
    }


def _until(events: Iterator[Event], gone: Callable[[], bool]) -> Iterator[Event]:
    """The events, as long as somebody waits for what is made of them."""
    for event in events:
        if gone():
            raise Failure("Canceled", "The task that wanted the report has ended.")
        yield event


def _sentence(job: ReportedJob, file: ReportFile, page: Page, changed: bool, check: bool) -> str:
    name = plain_text(f"job {job.id} ({job.facts['name']})")
    if not changed:
        return f"The report of {name} is in {file.path} already."
    more = f" It leaves out {page.left_out}." if str(page.left_out) else ""
    return f"The report of {name} {'would be' if check else 'was'} written to {file.path}.{more}"


def _reported(store: JobStore, record: JobRecord, depth: int = DEPTH) -> ReportedJob:
    """A job with its slices, or the jobs of its nodes, and those within them."""
    children: list[ReportedJob] = []
    if record.type == "workflow_job" and depth:
        children = [_reported(store, child, depth - 1) for child in store.children(record.id)]
    return ReportedJob(job_facts(record), list(_stays(record)), children)


def _stays(record: JobRecord) -> Iterator[PodStay]:
    since = record.created.timestamp()
    for lost in record.attempts:
        until = lost["finished"] or since
        yield PodStay(
            pod_name=lost["pod_name"],
            node=lost["execution_node"],
            since=since,
            started=lost["started"],
            until=until,
            status="lost",
            message=plain_text(lost["message"]),
        )
        since = until
    yield PodStay(
        pod_name=record.pod_name,
        node=record.execution_node,
        since=since,
        started=_seconds(record.started),
        until=max(since, _seconds(record.finished) or time.time()),
        status=record.status,
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


VERBS: dict[str, Verb] = {"job_report": job_report}
