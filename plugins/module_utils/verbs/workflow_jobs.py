# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb workflow_job: launches a workflow job template, and what its nodes run when their turn comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    StoredObject,
    Values,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow_nodes import StoredNode
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import split_tags
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import STORED, stored_id
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_of_template import (
    read_node,
    read_prompts,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launching import (
    caller_of,
    launch,
    launch_and_own,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import Caller
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.updates import Updates
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.workflow_run import (
    Plan,
    StartNode,
)

JOB_TYPES = {
    "job_template": "job",
    "project": "project_update",
    "inventory_source": "inventory_update",
    "workflow_job_template": "workflow_job",
}
"""The types of the jobs that nodes have, by the kinds of what they run."""
OTHER_NAMES = {"job_tags": "tags"}
"""Prompts of nodes that a launch calls otherwise."""


async def workflow_job(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Launches a workflow, and owns it and its jobs to their end."""
    params = request.params
    wait = bool(params["wait"])
    async with open_store(request, feed) as opened:
        folder = Path(request.folder)
        objects = opened.store.objects
        template = await opened.calls(
            objects.get,
            "workflow_job_template",
            params["workflow_job_template"],
            "workflow_job_template",
            params["organization"],
        )
        given = {name: value for name, value in params.items() if value is not None}
        workflow = Workflow(template.id, await opened.calls(read_prompts, template, given, objects, folder))
        jobs = OwnedJobs(request, opened, feed)
        launching = launch_workflow(jobs, workflow, caller_of(request), wait=wait)
        await launch_and_own(jobs, launching, launcher, wait=wait)
    return None


@dataclass(frozen=True)
class Workflow:
    """A workflow that is to be launched.

    Attributes:
        template_id: the workflow job template's.
        prompts: for its nodes, by the names of a launch's options; with extra_vars.
        above: ids of the workflow job templates that it runs within.
    """

    template_id: int
    prompts: Values
    above: tuple[int, ...] = ()

    def to_stored(self) -> Values:
        """As JSON can carry it; to be sealed."""
        return {"template_id": self.template_id, "prompts": self.prompts, "above": list(self.above)}

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Workflow:
        """What `to_stored` made."""
        return cls(**{**stored, "above": tuple(stored["above"])})


async def launch_workflow(
    jobs: OwnedJobs,
    workflow: Workflow,
    caller: Caller,
    *,
    launch_type: str = "manual",
    columns: Mapping[str, Any] | None = None,
    child: bool = False,
    wait: bool = True,
) -> OwnedJob:
    """Starts a workflow job.

    Args:
        jobs: the process' jobs.
        workflow: what to launch.
        caller: who launches.
        launch_type: `manual`, `relaunch` or `workflow`.
        columns: further ones of its row.
        child: other jobs run beside it here.
        wait: its launcher waits for it.

    Raises:
        Failure: it can't be started.
    """
    plan = await plan_workflow(jobs, workflow, caller, launch_type=launch_type, columns=columns, wait=wait)
    return await plan.start(jobs, child=child)


async def plan_workflow(
    jobs: OwnedJobs,
    workflow: Workflow,
    caller: Caller,
    *,
    launch_type: str = "manual",
    columns: Mapping[str, Any] | None = None,
    wait: bool = True,
) -> Plan:
    """What a workflow job is to run; arguments and failures are those of `launch_workflow`."""
    objects, calls = jobs.opened.store.objects, jobs.opened.calls
    template = await calls(objects.by_id, "workflow_job_template", workflow.template_id)
    if template.id in workflow.above:
        raise Failure("InvalidConfiguration", f"The workflow {template.name!r} would run itself.")
    nodes: dict[str, StoredNode] = {node.identifier: node for node in template.values["workflow_nodes"]}
    if not nodes:
        raise Failure("InvalidConfiguration", f"The workflow {template.name!r} has no nodes.")
    order = Order(
        "workflow_job",
        template.name,
        {
            "workflow": workflow.to_stored(),
            "folder": str(caller.folder),
            "check": caller.check,
        },
        {
            "organization_id": template.values["organization"],
            "workflow_job_template_id": template.id,
            "inventory_id": stored_id(workflow.prompts.get("inventory")),
            "launch_type": launch_type,
            "allow_simultaneous": bool(template.values["allow_simultaneous"]),
            **(columns or {}),
        },
        wait,
        caller.to_stored(),
    )

    def start_of(parent: OwnedJob) -> StartNode:
        return _Nodes(jobs, workflow, nodes, caller, parent, wait=wait).start

    return Plan(order, [node.node for node in nodes.values()], start_of)


class _Nodes:
    """Starts the jobs of one workflow job's nodes."""

    def __init__(
        self,
        jobs: OwnedJobs,
        workflow: Workflow,
        nodes: Mapping[str, StoredNode],
        caller: Caller,
        parent: OwnedJob,
        *,
        wait: bool,
    ) -> None:
        self._jobs = jobs
        self._workflow = workflow
        self._nodes = nodes
        self._caller = caller
        self._parent = parent
        self._wait = wait
        self._calls = jobs.opened.calls
        self._objects = jobs.opened.store.objects

    async def start(self, identifier: str, artifacts: dict[str, Any]) -> OwnedJob:
        """Starts the job of a node; where it can't be, one that says so."""
        node = self._nodes[identifier]
        columns = {"parent_id": self._parent.id, "workflow_node": identifier}
        try:
            target = await self._calls(self._objects.by_id, node.runs, node.target_id)
        except Failure as failure:
            return await self._refused(JOB_TYPES[node.runs], identifier, columns, failure)
        try:
            return await self._start(node, target, artifacts, columns)
        except Failure as failure:
            columns.update(_objects_of(node.runs, target))
            return await self._refused(JOB_TYPES[node.runs], target.name, columns, failure)

    async def _start(
        self, node: StoredNode, target: StoredObject, artifacts: dict[str, Any], columns: dict[str, Any]
    ) -> OwnedJob:
        updates = Updates(self._jobs)
        if node.runs == "project":
            branch = str(target.values["scm_branch"])
            return await updates.update_project(
                target, branch, launch_type="workflow", columns=columns, wait=self._wait, child=True
            )
        if node.runs == "inventory_source":
            return await updates.update_inventory(
                target, launch_type="workflow", columns=columns, wait=self._wait, child=True
            )
        prompts = {**_prompts(node), **self._workflow.prompts}
        # The workflow's variables win over what jobs have set, and that over the node's own, as in AWX.
        extra_vars = {**node.extra_data, **artifacts, **prompts.pop("extra_vars")}
        if node.runs == "workflow_job_template":
            given = {**prompts, "extra_vars": extra_vars}
            inner = await self._calls(
                read_prompts, target, given, self._objects, self._caller.folder, of_node=True
            )
            above = (*self._workflow.above, self._workflow.template_id)
            workflow = Workflow(target.id, inner, above)
            return await launch_workflow(
                self._jobs,
                workflow,
                self._caller,
                launch_type="workflow",
                columns=columns,
                child=True,
                wait=self._wait,
            )
        definition = await self._calls(
            read_node, target.id, prompts, extra_vars, self._objects, self._caller.folder
        )
        options = {**definition.options, "wait": self._wait}
        definition = replace(definition, options=options)
        job = await launch(
            self._jobs, definition, self._caller, launch_type="workflow", columns=columns, child=True
        )
        for note in definition.notes:
            job.feed.step(note)
        return job

    async def _refused(self, job_type: str, name: str, columns: dict[str, Any], failure: Failure) -> OwnedJob:
        """A job that ends as soon as it is there, so that its failure is kept and its workflow goes on."""

        async def prepare(job: OwnedJob) -> Start:
            raise failure

        order = Order(job_type, name, {}, {**columns, "launch_type": "workflow"}, self._wait)
        return await self._jobs.start(order, prepare, child=True)


def _objects_of(kind: str, target: StoredObject) -> dict[str, Any]:
    """The columns of a job's row that say what it is from, of a job that got no further."""
    found = {f"{kind}_id": target.id}
    for option in ("organization", "project", "inventory"):
        if target.values.get(option) is not None:
            found[f"{option}_id"] = target.values[option]
    return found


def _prompts(node: StoredNode) -> Values:
    """What a node says, by the names of a launch's options."""
    prompts: Values = {OTHER_NAMES.get(name, name): value for name, value in node.prompts.items()}
    for name in ("tags", "skip_tags"):
        if name in prompts:
            prompts[name] = split_tags(prompts[name])
    for name in ("inventory", "execution_environment"):
        if getattr(node, name) is not None:
            prompts[name] = {STORED: getattr(node, name)}
    for name in ("credentials", "instance_groups"):
        if getattr(node, name):
            prompts[name] = [{STORED: number} for number in getattr(node, name)]
    return prompts


VERBS: dict[str, Verb] = {"workflow_job": workflow_job}
