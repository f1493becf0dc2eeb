# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feed with a real pipe, and a launcher that reads it when the test wants it to."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import FileIO
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline

DEADLINE = 60

Message = dict[str, Any]


@asynccontextmanager
async def launcher(room: int | None = None) -> AsyncIterator[tuple[LauncherFeed, FileIO]]:
    """A feed, and the end of the pipe at which a launcher reads it; the pipe has room for so many bytes."""
    reading, writing = os.pipe()
    if room is not None:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, room)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(writing, "wb", 0)
    )
    made = LauncherFeed(asyncio.StreamWriter(transport, protocol, None, loop))
    with FileIO(reading) as pipe:
        try:
            async with deadline(DEADLINE):
                yield made, pipe
        finally:
            await made.close()
            if not transport.is_closing():
                transport.abort()
            await asyncio.sleep(0)


def read_messages(pipe: FileIO, **last: str) -> list[Message]:
    """Reads until a message with these fields."""
    messages: list[Message] = []
    rest = b""
    while True:
        piece = pipe.read(1 << 16)
        assert piece, f"the feed ended after {messages[-3:]}"
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            messages.append(json.loads(line))
            if last.items() <= messages[-1].items():
                return messages


def shown(messages: list[Message]) -> list[str]:
    """What is shown of the events' output."""
    return [line[2] for message in messages for line in message.get("events", ())]


def texts(messages: list[Message], kind: str) -> list[str]:
    """The texts of all steps, or of all warnings."""
    return [message["text"] for message in messages if message["type"] == kind]
