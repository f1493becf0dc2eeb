# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, and what is made of it: samples, medians with their spread, and fitted slopes."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

PR_SET_CHILD_SUBREAPER = 36
MEMORY_INTERVAL = 0.05
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Sample:
    """One run of one contender.

    Attributes:
        final: seconds from the launch to the final state.
        first: seconds from the launch to the first output of the playbook; None where there was none.
        cpu: seconds of CPU on the controller, all processes of the run.
        memory: MB, the peak of the largest process on the controller.
        ok: it ended as it should.
        words: what to say of it; of a failure, its last words.
        marks: seconds from the launch to what happened on the way.
        more: further figures of this workload.
    """

    final: float
    first: float | None = None
    cpu: float = 0.0
    memory: float = 0.0
    ok: bool = True
    words: str = ""
    marks: dict[str, float] = field(default_factory=dict)
    more: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As it is kept; seconds to the millisecond."""
        return {key: _rounded(value) for key, value in asdict(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return value


@dataclass(frozen=True)
class Spread:
    """Several values of one figure."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The exponent b of the best fit y = a * x**b: 0 is flat, 1 is linear."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len(logs) < 2:
        return 0.0
    return statistics.linear_regression([x for x, _y in logs], [y for _x, y in logs]).slope


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The best fit y = a + b * x, as a and b."""
    if len({x for x, _y in points}) < 2:
        return (points[0][1] if points else 0.0), 0.0
    fit = statistics.linear_regression([x for x, _y in points], [y for _x, y in points])
    return fit.intercept, fit.slope


class Process:
    """A process whose lines are seen as they come, and whose CPU and memory are known at its end.

    Attributes:
        started: `time.monotonic()` of its start.
        popen: the process.
        cpu: seconds that it has taken, and what it waited for; known after its end, as are the others.
        memory: MB, its peak.
        elapsed: seconds from its start to its end.
    """

    def __init__(
        self,
        command: Sequence[str],
        seen: Callable[[float, bytes], None],
        *,
        env: Mapping[str, str],
        folder: Path,
        given: bytes | IO[bytes] | None = None,
        keep_open: bool = False,
        errors_too: bool = True,
    ) -> None:
        """Starts it in a session of its own.

        Args:
            command: what to run.
            seen: told each line of its output, with the seconds since the start.
            env: its environment.
            folder: where it runs.
            given: its standard input.
            keep_open: its standard input stays open after `given`, until `close_input`.
            errors_too: its standard error is part of its output; else it is thrown away.
        """
        self._seen = seen
        stdin: Any = subprocess.PIPE if isinstance(given, bytes) else given or subprocess.DEVNULL
        self.started = time.monotonic()
        self.popen = subprocess.Popen(
            command,
            env=dict(env),
            cwd=folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors_too else subprocess.DEVNULL,
            start_new_session=True,
        )
        self.cpu = self.memory = self.elapsed = 0.0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # Not what wait4 says: that is never less than what this process had when it forked.
        threading.Thread(target=self._watch_memory, daemon=True).start()
        if isinstance(given, bytes) and self.popen.stdin is not None:
            self.popen.stdin.write(given)
            self.popen.stdin.flush()
            if not keep_open:
                self.popen.stdin.close()

    def since(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, but takes no notice of its end, as Popen would."""
        if self.popen.returncode is None:
            os.kill(self.popen.pid, number)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        if self.popen.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def close_input(self) -> None:
        """Ends its standard input."""
        if self.popen.stdin is not None and not self.popen.stdin.closed:
            self.popen.stdin.close()

    def wait(self, limit: float) -> int:
        """Waits for its end; kills it, with all its session, where it takes longer than the limit.

        Raises:
            TimeoutError: it did.
        """
        deadline = time.monotonic() + limit
        while True:
            pid, status, usage = os.wait4(self.popen.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.killpg(self.popen.pid, signal.SIGKILL)
                os.waitpid(self.popen.pid, 0)
                self.popen.returncode = -signal.SIGKILL
                raise TimeoutError(f"it did not end within {limit:.0f} s")
            time.sleep(0.002)
        self.elapsed = self.since()
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        self._reader.join(10)
        self.close_input()
        return self.popen.returncode

    def _watch_memory(self) -> None:
        with suppress(OSError):
            while self.popen.returncode is None and (peak := peak_memory_of(self.popen.pid)):
                self.memory = peak
                time.sleep(MEMORY_INTERVAL)

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as output:
            for text in output:
                self._seen(time.monotonic() - self.started, text)


def adopt_orphans() -> None:
    """Makes this process the parent of what its descendants leave behind, so that their CPU can be known."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_orphans(program: str, limit: float) -> tuple[float, float]:
    """Waits for children that run a program and were left to us; returns their CPU and peak memory.

    Args:
        program: one of the words of their command lines.
        limit: seconds for each.
    """
    cpu = memory = 0.0
    for task in Path("/proc/self/task").iterdir():
        children = ""
        with suppress(OSError):  # of a thread that has ended
            children = (task / "children").read_text(encoding="ascii")
        for pid in children.split():
            with suppress(OSError):
                if program.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    continue
                deadline = time.monotonic() + limit
                while not (done := os.wait4(int(pid), os.WNOHANG))[0] and time.monotonic() < deadline:
                    memory = max(memory, peak_memory_of(int(pid)))
                    time.sleep(0.005)
                cpu += done[2].ru_utime + done[2].ru_stime
    return cpu, memory


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a running process has taken, its ended threads and children included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / TICK


def peak_memory_of(pid: int) -> float:
    """MB, the peak of a running process' resident memory."""
    for text in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if text.startswith("VmHWM:"):
            return int(text.split()[1]) / 1024
    return 0.0
