# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A launcher that waits, or is gone already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher


@asynccontextmanager
async def watched(*, gone: bool = False) -> AsyncIterator[Launcher]:
    """A launcher, which is gone with the block at the latest."""
    reader = asyncio.StreamReader()
    launcher = Launcher(reader, None)
    if gone:
        reader.feed_eof()
        await launcher.gone()
    try:
        yield launcher
    finally:
        if not gone:
            reader.feed_eof()
            await launcher.gone()  # else its watch would be left
