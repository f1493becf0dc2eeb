# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes part in a conversation with a supervisor, beside the supervisor itself."""

from __future__ import annotations

from typing import Any, Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable


class Stream(Protocol):
    """An attach, as `cluster.attach.AttachStream` is one."""

    @property
    def error(self) -> dict[str, Any] | None:
        """The `Status` with which Kubernetes ended the stream, if it was no success."""

    @property
    def quiet(self) -> float:
        """Seconds for which not a byte has come over it; also such as `read` has not returned yet count."""

    async def read(self) -> bytes:
        """What came next; b"" at the end of the stream."""

    async def write(self, content: bytes) -> None:
        """Sends to the supervisor; raises `Unreachable` where that fails."""

    async def close(self) -> None:
        """Leaves the stream; what runs in the pod goes on."""


class PayloadSource(Protocol):
    """The payload, read in pieces."""

    length: int
    sha256: str

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""


class Listener(Protocol):
    """Hears what the supervisor says."""

    async def output(self, piece: bytes) -> int:
        """The next piece of the worker's output; each comes once, in order.

        Returns:
            The offset below which all output was whole, and went on to the store.
        """

    def connected(self) -> None:
        """The supervisor answered an attach."""

    def disconnected(self, trouble: Unreachable) -> None:
        """A connection broke, or could not be made; it is tried again."""

    def wanted(self) -> None:
        """The supervisor waits for the payload, or for the rest of it."""

    def received(self) -> None:
        """The supervisor has the whole payload."""

    def starting(self) -> None:
        """The runner is about to be told to start: from now on it may run."""

    def started(self) -> None:
        """The runner was started."""
