# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's row on a database that goes away while it is written."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import (
    JobRecord,
    LeaseLost,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job import owned_row
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_row import OwnedRow
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.tests.database_proxy import DatabaseProxy
from ansible_collections.jobpods.controller.tests.postgresql import PostgreSQL
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import Told


@dataclass
class Scene:
    """A job, and the way to its row."""

    proxy: DatabaseProxy
    store: JobStore
    told: Told
    job_id: int
    row: OwnedRow

    @property
    def record(self) -> JobRecord:
        return self.store.get(self.job_id)


@pytest.fixture
def proxy(postgresql: PostgreSQL) -> Iterator[DatabaseProxy]:
    with postgresql.database() as url, DatabaseProxy(url).running() as made:
        yield made


@pytest.fixture
async def scene(
    tmp_path: Path, proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    monkeypatch.setattr(owned_row, "STORE_BACKOFF", (0.02,))
    options = {"database_url": proxy.url, "data_dir": str(tmp_path / "store")}
    store = JobStore.open(store_options(options, {}, tmp_path))
    job_id = store.create(NewJob(uuid.uuid4().hex, "job", "site.yml", False, "here"))
    calls, told = StoreCalls(), Told()
    yield Scene(proxy, store, told, job_id, OwnedRow(job_id, store.claim(job_id, "me"), store, calls, told))
    calls.close()
    store.close()


async def test_end_whose_commit_got_no_answer_is_stored(scene: Scene) -> None:
    scene.proxy.swallows = True
    await scene.row.finish(status="successful")
    assert not scene.proxy.swallows
    (warning,) = scene.told.warnings
    assert "went away before it could tell" in warning
    assert scene.record.status == "successful"
    assert await scene.row.is_final()


async def test_end_of_a_job_that_another_one_has_is_not_stored(scene: Scene) -> None:
    scene.store.finish(scene.job_id, scene.store.claim(scene.job_id, "another"), status="failed")
    with pytest.raises(LeaseLost):
        await scene.row.finish(status="successful")
    assert not await scene.row.is_final()
    assert scene.record.status == "failed"
