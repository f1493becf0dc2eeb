# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the wire protocol: records to send to a supervisor, and what its records say.

The record format itself has its one home in the supervisor, which must do without imports. What comes from a
pod may be forged by the playbook that runs in it, so every field is checked before anybody uses it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod.supervisor import (
    MAX_BODY,
    PROTOCOL,
    STDERR_TAIL,
    WINDOW,
    Decoder,
    Record,
    encode,
)

__all__ = [
    "MAX_BODY",
    "PAYLOAD_CHUNK",
    "PROTOCOL",
    "WINDOW",
    "Beat",
    "Decoder",
    "Ended",
    "Hello",
    "Kept",
    "Output",
    "Received",
    "Record",
    "Usage",
    "ack",
    "attach",
    "beat",
    "bye",
    "cancel",
    "encode",
    "keep",
    "message",
    "payload",
    "payload_records",
    "start",
]

PAYLOAD_CHUNK = 32 << 10
"""Bytes of the payload in one record: few, so that also a connection that is cut soon brings it nearer."""

State = Literal["waiting", "receiving", "running", "ended"]
Cause = Literal["exit", "cancel", "timeout", "payload", "runner_missing", "spool", "controller_lost"]

_STATES: tuple[State, ...] = get_args(State)
_CAUSES: tuple[Cause, ...] = get_args(Cause)


def attach(
    session: int, resume: int, *, anew: bool = False, lost_timeout: float | None = None, pod: str = ""
) -> bytes:
    """Opens a session and asks for the output from offset `resume` on; repeat it until `hello` comes.

    Args:
        session: the session's number.
        resume: position in the worker's output.
        anew: what has arrived of a payload that is not whole is another controller's, and is dropped.
        lost_timeout: seconds without a word from the controller after which all ends; None changes nothing.
        pod: UID of the pod that is meant: a supervisor in another one does not answer; empty for any.
    """
    facts: dict[str, Any] = {"protocol": PROTOCOL, "resume": resume}
    if anew:
        facts["anew"] = True
    if lost_timeout is not None:
        facts["controller_lost_timeout"] = lost_timeout
    if pod:
        facts["pod"] = pod
    return _encode_json("attach", session, facts)


def payload(session: int, offset: int, piece: bytes) -> bytes:
    """A piece of the payload, of at most `PAYLOAD_CHUNK` bytes."""
    return encode("payload", session, offset, piece)


def payload_records(session: int, whole: bytes, offset: int = 0) -> Iterator[bytes]:
    """The payload from `offset` on, in records."""
    view = memoryview(whole)
    for position in range(offset, len(whole), PAYLOAD_CHUNK):
        yield payload(session, position, bytes(view[position : position + PAYLOAD_CHUNK]))


def start(session: int, *, length: int, sha256: str, timeout: float | None, cancel_grace: float) -> bytes:
    """Starts the run, once the payload is whole; repeat it until `received` says whole, or `ended` comes.

    Args:
        session: the session's number.
        length: bytes of the payload.
        sha256: its digest in hexadecimal.
        timeout: seconds that the run may take; None for no limit.
        cancel_grace: seconds between asking Ansible to stop and killing it.
    """
    facts = {"length": length, "sha256": sha256, "timeout": timeout, "cancel_grace": cancel_grace}
    return _encode_json("start", session, facts)


def ack(session: int, arrived: int, stored: int) -> bytes:
    """All output below `arrived` is here, and below `stored` is safe; repeat it with each beat."""
    return encode("ack", session, arrived, json.dumps({"stored": stored}).encode("ascii"))


def cancel(session: int, grace: float) -> bytes:
    """Stops the run: asks, and kills after `grace` seconds; repeat it until `canceling` or `ended` comes."""
    return _encode_json("cancel", session, {"grace": grace})


def beat(session: int) -> bytes:
    """Says that the controller lives; due every 5 s."""
    return encode("beat", session)


def bye(session: int) -> bytes:
    """Everything is stored, the supervisor may end; repeat it until the stream ends."""
    return encode("bye", session)


def keep(session: int, seconds: float) -> bytes:
    """In the place of `bye`: the supervisor stays for so long, for people to look into its container.

    Repeat it until `kept` comes.
    """
    return _encode_json("keep", session, {"seconds": seconds})


@dataclass(frozen=True)
class Hello:
    """Answer to `attach`.

    Attributes:
        protocol: version that the supervisor speaks.
        state: what the supervisor is doing.
        payload: bytes of the payload that it has.
        spool_start: offset of the first byte of output that it still has.
        spool_end: offset after the last byte of output up to now.
    """

    protocol: int
    state: State
    payload: int
    spool_start: int
    spool_end: int


@dataclass(frozen=True)
class Received:
    """How much of the payload has arrived.

    Attributes:
        offset: bytes that arrived without a gap: send on from here.
        whole: all of it is there and checked, and the runner is being started.
    """

    offset: int
    whole: bool


@dataclass(frozen=True)
class Started:
    """The runner was started.

    Attributes:
        pid: its process id in the pod.
    """

    pid: int


@dataclass(frozen=True)
class Output:
    """A piece of what the runner wrote.

    Attributes:
        offset: of its first byte; one beyond the expected means that a record was lost: attach again.
        piece: the bytes.
    """

    offset: int
    piece: bytes


@dataclass(frozen=True)
class Beat:
    """The supervisor lives.

    Attributes:
        state: what it is doing.
        spool_end: offset after the last byte of output up to now.
    """

    state: State
    spool_end: int


@dataclass(frozen=True)
class Usage:
    """What the run uses up to now: its container may be killed for it, and never report.

    Attributes:
        memory_peak: bytes of memory at most.
    """

    memory_peak: int


@dataclass(frozen=True)
class Canceling:
    """The cancel was heard."""


@dataclass(frozen=True)
class Kept:
    """The supervisor stays, as it was told by `keep`; it has removed the secrets that it could."""


@dataclass(frozen=True)
class Ended:
    """The run is over, and all its output was sent.

    Attributes:
        offset: the output's length.
        cause: why it ended; `exit` means by itself, which is no proof of success.
        returncode: of `ansible-runner worker`; None if it was killed, or never started.
        signal: that killed the worker.
        stderr: the tail of the worker's standard error.
        message: what the supervisor has to say about it.
        memory_peak: bytes of memory that the container used at most, without what the kernel could drop; of
            a supervisor on the controller node, those of the largest process.
        cpu_seconds: of the container.
        elapsed: seconds from the runner's start to now.
        left: processes of the run that could not be killed.
        memory_kills: processes that the kernel killed for want of memory in the container.
        cpu_p95: CPUs, which the container did not exceed for 95 % of the run.
    """

    offset: int
    cause: Cause
    returncode: int | None
    signal: int | None
    stderr: str
    message: str
    memory_peak: int | None
    cpu_seconds: float | None
    elapsed: float | None
    left: int
    memory_kills: int | None = None
    cpu_p95: float | None = None


Message: TypeAlias = "Hello | Received | Started | Output | Beat | Usage | Canceling | Kept | Ended"


def message(record: Record) -> Message | None:
    """What a record of the supervisor says.

    Returns:
        The message; None for a kind that this version doesn't know.

    Raises:
        Failure: `ProtocolViolation`, where a field is missing or is not what it must be.
    """
    fields = _Fields(record)
    if record.kind == "output":
        return Output(record.position, record.body)
    if record.kind == "beat":
        return Beat(fields.state(), fields.count("spool_end"))
    if record.kind == "received":
        return Received(record.position, fields.flag("whole"))
    if record.kind == "hello":
        return Hello(
            fields.count("protocol"),
            fields.state(),
            fields.count("payload"),
            fields.count("spool_start"),
            fields.count("spool_end"),
        )
    if record.kind == "started":
        return Started(fields.count("pid"))
    if record.kind == "usage":
        return Usage(fields.count("memory_peak"))
    if record.kind == "canceling":
        return Canceling()
    if record.kind == "kept":
        return Kept()
    if record.kind == "ended":
        return Ended(
            record.position,
            fields.cause(),
            fields.maybe_count("returncode"),
            fields.maybe_count("signal"),
            fields.text("stderr")[-STDERR_TAIL:],
            fields.text("message")[:STDERR_TAIL],
            fields.maybe_count("memory_peak"),
            fields.maybe_number("cpu_seconds"),
            fields.maybe_number("elapsed"),
            fields.count("left"),
            fields.maybe_count("memory_kills"),
            fields.maybe_number("cpu_p95"),
        )
    return None


class _Fields:
    """The fields of one record's body, each checked when it is taken."""

    _LIMIT = 1 << 63

    def __init__(self, record: Record) -> None:
        self._kind = record.kind
        self._fields: dict[str, Any] = {}
        if record.position >= self._LIMIT:
            raise self._violation("position")
        if record.kind not in ("output", "canceling", "kept"):
            try:
                self._fields = record.mapping()
            except ValueError as exc:
                raise self._violation("body") from exc

    def count(self, name: str) -> int:
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < self._LIMIT:
            raise self._violation(name)
        return value

    def maybe_count(self, name: str) -> int | None:
        return None if self._fields.get(name) is None else self.count(name)

    def maybe_number(self, name: str) -> float | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if type(value) not in (int, float) or not 0 <= value < self._LIMIT:
            raise self._violation(name)
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._fields.get(name)
        if not isinstance(value, bool):
            raise self._violation(name)
        return value

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str):
            raise self._violation(name)
        return value

    def state(self) -> State:
        for state in _STATES:
            if state == self._fields.get("state"):
                return state
        raise self._violation("state")

    def cause(self) -> Cause:
        for cause in _CAUSES:
            if cause == self._fields.get("cause"):
                return cause
        raise self._violation("cause")

    def _violation(self, field: str) -> Failure:
        return Failure(
            "ProtocolViolation",
            f"The pod sent a record of kind {self._kind!r} whose {field} is not valid.",
            details={"kind": self._kind, "field": field},
        )


def _encode_json(kind: str, session: int, facts: dict[str, Any]) -> bytes:
    return encode(kind, session, 0, json.dumps(facts).encode("ascii"))
