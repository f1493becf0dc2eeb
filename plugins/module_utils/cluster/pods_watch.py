# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One watch for many pods of a namespace, which have a label in common; each is followed on its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    Unreachable,
    WatchExpired,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.watch import PodChange
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

SHORT = 5.0
"""Seconds; after a watch that ends sooner, though in order, the next one waits for a moment."""
PAUSE = 1.0

Watch = Callable[[str], AsyncGenerator[PodChange, None]]
"""Opens a watch of all the pods, from a resource version on."""
Look = Callable[[str], Awaitable[PodChange | None]]
"""Asks for a pod as it is now; None where it is gone."""


class PodsWatch:
    """The watch is open as long as somebody follows one of the pods.

    It begins at the version of the first pod that is followed. Of a pod that was made later it brings all,
    and keeps what comes before that one is followed; one that was not changed since is asked for once.
    """

    def __init__(self, watch: Watch, look: Look) -> None:
        """Gets ready.

        Args:
            watch: opens it.
            look: asks for one pod.
        """
        self._open = watch
        self._look = look
        self._followers: dict[str, asyncio.Queue[PodChange | Exception]] = {}
        self._early: dict[str, PodChange] = {}  # of pods that nobody has followed yet
        self._left: set[str] = set()  # names of pods that nobody follows any more, and that are there still
        self._since = ""
        self._task: asyncio.Task[None] | None = None

    async def follow(self, name: str, version: str) -> AsyncGenerator[PodChange, None]:
        """What happens to a pod after a resource version; it has no end of its own.

        Raises:
            WatchExpired: the resource version is too old, or the pod is gone.
            Failure: the watch is refused.
            Unreachable: it broke.
        """
        queue: asyncio.Queue[PodChange | Exception] = asyncio.Queue()
        self._followers[name] = queue
        self._left.discard(name)
        early = self._early.pop(name, None)
        try:
            if self._task is None or self._task.done():
                self._early.clear()
                self._since = version
                self._task = asyncio.create_task(self._watch(version))
            elif early is not None:
                yield early
            elif _is_older(version, self._since):
                now = await self._look(name)
                if now is None:
                    raise WatchExpired("the pod is gone")
                yield now
            while True:
                news = await queue.get()
                if isinstance(news, Exception):
                    raise news
                yield news
        finally:
            self._leave(name, queue)

    def _leave(self, name: str, queue: asyncio.Queue[PodChange | Exception]) -> None:
        if self._followers.get(name) is queue:
            del self._followers[name]
            self._left.add(name)
        if not self._followers and self._task is not None:
            self._task.cancel()
            self._task = None
            self._early.clear()
            self._left.clear()

    async def _watch(self, version: str) -> None:
        """Watches until it breaks, or nobody follows; one that ends in order is opened again."""
        try:
            while True:
                began = time.monotonic()
                async for change in self._open(version):
                    version = str(change.pod["metadata"]["resourceVersion"])
                    self._tell(change)
                if time.monotonic() - began < SHORT:
                    await asyncio.sleep(PAUSE)
        except Exception as trouble:  # whatever it is: who waits for news must hear of it
            self._task = None
            for queue in self._followers.values():
                queue.put_nowait(_own(trouble))

    def _tell(self, change: PodChange) -> None:
        name, gone = str(change.pod["metadata"]["name"]), change.kind == "DELETED"
        if name in self._followers:
            self._followers[name].put_nowait(change)
        elif name not in self._left:
            self._early[name] = change
        elif gone:
            self._left.discard(name)


def _own(trouble: Exception) -> Exception:
    """A trouble of one follower, who may add to it what only its pod knows."""
    if isinstance(trouble, Failure):
        return replace(trouble, details=dict(trouble.details))
    if isinstance(trouble, Unreachable):
        failure = replace(trouble.failure, details=dict(trouble.failure.details))
        return Unreachable(failure, interrupted=trouble.interrupted, unsent=trouble.unsent)
    return trouble


def _is_older(version: str, other: str) -> bool:
    """Whether a resource version may be of an earlier moment; those that can't be compared may be."""
    return not (version.isdecimal() and other.isdecimal() and int(version) >= int(other))
