# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store takes nothing in the middle of a job, for a while, and for longer than the job can wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.conftest import DATABASE, job_pods
from ansible_collections.jobpods.controller.tests.integration.jobs.gated import BEFORE, SITE, reach_the_gate
from ansible_collections.jobpods.controller.tests.integration.jobs.store_faults import (
    check_goes_on_where_it_is_locked,
    full,
    small_disk,
)
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from ansible_collections.jobpods.controller.tests.postgresql import PostgreSQL
from kubernetes import client

Options = dict[str, Any]


def test_file_that_is_locked_for_a_while(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    check_goes_on_where_it_is_locked(controller, job, core, namespace)


def test_table_that_is_locked_for_a_while(
    tmp_path: Path, job: Options, core: client.CoreV1Api, namespace: str, postgresql: PostgreSQL
) -> None:
    with postgresql.database() as url:
        controller = Controller(tmp_path, {DATABASE: url})
        check_goes_on_where_it_is_locked(controller, job, core, namespace)


def test_disk_that_stays_full(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """The job is given up, with the store's own words; they are in its row as soon as there is room."""
    launch = {**job, "project": str(controller.project(site=SITE))}
    with small_disk(controller.store), controller.started(launch) as running:
        running.await_text("TASK [Wait at the gate]")
        pod = reach_the_gate(controller, 1).pod_name
        with full(controller.store):
            open_gate(core, namespace, pod)
            running.await_text("the job's end can't be stored now")
        result = running.result()
        facts, failure = result["job"], result["job"]["failure"]
        assert (facts["status"], failure["reason"]) == ("error", "InvalidConfiguration"), result
        assert "database or disk is full" in failure["message"]
        assert "longer than 60 s" in failure["message"]
        assert f"{BEFORE} three" in result["stdout"]
        assert not job_pods(core, namespace)
