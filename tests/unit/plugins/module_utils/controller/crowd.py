# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many processes that do the same at once: `crowd.py ACTION COUNT DATA_DIR` prints what each got.

`JOBPODS_DATABASE_URL` names the database.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, LeaseLost
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    container_groups,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import Pending
from ansible_collections.jobpods.controller.plugins.module_utils.controller.rotation import regenerate_key
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import read_key
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    event_batch,
    new_job,
)
from sqlalchemy import func, select, update

DEADLINE = 60.0
BATCHES = 5
PER_BATCH = 20
POLL = 0.01
GROUP = "narrow"
CLAIMED = 1
"""Id of the job that all claim; it is there before they start."""


def make_key(options: StoreOptions) -> str:
    """Makes the key; which one it got."""
    return read_key(options.secret_key_file, create=True).fingerprint


def run_job(options: StoreOptions) -> int:
    """Makes the store, adds a job and runs it to its end; the job's id."""
    store = JobStore.open(options)
    job_id = store.create(new_job())
    lease = store.claim(job_id, "me")
    for first in range(1, BATCHES * PER_BATCH, PER_BATCH):
        store.add_events(job_id, lease, event_batch(first, first + PER_BATCH - 1))
        store.heartbeat(job_id, lease)
    store.finish(job_id, lease, status="successful")
    store.close()
    return job_id


def claim(options: StoreOptions) -> tuple[int, int]:
    """Claims the one job and counts for it until somebody else has claimed it; the lease and the count."""
    store = JobStore.open(options)
    lease = store.claim(CLAIMED, "me")
    counted = 0
    try:
        while counted < BATCHES:
            first = store.get(CLAIMED).event_count + 1
            store.add_events(CLAIMED, lease, event_batch(first, first))
            counted += 1
    except LeaseLost:
        pass
    store.close()
    return lease, counted


def take_place(options: StoreOptions) -> tuple[int, int, int]:
    """Runs a job in the group that is there before they start.

    Returns:
        Its id, how often it asked for a place, and how many had one when it had got it.
    """
    store = JobStore.open(options)
    database = Database(options)
    job_id = store.create(new_job())
    group = select(container_groups.c.id).where(container_groups.c.name == GROUP)
    candidates = [database.read(lambda connection: connection.execute(group).scalar_one())]
    mine = update(jobs).where(jobs.c.id == job_id).values(candidates=candidates)
    database.write(lambda connection: connection.execute(mine))
    lease = store.claim(job_id, "me")
    asked, deadline = 1, time.monotonic() + DEADLINE
    while isinstance(store.place(job_id, lease, DEADLINE), Pending):
        if time.monotonic() > deadline:
            raise TimeoutError(f"job {job_id} got no place")
        time.sleep(POLL)
        asked += 1
    started = select(func.count()).select_from(jobs).where(jobs.c.status.in_(("waiting", "running")))
    seen = database.read(lambda connection: connection.execute(started).scalar_one())
    store.update(job_id, lease, status="running")
    time.sleep(POLL)  # so that the others find it there
    store.finish(job_id, lease, status="successful")
    database.close()
    store.close()
    return job_id, asked, seen


def definitions() -> list[tuple[str, Wanted]]:
    """Objects that need each other, in their order."""
    own = {"organization": "o"}
    return [
        ("organization", Wanted("o")),
        (
            "credential",
            Wanted("c", {**own, "credential_type": "machine", "inputs": {"password": "hunter2"}}),
        ),
        ("execution_environment", Wanted("ee", {**own, "image": "quay.io/ee"})),
        ("container_group", Wanted("g", {"execution_environment": "ee", "max_forks": 5})),
        ("container_group", Wanted("h", copy_from="g")),
        ("organization", Wanted("o", {"instance_groups": ["g", "h"], "default_environment": "ee"})),
        ("project", Wanted("p", {**own, "local_path": "/srv/p"})),
        ("inventory", Wanted("i", {**own, "instance_groups": ["h", "g"]})),
        ("inventory_source", Wanted("s", {"inventory": "i", "source_project": "p"})),
        (
            "job_template",
            Wanted("t", {**own, "project": "p", "inventory": "i", "credentials": ["c"], "forks": 3}),
        ),
        ("job_template", Wanted("u", {**own, "description": "renamed"}, new_name="v", copy_from="t")),
        ("workflow_job_template", Wanted("w", {**own, "inventory": "i"})),
    ]


def define(options: StoreOptions) -> list[tuple[int | None, bool, bool]]:
    """Defines all objects; of each its id, and whether this process made or changed it."""
    store = JobStore.open(options)
    changes = [store.objects.save(kind, wanted) for kind, wanted in definitions()]
    store.close()
    return [(change.id, not change.before, change.changed) for change in changes]


def define_and_remove(options: StoreOptions) -> list[str]:
    """Defines all objects and removes them again, some times, as others do; what it was told of them."""
    store, told = JobStore.open(options), set()
    for _turn in range(3):
        forwards = [partial(store.objects.save, kind, wanted) for kind, wanted in definitions()]
        backwards = [partial(store.objects.delete, kind, wanted) for kind, wanted in definitions()[::-1]]
        for call in (*forwards, *backwards):
            try:
                call()
            except Failure as failure:
                told.add(failure.message)
    store.close()
    return sorted(told)


def again_where_the_key_was_changed(call: Callable[[], Any]) -> Any:
    """What a call returns, once no change of the key comes in its way."""
    while True:
        try:
            return call()
        except Failure as failure:
            if "key was changed" not in failure.message:
                raise


def store_secret(options: StoreOptions, name: str) -> None:
    """Stores a credential whose password is its name."""
    store = JobStore.open(options)
    given = {"credential_type": "machine", "inputs": {"password": name}}
    try:
        store.objects.save("credential", Wanted(name, given))
    finally:
        store.close()


def change_keys(options: StoreOptions) -> list[str]:
    """Stores secrets and changes the key in turn, as others do; the names of what it has stored."""
    names = [f"{os.getpid()} {turn}" for turn in range(3)]
    for name in names:
        again_where_the_key_was_changed(partial(store_secret, options, name))
        again_where_the_key_was_changed(partial(regenerate_key, options))
    return names


ACTIONS: dict[str, Callable[[StoreOptions], Any]] = {
    "key": make_key,
    "job": run_job,
    "claim": claim,
    "place": take_place,
    "define": define,
    "define and remove": define_and_remove,
    "change keys": change_keys,
}


def _take_part(
    action: str, options: StoreOptions, start: Barrier, results: multiprocessing.SimpleQueue[Any]
) -> None:
    start.wait(DEADLINE)
    results.put(ACTIONS[action](options))


def main(action: str, count: int, folder: Path) -> list[Any]:
    """What each of the processes got."""
    fork = multiprocessing.get_context("fork")  # so that they start together, not as fast as they can import
    options = store_options({"data_dir": str(folder)}, os.environ, folder)
    start, results = fork.Barrier(count), fork.SimpleQueue()
    part = (action, options, start, results)
    crowd = [fork.Process(target=_take_part, args=part) for _member in range(count)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join(DEADLINE)
    if [process.exitcode for process in crowd] != [0] * count:
        sys.exit("some of the processes failed")
    return [results.get() for _process in crowd]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
