# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a job's start: what it went through up to its first task, and how long each phase took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import one_line

Phase: TypeAlias = Literal[
    "queued", "creating", "quota", "scheduling", "starting", "pulling", "connecting", "sending", "playbook"
]
"""In the order in which they come; `pulling` takes the place of `starting` where the image is pulled."""

LASTING = 1.0
"""Seconds from which on a phase has lasted long enough to say how long."""
SLOW = 3.0
"""Seconds from which on a phase is worth a line on the terminal, also without `-v`."""
SLOW_START = 10.0
"""The same of the whole start."""
SAVE_AFTER = 2.0
"""Seconds after which a change is worth a transaction of its own; before that, it may go with another one."""
MAX_DETAIL = 512
"""Characters of a detail: many of them are others' words."""
MAX_QUEUED = 10
"""Things to wait for that are kept one by one, before a job has its place; the last takes up all others."""

_ORDER: dict[Phase, int] = {phase: number for number, phase in enumerate(get_args(Phase))}


@dataclass
class Entry:
    """One phase.

    Attributes:
        phase: its name.
        at: when it began, in seconds since the epoch.
        seconds: how long it lasted; None where it goes on.
        detail: what was waited for, or what came of it.
    """

    phase: Phase
    at: float
    seconds: float | None = None
    detail: str = ""


class Story:
    """The phases of one attempt's start; it ends with the first task, or the job."""

    def __init__(self, stored: Iterable[dict[str, Any]] = (), clock: Callable[[], float] = time.time) -> None:
        """Begins the story, or goes on with it.

        Args:
            stored: what an earlier owner of the job has stored of it.
            clock: seconds since the epoch: other processes go on with the story.
        """
        self._clock = clock
        self._entries = [Entry(**entry) for entry in stored]
        self._unsaved_since: float | None = None
        if not self._entries:
            self._add("queued", "")

    @property
    def _over(self) -> bool:
        return self._entries[-1].seconds is not None

    def enter(self, phase: Phase, detail: str = "") -> float:
        """Goes on to a phase; of the one that it is in, or was in before, only the detail is changed.

        What comes late, and is of a phase that never was, is left out.

        Returns:
            Seconds that the phase before it has lasted; 0 where it is none that begins now.
        """
        last = self._entries[-1]
        if not self._over and self._begins(phase, detail, last):
            self._close(last)
            self._add(phase, detail)
            return last.seconds or 0.0
        if not self._over and phase == "pulling" and last.phase == "starting":
            last.phase = phase  # since its beginning, which is heard of later
        if self._over and phase == "queued":
            return 0.0
        for entry in reversed(self._entries):
            if entry.phase == phase and detail:
                self._explain(entry, detail)
                break
        return 0.0

    def _begins(self, phase: Phase, detail: str, last: Entry) -> bool:
        if phase == last.phase == "queued":  # there may be one thing after the other to wait for
            more = bool(last.detail) and last.detail != _detail(detail)
            return more and len(self._entries) < MAX_QUEUED
        pulls = phase == "pulling" and last.phase == "starting"
        return _ORDER[phase] > _ORDER[last.phase] and not pulls

    def end(self, detail: str = "") -> bool:
        """Ends the story; returns whether it went on till now."""
        if self._over:
            return False
        last = self._entries[-1]
        self._close(last)
        if detail:
            self._explain(last, detail)
        return True

    def begin_again(self, why: str) -> list[dict[str, Any]]:
        """Begins the story of another attempt; returns that of the last one."""
        self.end()
        ended = self.to_stored()
        self._entries = []
        self._add("queued", why)
        return ended

    @property
    def seconds(self) -> float:
        """How long the start took up to the end of the last phase that has one."""
        ends = [entry.at + entry.seconds for entry in self._entries if entry.seconds is not None]
        return max(0.0, max(ends, default=0.0) - self._entries[0].at)

    def __str__(self) -> str:
        spans: dict[str, float] = {}
        for entry in self._entries:
            spans[entry.phase] = spans.get(entry.phase, 0.0) + (entry.seconds or 0.0)
        return ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in spans.items() if seconds >= 0.05)

    # -- the store --

    def to_stored(self) -> list[dict[str, Any]]:
        """The story as it is stored."""
        return [asdict(entry) for entry in self._entries]

    @property
    def due(self) -> bool:
        """Whether it waits long enough for being stored."""
        since = self._unsaved_since
        return since is not None and time.monotonic() - since >= SAVE_AFTER

    def unsaved(self) -> dict[str, Any]:
        """The column of the job's row, where it has changed since the last call."""
        if self._unsaved_since is None:
            return {}
        self._unsaved_since = None
        return {"start": self.to_stored()}

    # -- changes --

    def _add(self, phase: Phase, detail: str) -> None:
        self._entries.append(Entry(phase, round(self._clock(), 3), None, _detail(detail)))
        self._changed()

    def _explain(self, entry: Entry, detail: str) -> None:
        if entry.detail != _detail(detail):
            entry.detail = _detail(detail)
            self._changed()

    def _close(self, entry: Entry) -> None:
        # Clocks of several controllers, and of one that was set, may go back.
        entry.seconds = round(max(0.0, self._clock() - entry.at), 3)
        self._changed()

    def _changed(self) -> None:
        self._unsaved_since = self._unsaved_since or time.monotonic()


def after(seconds: float) -> str:
    """How long something took, as the rest of a line; empty where it was quick."""
    return f" after {seconds:.1f} s" if seconds >= LASTING else ""


def verbosity_of(seconds: float) -> int:
    """From which verbosity on a line is shown that says that a phase is over."""
    return 0 if seconds >= SLOW else 1


def _detail(words: str) -> str:
    return one_line(words, MAX_DETAIL)
