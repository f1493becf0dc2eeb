# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that runs on the controller node: limited in time and output, and ended with all that it started.

It gets a session, hence a process group, of its own; whoever cancels the call ends the group.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within

STOP_GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL."""
DRAIN_LIMIT = 1.0
"""Seconds for which output is read after the end, since a program that goes on alone may keep a pipe open."""
LINE_LIMIT = 1 << 16
"""Bytes after which a line is told in pieces."""
CHUNK = 1 << 16

OnLine = Callable[[str], None]
Limit = Literal["time", "output"]


class LimitReached(Exception):
    """A program was ended because it took too long, or wrote too much.

    Attributes:
        limit: which one it was.
    """

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True)
class Program:
    """What to run.

    Attributes:
        command: the program and its arguments.
        folder: in which it runs.
        environment: its whole environment.
        inherit: file descriptors that it gets under the same numbers, beside the standard ones.
    """

    command: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    inherit: Sequence[int] = ()


class Pipe:
    """A pipe that a program writes to, read here up to a limit; closed at the end of a `with` block.

    Attributes:
        writer: the end for the program.
    """

    def __init__(self, limit: int, take: Callable[[bytes], None]) -> None:
        """Makes it.

        Args:
            limit: bytes that may come.
            take: told each piece that comes.
        """
        self._limit = limit
        self._take = take
        self._reader, self.writer = os.pipe()
        self._writes = True

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.started()
        os.close(self._reader)

    def started(self) -> None:
        """Gives up the end that the program has now, too: when it ends, so does the pipe."""
        if self._writes:
            self._writes = False
            os.close(self.writer)

    async def drain(self) -> None:
        """Takes all that comes, up to the pipe's end.

        Raises:
            LimitReached: too much came.
        """
        reader = asyncio.StreamReader(CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        file = os.fdopen(os.dup(self._reader), "rb", 0)
        transport, _protocol = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, file)
        try:
            left = self._limit
            while piece := await reader.read(CHUNK):
                left -= len(piece)
                if left < 0:
                    raise LimitReached("output")
                self._take(piece)
        finally:
            transport.close()


class Lines:
    """Puts pieces of output together to lines."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._rest = b""

    def take(self, piece: bytes) -> None:
        """Tells each line that is whole with this piece."""
        *lines, rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._tell(self._within_limit(line))
        self._rest = self._within_limit(rest)

    def end(self) -> None:
        """Tells what is left of a last line."""
        if self._rest:
            self._tell(self._rest)
        self._rest = b""

    def _within_limit(self, line: bytes) -> bytes:
        """Tells the beginning of a line that is too long; returns its end."""
        while len(line) > LINE_LIMIT:
            self._tell(line[:LINE_LIMIT])
            line = line[LINE_LIMIT:]
        return line

    def _tell(self, line: bytes) -> None:
        self._on_line(line.decode("utf-8", "replace").rstrip("\r"))


async def run_program(
    program: Program,
    on_line: OnLine,
    *,
    seconds: float,
    output_limit: int,
    pipes: Sequence[Pipe] = (),
    grace: float = STOP_GRACE,
) -> int:
    """Runs a program to its end; nothing of it goes on after that.

    Args:
        program: what to run.
        on_line: told each line of its standard output and error.
        seconds: that it may take.
        output_limit: bytes that it may print.
        pipes: further pipes that it writes to.
        grace: seconds that it gets to end when it must.

    Returns:
        Its exit status; below 0 the signal that ended it.

    Raises:
        LimitReached: it took too long or wrote too much, and was ended.
        OSError: it can't be started.
    """
    lines = Lines(on_line)
    with Pipe(output_limit, lines.take) as printed:
        process = await asyncio.create_subprocess_exec(
            *program.command,
            cwd=program.folder,
            env=program.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=printed.writer,
            stderr=printed.writer,
            pass_fds=(*program.inherit, *(pipe.writer for pipe in pipes)),
            start_new_session=True,
        )
        for pipe in (printed, *pipes):
            pipe.started()
        try:
            status = await within(seconds, _to_end(process, [printed, *pipes]))
        except asyncio.TimeoutError:
            raise LimitReached("time") from None
        finally:
            await _stop(process, grace)
            lines.end()
    return status


async def _to_end(process: asyncio.subprocess.Process, pipes: Sequence[Pipe]) -> int:
    """Reads what comes until the program has ended; a pipe that brings too much ends that."""
    drains = [asyncio.ensure_future(pipe.drain()) for pipe in pipes]
    ended = asyncio.ensure_future(process.wait())
    try:
        open_ones = set(drains)
        while not ended.done():
            done, _going = await asyncio.wait({ended, *open_ones}, return_when=asyncio.FIRST_COMPLETED)
            for drain in done & open_ones:
                drain.result()
            open_ones -= done
        if open_ones:
            await asyncio.wait(open_ones, timeout=DRAIN_LIMIT)
        for drain in drains:
            if drain.done():
                drain.result()
        return ended.result()
    finally:
        for task in (*drains, ended):
            task.cancel()
        await asyncio.gather(*drains, ended, return_exceptions=True)


async def _stop(process: asyncio.subprocess.Process, grace: float) -> None:
    """Ends what is left of the program's group: the program with grace, what it left behind at once."""
    try:
        if process.returncode is None:
            signal_group(process.pid, signal.SIGTERM)
            with suppress(asyncio.TimeoutError):
                await within(grace, process.wait())
    finally:
        signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def signal_group(group: int, number: int) -> None:
    """Signals the processes of a group, where there still are any."""
    with suppress(ProcessLookupError, PermissionError):  # it has ended, or is another user's by now
        os.killpg(group, number)
