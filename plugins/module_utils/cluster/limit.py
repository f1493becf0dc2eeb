# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A time limit for something that is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


async def within(seconds: float | None, work: Awaitable[Result]) -> Result:
    """Awaits something for at most `seconds`; None is for ever.

    In place of `asyncio.wait_for`, which before Python 3.12 loses a cancel that comes in the moment in which
    the work is done: whoever cancelled then waits for a task that goes on.

    Raises:
        asyncio.TimeoutError: it took longer, and was cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task,), timeout=seconds)
        in_time = task.done()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    if not in_time:
        raise asyncio.TimeoutError
    return task.result()
