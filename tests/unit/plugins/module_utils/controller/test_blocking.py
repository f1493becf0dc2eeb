# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs wait for others to end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.blocking import (
    ActiveJob,
    ActiveJobs,
    waiting_for,
)

JOB = ActiveJob(1, "job", job_template_id=1, project_id=1, inventory_id=1)
COMMAND = ActiveJob(2, "ad_hoc_command", inventory_id=1)
PROJECT = ActiveJob(3, "project_update", project_id=1)
SOURCE = ActiveJob(4, "inventory_update", inventory_id=1, inventory_source_id=1, project_id=2)
WORKFLOW = ActiveJob(5, "workflow_job", workflow_job_template_id=1)
SLICED = ActiveJob(6, "workflow_job", job_template_id=1)
SLICE = replace(JOB, id=7, allow_simultaneous=True, parent_id=6)
OTHER_TEMPLATE = replace(JOB, id=8, job_template_id=2)


def blocker(job: ActiveJob, active: list[ActiveJob]) -> ActiveJob | None:
    return ActiveJobs(active).blocker(job)


def another(job: ActiveJob, **values: object) -> ActiveJob:
    return replace(job, id=100, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "job"),
    [
        pytest.param(JOB, another(JOB, project_id=9, inventory_id=9), id="template"),
        pytest.param(WORKFLOW, another(WORKFLOW), id="workflow template"),
        pytest.param(SLICED, another(SLICED), id="sliced: its workflow job"),
        pytest.param(SLICE, another(SLICED), id="sliced: a slice of another"),
        pytest.param(JOB, another(SLICED), id="sliced: a job of the template"),
        pytest.param(SLICED, another(JOB), id="job: slices of the template"),
        pytest.param(PROJECT, another(JOB, allow_simultaneous=True), id="job: its project's update"),
        pytest.param(SOURCE, another(JOB, allow_simultaneous=True), id="job: its inventory's update"),
        pytest.param(COMMAND, another(JOB, allow_simultaneous=True), id="job: command on its inventory"),
        pytest.param(SOURCE, another(SLICE), id="slice: its inventory's update"),
        pytest.param(COMMAND, another(COMMAND), id="command: another one"),
        pytest.param(SOURCE, another(COMMAND), id="command: its inventory's update"),
        pytest.param(PROJECT, another(PROJECT), id="project update: another one"),
        pytest.param(SOURCE, another(SOURCE), id="inventory update: of the same source"),
        pytest.param(PROJECT, another(SOURCE, project_id=1), id="inventory update: its project's update"),
    ],
)
def test_one_waits_for_the_other(other: ActiveJob, job: ActiveJob) -> None:
    assert blocker(job, [OTHER_TEMPLATE, other] if job.type == "workflow_job" else [other]) is other


@pytest.mark.parametrize(
    ("other", "job"),
    [
        pytest.param(JOB, another(JOB, allow_simultaneous=True), id="template, simultaneous"),
        pytest.param(JOB, another(JOB, job_template_id=2), id="another template"),
        pytest.param(
            replace(JOB, job_template_id=None), another(JOB, job_template_id=None), id="no template"
        ),
        pytest.param(JOB, another(COMMAND), id="command: a job on its inventory"),
        pytest.param(JOB, another(PROJECT), id="project update: a job of the project"),
        pytest.param(JOB, another(SOURCE), id="inventory update: a job on the inventory"),
        pytest.param(COMMAND, another(SOURCE), id="inventory update: a command on the inventory"),
        pytest.param(
            SOURCE, another(SOURCE, inventory_source_id=2), id="inventory update: another source of it"
        ),
        pytest.param(PROJECT, another(JOB, project_id=2), id="another project's update"),
        pytest.param(PROJECT, another(COMMAND), id="command: any project's update"),
        pytest.param(SOURCE, another(JOB, inventory_id=2), id="another inventory's update"),
        pytest.param(replace(COMMAND, inventory_id=None), another(COMMAND, inventory_id=None), id="no ids"),
        pytest.param(WORKFLOW, another(WORKFLOW, workflow_job_template_id=2), id="another workflow template"),
        pytest.param(WORKFLOW, another(JOB), id="workflow and job with the same template id"),
        pytest.param(WORKFLOW, another(WORKFLOW, allow_simultaneous=True), id="workflow, simultaneous"),
        pytest.param(SLICED, SLICE, id="slice: its workflow job"),
        pytest.param(SLICED, replace(SLICE, allow_simultaneous=False), id="child: what it belongs to"),
        pytest.param(SLICE, replace(SLICE, id=9), id="slice: another slice"),
        pytest.param(replace(PROJECT, launch_type="sync"), another(JOB), id="job: a sync of its project"),
        pytest.param(PROJECT, another(PROJECT, launch_type="sync"), id="sync: an update of the project"),
        pytest.param(JOB, JOB, id="itself"),
        pytest.param(SOURCE, another(WORKFLOW, inventory_id=1), id="workflow: its inventory's update"),
        pytest.param(replace(WORKFLOW, inventory_id=1), another(COMMAND), id="command: a workflow on it"),
    ],
)
def test_one_does_not_wait_for_the_other(other: ActiveJob, job: ActiveJob) -> None:
    assert blocker(job, [other]) is None


def test_the_first_of_several() -> None:
    assert blocker(another(JOB), [OTHER_TEMPLATE, PROJECT, JOB]) is PROJECT


def test_nobody_waits_for_what_it_belongs_to() -> None:
    outer = replace(WORKFLOW, id=20)
    inner = replace(WORKFLOW, id=21, workflow_job_template_id=2, parent_id=20)
    child = replace(WORKFLOW, id=22, parent_id=21)
    assert blocker(child, [outer, inner]) is None
    assert blocker(replace(child, parent_id=None), [outer, inner]) is outer


def test_words() -> None:
    assert waiting_for(PROJECT) == "waiting for project_update-3 to finish"
