# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller can't reach its database any more, for longer than its jobs can wait; another one can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import OWNER_SILENCE
from ansible_collections.jobpods.controller.tests.database_proxy import DatabaseProxy
from ansible_collections.jobpods.controller.tests.integration.conftest import DATABASE
from ansible_collections.jobpods.controller.tests.integration.jobs.gated import (
    SITE,
    await_end_of_run,
    check_whole,
    reach_the_gate,
    row,
)
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import GATE, GATED, open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from ansible_collections.jobpods.controller.tests.postgresql import PostgreSQL
from kubernetes import client

Options = dict[str, Any]

KNOCK: Options = {
    "name": "Knock at the gate",
    "ansible.builtin.command": f"test -e {GATE}",
    "register": "knocked",
    "until": "knocked is success",
    "retries": 900,
    "delay": 1,
}
"""In place of waiting: it prints something each second."""
PATIENCE = 900.0
"""Seconds for a controller to give up, which takes some minutes: each of its tries waits for the database."""
KNOCKING = [KNOCK if task in GATED else task for task in SITE]


@contextmanager
def two_controllers(
    folder: Path, postgresql: PostgreSQL
) -> Iterator[tuple[Controller, Controller, DatabaseProxy]]:
    """Two machines with one database, and the way of the first to it, which the test may cut."""
    with postgresql.database() as url, DatabaseProxy(url).running() as way:
        first = Controller(folder / "first", {DATABASE: way.url})
        key = {"JOBPODS_SECRET_KEY_FILE": str(first.store / "secret.key")}
        second = Controller(folder / "second", {DATABASE: url, **key})
        yield first, second, way
        for each in (first, second):
            await_end(each)


def await_end(controller: Controller) -> None:
    """Waits until nothing of a controller runs any more: it has given up, or has nothing left to do."""
    until(lambda: not controller.processes(), "the job processes to end", PATIENCE)


def launched(controller: Controller, job: Options, site: list[Options]) -> int:
    """A detached job that has come to the gate."""
    launch = {**job, "project": str(controller.project(site=site)), "wait": False}
    job_id = int(controller.verb("container_group_job", **launch)["job"]["id"])
    reach_the_gate(controller, job_id)
    return job_id


def await_silence(controller: Controller, job_id: int) -> None:
    """Waits until a job's owner may be taken for gone."""
    silence = timedelta(seconds=OWNER_SILENCE + 1)

    def silent() -> bool:
        heard = row(controller, job_id).heartbeat
        return heard is not None and datetime.now(timezone.utc) - heard > silence

    until(silent, "its owner to be silent")


def test_controller_that_alone_is_cut_off_from_the_database(
    tmp_path: Path, job: Options, core: client.CoreV1Api, namespace: str, postgresql: PostgreSQL
) -> None:
    """Another one goes on with its running job, whose pod the first one leaves alone when it gives up.

    At the same time, with another database, nobody looks after a job that ends while it can't be stored: the
    next one who does hears the end from its pod.
    """
    with (
        two_controllers(tmp_path / "running", postgresql) as (first, second, way),
        two_controllers(tmp_path / "ending", postgresql) as (only, later, only_way),
    ):
        running, ending = launched(first, job, KNOCKING), launched(only, job, SITE)
        pod, ending_pod = (row(*each).pod_name for each in ((second, running), (later, ending)))
        way.cut()
        only_way.cut()
        open_gate(core, namespace, ending_pod)
        await_end_of_run(core, namespace, ending_pod)

        await_silence(second, running)
        lease = row(second, running).lease
        assert second.verb("job_info", job_id=running)["jobs"][0]["status"] == "running"
        until(lambda: row(second, running).lease > lease, "the job to be taken over")
        for each in (first, only):
            await_end(each)

        found = {
            str(each.metadata.name) for each in core.list_namespaced_pod(namespace).items if each.metadata
        }
        assert found == {pod, ending_pod}
        open_gate(core, namespace, pod)
        for controller, job_id in ((second, running), (later, ending)):
            check_whole(controller, controller.verb("job_wait", job_id=job_id))
        assert row(second, running).lease == lease + 1
