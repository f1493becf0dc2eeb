# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A time limit for a block of a test; `asyncio.timeout` came with Python 3.11."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Cancels the block after `seconds`, and raises `TimeoutError` then."""
    task = asyncio.current_task()
    assert task is not None
    over = False

    def cancel() -> None:
        nonlocal over
        over = True
        task.cancel()

    handle = asyncio.get_running_loop().call_later(seconds, cancel)
    try:
        yield
    except asyncio.CancelledError:
        if over:
            raise TimeoutError(f"not done after {seconds} s") from None
        raise
    finally:
        handle.cancel()
