# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing lives on when ansible-playbook is killed, also where it has stopped to show what it is told."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils import failures
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options

DEADLINE = 60
EVENTS = 1000
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - jobpods.controller.job_wait: {job_id: 1}
"""


def finished_job(folder: Path) -> None:
    """Makes a store with a job that printed more than all pipes on the way to a terminal have room for."""
    store = JobStore.open(store_options({"data_dir": str(folder)}, {}, folder))
    job_id = store.create(NewJob("u" * 32, "job", "site.yml", True, "here", None, "jobs", {}, {}))
    lease = store.claim(job_id, "here")
    lines = b"".join(
        json.dumps({"counter": counter, "event": "verbose", "stdout": "x" * 2000}).encode() + b"\n"
        for counter in range(1, EVENTS + 1)
    )
    store.add_events(job_id, lease, EventBatch(1, EVENTS, lines, 1))
    store.finish(job_id, lease, status="successful")
    store.close()


def users_of(folder: Path) -> list[int]:
    """The processes that use this store."""
    own, found = f"JOBPODS_DATA_DIR={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if own in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


def unread(process: subprocess.Popen[bytes]) -> int:
    """Bytes that wait in the pipe from a process."""
    assert process.stdout is not None
    count = array.array("i", [0])
    fcntl.ioctl(process.stdout, termios.FIONREAD, count)
    return count[0]


def until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def test_worker_ends_with_the_main_process_that_does_not_take_its_words(tmp_path: Path) -> None:
    finished_job(tmp_path / "store")
    (tmp_path / "play.yml").write_text(PLAY)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(Path(failures.__file__).parents[5]),
        "JOBPODS_DATA_DIR": str(tmp_path / "store"),
    }
    with subprocess.Popen(
        ["ansible-playbook", "play.yml"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE
    ) as main:
        until(lambda: unread(main) > 60_000, "the terminal to be full")
        assert len(users_of(tmp_path / "store")) >= 3  # the main process, its worker, the job process
        main.kill()
        main.wait()
        try:
            until(lambda: not users_of(tmp_path / "store"), "all processes to end")
        finally:
            for pid in users_of(tmp_path / "store"):
                os.kill(pid, signal.SIGKILL)
