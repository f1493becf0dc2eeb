# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within


async def test_work_in_time_gives_its_result() -> None:
    assert await within(60, asyncio.sleep(0, "done")) == "done"
    assert await within(None, asyncio.sleep(0, "done")) == "done"


async def test_work_that_takes_too_long_is_cancelled() -> None:
    work = asyncio.create_task(asyncio.sleep(60))
    with pytest.raises(asyncio.TimeoutError):
        await within(0.01, work)
    assert work.cancelled()


async def test_errors_of_the_work_are_raised() -> None:
    async def fail() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await within(60, fail())


async def test_a_cancel_cancels_the_work() -> None:
    work = asyncio.create_task(asyncio.sleep(60))
    waiting = asyncio.create_task(within(60, work))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert work.cancelled()


async def test_a_cancel_in_the_moment_of_the_result_is_not_lost() -> None:
    """Lost, it left a watch running for ever that the end of a job had cancelled."""
    work: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(within(60, work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.set_result("done")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
