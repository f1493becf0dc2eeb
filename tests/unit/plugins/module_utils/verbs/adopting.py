# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs whose process is gone at some point of their life, and who goes on with them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.job import conversation, run
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import adoption
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_given import read_definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launching import caller_of, launch
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import OwnedJob, OwnedJobs
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.store_arguments import STORE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    LittleCluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.one_job import cluster
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import Message
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    Stock,
    no_waits,
    until,
)

GONE = "another-host boot pid:[1] 1 1"
"""An owner that is not on this machine, so that only its silence tells that it is gone."""
FINISH = """
event(recap, 'playbook_on_stats', 'RECAP', ok={'a': 1}, artifact_data={'x': 1})
say(status='successful')
say(eof=True)
"""


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes out what a test would only wait for."""
    no_waits(monkeypatch)
    monkeypatch.setattr(conversation, "BACKOFF", (0.01,))
    monkeypatch.setattr(run, "EARLY_ATTACHES", (0.0,))
    monkeypatch.setattr(adoption, "OWNER_MOMENT", 0.1)


class Scene:
    """A user with a store, and a cluster with one pod in which a playbook waits at a gate.

    Attributes:
        stock: the user's.
        at: the cluster.
    """

    def __init__(self, stock: Stock, at: LittleCluster) -> None:
        self.stock, self.at = stock, at
        self.store = stock.store

    def open_gate(self) -> None:
        """Lets the playbook go on."""
        (self.stock.folder / "gate").touch()

    def options(self, **options: Any) -> dict[str, Any]:
        """Those of a detached job in the cluster."""
        connection = self.at.connection
        group = {
            "host": connection.host,
            "api_key": connection.token,
            "ssl_ca_cert": connection.ca_text,
            "namespace": "jobs",
        }
        given = {"project": "project", "playbook": "site.yml", "inventory": "a,", "cancel_grace": 1}
        return {"container_group": group, **given, "wait": False, **options}

    async def launch(self, jobs: OwnedJobs, **options: Any) -> OwnedJob:
        """Launches a job in a process."""
        request = self.stock.request("container_group_job", **self.options(**options))
        definition = await jobs.opened.calls(
            read_definition, request.params, jobs.opened.store.objects, self.stock.folder
        )
        return await launch(jobs, definition, caller_of(request))

    async def left(self, reached: Callable[[], bool], **options: Any) -> JobRecord:
        """A job whose process is gone since something was so."""
        async with self.stock.jobs() as jobs:
            job = await self.launch(jobs, **options)
            await until(reached)
            jobs.leave()
            await jobs.close()
        return self.found(job.id)

    def found(self, job_id: int, **columns: Any) -> JobRecord:
        """A job after a long time of silence; `columns` are as they were before its owner's last writes."""
        change(self.stock.folder, job_id, owner=GONE, heartbeat=1.0, **columns)
        return self.record(job_id)

    def record(self, job_id: int = 1) -> JobRecord:
        return self.store.get(job_id)

    def asking(self, verb: str, **params: Any) -> Request:
        """A request for one of the verbs that no module has."""
        asked = self.stock.request("job_info")
        place = {name: asked.params.get(name) for name in STORE}
        return replace(asked, verb=verb, params={**place, **params})

    async def adopt(self) -> list[Message]:
        """Has a process see to what is left, to the end of it; returns what it told nobody."""
        _nothing, messages = await self.stock.answered(self.asking("adopt_jobs"))
        return messages

    async def resume(self, job_id: int = 1, **shown: int) -> tuple[dict[str, Any], list[Message]]:
        """What a launcher gets that goes on with its job; it has seen the output of jobs up to an event."""
        seen = {name.removeprefix("job_"): counter for name, counter in shown.items()}
        return await self.stock.answered(self.asking("adopt_job", job_id=job_id, shown=seen))

    def counters(self, job_id: int = 1) -> list[int]:
        """The numbers of a job's events, as the store has them."""
        return [event["counter"] for event in self.store.events(job_id)]


def change(folder: Path, job_id: int, **columns: Any) -> None:
    """Changes a job's row behind everybody's back."""
    names = ", ".join(f"{name} = ?" for name in columns)
    (path,) = (folder / "store").glob("*.db")
    database = sqlite3.connect(path, timeout=30)
    with database:
        database.execute(f"update jobs set {names} where id = ?", (*columns.values(), job_id))  # noqa: S608
    database.close()


@asynccontextmanager
async def left_behind(
    folder: Path, authority: Authority, begin: str = "", recap: int = 2
) -> AsyncIterator[Scene]:
    """A user, and a cluster.

    Args:
        folder: the user's.
        authority: of the cluster.
        begin: what a playbook does after its first event, and before the gate.
        recap: the counter of its last event.
    """
    gate = f"while not os.path.exists({str(folder / 'gate')!r}): time.sleep(0.02)\n"
    stock = Stock(folder)
    try:
        async with cluster(folder, authority, f"{begin}{gate}recap = {recap}{FINISH}") as at:
            yield Scene(stock, at)
    finally:
        stock.store.close()
