# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores that take nothing for a while."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from ansible_collections.jobpods.controller.tests.integration.conftest import DATABASE
from ansible_collections.jobpods.controller.tests.integration.jobs.gated import (
    SITE,
    await_end_of_run,
    check_shown_once,
    check_whole,
    reach_the_gate,
    row,
)
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """The folder lies on a disk of its own for as long as the block lasts."""
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        # A job process that still has a file open there keeps the disk until its end.
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Nothing more fits on the disk of a folder."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 12))
        yield
    finally:
        ballast.unlink()


@contextmanager
def locked(controller: Controller) -> Iterator[None]:
    """Keeps everybody from writing; as far as the store knows, for longer than an owner may be silent."""
    connection: Any
    if url := controller.environ.get(DATABASE):
        connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        lock = ["BEGIN", "LOCK TABLE jobs, events IN EXCLUSIVE MODE"]
    else:
        (path,) = controller.store.glob("*.db")
        connection = sqlite3.connect(path, isolation_level=None, timeout=60)
        lock = ["BEGIN EXCLUSIVE"]
    with closing(connection):
        while True:
            connection.execute("UPDATE jobs SET heartbeat = heartbeat - 100")
            for statement in lock:
                connection.execute(statement)
            (heard,) = connection.execute("SELECT max(heartbeat) FROM jobs").fetchone()
            if heard < time.time() - 60:
                break
            connection.execute("ROLLBACK")  # its owner has come between
        yield
        connection.execute("COMMIT")


def check_goes_on_where_it_is_locked(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """Whoever looks meanwhile takes the job's process for gone, and learns that it is not."""
    launch = {**job, "project": str(controller.project(site=SITE))}
    with controller.started(launch) as running:
        running.await_text("TASK [Wait at the gate]")
        before = reach_the_gate(controller, 1)
        owners = controller.processes()
        with locked(controller):
            other = controller.elsewhere()
            look = other.verb("job_info", job_id=before.id)
            assert look["jobs"][0]["status"] == "running"
            adopters = set(controller.processes()) - set(owners)
            assert adopters
            open_gate(core, namespace, before.pod_name)
            await_end_of_run(core, namespace, before.pod_name)
        check_whole(controller, running.result())
        check_shown_once(running)
    assert row(controller, before.id).lease == before.lease
    until(lambda: not adopters & set(controller.processes()), "the adopter to see that")
    assert row(controller, before.id).lease == before.lease
