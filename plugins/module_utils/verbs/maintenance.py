# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs that look after the store: old jobs are deleted, the secret key is changed."""

from __future__ import annotations

import asyncio
import time

from ansible_collections.jobpods.controller.plugins.module_utils.controller.cleanup import (
    DAY,
    Cleaned,
    JobCleanup,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.rotation import regenerate_key
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import Revisions
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import project_folders
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

MAX_DAYS = 36500
PROJECT_UPDATE = "project_update"


async def cleanup_jobs(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Deletes jobs that ended long ago; stops between two of its steps where its launcher is gone."""
    params = request.params
    days = int(params["days"])
    if not 0 <= days <= MAX_DAYS:
        raise Failure("InvalidConfiguration", f"days is {days}; it must be from 0 to {MAX_DAYS}.")
    leaving = asyncio.create_task(launcher.gone())
    calls = StoreCalls()
    try:
        cleanup = await calls(
            JobCleanup, _places(request), days=days, types=params["job_types"], dry_run=request.check
        )
        try:
            while not leaving.done() and await calls(cleanup.step):
                feed.step(_counted(cleanup.cleaned, request.check), verbosity=1)
            projects = 0
            if PROJECT_UPDATE in params["job_types"] and not leaving.done():
                projects = await calls(_remove_projects, cleanup, _places(request), days, request.check)
        finally:
            await calls(cleanup.close)
    finally:
        leaving.cancel()
        calls.close()
    cleaned = cleanup.cleaned
    for warning in cleaned.warnings:
        feed.warning(warning)
    return {
        "changed": bool(cleaned.jobs or projects),
        "failed": False,
        "msg": _counted(cleaned, request.check),
        "deleted": cleaned.jobs,
        "events": cleaned.events,
        "folders": cleaned.folders,
        "kept": cleaned.kept,
        "project_folders": projects,
    }


def _remove_projects(cleanup: JobCleanup, options: StoreOptions, days: int, dry_run: bool) -> int:
    """Removes the folders of projects that were deleted, and that nobody uses; how many.

    They are left where they were still read when the project was deleted, or where another controller did
    that. One that was used lately is kept: another store with this `data_dir` may have a project with its
    number.
    """
    folders = project_folders(options.data_dir)  # first: what is made meanwhile has its project
    removed = 0
    for number in sorted(cleanup.without_project(folders)):
        revisions = Revisions(folders[number])
        if revisions.last_used > time.time() - days * DAY:
            continue
        try:
            removed += dry_run or revisions.remove()
        except OSError as exc:
            cleanup.cleaned.warnings.append(f"{folders[number]} can't be removed: {exc.strerror}")
    return removed


async def regenerate_secret_key(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Makes a new secret key, and seals everything in the store with it."""
    calls = StoreCalls()
    try:
        made = await calls(regenerate_key, _places(request), dry_run=request.check)
    finally:
        calls.close()
    for warning in made.warnings:
        feed.warning(warning)
    total = sum(made.resealed.values())
    return {
        "changed": True,
        "failed": False,
        "msg": f"{_several(total, 'value')} {_done(total, request.check)} sealed with a new key.",
        "secret_key_file": str(made.file),
        "former_secret_key_file": str(made.former_file),
        "resealed": made.resealed,
    }


def _places(request: Request) -> StoreOptions:
    return store_options(request.params, request.environ, request.home)


def _counted(cleaned: Cleaned, check: bool) -> str:
    total = sum(cleaned.jobs.values())
    kept = f" {_several(cleaned.kept, 'job')} of that age {_done(cleaned.kept, check)} kept."
    return f"{_several(total, 'job')} {_done(total, check)} deleted.{kept if cleaned.kept else ''}"


def _several(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _done(count: int, check: bool) -> str:
    return "would be" if check else ("was" if count == 1 else "were")


VERBS: dict[str, Verb] = {
    "cleanup_jobs": cleanup_jobs,
    "regenerate_secret_key": regenerate_secret_key,
}
