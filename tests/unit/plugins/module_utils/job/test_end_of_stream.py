# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fault at each record of the last 100 KB of a run never makes a wrong verdict.

Conversation, supervisor, spool and verdict are the real ones; the bytes between them go through the test.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    NotAttachable,
    Unreachable,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import conversation
from ansible_collections.jobpods.controller.plugins.module_utils.job.conversation import Conversation, Terms
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import RunnerStream
from ansible_collections.jobpods.controller.plugins.module_utils.job.verdict import verdict
from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor, wire
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_lines import (
    event,
    line,
)

LAST = 100_000
PIECE = 2000
"""Bytes of output in one record: small, so that there are many."""
EVENTS = 240
PASSING = ("cut before", "cut within", "cut after", "closed before", "lost", "damaged", "doubled")
LASTING = ("pod gone", "pod gone within", "silent")
Place = tuple[str, int]


def run_of(status: str, *, whole: bool = True) -> bytes:
    """What the worker writes in a run that ends so; not whole where the worker is killed before its end."""
    said = [line(status="starting"), line(status="running"), event(1, "playbook_on_start")]
    for counter in range(2, EVENTS):
        said.append(event(counter, "runner_on_ok", f"{counter:06} {'x' * 500}", host="a", res={}))
    if not whole:
        return b"".join(said)
    failed = {"a": 1} if status == "failed" else {}
    if failed:
        said.append(event(EVENTS, "runner_on_failed", "no", host="a", task="T", res={"msg": "no"}))
    count = EVENTS + len(failed)
    said.append(event(count, "playbook_on_stats", "PLAY RECAP", ok={"a": EVENTS - 2}, failures=failed))
    archive = os.urandom(3000)
    said += [line(status=status), line(zipfile=len(archive)), base64.b64encode(archive), line(eof=True)]
    return b"".join(said)


def report(**changes: Any) -> dict[str, Any]:
    """The supervisor's report on the end."""
    facts = {"cause": "exit", "returncode": 0, "signal": None, "stderr": "", "message": "", "left": 0}
    return {**facts, "memory_peak": 1, "cpu_seconds": 1.0, "elapsed": 1.0, **changes}


RUNS: dict[str, tuple[bytes, dict[str, Any], str | None]] = {
    "successful": (run_of("successful"), report(), None),
    "failed": (run_of("failed"), report(returncode=2), "PlaybookFailed"),
    "killed": (run_of("running", whole=False), report(returncode=None, signal=9), "RunnerFailed"),
}
"""Output, report and right verdict of each."""


class Pod:
    """A supervisor whose run is over, and which no controller has heard yet.

    Attributes:
        places: kind and position of each record that was due, in their order.
    """

    def __init__(self, folder: Path, run: str, fault: str, at: Place | None) -> None:
        self.places: list[Place] = []
        self._fault, self._at = fault, at
        self.is_gone = self.is_silent = False
        self.supervisor = supervisor.Supervisor({"private_data_dir": str(folder)})
        output, facts, _reason = RUNS[run]
        path = folder / "output"
        path.write_bytes(output)
        self.supervisor.spool.fill(os.open(path, os.O_RDONLY))
        self.supervisor.session.finish(facts)

    async def attach(self) -> Attached:
        if self.is_gone:
            raise NotAttachable("pod not found")
        return Attached(self)

    def due(self) -> list[bytes | None]:
        """What arrives next: pieces of bytes, and None where the connection breaks."""
        session = self.supervisor.session
        record = session._next()
        if record is None:
            session.answer("beat")
            record = session._next()
        assert record is not None
        self.places.append((record.kind, record.position))
        encoded = wire.encode(record.kind, record.session, record.position, record.body)
        if (record.kind, record.position) != self._at:
            return [encoded]
        self._at = None
        return self._suffer(encoded)

    def _suffer(self, encoded: bytes) -> list[bytes | None]:
        half = encoded[: len(encoded) // 2]
        self.is_gone = self._fault.startswith("pod gone")
        self.is_silent = self._fault == "silent"
        damaged = half[:-1] + bytes([half[-1] ^ 1]) + encoded[len(half) :]
        arrives: dict[str, list[bytes | None]] = {
            "cut before": [None],
            "cut within": [half, None],
            "cut after": [encoded, None],
            "closed before": [b""],
            "lost": [],
            "damaged": [damaged],
            "doubled": [encoded, encoded],
            "pod gone": [b""],
            "pod gone within": [half, None],
            "silent": [half],
        }
        return arrives[self._fault]


class Attached:
    """One attach."""

    error: dict[str, Any] | None = None
    quiet = math.inf

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._arriving: list[bytes | None] = []
        self._decoder = wire.Decoder()

    async def read(self) -> bytes:
        while not self._arriving:
            await asyncio.sleep(0)
            if self._pod.is_silent:
                await asyncio.Event().wait()
            if self._pod.is_gone:
                return b""
            if self._pod.supervisor.session.number:
                self._arriving = self._pod.due()
        piece = self._arriving.pop(0)
        if piece is None:
            raise Unreachable(Failure("ClusterUnreachable", "cut"))
        return piece

    async def write(self, content: bytes) -> None:
        for record in self._decoder.feed(content):
            self._pod.supervisor._take(record)

    async def close(self) -> None:
        pass


class Reader:
    """A listener that reads the runner's stream, and stores at once what is whole."""

    def __init__(self) -> None:
        self.stream = RunnerStream()
        self.said = bytearray()
        self.conversation: Conversation | None = None

    async def output(self, piece: bytes) -> int:
        self.said += piece
        offset = self.stream.feed(piece).offset
        assert self.conversation is not None
        await self.conversation.store_reached(offset)
        return offset

    def connected(self) -> None:
        pass

    def disconnected(self, trouble: Unreachable) -> None:
        pass

    def wanted(self) -> None:
        raise AssertionError("nobody waits for a payload any more")

    def received(self) -> None:
        pass

    def starting(self) -> None:
        raise AssertionError("a run that is over is never started again")

    def started(self) -> None:
        pass


class Nothing:
    """A payload that nobody asks for."""

    length = 0
    sha256 = hashlib.sha256().hexdigest()

    def read(self, offset: int, size: int) -> bytes:
        raise AssertionError(f"{size} bytes of the payload from {offset} on were asked for")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "OUTPUT_CHUNK", PIECE)
    monkeypatch.setattr(conversation, "BACKOFF", (0.0,))
    monkeypatch.setattr(conversation, "BEAT_INTERVAL", 0.01)


@contextmanager
def talking(
    folder: Path, run: str, fault: str = "", at: Place | None = None, outage: float = 60
) -> Iterator[tuple[Pod, Reader, Conversation]]:
    """A conversation with a pod whose run is over; something happens to the record at a place, once."""
    folder.mkdir(exist_ok=True)
    pod, reader = Pod(folder, run, fault, at), Reader()
    payload: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    payload.set_result(Nothing())
    terms = Terms(lease=1, timeout=None, cancel_grace=1, outage_limit=outage)
    reader.conversation = Conversation(pod.attach, payload, reader, terms)
    try:
        yield pod, reader, reader.conversation
    finally:
        for descriptor in (pod.supervisor._wake_read, pod.supervisor._wake_write):
            os.close(descriptor)
        pod.supervisor.spool.release(len(RUNS[run][0]))
        for _first, descriptor in pod.supervisor.spool._segments:
            os.close(descriptor)


async def last_places(folder: Path, run: str) -> list[Place]:
    """The records of a run's last 100 KB, the report on its end among them."""
    with talking(folder, run) as (pod, _reader, talk):
        await talk.run()
        await talk.close()
    end = len(RUNS[run][0])
    assert end > LAST + PIECE
    places = [place for place in pod.places if place[0] in ("output", "ended") and place[1] > end - LAST]
    assert len(places) > LAST // PIECE
    assert places[-1] == ("ended", end)
    return places


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("run", RUNS)
async def test_a_fault_that_passes_changes_nothing(tmp_path: Path, run: str, fault: str) -> None:
    output, _facts, reason = RUNS[run]
    for place in await last_places(tmp_path, run):
        async with deadline(60):
            with talking(tmp_path, run, fault, place) as (_pod, reader, talk):
                ended = await talk.run()
                await talk.close()
        failure = verdict(ended, reader.stream.summary, 0)
        assert (failure and failure.reason) == reason, place
        assert bytes(reader.said) == output, place


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("run", RUNS)
async def test_a_fault_that_lasts_is_never_taken_for_an_end(
    tmp_path: Path, run: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "SILENCE_LIMIT", 0.02)
    monkeypatch.setattr(conversation, "HELLO_LIMIT", 0.01)
    for place in await last_places(tmp_path, run):
        async with deadline(60):
            with talking(tmp_path, run, fault, place, outage=0.01) as (_pod, _reader, talk):
                with pytest.raises(Failure) as caught:
                    await talk.run()
                await talk.close()
        assert caught.value.reason == "ClusterUnreachable", place
        assert talk.ended is None
