# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a job as HTML: its beginning and its end, as much as there is room for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ansible_collections.jobpods.controller.plugins.module_utils.report.ansi import coloured_lines

LINE_LIMIT = 8192
"""Characters of a line that are shown."""
PART = 1000
"""Lines that are shown or hidden together."""


@dataclass(frozen=True)
class Part:
    """Lines that are shown or hidden together.

    Attributes:
        first: number of the first line, from 1.
        lines: as HTML.
    """

    first: int
    lines: Sequence[bytes]

    @property
    def last(self) -> int:
        """Number of the last line."""
        return self.first + len(self.lines) - 1


class KeptOutput:
    """The first and the last lines of an output.

    Attributes:
        lines: how many it has in all.
    """

    def __init__(self, limit: int) -> None:
        """Nothing yet.

        Args:
            limit: bytes of HTML that are kept, half of them from the beginning.
        """
        self.lines = 0
        self._limit = limit
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._head_room = limit // 2
        self._tail_room = limit - limit // 2
        self._in_head = True

    def add(self, text: str) -> None:
        """Takes what was printed with one event."""
        if not text:
            return
        text = text.removesuffix("\n")
        if len(text) > LINE_LIMIT:
            text = "\n".join(map(_cut, text.split("\n")))
        for line in coloured_lines(text):
            self._keep(line.encode("utf-8", "replace"))

    def _keep(self, line: bytes) -> None:
        self.lines += 1
        size = len(line) + 1
        if self._in_head and size <= self._head_room:
            self._head_room -= size
            self._head.append(line)
            return
        self._in_head = False
        self._tail.append(line)
        self._tail_room -= size
        while self._tail and self._tail_room < 0:
            self._tail_room += len(self._tail.popleft()) + 1

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._limit - self._head_room - self._tail_room

    @property
    def left_out(self) -> int:
        """How many lines are left out, between `head` and `tail`."""
        return self.lines - len(self._head) - len(self._tail)

    @property
    def head(self) -> list[Part]:
        """The lines before what is left out, or all of them."""
        lines = self._head if self.left_out else [*self._head, *self._tail]
        return list(_parts(lines, 1))

    @property
    def tail(self) -> list[Part]:
        """The lines after what is left out."""
        return list(_parts(self._tail, self.lines - len(self._tail) + 1)) if self.left_out else []


def _parts(lines: Sequence[bytes], first: int) -> Iterator[Part]:
    rest = iter(lines)
    while part := list(islice(rest, PART)):
        yield Part(first, part)
        first += len(part)


def _cut(line: str) -> str:
    if len(line) <= LINE_LIMIT:
        return line
    # The sequence ends whatever other one the cut has left without its end.
    return f"{line[:LINE_LIMIT]}\x1b[m… [{len(line) - LINE_LIMIT} more characters]"
