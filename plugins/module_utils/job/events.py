# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-runner worker` writes, read as it comes from the pod: bounded, checked, and counted.

The stream is lines of JSON (statuses, events, an end mark) with one zip archive of artifacts in it, whose
length is announced and whose base64 has no end of line of its own (ansible-runner: streaming.py).
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, shortened
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import (
    DEFAULT_OUTPUT,
    OutputLimits,
)

MAX_ARTIFACTS = 256 << 20
"""Bytes of the artifacts' archive; events come by themselves, so what is left is small."""
MAX_DEPTH = 100
"""Lists and mappings within each other; Ansible itself can't handle results of twice as many."""
MAX_CONTAINERS = 500_000
"""Lists and mappings in one line: each takes up to a hundred times the memory of its two characters."""
MAX_NAME = 128
"""Characters of an event's name."""
MAX_HOST = 256
"""Characters of a host's name in the result."""
MAX_SET_STATS = 4 << 20
MAX_FAILURES = 50
"""Failed hosts that are named in the result."""
KEPT_LINES = 40
"""Last lines of output that are kept to explain an end without events."""
KEPT_WIDTH = 1024
"""Characters that are kept of each of them."""

_COMPLAINT = re.compile(r"^(?:\x1b\[[\d;]*m)*(?:ERROR!|\[ERROR\]|[\w.-]+: error:).*", re.MULTILINE)
"""What ansible-playbook says before it ends; with wrong arguments, its whole help comes after it."""

_TEXT = re.compile(rb'"[^"]*"?')
"""A text in JSON without escapes; one without an end is matched, too."""
_NOT_SHAPE = bytes(set(range(256)) - set(b'[]{}"'))
_SQUARE = bytes.maketrans(b"{}", b"[]")

BEGINNING = ("starting", "running")
"""The runner's statuses that say nothing of how it ends."""
HOST_STATUSES = ("ok", "changed", "failed", "unreachable", "skipped")


@dataclass(frozen=True)
class Event:
    """One job event.

    Attributes:
        counter: running number, from 1.
        name: for example `runner_on_ok`.
        stdout: what ansible-playbook printed with it, with its escape sequences.
        changed: the task, or its item, changed something.
    """

    counter: int
    name: str
    stdout: str
    changed: bool = False


@dataclass
class Batch:
    """Events that arrived together.

    Attributes:
        events: in their order.
        lines: the same as raw JSON lines, each with its end of line.
        offset: position in the worker's output after the last of them.
    """

    events: list[Event] = field(default_factory=list)
    lines: bytearray = field(default_factory=bytearray)
    offset: int = 0


@dataclass(frozen=True)
class TaskFailure:
    """Where and how a host failed."""

    host: str
    task: str
    play: str
    message: str
    unreachable: bool

    def as_detail(self) -> dict[str, Any]:
        """The failure as an entry of the result's details."""
        kind = "unreachable" if self.unreachable else "failed"
        return {"host": self.host, "task": self.task, "play": self.play, "msg": self.message, "status": kind}


@dataclass
class Summary:
    """What the events of a run add up to.

    Attributes:
        status: the runner's last word: `starting`, `running`, `successful`, `failed`, `timeout`, ...
        explanation: the runner's `job_explanation` and `result_traceback`, if it gave any.
        events: how many there were; counters 1 to `events` are all there.
        playbook_started: `playbook_on_start` was seen.
        play_started: `playbook_on_play_start` was seen, before which nothing can change.
        first_task: name of the first task; empty before it.
        complaint: the first line before any playbook that says why there will be none, cut at `KEPT_WIDTH`.
        stats: the playbook's own recap was seen.
        eof: the runner's end mark was seen.
        hosts: how many hosts ended in each of `HOST_STATUSES`.
        changed: any host changed, or any task did before there was a recap.
        artifacts: what `set_stats` collected.
        last_lines: the last lines of output.
    """

    status: str = ""
    explanation: str = ""
    events: int = 0
    playbook_started: bool = False
    play_started: bool = False
    first_task: str = ""
    complaint: str = ""
    stats: bool = False
    eof: bool = False
    hosts: dict[str, int] = field(default_factory=dict)
    changed: bool = False
    artifacts: dict[str, Any] = field(default_factory=dict)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    _failures: dict[str, TaskFailure] = field(default_factory=dict)
    _failed_hosts: frozenset[str] = frozenset()

    @property
    def failures(self) -> list[TaskFailure]:
        """The last failure of each host that the recap counts as failed or unreachable: no rescued ones."""
        if not self.stats:
            return list(self._failures.values())
        return [failure for host, failure in self._failures.items() if host in self._failed_hosts]

    def add(self, fields: dict[str, Any]) -> Event:
        """Takes one event's fields and counts it.

        Raises:
            Failure: `ProtocolViolation`, where it is no event of ansible-runner, or not the next one.
        """
        counter, name, stdout = fields.get("counter"), fields.get("event"), fields.get("stdout", "")
        if not _is_integer(counter) or not isinstance(name, str) or not isinstance(stdout, str):
            raise _violation("an event without counter, name or output")
        if len(name) > MAX_NAME:
            raise _violation(f"an event with a name of {len(name)} characters")
        if counter != self.events + 1:
            raise _violation(f"event {_told(counter)} where event {self.events + 1} was due")
        self.events = counter
        facts = fields.get("event_data")
        if isinstance(facts, dict):
            self._look(name, facts)
        if stdout and not (self.complaint or self.playbook_started):
            found = _COMPLAINT.search(stdout)
            self.complaint = found[0][:KEPT_WIDTH] if found else ""
        if stdout:
            ended = stdout.removesuffix("\n").rsplit("\n", KEPT_LINES)
            self.last_lines.extend(line[:KEPT_WIDTH] for line in ended[-KEPT_LINES:])
        return Event(counter, name, stdout, _changed(facts))

    def note_status(self, fields: dict[str, Any]) -> None:
        """Takes a status of the runner, with its explanation if it gave one.

        Raises:
            Failure: `ProtocolViolation`, where it is no text.
        """
        status = fields["status"]
        if not isinstance(status, str):
            raise _violation("a status that is no text")
        self.status = status[:32]
        words = [
            str(fields[key])[:8192] for key in ("job_explanation", "result_traceback") if fields.get(key)
        ]
        self.explanation = "\n".join(words) or self.explanation

    def _look(self, name: str, facts: dict[str, Any]) -> None:
        if name == "runner_on_ok":
            self.changed = self.changed or _changed(facts)
        elif name in ("runner_on_failed", "runner_on_unreachable"):
            self._note_failure(facts, unreachable=name == "runner_on_unreachable")
        elif name == "playbook_on_start":
            self.playbook_started = True
        elif name == "playbook_on_play_start":
            self.play_started = True
        elif name == "playbook_on_task_start" and not self.first_task:
            task = facts.get("task")
            self.first_task = task[:256] if isinstance(task, str) else ""
        elif name == "playbook_on_stats":
            self._take_stats(facts)

    def _note_failure(self, facts: dict[str, Any], *, unreachable: bool) -> None:
        host = facts.get("host")
        if not isinstance(host, str) or len(host) > MAX_HOST or facts.get("ignore_errors") is True:
            return
        if host not in self._failures and len(self._failures) >= MAX_FAILURES:
            return
        result = facts.get("res")
        message = result.get("msg", "") if isinstance(result, dict) else ""
        self._failures[host] = TaskFailure(
            host,
            str(facts.get("task", ""))[:256],
            str(facts.get("play", ""))[:256],
            shortened(str(message), KEPT_WIDTH),
            unreachable,
        )

    def _take_stats(self, facts: dict[str, Any]) -> None:
        """Counts each host once, under the worst that happened to it, as AWX's `host_status_counts`."""
        hosts: dict[str, str] = {}
        names = {
            "skipped": "skipped",
            "ok": "ok",
            "changed": "changed",
            "failures": "failed",
            "dark": "unreachable",
        }
        for key, status in names.items():
            counts = facts.get(key)
            if isinstance(counts, dict):
                hosts.update(dict.fromkeys(counts, status))
        self.stats = True
        self.hosts = dict.fromkeys(HOST_STATUSES, 0)
        for status in hosts.values():
            self.hosts[status] += 1
        self._failed_hosts = frozenset(
            host for host, status in hosts.items() if status in ("failed", "unreachable")
        )
        self.changed = bool(facts.get("changed"))
        artifacts = facts.get("artifact_data")
        if isinstance(artifacts, dict):
            if len(json.dumps(artifacts)) > MAX_SET_STATS:
                raise _violation(f"more than {MAX_SET_STATS} bytes of set_stats")
            self.artifacts = artifacts


class RunnerStream:
    """Reads the worker's output, in pieces of any size.

    Attributes:
        summary: what it added up to so far.
        offset: bytes of the output before the first that is still needed: where another reader could start
            that knows the events before it, and nothing else.
    """

    def __init__(self, offset: int = 0, *, limits: OutputLimits = DEFAULT_OUTPUT) -> None:
        """Starts to read.

        Args:
            offset: position in the output of the first byte to come; `know` the events before it, first.
            limits: how much a run may send.
        """
        self.summary = Summary()
        self._known = 0
        self.offset = offset
        self._limits = limits
        self._read = offset
        self._ending = False  # what comes now is known to no store, and will be needed again
        self._kept = bytearray()
        self._searched = 0
        self._archive_left = 0

    def know(self, line: bytes) -> None:
        """Takes an event that was stored before, as a JSON line; the next one comes next."""
        self.summary.add(json.loads(line))
        self._known = self.summary.events

    def feed(self, piece: bytes) -> Batch:
        """The events that are whole with this piece.

        Raises:
            Failure: `ProtocolViolation`, where this is not what ansible-runner writes, or is too much.
        """
        batch = Batch()
        kept = self._kept
        kept += piece
        limits = self._limits
        if self._read + len(kept) > limits.max_output_size:
            raise _too_much(f"more than {limits.max_output_size} bytes of output", "max_output_size")
        start = 0
        while start < len(kept):
            if self._archive_left:
                skipped = min(self._archive_left, len(kept) - start)
                self._archive_left -= skipped
                start += skipped
                continue
            end = kept.find(b"\n", max(start, self._searched))
            if end < 0:
                self._check_size(len(kept) - start)
                break
            self._check_size(end + 1 - start)
            ending = self._ending
            self._take(kept[start : end + 1], batch)
            if self._ending and not ending:
                self.offset = self._read + start
            start = end + 1
        del kept[:start]
        self._searched = len(kept)
        self._read += start
        if not self._ending:
            self.offset = self._read
        batch.offset = self.offset
        return batch

    def _check_size(self, size: int) -> None:
        most = self._limits.max_event_size
        if size > most:
            raise _too_much(f"an event of more than {most} bytes", "max_event_size")

    def _take(self, line: bytearray, batch: Batch) -> None:
        summary = self.summary
        fields = _parsed(line)
        if summary.eof:
            raise _violation("output after the end mark")
        if "event" in fields:
            if fields.get("uuid") == 0:  # ansible-runner's keepalive
                return
            if self._is_known(fields.get("counter")):
                return
            most = self._limits.max_events
            if summary.events >= most:
                raise _too_much(f"more than {most} events", "max_events")
            batch.events.append(summary.add(fields))
            batch.lines += line
        elif "status" in fields:
            summary.note_status(fields)
            self._ending = self._ending or summary.status not in BEGINNING
        elif "zipfile" in fields:
            self._ending = True
            size = fields["zipfile"]
            if not _is_integer(size) or not 0 <= size <= MAX_ARTIFACTS:
                raise _violation(f"artifacts of {_told(size)} bytes, where {MAX_ARTIFACTS} are allowed")
            self._archive_left = (size + 2) // 3 * 4
        elif "eof" in fields:
            self._ending = True
            summary.eof = True

    def _is_known(self, counter: object) -> bool:
        """Whether this comes again: an event after the first sign of the end, where reading starts anew."""
        return _is_integer(counter) and 1 <= counter <= self._known


def stored_event(line: bytes) -> Event:
    """The event in a line of the store, which was checked by `Summary.add` when it came."""
    fields = json.loads(line)
    stdout, facts = fields.get("stdout", ""), fields.get("event_data")
    return Event(fields["counter"], fields["event"], stdout, _changed(facts))


def _changed(facts: object) -> bool:
    """Whether the task or item of an event changed something."""
    result = facts.get("res") if isinstance(facts, dict) else None
    return isinstance(result, dict) and result.get("changed") is True


def _parsed(line: bytearray) -> dict[str, Any]:
    _check_shape(line)
    try:
        # Decoded here, since the parser would take UTF-16, too, in which lines end otherwise.
        fields = json.loads(line.decode("utf-8"))
    except ValueError as exc:
        words = _told(line[:999].decode("utf-8", "replace"))
        raise _violation(f"a line that is not JSON: {words}") from exc
    if not isinstance(fields, dict):
        raise _violation("a line that is not a mapping")
    return fields


def _check_shape(line: bytearray) -> None:
    """Refuses what would take much more memory, or a deeper stack, than the line's length tells."""
    if line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return
    plain = line.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in line else line
    # Of most texts only their quotes are left then, which is the quicker way to be rid of them.
    brackets = _TEXT.sub(b"", plain.translate(_SQUARE, _NOT_SHAPE).replace(b'""', b""))
    if len(brackets) > 2 * MAX_CONTAINERS:
        raise _violation(f"more than {MAX_CONTAINERS} lists and mappings in one line")
    for _level in range(MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise _violation(f"a line that is nested more than {MAX_DEPTH} deep")


def _is_integer(value: object) -> TypeGuard[int]:
    """To JSON, true and false are no numbers; to Python, they are integers."""
    return isinstance(value, int) and not isinstance(value, bool)


def _told(value: object) -> str:
    """A value of the pod's in a message, which must not grow with it."""
    return shortened(repr(value), 80)


def _violation(what: str) -> Failure:
    return Failure("ProtocolViolation", f"The pod sent what ansible-runner never writes: {what}.")


def _too_much(what: str, option: str) -> Failure:
    return Failure(
        "ProtocolViolation",
        f"The pod sent too much: {what}.",
        hint=f"Make the playbook print less, or raise {option}.",
    )
