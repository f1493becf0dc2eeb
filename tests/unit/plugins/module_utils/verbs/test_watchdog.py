# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A launcher that is gone is noticed by its pipe or by its main process, whichever goes first."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import watchdog
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import MainProcess, Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

DEADLINE = 30


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as running:
        yield running
        running.kill()


async def test_end_of_the_pipe() -> None:
    pipe = asyncio.StreamReader()
    with process() as running:
        gone = asyncio.create_task(Launcher(pipe, MainProcess.of(running.pid)).gone())
        pipe.feed_data(b"anything\n")
        await asyncio.sleep(0.05)
        assert not gone.done()
        pipe.feed_eof()
        assert "task" in await asyncio.wait_for(gone, DEADLINE)


@pytest.mark.parametrize("pidfd", [True, False], ids=["pidfd", "polled"])
async def test_end_of_the_main_process_while_the_pipe_stays_open(
    monkeypatch: pytest.MonkeyPatch, pidfd: bool
) -> None:
    monkeypatch.setattr(watchdog, "POLL_INTERVAL", 0.02)
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    with process() as running:
        gone = asyncio.create_task(Launcher(asyncio.StreamReader(), MainProcess.of(running.pid)).gone())
        await asyncio.sleep(0.1)
        assert not gone.done()
        running.kill()
        running.wait()
        assert str(running.pid) in await asyncio.wait_for(gone, DEADLINE)


async def test_another_process_with_the_same_id_does_not_count() -> None:
    with process() as running:
        earlier = MainProcess(running.pid, (MainProcess.of(running.pid).start_time or 0) - 1)
        await asyncio.wait_for(Launcher(asyncio.StreamReader(), earlier).gone(), DEADLINE)


async def test_several_wait_for_the_same_end() -> None:
    pipe = asyncio.StreamReader()
    watched = Launcher(pipe, None)
    first, second = asyncio.create_task(watched.gone()), asyncio.create_task(watched.gone())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    pipe.feed_eof()
    assert "task" in await asyncio.wait_for(second, DEADLINE)
    assert "task" in await asyncio.wait_for(watched.gone(), DEADLINE)


def test_request_survives_the_pipe() -> None:
    request = Request("job_info", {"job_id": 3}, "/", environment={"A": "b"}, main_process=MainProcess(1, 2))
    assert Request.from_message(request.as_message()) == request
    bare = Request("job_info", {}, "/")
    assert Request.from_message(bare.as_message()) == bare
