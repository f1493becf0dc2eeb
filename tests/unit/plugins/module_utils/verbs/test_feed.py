# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher gets everything in order, also where it reads late; a launcher that is gone stops nothing."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch, Event
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import feed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline

DEADLINE = 30


@asynccontextmanager
async def launcher() -> AsyncIterator[tuple[LauncherFeed, int]]:
    """A feed, and the descriptor at which a launcher reads it."""
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(writing, "wb", 0)
    )
    made = LauncherFeed(asyncio.StreamWriter(transport, protocol, None, loop))
    try:
        async with deadline(DEADLINE):
            yield made, reading
    finally:
        await made.close()
        if not made.gone.is_set():
            transport.abort()
            os.close(reading)
        await asyncio.sleep(0)


def event(counter: int, text: str = "x" * 1000) -> Event:
    return Event(counter, "runner_on_ok", f"{counter} {text}", counter % 2 == 0)


def read_messages(descriptor: int, last: str) -> list[dict[str, Any]]:
    """Reads until a step with this text."""
    messages: list[dict[str, Any]] = []
    rest = b""
    while True:
        *lines, rest = (rest + os.read(descriptor, 1 << 16)).split(b"\n")
        for line in lines:
            messages.append(json.loads(line))
            if messages[-1].get("text") == last:
                return messages


async def test_messages_come_in_order() -> None:
    async with launcher() as (told, reading):
        told.step("pod \x1b[31mcreated")
        told.events(Batch(events=[event(1, "a\x1b[0m"), Event(2, "playbook_on_start", "")]))
        told.warning("look")
        told.step("end", verbosity=2)
        messages = await asyncio.to_thread(read_messages, reading, "end")
        assert messages == [
            {"type": "step", "text": "pod created", "verbosity": 0},
            {"type": "output", "events": [["runner_on_ok", False, "1 a"]]},
            {"type": "warning", "text": "look"},
            {"type": "step", "text": "end", "verbosity": 2},
        ]


async def test_slow_launcher_gets_the_rest_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BUFFER_LIMIT", 50_000)
    count = 1000
    stored: list[Event] = []
    asked: list[int] = []

    async def stored_after(counter: int) -> list[Event]:
        asked.append(counter)
        return stored[counter : counter + 100]

    async with launcher() as (told, reading):
        told.stored_after = stored_after
        for counter in range(1, count + 1):
            stored.append(event(counter))
            told.events(Batch(events=[stored[-1]]))
            await asyncio.sleep(0)  # the pipe is full soon, since nobody reads
        assert told._size <= 60_000
        messages: list[dict[str, Any]] = []

        def read_output() -> None:
            rest = b""
            while sum(len(message["events"]) for message in messages) < count:
                *lines, rest = (rest + os.read(reading, 1 << 16)).split(b"\n")
                messages.extend(json.loads(line) for line in lines)

        await asyncio.to_thread(read_output)
        shown = [line[2] for message in messages for line in message["events"]]
        assert shown == [entry.stdout for entry in stored]
        assert asked
        await told.flush()


async def test_launcher_that_is_gone_is_noticed_and_stops_nothing() -> None:
    async with launcher() as (told, reading):
        os.close(reading)
        told.step("anybody there?")
        await told.gone.wait()
        told.step("nobody")
        told.events(Batch(events=[event(1)]))
        await told.flush()
