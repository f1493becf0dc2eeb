# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb job_relaunch: launches again what a job was, with what stored objects are now."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import ObjectStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import FINAL, JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import Definition, Names
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launching import (
    caller_of,
    launch,
    launch_and_own,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import OwnedJob, OwnedJobs
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.preparation import WHOLE, Slice
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import Caller
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.updates import Updates
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.workflow_jobs import (
    Workflow,
    launch_workflow,
)

LIMIT_LENGTH = 100_000
"""Characters of hosts in one argument of a program; Linux takes 128 KiB."""
RELAUNCH = "relaunch"
PATTERN = re.compile(r"all|ungrouped|[!&~@].*|.*[*?\[\]{},\s].*", re.DOTALL)
"""What Ansible would take for more than one host, or for a file of them. The recap comes from the pod."""


async def job_relaunch(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Launches a job again, owns it, and answers when it has ended; with `wait: false` at once."""
    params = request.params
    wait = bool(params["wait"])
    async with open_store(request, feed) as opened:
        store, calls = opened.store, opened.calls
        record = await calls(store.get, int(params["job_id"]))
        asked = await calls(store.request, record.id)
        hosts = await calls(store.failed_hosts, record.id) if params["hosts"] == "failed" else None
        limit = _limit(record, hosts) if params["hosts"] == "failed" else None
        jobs = OwnedJobs(request, opened, feed)
        launching = _launch(jobs, record, asked, caller_of(request), wait=wait, limit=limit)
        await launch_and_own(jobs, launching, launcher, wait=wait)
    return None


def _limit(record: JobRecord, hosts: list[str] | None) -> str:
    """The limit that relaunches a job on its failed hosts.

    Raises:
        Failure: `InvalidConfiguration`, where there are none, or they are not known.
    """
    if record.type not in ("job", "ad_hoc_command"):
        raise _invalid(
            f"hosts: failed is for jobs and ad hoc commands, but job {record.id} is of type {record.type};"
            " give hosts: all, or the job_id of one of its jobs."
        )
    if record.status not in FINAL:
        raise _invalid(f"hosts: job {record.id} is {record.status}, so its failed hosts are not known yet.")
    if hosts is None:
        raise _invalid(
            f"hosts: job {record.id} ended {record.status} without a recap, so its failed hosts are not"
            " known; give hosts: all."
        )
    if not hosts:
        raise _invalid(f"hosts: no host of job {record.id} failed; give hosts: all to launch it again.")
    if any(PATTERN.fullmatch(host) for host in hosts):
        raise _invalid(
            f"hosts: the recap of job {record.id} counts hosts whose names are patterns; give hosts: all."
        )
    limit = ",".join(hosts)
    if len(limit) > LIMIT_LENGTH:
        raise _invalid(
            f"hosts: {len(hosts)} hosts of job {record.id} failed, too many to name; give hosts: all."
        )
    return limit


async def _launch(
    jobs: OwnedJobs, record: JobRecord, asked: dict[str, Any], now: Caller, *, wait: bool, limit: str | None
) -> OwnedJob:
    objects, calls = jobs.opened.store.objects, jobs.opened.calls
    updates = Updates(jobs)
    if "project" in asked:
        project = await calls(objects.by_id, "project", asked["project"])
        return await updates.update_project(project, asked["scm_branch"], launch_type=RELAUNCH, wait=wait)
    if "inventory_source" in asked:
        source = await calls(objects.by_id, "inventory_source", asked["inventory_source"])
        return await updates.update_inventory(source, launch_type=RELAUNCH, wait=wait)
    if "folder" not in asked:
        raise _invalid(f"job_id: job {record.id} never began, so it can't be launched again.")
    caller = replace(now, folder=Path(asked["folder"]), check=now.check or bool(asked["check"]))
    if "workflow" in asked:
        workflow = replace(Workflow.from_stored(asked["workflow"]), above=())
        return await launch_workflow(jobs, workflow, caller, launch_type=RELAUNCH, wait=wait)
    definition = Definition.from_stored(asked["definition"])
    definition = await calls(_with_groups_now, definition, objects)
    options = {**definition.options, "wait": wait}
    part = WHOLE
    columns = {}
    if limit is not None:
        options["limit"] = limit
        if record.job_slice_number:  # its hosts may be in another slice by now
            options.update(name=record.name, job_slice_count=1)
    elif record.job_slice_number:
        part = Slice(record.job_slice_number, record.job_slice_count)
        columns = {"job_slice_number": part.number, "job_slice_count": part.count}
    job = await launch(
        jobs, replace(definition, options=options), caller, launch_type=RELAUNCH, columns=columns, part=part
    )
    for note in definition.notes:
        job.feed.step(note)
    return job


def _with_groups_now(definition: Definition, objects: ObjectStore) -> Definition:
    """A definition with those groups that a launch would have now, unless they were given at the first one.

    Raises:
        Failure: `InvalidConfiguration`, where all groups that were given have been deleted.
    """
    if not definition.groups:
        return definition  # an inline one
    there = {int(shown["id"]) for shown in objects.list("container_group")}
    if definition.groups_given:
        left = tuple(number for number in definition.groups if number in there)
        if not left:
            called = ", ".join(map(repr, definition.groups_given))
            raise _invalid(
                f"instance_groups: the job was launched for container group {called}, now deleted."
            )
        return replace(definition, groups=left)
    template, organization = None, None
    with suppress(Failure):  # what has been deleted says nothing any more
        template = objects.by_id("job_template", definition.job_template or 0)
    with suppress(Failure):
        organization = objects.by_id("organization", definition.organization or 0).id
    names = Names(objects, Path(), None)
    values = template.values if template is not None else {}
    groups, notes = names.groups_or_default(values, definition.reference("inventory"), organization)
    return replace(definition, groups=groups, notes=notes)


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)


VERBS: dict[str, Verb] = {"job_relaunch": job_relaunch}
