# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversation with a real supervisor over connections that break: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
from ansible_collections.jobpods.controller.plugins.module_utils.pod.supervisor import encode
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import WINDOW
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    SupervisedPod,
    scripted_worker,
    supervised_pod,
)

DEADLINE = 60
LINES = "sys.stdin.buffer.read()\nfor n in range(20000): print('line', n)\n"
EXPECTED = b"".join(b"line %d\n" % n for n in range(20000))


class Bytes:
    """A payload in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.length = len(content)
        self.sha256 = hashlib.sha256(content).hexdigest()

    def read(self, offset: int, size: int) -> bytes:
        return self.content[offset : offset + size]


class Attached:
    """One attach; it may break after some bytes in either direction, within a record or between two."""

    def __init__(self, kubelet: Kubelet, down: int | None, up: int | None) -> None:
        self.error: dict[str, Any] | None = None
        self.arriving: asyncio.Queue[bytes] = asyncio.Queue()
        self.silent = False
        self.quiet = 0.0 if kubelet.is_slow else math.inf
        self._kubelet, self._down, self._up = kubelet, down, up
        self._lost = Unreachable(Failure("ClusterUnreachable", "cut"))

    async def read(self) -> bytes:
        if self.silent:
            await asyncio.Event().wait()
        piece = await self.arriving.get()
        await self._kubelet.passes.wait()
        if self._down is not None:
            if self._down == 0:
                raise self._lost
            if len(piece) > self._down:
                piece = piece[: self._down]
                self.arriving.put_nowait(b"rest")
            self._down -= len(piece)
        return piece

    async def write(self, content: bytes) -> None:
        if self._up is not None:
            content, left = content[: self._up], self._up - len(content)
            self._up = max(0, left)
            await asyncio.to_thread(self._kubelet.pod.send, content)
            if left < 0:
                raise self._lost
            return
        await asyncio.to_thread(self._kubelet.pod.send, content)

    async def close(self) -> None:
        self._kubelet.attached.discard(self)


class Kubelet:
    """Copies what the supervisor prints to every attach; what is printed without any is lost."""

    def __init__(self, pod: SupervisedPod) -> None:
        self.pod = pod
        self.attached: set[Attached] = set()
        self.attaches = 0
        self.cuts: Callable[[int], tuple[int | None, int | None]] = lambda number: (None, None)
        self.trouble: Exception | None = None
        self.is_slow = False
        self.passes = asyncio.Event()
        self.passes.set()

    async def attach(self) -> Attached:
        if self.trouble is not None:
            raise self.trouble
        self.attaches += 1
        stream = Attached(self, *self.cuts(self.attaches))
        self.attached.add(stream)
        return stream

    async def copy(self) -> None:
        while piece := await asyncio.to_thread(os.read, self.pod.stdout, 1 << 16):
            for stream in self.attached:
                stream.arriving.put_nowait(piece)


class Heard:
    """A listener that keeps what it hears, and stores at once what is whole.

    Attributes:
        by_line: a line is whole with its end only; else each piece is.
        stores: whether it stores at all.
    """

    def __init__(self) -> None:
        self.said = bytearray()
        self.told: list[str] = []
        self.conversation: Conversation | None = None
        self.fault: Failure | None = None
        self.by_line = False
        self.stores = True
        self.whole = 0

    async def output(self, piece: bytes) -> int:
        if self.fault is not None:
            raise self.fault
        self.said += piece
        assert self.conversation is not None
        if not self.by_line:
            self.whole = len(self.said)
        elif b"\n" in piece:
            self.whole = self.said.rindex(b"\n") + 1
        if self.stores:
            await self.conversation.store_reached(self.whole)
        return self.whole

    def connected(self) -> None:
        self.told.append("connected")

    def disconnected(self, trouble: Unreachable) -> None:
        self.told.append("disconnected")

    def wanted(self) -> None:
        """The payload of these tests is there from the start."""

    def received(self) -> None:
        self.told.append("received")

    def starting(self) -> None:
        if "starting" not in self.told:
            self.told.append("starting")

    def started(self) -> None:
        self.told.append("started")


class Scene:
    """A conversation, both its ends, and what lies between them."""

    def __init__(self, kubelet: Kubelet, payload: bytes, outage_limit: float) -> None:
        self.kubelet = kubelet
        self.heard = Heard()
        source: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        source.set_result(Bytes(payload))
        terms = Terms(lease=1, timeout=None, cancel_grace=1, outage_limit=outage_limit)
        self.conversation = Conversation(kubelet.attach, source, self.heard, terms)
        self.heard.conversation = self.conversation


@asynccontextmanager
async def scene(
    folder: Path, script: str, payload: bytes = b"x" * 600_000, outage: float = 30
) -> AsyncIterator[Scene]:
    scripted_worker(folder, script)
    with supervised_pod(folder, beat_interval=1) as pod:
        kubelet = Kubelet(pod)
        copying = asyncio.create_task(kubelet.copy())
        made = Scene(kubelet, payload, outage)
        try:
            async with deadline(DEADLINE):
                yield made
        finally:
            await made.conversation.close()
            pod.process.kill()
            await copying


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "BACKOFF", (0.01,))
    monkeypatch.setattr(conversation, "HELLO_LIMIT", 5.0)


async def test_whole_output_over_one_connection(tmp_path: Path) -> None:
    async with scene(tmp_path, LINES) as at:
        ended = await at.conversation.run()
        assert (ended.cause, ended.returncode, ended.offset) == ("exit", 0, len(EXPECTED))
        assert bytes(at.heard.said) == EXPECTED
        assert at.heard.told == ["connected", "starting", "received", "started"]
        await at.conversation.bye()
        assert await asyncio.to_thread(at.kubelet.pod.process.wait, DEADLINE) == 0


@pytest.mark.parametrize("down", [0, 1, 60, 150, 33_000, 80_000], ids=lambda n: f"down-{n}")
async def test_output_is_whole_however_often_the_connection_breaks(tmp_path: Path, down: int) -> None:
    async with scene(tmp_path, LINES) as at:
        at.kubelet.cuts = lambda number: (down + number, None) if number < 8 else (None, None)
        await at.conversation.run()
        assert bytes(at.heard.said) == EXPECTED
        assert at.heard.told.count("started") == 1
        assert 2 < at.kubelet.attaches <= 8


@pytest.mark.parametrize("up", [1, 50, 262_000, 400_000, 600_300], ids=lambda n: f"up-{n}")
async def test_payload_arrives_however_often_the_connection_breaks(tmp_path: Path, up: int) -> None:
    count = "content = sys.stdin.buffer.read()\nprint(len(content), content.count(b'x'))\n"
    async with scene(tmp_path, count) as at:
        at.kubelet.cuts = lambda number: (None, up) if number < 4 else (None, None)
        await at.conversation.run()
        assert bytes(at.heard.said) == b"600000 600000\n"


async def test_line_may_be_longer_than_what_may_wait_for_the_store(tmp_path: Path) -> None:
    size = 20 << 20
    assert size > 2 * conversation.UNSTORED_LIMIT
    script = f"sys.stdin.buffer.read()\nsys.stdout.write('x' * {size})\nprint()\nprint('two')\n"
    async with scene(tmp_path, script) as at:
        at.heard.by_line = True
        await at.conversation.run()
        assert len(at.heard.said) == size + len(b"\ntwo\n")


async def test_no_more_comes_than_may_wait_for_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "UNSTORED_LIMIT", 100_000)
    monkeypatch.setattr(conversation, "BEAT_INTERVAL", 0.1)
    async with scene(tmp_path, "sys.stdin.buffer.read()\nfor n in range(2000): print('x' * 1000)\n") as at:
        at.heard.stores = False
        talk = asyncio.create_task(at.conversation.run())
        while len(at.heard.said) < conversation.UNSTORED_LIMIT:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        assert len(at.heard.said) <= conversation.UNSTORED_LIMIT + WINDOW
        at.heard.stores = True
        await at.conversation.store_reached(at.heard.whole)
        await talk
        assert len(at.heard.said) == 2000 * 1001


async def test_too_early_attaches_are_only_tries(tmp_path: Path) -> None:
    async with scene(tmp_path, LINES) as at:
        at.kubelet.trouble = NotAttachable("container not found")
        assert not await at.conversation.try_once()
        at.kubelet.trouble = None
        at.kubelet.cuts = lambda number: (0, None) if number == 1 else (None, None)
        assert not await at.conversation.try_once()
        assert await at.conversation.try_once()
        await at.conversation.run()
        assert at.kubelet.attaches == 2
        assert bytes(at.heard.said) == EXPECTED


async def test_silent_connection_is_left_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "SILENCE_LIMIT", 2.5)
    gate = tmp_path / "gate"
    script = f"""\
sys.stdin.buffer.read()
print('one', flush=True)
while not os.path.exists({str(gate)!r}): time.sleep(0.05)
print('two')
"""
    async with scene(tmp_path, script) as at:
        talk = asyncio.create_task(at.conversation.run())
        while not at.heard.said:
            await asyncio.sleep(0.02)
        for stream in at.kubelet.attached:
            stream.silent = True
        while "disconnected" not in at.heard.told:
            await asyncio.sleep(0.02)
        gate.touch()
        await talk
        assert bytes(at.heard.said) == b"one\ntwo\n"


async def test_connection_on_which_a_record_is_under_way_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "SILENCE_LIMIT", 1.0)
    monkeypatch.setattr(conversation, "HELLO_LIMIT", 0.2)
    async with scene(tmp_path, LINES) as at:
        at.kubelet.is_slow = True
        talk = asyncio.create_task(at.conversation.run())
        at.kubelet.passes.clear()
        await asyncio.sleep(1.0)  # the answer to the attach takes its time
        at.kubelet.passes.set()
        while not at.heard.said:
            await asyncio.sleep(0.01)
        at.kubelet.passes.clear()
        await asyncio.sleep(3.0)  # and so does a record
        at.kubelet.passes.set()
        await talk
        assert at.kubelet.attaches == 1
        assert bytes(at.heard.said) == EXPECTED


async def test_each_attach_gets_more_time_for_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "HELLO_LIMIT", 0.01)
    async with scene(tmp_path, LINES) as at:
        at.kubelet.passes.clear()
        talk = asyncio.create_task(at.conversation.run())
        while at.kubelet.attaches < 6:
            await asyncio.sleep(0.01)
        assert at.conversation._hello_limit >= 0.16
        at.kubelet.passes.set()
        await talk
        assert bytes(at.heard.said) == EXPECTED


async def test_cancel_reaches_the_run_also_after_a_break(tmp_path: Path) -> None:
    wait = "sys.stdin.buffer.read()\nprint('here', flush=True)\ntime.sleep(600)\n"
    async with scene(tmp_path, wait) as at:
        talk = asyncio.create_task(at.conversation.run())
        while not at.heard.said:
            await asyncio.sleep(0.02)
        at.kubelet.trouble = Unreachable(Failure("ConnectionRefused", "away"))
        for stream in list(at.kubelet.attached):
            stream.arriving.put_nowait(b"")
        await at.conversation.cancel(0.2)
        at.kubelet.trouble = None
        ended = await talk
        assert (ended.cause, ended.left) == ("cancel", 0)


async def test_outage_has_its_limit(tmp_path: Path) -> None:
    async with scene(tmp_path, LINES, outage=0.3) as at:
        at.kubelet.trouble = Unreachable(Failure("ConnectionRefused", "nothing listens there"))
        with pytest.raises(Failure, match="cluster_outage_timeout.*nothing listens there") as caught:
            await at.conversation.run()
        assert caught.value.reason == "ClusterUnreachable"


async def test_listener_s_failure_ends_the_talk(tmp_path: Path) -> None:
    async with scene(tmp_path, LINES) as at:
        at.heard.fault = Failure("ProtocolViolation", "no event")
        with pytest.raises(Failure, match="no event"):
            await at.conversation.run()


async def test_payload_that_can_t_be_built_ends_the_talk(tmp_path: Path) -> None:
    async with scene(tmp_path, LINES) as at:
        source: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        source.set_exception(Failure("PayloadTooLarge", "too much"))
        at.conversation._payload = source
        with pytest.raises(Failure, match="too much"):
            await at.conversation.run()


async def test_more_output_than_may_wait_for_the_store_is_a_violation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "UNSTORED_LIMIT", 100_000)
    async with scene(tmp_path, "sys.stdin.buffer.read()\ntime.sleep(600)\n") as at:
        at.heard.stores = False
        talk = asyncio.create_task(at.conversation.run())
        while "started" not in at.heard.told:
            await asyncio.sleep(0.01)
        (stream,) = at.kubelet.attached
        size = 32 << 10
        for offset in range(0, 2 * (conversation.UNSTORED_LIMIT + WINDOW), size):
            stream.arriving.put_nowait(encode("output", at.conversation._session, offset, b"x" * size))
        with pytest.raises(Failure, match="more output than it was asked for") as raised:
            await talk
        assert raised.value.reason == "ProtocolViolation"
        assert len(at.heard.said) <= conversation.UNSTORED_LIMIT + WINDOW


async def test_bytes_that_never_become_a_record_do_not_keep_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "SILENCE_LIMIT", 0.2)
    monkeypatch.setattr(conversation, "SLOW_LIMIT", 0.6)
    script = "sys.stdin.buffer.read()\nprint('one', flush=True)\ntime.sleep(600)\n"
    async with scene(tmp_path, script, outage=2.5) as at:
        at.kubelet.is_slow = True
        talk = asyncio.create_task(at.conversation.run())
        while not at.heard.said:
            await asyncio.sleep(0.01)
        at.kubelet.passes.clear()
        with pytest.raises(Failure, match="longer than cluster_outage_timeout"):
            await talk
        assert at.kubelet.attaches > 1


@pytest.mark.parametrize("begun", [False, True], ids=["by its own word", "as another controller has heard"])
async def test_the_run_does_not_begin_twice(tmp_path: Path, begun: bool) -> None:
    """What answers under the pod's name wants the payload, although the run had begun."""
    runs = tmp_path / "runs"
    script = f"open({str(runs)!r}, 'a').write('x')\nsys.stdin.buffer.read()\ntime.sleep(600)\n"
    async with scene(tmp_path, script, outage=0.5) as at:
        at.conversation._begun = begun
        talk = asyncio.create_task(at.conversation.run())
        if not begun:
            while "started" not in at.heard.told:
                await asyncio.sleep(0.02)
            with supervised_pod(tmp_path, private_data_dir=str(tmp_path / "other")) as other:
                former, at.kubelet.pod = at.kubelet.pod, other
                copying = asyncio.create_task(at.kubelet.copy())
                for stream in list(at.kubelet.attached):
                    stream.arriving.put_nowait(b"")
                with pytest.raises(Failure, match="knows nothing of the run, which had begun"):
                    await talk
                at.kubelet.pod = former
                other.process.kill()
                await copying
        else:
            with pytest.raises(Failure, match="knows nothing of the run, which had begun"):
                await talk
        assert at.heard.told.count("starting") == (0 if begun else 1)
        assert not runs.exists() if begun else runs.read_text() == "x"
