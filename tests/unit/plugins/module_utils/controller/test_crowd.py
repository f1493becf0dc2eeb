# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many processes at once: one database, one key, and nothing lost or doubled."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    CONTROLPLANE,
    container_groups,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import read_key
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller import crowd
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    event_batch,
    new_job,
    on_new_databases,
)
from sqlalchemy import insert, select, update

COUNT = 20
TEN = 10


def together(action: str, options: StoreOptions, count: int = COUNT) -> list[Any]:
    """What each of `count` processes got; they are not forked from pytest, which may have threads."""
    done = subprocess.run(
        [sys.executable, crowd.__file__, action, str(count), str(options.data_dir)],
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
    assert len(found) == count
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


def test_never_too_many_in_a_group(options: StoreOptions) -> None:
    database = Database(options)
    add_narrow_group(database)
    found = together("place", options)
    database.close()
    assert sorted(job_id for job_id, _asked, _seen in found) == list(range(1, COUNT + 1))
    assert max(asked for _job_id, asked, _seen in found) > 1, "they were in each other's way"
    assert {seen for _job_id, _asked, seen in found} <= {1, 2}


def add_narrow_group(database: Database) -> None:
    group = {"name": crowd.GROUP, "settings": {"max_concurrent_jobs": 2}}
    database.write(lambda connection: connection.execute(insert(container_groups), group))


WATCH = """
CREATE TRIGGER watch AFTER UPDATE OF status ON jobs WHEN new.status = 'waiting' BEGIN
    SELECT RAISE(ABORT, 'too many') WHERE 2 < (SELECT count(*) FROM jobs
        WHERE status IN ('waiting', 'running') AND container_group_id = new.container_group_id);
    SELECT RAISE(ABORT, 'overtaken') WHERE 2 < (SELECT count(*) FROM jobs
        WHERE status IN ('waiting', 'running') AND container_group_id = new.container_group_id
        OR status = 'pending' AND candidates IS NOT NULL AND id < new.id);
END
"""
"""Lets the database itself refuse one too many, and one that leaves too little for those before it."""


def test_never_too_many_at_any_time_and_in_order(tmp_path: Path) -> None:
    """In one file of SQLite, whose trigger is asked about each place that is given."""
    options = store_options({"data_dir": str(tmp_path)}, {}, tmp_path)
    database = Database(options)
    add_narrow_group(database)
    database.write(lambda connection: connection.exec_driver_sql(WATCH))
    together("place", options)
    statuses = database.read(lambda connection: connection.execute(select(jobs.c.status)).scalars().all())
    assert statuses == ["successful"] * COUNT
    take = update(jobs).values(status="waiting", container_group_id=2)
    with pytest.raises(Failure, match="too many"):
        database.write(lambda connection: connection.execute(take))
    with pytest.raises(Failure, match="overtaken"):
        database.write(
            lambda connection: (
                connection.execute(update(jobs).where(jobs.c.id < 3).values(status="pending")),
                connection.execute(take.where(jobs.c.id == 3)),
            )
        )
    database.close()


@on_new_databases
@pytest.mark.parametrize("there", [False, True], ids=["no store yet", "store is there"])
def test_same_objects(options: StoreOptions, there: bool) -> None:
    if there:
        JobStore.open(options).close()
    defined = together("define", options, TEN)
    for number, (kind, wanted) in enumerate(crowd.definitions()):
        ids = {each[number][0] for each in defined}
        assert len(ids) == 1, f"one {kind} {wanted.name}"
        made = [each[number][1] for each in defined].count(True)
        changed = [each[number][2] for each in defined].count(True)
        again = (kind, wanted.name) == ("organization", "o") and number > 0
        assert (made, changed) == ((0, 1) if again else (1, 1)), f"{kind} {wanted.name}"
    store = JobStore.open(options)
    for kind, wanted in crowd.definitions():
        assert not store.objects.save(kind, wanted).changed
    for kind in KINDS:
        names = [each["name"] for each in store.objects.list(kind)]
        assert len(names) == len(set(names))
    (organization,) = store.objects.list("organization")
    assert organization["instance_groups"] == ["g", "h"]
    copied = store.objects.get("container_group", "h", "name").values
    assert copied == store.objects.get("container_group", "g", "name").values
    store.close()


def test_same_objects_that_others_remove(options: StoreOptions) -> None:
    for told in together("define and remove", options, TEN):
        for message in told:
            assert any(words in message for words in ("in use by", "there is no", "was deleted")), message
    store = JobStore.open(options)
    for kind, wanted in crowd.definitions():
        store.objects.save(kind, wanted)
    store.objects.save("organization", Wanted("o", {"instance_groups": [], "default_environment": ""}))
    for kind, wanted in crowd.definitions()[::-1]:
        if kind != "organization":
            assert store.objects.delete(kind, wanted).changed, wanted
    store.objects.delete("organization", Wanted("o"))
    assert [kind for kind in KINDS if store.objects.list(kind)] == ["container_group"]
    assert [each["name"] for each in store.objects.list("container_group")] == [CONTROLPLANE]
    store.close()


def test_keys_that_change_while_secrets_are_stored(options: StoreOptions) -> None:
    names = [name for each in together("change keys", options, TEN) for name in each]
    store = JobStore.open(options)
    assert store.warnings == ()
    for name in names:
        assert store.objects.get("credential", name, "credential").values["inputs"] == {"password": name}
    assert len(store.objects.list("credential")) == len(names)
    store.close()
