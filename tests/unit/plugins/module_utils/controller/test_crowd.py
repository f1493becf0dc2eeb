# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty processes at once: one database, one key, and nothing lost."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import read_key
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller import crowd
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    event_batch,
    new_job,
    on_new_databases,
)

COUNT = 20


def together(action: str, options: StoreOptions) -> list[Any]:
    """What each of `COUNT` processes got; they are not forked from pytest, which may have threads."""
    done = subprocess.run(
        [sys.executable, crowd.__file__, action, str(COUNT), str(options.data_dir)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "JOBPODS_DATABASE_URL": options.database_url,
        },
        capture_output=True,
        text=True,
        timeout=2 * crowd.DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    assert len(found) == COUNT
    return found


def test_one_key(options: StoreOptions) -> None:
    fingerprints = together("key", options)
    assert set(fingerprints) == {read_key(options.secret_key_file, create=False).fingerprint}
    assert list(options.data_dir.iterdir()) == [options.secret_key_file]
    assert stat.S_IMODE(options.secret_key_file.stat().st_mode) == 0o600


@on_new_databases
@pytest.mark.parametrize("there", [False, True], ids=["no store yet", "store is there"])
def test_jobs_in_one_database(options: StoreOptions, there: bool) -> None:
    if there:
        JobStore.open(options).close()
    ids = together("job", options)
    assert sorted(ids) == list(range(1, COUNT + 1))
    expected = event_batch(1, crowd.BATCHES * crowd.PER_BATCH).lines.splitlines()
    store = JobStore.open(options)
    for job_id in ids:
        job = store.get(job_id)
        assert (job.status, job.event_count) == ("successful", len(expected))
        assert list(store.event_lines(job_id)) == expected
    store.close()


def test_one_owner_at_a_time(options: StoreOptions) -> None:
    store = JobStore.open(options)
    assert store.create(new_job()) == crowd.CLAIMED
    claims = together("claim", options)
    assert sorted(lease for lease, _count in claims) == list(range(1, COUNT + 1))
    job = store.get(crowd.CLAIMED)
    assert job.lease == COUNT
    assert dict(claims)[COUNT] == crowd.BATCHES, "the last one was not disturbed"
    assert job.event_count == sum(counted for _lease, counted in claims), (
        "each event was written by one owner"
    )
    assert [event["counter"] for event in store.events(job.id)] == list(range(1, job.event_count + 1))
    store.close()
