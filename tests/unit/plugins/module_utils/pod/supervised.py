# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real supervisor in a process of its own, started as in a pod, with the test as its controller."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from zlib import compress

from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor, wire

DEADLINE = 40.0
"""Seconds that anything may take: only a test that fails waits so long."""

M = TypeVar("M")


def bootstrap() -> str:
    """The supervisor's source as one argument, as the pod spec has it."""
    code = b64encode(compress(Path(supervisor.__file__).read_bytes(), 9)).decode("ascii")
    return f"import base64,zlib;exec(zlib.decompress(base64.b64decode('{code}')))"


class SupervisedPod:
    """The supervisor's process, and the controller's end of an attach to it.

    Attributes:
        process: the supervisor.
        session: number of the current session.
        decoder: of the supervisor's output.
        output: what has arrived of the runner's output.
        messages: what has arrived in this session, and was not waited for yet.
        acknowledge: whether output is acknowledged as it comes, as arrived and stored.
        read_size: bytes that are read at once.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.session = 0
        self.decoder = wire.Decoder()
        self.output = bytearray()
        self.messages: list[wire.Message] = []
        self.acknowledge = True
        self.read_size = 1 << 16
        assert process.stdin is not None and process.stdout is not None
        self.stdin = process.stdin.fileno()
        self.stdout = process.stdout.fileno()

    def send(self, *records: bytes) -> None:
        """Writes to the supervisor, which must always go on reading."""
        view = memoryview(b"".join(records))
        deadline = time.monotonic() + DEADLINE
        while view:
            writable = select.select([], [self.stdin], [], max(0.0, deadline - time.monotonic()))[1]
            assert writable, "the supervisor doesn't read"
            view = view[os.write(self.stdin, view[:4096]) :]

    def read(self) -> bytes:
        """Some bytes from the supervisor; empty at the end of the stream."""
        readable = select.select([self.stdout], [], [], DEADLINE)[0]
        assert readable, f"nothing came; had {self.messages}"
        return os.read(self.stdout, self.read_size)

    def feed(self, received: bytes) -> None:
        """Takes bytes of the stream, as the controller does: a gap in the output is refused."""
        for record in self.decoder.feed(received):
            if record.session != self.session:
                continue
            message = wire.message(record)
            assert message is not None
            if isinstance(message, wire.Output):
                assert message.offset <= len(self.output), "a record of output was lost"
                fresh = message.piece[len(self.output) - message.offset :]
                self.output += fresh
                if self.acknowledge and fresh:
                    self.send(wire.ack(self.session, len(self.output), len(self.output)))
            self.messages.append(message)

    def wait(self, kind: type[M], accept: Callable[[M], bool] = lambda _message: True) -> M:
        """The next message of this kind that is accepted; those before it are dropped."""
        while True:
            while self.messages:
                message = self.messages.pop(0)
                if isinstance(message, kind) and accept(message):
                    return message
            received = self.read()
            assert received, f"the supervisor ended with {self.process.wait(DEADLINE)}"
            self.feed(received)

    def attach(self, session: int | None = None, resume: int | None = None) -> wire.Hello:
        """Opens a session (the next one), resuming where the output stands."""
        self.session = self.session + 1 if session is None else session
        self.messages.clear()
        self.send(wire.attach(self.session, len(self.output) if resume is None else resume))
        return self.wait(wire.Hello)

    def start(self, payload: bytes = b"", timeout: float | None = None, grace: float = 5.0) -> None:
        """Sends a payload and starts the run."""
        digest = hashlib.sha256(payload).hexdigest()
        self.send(
            *wire.payload_records(self.session, payload),
            wire.start(self.session, length=len(payload), sha256=digest, timeout=timeout, cancel_grace=grace),
        )

    def started(self, payload: bytes = b"", timeout: float | None = None, grace: float = 5.0) -> int:
        """As `start`, and waits for the runner's process id."""
        self.start(payload, timeout, grace)
        return self.wait(wire.Started).pid

    def wait_for_output(self, text: bytes) -> None:
        """Waits until the runner has written this."""
        while text not in self.output:
            self.wait(wire.Output)

    def wait_until_it_handles(self, number: signal.Signals) -> None:
        """Waits until the supervisor has its handler for this signal."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
            if int(caught.split()[1], 16) >> (number - 1) & 1:
                return
        raise AssertionError(f"no handler for {number.name}")

    def bye(self) -> int:
        """Lets the supervisor end; returns its exit code."""
        self.send(wire.bye(self.session))
        return self.exit_code()

    def exit_code(self) -> int:
        """Waits for the supervisor's end, throwing away what it still sends."""
        while self.read():
            pass
        return self.process.wait(DEADLINE)


@contextmanager
def supervised_pod(
    folder: Path, *, python: str = sys.executable, env: Mapping[str, str] | None = None, **how: Any
) -> Iterator[SupervisedPod]:
    """Starts a supervisor whose PATH begins with `folder/bin`, and leaves no process behind.

    Args:
        folder: of the test's own; `folder/runner` is the private data dir.
        python: the interpreter.
        env: changes of the environment; an empty value removes.
        how: `preexec_fn` as for Popen; all else is configuration of the supervisor.
    """
    preexec_fn = how.pop("preexec_fn", None)
    config = {"controller_lost_timeout": 60, "private_data_dir": str(folder / "runner"), **how}
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **(env or {})}
    process = subprocess.Popen(
        [python, "-I", "-S", "-c", bootstrap(), b64encode(json.dumps(config).encode()).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value for name, value in environment.items() if value},
        preexec_fn=preexec_fn,  # noqa: PLW1509 - no threads in these tests
        bufsize=0,
    )
    try:
        yield SupervisedPod(process)
    finally:
        for pid in [*supervisor.descendants(process.pid, supervisor.processes()), process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        with process:
            process.wait(DEADLINE)


def scripted_worker(folder: Path, source: str, python: str = sys.executable) -> None:
    """Puts a program named ansible-runner on the PATH that `supervised_pod(folder)` gives."""
    program = folder / "bin" / "ansible-runner"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!{python} -IS\nimport os, signal, sys, time\n{source}\n")
    program.chmod(0o755)


def is_alive(pid: int) -> bool:
    """Whether this process lives (a zombie doesn't)."""
    return pid in supervisor.processes()
