# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that an update starts: in process groups of their own, limited, and with no secret shown."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_process import signal_group

Output = Callable[[str], None]

KEPT = 16 << 20
"""Bytes of a program's output that are kept."""
KEPT_ERRORS = 16 << 10
TERM_PATIENCE = 3.0
"""Seconds between asking a program to stop and killing it: git removes its lock files meanwhile."""
KILL_PATIENCE = 5.0
LONGEST_LINE = 8 << 10
HIDDEN = "********"
_USERINFO = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]*(?=@)")


class TimeLimit:
    """When an update has to be over.

    Attributes:
        words: what the limit is, for messages.
    """

    def __init__(self, seconds: float, words: str) -> None:
        self.words = words
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._end - time.monotonic())

    def over(self, what: str) -> Failure:
        """The failure of what the limit has ended."""
        return Failure(
            "ProjectUpdateFailed",
            f"{what} was stopped: the update took longer than {self.words}.",
            hint="Check the address and the network, or raise the project's timeout.",
            retryable=True,
        )


class Redactor:
    """Makes texts of programs fit to be shown and kept."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Hides these, too."""
        forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
        self._forms = sorted(forms.union(self._forms), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without secrets and escape sequences."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return plain_text(_USERINFO.sub(HIDDEN, text))


@dataclass(frozen=True)
class Ran:
    """How a program ended.

    Attributes:
        status: its exit status; negative for the signal that killed it.
        output: what it wrote to its standard output.
        errors: the end of what it wrote to its standard error, fit to be shown.
    """

    status: int
    output: str
    errors: str


class Commands:
    """Runs programs, one after the other."""

    def __init__(self, limit: TimeLimit, output: Output, redact: Redactor) -> None:
        self.limit = limit
        self.redact = redact
        self._output = output

    def tell(self, text: str) -> None:
        """Adds a line to the update's output."""
        self._output(self.redact(text)[:LONGEST_LINE])

    async def run(
        self,
        arguments: Sequence[str],
        *,
        what: str,
        environ: Mapping[str, str],
        folder: Path,
        standard_input: int | None = None,
        show: bool = False,
    ) -> Ran:
        """Runs a program to its end.

        Args:
            arguments: the program and its arguments.
            what: it does, for messages.
            environ: its environment.
            folder: where it runs.
            standard_input: descriptor that it reads; None for nothing.
            show: add what it writes to the update's output, line by line.

        Raises:
            Failure: `ProjectUpdateFailed`, where it can't be started, or the limit is over. However it ends,
                no process of its group is left.
        """
        show_line = self.tell if show else None
        async with _pipe() as (output, output_end), _pipe() as (errors, errors_end):
            try:
                process = await asyncio.create_subprocess_exec(
                    *arguments,
                    stdin=asyncio.subprocess.DEVNULL if standard_input is None else standard_input,
                    stdout=output_end,
                    stderr=errors_end,
                    env=dict(environ),
                    cwd=folder,
                    start_new_session=True,
                )
            except OSError as exc:
                raise _not_started(arguments[0], exc) from exc
            finally:
                os.close(output_end)
                os.close(errors_end)
            said = asyncio.create_task(_read(output, KEPT, show_line))
            complained = asyncio.create_task(_read(errors, KEPT_ERRORS, show_line))
            ended = asyncio.create_task(process.wait())
            try:
                _done, late = await asyncio.wait((ended, said, complained), timeout=self.limit.left)
                if late:
                    raise self.limit.over(what)
            finally:
                await _end(process.pid, (ended, said, complained))
        errors_text = self.redact(complained.result().decode("utf-8", "replace"))
        return Ran(ended.result(), said.result().decode("utf-8", "replace"), errors_text)


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A pipe: our end, which is closed at the end, and the program's, which is not.

    Not the subprocess' own pipes: those can't be left while a process that has moved away holds them.
    """
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    transport, _protocol = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
    )
    try:
        yield reader, theirs
    finally:
        transport.close()


async def _read(reader: asyncio.StreamReader, keep: int, show: Output | None) -> bytes:
    """The last `keep` bytes of what comes; each line of it is shown as it comes."""
    kept, line = bytearray(), bytearray()
    while piece := await reader.read(1 << 16):
        kept += piece
        del kept[:-keep]
        if show is None:
            continue
        *whole, rest = (bytes(line) + piece).split(b"\n")
        for each in whole:
            _show(each, show)
        line = bytearray(rest[-LONGEST_LINE:])
    if show is not None and line:
        _show(bytes(line), show)
    return bytes(kept)


def _show(line: bytes, show: Output) -> None:
    # Of a line that was written over and over, a progress bar, the last counts.
    text = line.decode("utf-8", "replace").rstrip().rpartition("\r")[2]
    if text:
        show(text)


async def _end(leader: int, tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Sees to it that a process group has ended, which it has when all these tasks are done."""
    try:
        if not all(task.done() for task in tasks):
            signal_group(leader, signal.SIGTERM)
            await asyncio.wait(tasks, timeout=TERM_PATIENCE)
            signal_group(leader, signal.SIGKILL)
            await asyncio.wait(tasks, timeout=KILL_PATIENCE)
    finally:
        signal_group(leader, signal.SIGKILL)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _not_started(program: str, error: OSError) -> Failure:
    name = os.path.basename(program)
    return Failure(
        "ProjectUpdateFailed",
        f"{name} can't be started on the controller node: {error.strerror}.",
        hint=f"Install {name} on the controller node.",
    )
