# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launches playbook jobs, their slices, and ad hoc commands, and owns them to their end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import impact
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import ObjectStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.slices import slice_count
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import Node
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import launch_name
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import job_result
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import Definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_given import (
    read_ad_hoc,
    read_definition,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.preparation import (
    WHOLE,
    Preparation,
    Slice,
    columns_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import Caller
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.workflow_run import (
    Plan,
    StartNode,
)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Those that ask a job process to end."""


async def container_group_job(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Launches a job, owns it, and answers when it has ended; with `wait: false` at once."""
    await _launch_and_own(request, feed, launcher, read_definition)
    return None


async def ad_hoc_command(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """The same for an ad hoc command."""
    await _launch_and_own(request, feed, launcher, read_ad_hoc)
    return None


async def _launch_and_own(
    request: Request,
    feed: LauncherFeed,
    launcher: Launcher,
    read: Callable[[Mapping[str, Any], ObjectStore, Path], Definition],
) -> None:
    async with open_store(request, feed) as opened:
        caller = caller_of(request)
        definition = await opened.calls(read, request.params, opened.store.objects, caller.folder)
        jobs = OwnedJobs(request, opened, feed)
        launching = _launch_and_tell(jobs, definition, caller)
        await launch_and_own(jobs, launching, launcher, wait=bool(definition.options["wait"]))


async def _launch_and_tell(jobs: OwnedJobs, definition: Definition, caller: Caller) -> OwnedJob:
    job = await launch(jobs, definition, caller)
    for note in definition.notes:
        job.feed.step(note)
    return job


def caller_of(request: Request) -> Caller:
    """Who launches, as far as it decides what a launch means."""
    return Caller(Path(request.folder), request.environ, request.home, request.check, request.diff)


async def launch(
    jobs: OwnedJobs,
    definition: Definition,
    caller: Caller,
    *,
    launch_type: str = "manual",
    columns: dict[str, Any] | None = None,
    child: bool = False,
    part: Slice = WHOLE,
) -> OwnedJob:
    """Starts what a definition says: one job, or one for each slice of it.

    Args:
        jobs: the process' jobs.
        definition: what to launch.
        caller: who launches.
        launch_type: `manual`, `relaunch` or `workflow`.
        columns: further ones of the job's row.
        child: other jobs run beside it here.
        part: the only slice to start; without it, all of them.

    Raises:
        Failure: it can't be; nothing was started.
    """
    preparation = Preparation(jobs, definition, caller)
    checked = await preparation.check()
    place, options = checked.place, definition.options
    wanted = 1 if part.number else int(options["job_slice_count"])
    hosts = None
    if wanted > 1 or await preparation.counts_hosts():
        hosts = len(await preparation.hosts())
        if part.number:
            hosts = len(range(part.number - 1, hosts, part.count))
    name = launch_name(options.get("name"), options["playbook"]) if place is None else place.launch.name
    order = Order(
        "ad_hoc_command" if options.get("module_name") else "job",
        name,
        {"definition": definition.to_stored(), "folder": str(caller.folder), "check": caller.check},
        columns_of(
            replace(definition, groups=checked.groups),
            impact(hosts, int(options["forks"])),
            launch_type=launch_type,
            **(columns or {}),
        ),
        bool(options["wait"]),
        caller.to_stored(),
    )
    count = slice_count(wanted, hosts or 0, prompted=definition.slices_prompted) if wanted > 1 else 1
    share = hosts if hosts is None or count < 2 else -(-hosts // count)
    await preparation.check_size(impact(share, int(options["forks"])))
    if count > 1:
        plan = plan_slices(jobs, preparation, order, count, hosts or 0)
        job = await plan.start(jobs, child=child)
    else:
        if part.number:
            order = replace(order, name=_slice_name(name, part))
        job = await jobs.start(order, partial(preparation.prepare, part=part), child=child)
    for why in checked.passed_over:
        job.feed.warning(why)
    return job


def plan_slices(jobs: OwnedJobs, preparation: Preparation, order: Order, count: int, hosts: int) -> Plan:
    """A job for each slice, within a workflow job, as AWX does."""
    forks = int(order.request["definition"]["options"]["forks"])

    def start_slice(parent: OwnedJob) -> StartNode:
        async def start(identifier: str, artifacts: dict[str, Any]) -> OwnedJob:
            number = int(identifier)
            columns = {
                **order.columns,
                "launch_type": "workflow",
                "parent_id": parent.id,
                "workflow_node": identifier,
                "job_slice_number": number,
                "job_slice_count": count,
                "task_impact": impact(len(range(number - 1, hosts, count)), forks),
                "allow_simultaneous": True,
            }
            part = Slice(number, count)
            name = _slice_name(order.name, part)
            own = Order("job", name, order.request, columns, order.wait, order.caller)
            return await jobs.start(own, partial(preparation.prepare, part=part), child=True)

        return start

    whole = Order(
        "workflow_job",
        order.name,
        order.request,
        {**order.columns, "candidates": None, "job_slice_count": count},
        order.wait,
        order.caller,
    )
    nodes = [Node(str(number)) for number in range(1, count + 1)]
    return Plan(whole, nodes, start_slice, sliced=True)


def _slice_name(name: str, part: Slice) -> str:
    """What the job of a slice is called, also where it is launched again by itself."""
    return f"{name} {part.number}/{part.count}"


async def launch_and_own(
    jobs: OwnedJobs, launching: Coroutine[Any, Any, OwnedJob], launcher: Launcher, *, wait: bool
) -> None:
    """Launches a job, and owns it as `own_to_the_end` says.

    What comes before there is a job may take long, too (an inventory is read, for example). Who ends it ends
    all that runs for it, whether the job would be attached or not.

    Args:
        jobs: the process' jobs.
        launching: makes the job.
        launcher: of the job.
        wait: the job is attached.

    Raises:
        Failure: it can't be launched, or it was cancelled before there was a job.
    """
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[str] = loop.create_future()

    def stop(why: str) -> None:
        if not stopped.done():
            stopped.set_result(why)

    def left(watch: asyncio.Task[str]) -> None:
        if not watch.cancelled():
            stop(f"Canceled because {watch.result()}.")

    on_signals(lambda number: stop(_by_signal(number)))
    limit = loop.call_later(jobs.time_left, stop, _by_limit(jobs)) if jobs.request.limit else None
    leaving = asyncio.create_task(launcher.gone())
    leaving.add_done_callback(left)
    making = asyncio.create_task(launching)
    try:
        await asyncio.wait((making, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        making.cancel()  # has no effect on what is done
        await asyncio.gather(making, return_exceptions=True)
        leaving.cancel()
        if limit is not None:
            limit.cancel()
    if making.cancelled():
        await jobs.close()
        raise Failure("Canceled", f"{stopped.result()} There was no job yet.")
    await own_to_the_end(jobs, making.result(), launcher, wait=wait)


def on_signals(act: Callable[[signal.Signals], None]) -> None:
    """Says what to do where this process is told to end."""
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, act, number)


def _by_signal(number: signal.Signals) -> str:
    return f"The job process got {number.name}."


def _by_limit(jobs: OwnedJobs) -> str:
    return f"Canceled because the task's async limit of {jobs.request.limit} s was over."


async def own_to_the_end(jobs: OwnedJobs, job: OwnedJob, launcher: Launcher, *, wait: bool) -> None:
    """Owns a job, and those that it brings, until all their pods are gone; answers when it has ended.

    Args:
        jobs: the process' jobs.
        job: the one that the answer is about.
        launcher: where it goes before the end, an attached job is cancelled.
        wait: the job is attached; else the answer comes at once.
    """
    if not wait:
        on_signals(lambda number: jobs.leave())  # as with any other end of its process, the jobs go on
    else:
        on_signals(lambda number: jobs.cancel(_by_signal(number)))
        if jobs.request.limit:
            asyncio.get_running_loop().call_later(jobs.time_left, jobs.cancel, _by_limit(jobs))
        watching = asyncio.create_task(_cancel_without(launcher, jobs))
        try:
            await job.ended()
        finally:
            watching.cancel()
    jobs.feed.tell({"type": "result", "result": await _result(jobs, job, job.trouble if wait else None)})
    await jobs.feed.flush()
    on_signals(lambda number: jobs.leave())  # what is left are pods to delete, which somebody else can do
    await jobs.close()


async def _cancel_without(launcher: Launcher, jobs: OwnedJobs) -> None:
    why = await launcher.gone()
    jobs.cancel(f"Canceled because {why}.")


async def _result(jobs: OwnedJobs, job: OwnedJob, trouble: Failure | None) -> Result:
    """The job's result as the store has it; where the store can't, what is in the way, and of which job."""
    if trouble is None:
        try:
            return await jobs.opened.calls(job_result, jobs.opened.store, job.id)
        except Exception as exc:
            trouble = Failure.of(exc)
    return jobs.refusal(job, trouble)


VERBS: dict[str, Verb] = {
    "ad_hoc_command": ad_hoc_command,
    "container_group_job": container_group_job,
    "run": container_group_job,
}
