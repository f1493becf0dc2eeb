# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real job process ends when it has nobody to tell, whatever it still has to tell."""

from __future__ import annotations

import array
import asyncio
import fcntl
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import EventBatch, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.job_process import ENTRY
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.one_job import (
    EVENTS,
    PRINT_MUCH,
    User,
    cluster,
    request_line,
)

DEADLINE = 60


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


@contextmanager
def main_process() -> Iterator[subprocess.Popen[bytes]]:
    """What stands for the main process of ansible-playbook."""
    with subprocess.Popen(["sleep", "600"]) as running:
        yield running
        running.kill()


@contextmanager
def job_process(request: Request) -> Iterator[subprocess.Popen[bytes]]:
    """A job process whose launcher asks for something, keeps its pipes open, and reads nothing."""
    with subprocess.Popen(
        [sys.executable, str(ENTRY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as made:
        assert made.stdin is not None
        made.stdin.write(request_line(request))
        made.stdin.flush()
        try:
            yield made
        finally:
            made.kill()


def unread(process: subprocess.Popen[bytes]) -> int:
    """Bytes that wait in the pipe from a process."""
    assert process.stdout is not None
    count = array.array("i", [0])
    fcntl.ioctl(process.stdout, termios.FIONREAD, count)
    return count[0]


async def until(done: Callable[[], bool]) -> None:
    async with deadline(DEADLINE):
        while not done():
            await asyncio.sleep(0.05)


async def test_watched_job_is_left_when_the_main_process_is_killed(user: User) -> None:
    store = user.open_store()
    job_id = store.create(NewJob("u" * 32, "job", "site.yml", True, "here", None, "jobs", {}, {}))
    lease = store.claim(job_id, "here")
    lines = b"".join(
        b'{"counter": %d, "event": "verbose", "stdout": "%s"}\n' % (counter, b"x" * 2000)
        for counter in range(1, EVENTS + 1)
    )
    store.add_events(job_id, lease, EventBatch(1, EVENTS, lines, 1))
    store.finish(job_id, lease, status="successful")
    store.close()
    with main_process() as main, job_process(user.asking("job_wait", main, job_id=job_id)) as process:
        await until(lambda: unread(process) > 50_000)
        assert process.poll() is None
        main.kill()
        main.wait()
        assert await asyncio.to_thread(process.wait, DEADLINE) == 0


async def test_job_is_cancelled_and_left_when_the_main_process_is_killed(
    user: User, authority: Authority
) -> None:
    async with cluster(user.folder, authority, PRINT_MUCH + "time.sleep(600)\n") as at:
        with main_process() as main, job_process(user.request(at.connection, main)) as process:

            def stored() -> int:
                job = user.job()
                return 0 if job is None else job.event_count

            await until(lambda: stored() == EVENTS and unread(process) > 50_000)
            main.kill()
            main.wait()
            assert await asyncio.to_thread(process.wait, DEADLINE) == 0
        assert not at.exists
    job = user.job()
    assert job is not None
    assert (job.status, job.pod_deleted) == ("canceled", True)
    assert job.job_explanation == f"Canceled because the main process {main.pid} of ansible-playbook ended."
