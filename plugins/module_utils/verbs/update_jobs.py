# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs project_update and inventory_update."""

from __future__ import annotations

from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    StoredObject,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launching import launch_and_own
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import OwnedJobs
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.updates import Updates
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher


async def project_update(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Updates a project, whether that is due or not."""
    params = request.params
    async with open_store(request, feed) as opened:
        objects = opened.store.objects
        project = await opened.calls(
            objects.get, "project", params["project"], "project", params["organization"]
        )
        jobs = OwnedJobs(request, opened, feed)
        branch = str(project.values["scm_branch"])
        wait = bool(params["wait"])
        launching = Updates(jobs).update_project(project, branch, wait=wait)
        await launch_and_own(jobs, launching, launcher, wait=wait)
    return None


async def inventory_update(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Updates an inventory source, whether that is due or not."""
    params = request.params
    async with open_store(request, feed) as opened:
        source = await opened.calls(
            _source,
            opened.store.objects,
            params["inventory_source"],
            params["inventory"],
            params["organization"],
        )
        jobs = OwnedJobs(request, opened, feed)
        wait = bool(params["wait"])
        await launch_and_own(jobs, Updates(jobs).update_inventory(source, wait=wait), launcher, wait=wait)
    return None


def _source(
    objects: ObjectStore, called: str, inventory: str | None, organization: str | None
) -> StoredObject:
    """The inventory source of a name or id; its name need only be unique within its inventory."""
    if organization is not None:
        objects.get("organization", organization, "organization")
    if inventory is None:
        return objects.get("inventory_source", called, "inventory_source")
    owner = objects.get("inventory", inventory, "inventory", organization)
    listed = objects.list("inventory_source", inventory=owner.id)
    found = [shown for shown in listed if called in (shown["name"], str(shown["id"]))]
    if not found:
        names = ", ".join(str(shown["name"]) for shown in listed) or "none"
        raise Failure(
            "InvalidConfiguration",
            f"inventory_source {called!r} is no source of inventory {owner.name!r}; it has {names}.",
        )
    return objects.by_id("inventory_source", int(found[0]["id"]))


VERBS: dict[str, Verb] = {"inventory_update": inventory_update, "project_update": project_update}
