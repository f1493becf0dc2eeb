# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices that the launcher is gone, however it went."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import start_time
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import MainProcess

POLL_INTERVAL = 1.0


class Launcher:
    """The other end of the pipe, and the process behind it.

    A task's worker keeps the pipe open when its main process is killed, so the end of the pipe alone is no
    proof.
    """

    def __init__(self, pipe: asyncio.StreamReader, main_process: MainProcess | None) -> None:
        self._pipe = pipe
        self._main = main_process
        self._watch: asyncio.Task[str] | None = None

    async def gone(self) -> str:
        """Waits until the launcher is gone; returns how that was seen. Several may wait at once."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._see_it_go())
        return await asyncio.shield(self._watch)

    async def _see_it_go(self) -> str:
        watches = [asyncio.create_task(self._pipe_closed())]
        if self._main is not None:
            watches.append(asyncio.create_task(self._process_ended(self._main)))
        try:
            done, _pending = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for watch in watches:
                watch.cancel()

    async def _pipe_closed(self) -> str:
        while await self._pipe.read(4096):
            pass
        return "the task that launched it ended"

    async def _process_ended(self, process: MainProcess) -> str:
        text = f"the main process {process.pid} of ansible-playbook ended"
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return text
        except (OSError, AttributeError):  # no pidfd on this system
            while _lives(process):
                await asyncio.sleep(POLL_INTERVAL)
            return text
        try:
            if not _lives(process):  # the descriptor is of a later process with the same id
                return text
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_reader(descriptor, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(descriptor)
        finally:
            os.close(descriptor)
        return text


def _lives(process: MainProcess) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(process.pid, 0)
        except ProcessLookupError:
            return False
    return process.start_time is None or start_time(process.pid) == process.start_time
