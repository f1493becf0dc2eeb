# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of stored objects: all kinds are made, changed, deleted and listed in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    Change,
    Check,
    ObjectStore,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import Revisions
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import project_folder
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_arguments import (
    OBJECT_ARGUMENTS,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_checks import (
    check_values,
    read_given,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore, open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

Trying = Callable[[Request, OpenStore, Wanted, Check], Awaitable["str | None"]]
"""Tries an object where it will be used, before it is saved; returns why that can't be done."""

SHOWN_OF_JOBS = ("id", "name", "type", "status", "pod_name", "controller_node")
"""What a container group shows of each job that runs in it."""


async def save_object(
    request: Request, feed: LauncherFeed, launcher: Launcher, *, kind: str, trying: Trying | None = None
) -> Result | None:
    """Makes, changes or deletes one object.

    Args:
        request: what is asked for.
        feed: told what is doubtful.
        launcher: is not needed.
        kind: the object's.
        trying: tries it first, also in check mode.
    """
    params = request.params
    wanted = Wanted(
        name=str(params["name"]),
        given=read_given(kind, params, Path(request.folder)),
        new_name=params.get("new_name"),
        copy_from=params.get("copy_from"),
        nodes=params.get("workflow_nodes"),
        destroy_nodes=bool(params.get("destroy_current_nodes")),
        organization=None if "organization" in KINDS[kind].options else params.get("organization"),
    )
    async with open_store(request, feed) as opened:
        objects = opened.store.objects
        if params["state"] == "absent":
            change = await opened.calls(objects.delete, kind, wanted, dry_run=request.check)
            if kind == "project" and change.before and not request.check:
                folder = project_folder(opened.options.data_dir, change.before["id"])
                await asyncio.to_thread(_remove_files, folder, change.name, feed)
        else:
            check = partial(check_values, kind)
            why_not = await trying(request, opened, wanted, check) if trying is not None else None
            change = await opened.calls(objects.save, kind, wanted, check=check, dry_run=request.check)
            if why_not:
                saved = "would be" if request.check else "is"
                who = f"{KINDS[kind].words} {change.name!r}"
                feed.warning(f"{who} {saved} saved, but can't be tried on its cluster: {why_not}")
    return _result(kind, change, request)


def _remove_files(folder: Path, name: str, feed: LauncherFeed) -> None:
    """Removes what updates of a project have brought, now that it is deleted."""
    try:
        removed = Revisions(folder).remove()
    except OSError as exc:
        feed.warning(f"the folder of project {name!r}, {folder}, can't be removed: {exc.strerror}")
        return
    if not removed:
        feed.step(f"{folder} is still in use; cleanup_jobs removes it later")


def _result(kind: str, change: Change, request: Request) -> Result:
    result: Result = {
        "changed": change.changed,
        "failed": False,
        "msg": _sentence(KINDS[kind].words, change, request.check),
        "id": change.id,
        "name": change.name,
        "object": change.after,
    }
    if request.check and not change.before:
        result["id"] = result["object"]["id"] = None  # the number that it would get is not known
    if request.diff:
        result["diff"] = {"before": change.before, "after": marked(change)}
    return result


def marked(change: Change) -> dict[str, Any]:
    """The object after the change, so that a secret's change is seen: both of its values look the same."""
    same = [
        option
        for option in change.options
        if change.before and option in change.after and change.before.get(option) == change.after[option]
    ]
    return {**change.after, **{option: "VALUE CHANGED" for option in same}}


def _sentence(words: str, change: Change, check: bool) -> str:
    """One sentence that tells what was, or in check mode would be, done."""
    was = "would be" if check else "was"
    who = f"{words[0].upper()}{words[1:]} {change.name!r}"
    if not change.changed:
        return f"{who} {'is as it should be' if change.after else 'is not there'}."
    if not change.before:
        return f"{who} {was} created."
    if not change.after:
        return f"{who} {was} deleted."
    return f"{who} {was} changed: {', '.join(change.options)}."


async def object_info(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Lists objects of one kind."""
    params = request.params
    kind = KINDS[params["kind"]]
    filters = dict(params["filters"])
    for name in ("name", "organization"):
        if params[name] is not None:
            filters[name] = params[name]
    if params["organization"] is not None and "organization" not in kind.options:
        raise Failure(
            "InvalidConfiguration", f"organization is given, but a {kind.words} has none; leave it out."
        )
    searchable = {"name", *kind.options} - kind.sealed
    unknown = sorted(set(filters) - searchable)
    if unknown:
        known = ", ".join(sorted(searchable))
        raise Failure(
            "InvalidConfiguration",
            f"filters: {kind.name} has no {unknown[0]!r} to search for; it has {known}.",
        )
    async with open_store(request, feed) as opened:
        found = await opened.calls(_list, opened.store.objects, kind.name, filters)
        if kind.name == "container_group":
            for shown in found:
                shown.update(await opened.calls(_jobs_in, opened.store, int(shown["id"])))
    return {"changed": False, "failed": False, "objects": found}


def _list(objects: ObjectStore, kind: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
    return objects.list(kind, **filters)


def _jobs_in(store: JobStore, group_id: int) -> dict[str, Any]:
    """What a container group shows of the jobs that run in it, as AWX's instance groups do."""
    running = [
        record
        for status in ("waiting", "running")
        for record in store.list(status=status, container_group_id=group_id)
    ]
    return {
        "jobs_running": len(running),
        "consumed_forks": sum(record.task_impact for record in running),
        "jobs": [
            {name: getattr(record, name) for name in SHOWN_OF_JOBS}
            for record in sorted(running, key=lambda record: record.id)
        ],
        "controller_nodes": sorted({record.controller_node for record in running}),
    }


VERBS: dict[str, Verb] = {
    "object_info": object_info,
    **{kind: partial(save_object, kind=kind) for kind in OBJECT_ARGUMENTS if kind != "container_group"},
}
