# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A supervisor on the controller node: the one of the pods, in a process of its own with pipes to us."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor

MARK = "JOBPODS_RUN"
"""Environment variable that all processes of a run have, with a value of the run's own."""
OURS = "JOBPODS_"
"""How variables begin that are the controller's own, and may hold its secrets."""
PIECE = 1 << 18
"""Bytes that are read at once."""
STDERR_TAIL = 8 << 10
SWEEP_LIMIT = 10.0
"""Seconds for which processes that outlived their supervisor are killed."""
SWEEP_INTERVAL = 0.05


class LocalStream:
    """The pipes of a supervisor, as a conversation attaches to them; leaving them changes nothing for it."""

    error: dict[str, Any] | None = None
    quiet = math.inf  # nothing is under way that the reader has not got

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """What came next; b"" when the supervisor has ended."""
        return await self._reader.read(PIECE)

    async def write(self, content: bytes) -> None:
        """Sends to the supervisor; raises `Unreachable` where it has ended."""
        try:
            self._writer.write(content)
            await self._writer.drain()
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise _gone() from exc

    async def close(self) -> None:
        """Leaves the pipes open for the next attach."""


class LocalSupervisor:
    """The process of a supervisor, in a session of its own.

    Attributes:
        left: processes of the run that could not be killed at its end.
    """

    def __init__(self, process: asyncio.subprocess.Process, mark: str, errors: IO[bytes]) -> None:
        self.left = 0
        self._process = process
        self._mark = mark
        self._errors = errors

    @classmethod
    async def start(cls, config: Mapping[str, Any], environ: Mapping[str, str]) -> LocalSupervisor:
        """Starts a supervisor that ends when we do.

        Args:
            config: the supervisor's, for example its private data dir.
            environ: of the run, but for `JOBPODS_` variables; its PATH is searched after our Python's folder.

        Raises:
            Failure: `RunnerMissing`, where it can't be started.
        """
        mark = os.urandom(16).hex()
        given = b64encode(json.dumps({**config, "ends_with_input": True}).encode()).decode("ascii")
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - `end` closes it
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(Path(supervisor.__file__)),
                given,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=run_environment(environ, mark),
                start_new_session=True,
            )
        except OSError as exc:
            errors.close()
            raise Failure(
                "RunnerMissing", f"{sys.executable} can't be started on the controller node: {exc.strerror}."
            ) from exc
        return cls(process, mark, errors)

    async def attach(self) -> LocalStream:
        """The stream to talk over; raises `Unreachable` where the supervisor has ended."""
        process = self._process
        if process.stdout is None or process.stdin is None or process.stdout.at_eof():
            raise _gone()
        return LocalStream(process.stdout, process.stdin)

    async def wait(self) -> None:
        """Waits until the supervisor has ended: nobody can start it again."""
        await self._process.wait()

    @property
    def lost(self) -> Failure:
        """What it means that the supervisor has ended without a report."""
        return Failure(
            "RunnerFailed",
            f"The program that supervised the run on the controller node {self._how_it_ended()}.",
            hint="Find out who ended it, or whether the machine's memory was full, and launch again.",
            retryable=True,
            traceback=self._last_errors(),
        )

    async def end(self, patience: float) -> None:
        """Ends the supervisor, and with it the run.

        Args:
            patience: seconds that it may take; after them all of its processes are killed.
        """
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        ending = asyncio.ensure_future(asyncio.gather(process.wait(), self._drain()))
        await asyncio.wait((ending,), timeout=patience)
        if not ending.done():
            with suppress(ProcessLookupError):
                process.kill()
        await ending
        self.left = await self._sweep()
        self._errors.close()

    async def _drain(self) -> None:
        """Throws away what nobody listens to any more: the process' end is only seen after it."""
        if self._process.stdout is not None:
            while await self._process.stdout.read(PIECE):
                pass

    async def _sweep(self) -> int:
        """Kills what the supervisor, itself killed, could not; returns how many processes withstood that."""
        deadline = time.monotonic() + SWEEP_LIMIT
        while left := await asyncio.to_thread(marked_processes, self._mark):
            if time.monotonic() >= deadline:
                break
            supervisor.send_signal(left, signal.SIGKILL)
            await asyncio.sleep(SWEEP_INTERVAL)
        return len(left)

    def _how_it_ended(self) -> str:
        status = self._process.returncode
        if status is not None and status < 0:
            return f"was killed by signal {-status} before the run was over"
        return f"ended with exit status {status} before the run was over"

    def _last_errors(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - STDERR_TAIL))
        return self._errors.read().decode("utf-8", "replace")


def _gone() -> Unreachable:
    return Unreachable(Failure("RunnerFailed", "The supervisor has ended."))


def run_environment(environ: Mapping[str, str], mark: str) -> dict[str, str]:
    """The environment of a run on the controller node.

    Args:
        environ: the caller's.
        mark: of the run.

    Returns:
        The caller's environment without what is the controller's own; programs are looked for beside our
        Python first, where a virtual environment has them without being activated.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(OURS)}
    path = environ.get("PATH") or os.defpath
    return {**kept, "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{path}", MARK: mark}


def marked_processes(mark: str) -> list[int]:
    """The living processes of a run, and theirs, wherever they moved; other users' can't be told."""
    parents = supervisor.processes()
    wanted = f"{MARK}={mark}".encode()
    found: set[int] = set()
    for pid in parents:
        with suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.update((pid, *supervisor.descendants(pid, parents)))
    return sorted(found)
