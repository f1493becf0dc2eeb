# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program on the controller node ends in time, prints no more than it may, and leaves nothing running."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_process import (
    LimitReached,
    Pipe,
    Program,
    run_program,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline

PLENTY = 60.0
"""Seconds after which a test fails; none of them takes so long."""


def python(source: str, folder: Path, *arguments: object, inherit: tuple[int, ...] = ()) -> Program:
    command = [sys.executable, "-c", source, *map(str, arguments)]
    return Program(command, str(folder), {"PATH": os.environ["PATH"], "MARK": "ours"}, inherit)


async def run(
    program: Program,
    lines: list[str],
    *,
    seconds: float = PLENTY,
    limit: int = 1 << 20,
    pipes: tuple[Pipe, ...] = (),
    grace: float = PLENTY,
) -> int:
    async with deadline(PLENTY):
        return await run_program(
            program, lines.append, seconds=seconds, output_limit=limit, pipes=pipes, grace=grace
        )


async def gone(pid: int) -> None:
    """Waits until no such process is left, but perhaps as a zombie that nobody has waited for."""
    async with deadline(PLENTY):
        while True:
            try:
                stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
            except (FileNotFoundError, ProcessLookupError):
                return
            if stat.rpartition(")")[2].split()[0] == "Z":
                return
            await asyncio.sleep(0.02)


def running(mark: Path) -> list[str]:
    """The commands of all processes that have a path among their arguments."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(command.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return [command for command in found if str(mark) in command]


async def written(path: Path) -> int:
    """The number that a program writes to a file when it has come so far."""
    async with deadline(PLENTY):
        while not (path.exists() and path.read_text().endswith("\n")):
            await asyncio.sleep(0.02)
    return int(path.read_text())


async def test_output_and_status(tmp_path: Path) -> None:
    source = """
import os, sys
print(os.getcwd(), os.environ["MARK"], len(os.environ) < 5, sys.stdin.read() == "", flush=True)
print("an error", file=sys.stderr)
sys.stdout.buffer.write(b"not UTF-8: \\xff\\r\\nno line feed")
sys.exit(3)
"""
    lines: list[str] = []
    assert await run(python(source, tmp_path), lines) == 3
    expected = {f"{tmp_path} ours True True", "an error", "not UTF-8: \ufffd", "no line feed"}
    assert set(lines) == expected


async def test_killed_by_a_signal(tmp_path: Path) -> None:
    assert await run(python("import os; os.kill(os.getpid(), 9)", tmp_path), []) == -signal.SIGKILL


async def test_a_long_line_comes_in_pieces(tmp_path: Path) -> None:
    lines: list[str] = []
    await run(python("print('x' * 200_000)", tmp_path), lines)
    assert "".join(lines) == "x" * 200_000
    assert max(map(len, lines)) <= 1 << 16


async def test_a_program_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await run(Program(["/nowhere/program"], str(tmp_path), {}), [])


async def test_pipes_and_inherited_files(tmp_path: Path) -> None:
    source = """
import os, sys
given, wanted = map(int, sys.argv[1:])
os.write(wanted, os.read(given, 100) * 2)
print("and this")
"""
    came = bytearray()
    reader, writer = os.pipe()
    os.write(writer, b"secret")
    os.close(writer)
    lines: list[str] = []
    try:
        with Pipe(1000, came.extend) as pipe:
            program = python(source, tmp_path, reader, pipe.writer, inherit=(reader,))
            assert await run(program, lines, pipes=(pipe,)) == 0
    finally:
        os.close(reader)
    assert (bytes(came), lines) == (b"secretsecret", ["and this"])


ENDLESS = """
import os, sys, time
open(sys.argv[1], "w").write(f"{os.getpid()}\\n")
time.sleep(600)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + ENDLESS
FAMILY = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]]).wait()
"""


@pytest.mark.parametrize(
    ("source", "grace"), [(ENDLESS, PLENTY), (STUBBORN, 0.1)], ids=["obedient", "stubborn"]
)
async def test_too_long(tmp_path: Path, source: str, grace: float) -> None:
    file = tmp_path / "pid"
    with pytest.raises(LimitReached) as reached:
        await run(python(source, tmp_path, file), [], seconds=0.5, grace=grace)
    assert reached.value.limit == "time"
    assert running(file) == []


@pytest.mark.parametrize(
    ("source", "grace"), [(ENDLESS, PLENTY), (STUBBORN, 0.1)], ids=["obedient", "stubborn"]
)
async def test_cancelled(tmp_path: Path, source: str, grace: float) -> None:
    """With all that it has started."""
    file = tmp_path / "pid"
    task = asyncio.create_task(run(python(FAMILY, tmp_path, file, source), [], grace=grace))
    pid = await written(file)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)


async def test_what_is_left_behind_is_ended(tmp_path: Path) -> None:
    """A child that goes on and keeps the output open."""
    file = tmp_path / "pid"
    source = """
import subprocess, sys, time, os
subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]])
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
print("ends")
"""
    lines: list[str] = []
    assert await run(python(source, tmp_path, file, ENDLESS), lines) == 0
    assert lines == ["ends"]
    await gone(await written(file))


async def test_a_daemon_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    """One in a session of its own, as ssh leaves for its master connection: it is none of our business."""
    file = tmp_path / "pid"
    source = """
import subprocess, sys, time, os
subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], start_new_session=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
print("ends")
"""
    lines: list[str] = []
    assert await run(python(source, tmp_path, file, ENDLESS), lines) == 0
    assert lines == ["ends"]
    os.kill(await written(file), signal.SIGKILL)


@pytest.mark.parametrize("where", ["output", "pipe"])
async def test_too_much(tmp_path: Path, where: str) -> None:
    source = """
import os, sys
open(sys.argv[2], "w").write(f"{os.getpid()}\\n")
while True:
    os.write(int(sys.argv[1]), b"x" * 4095 + b"\\n")
"""
    file = tmp_path / "pid"
    came = 0

    def take(piece: bytes) -> None:
        nonlocal came
        came += len(piece)

    lines: list[str] = []
    with pytest.raises(LimitReached) as reached, Pipe(100_000, take) as pipe:
        number = 1 if where == "output" else pipe.writer
        await run(python(source, tmp_path, number, file), lines, limit=100_000, pipes=(pipe,))
    assert reached.value.limit == "output"
    assert max(came, sum(map(len, lines))) <= 100_000
    await gone(await written(file))


async def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    await run(python("", tmp_path), [])
    before = sorted(os.listdir("/proc/self/fd"))
    for _turn in range(3):
        with Pipe(10, bytearray().extend) as pipe:
            await run(python("print(1)", tmp_path), [], pipes=(pipe,))
    await asyncio.sleep(0.05)
    assert sorted(os.listdir("/proc/self/fd")) == before
