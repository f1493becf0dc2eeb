# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many pods in one watch. The watch is a script: what comes between two steps can't be caused for real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster import pods_watch
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    Unreachable,
    WatchExpired,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.pods_watch import PodsWatch
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.watch import PodChange
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure


class Scene:
    """A watch that brings what it is told, and pods that can be asked for.

    Attributes:
        opened: the versions from which on the watch was opened.
        now: the pods, by name.
        asked: names of those that were asked for.
    """

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.now: dict[str, PodChange] = {}
        self.asked: list[str] = []
        self._news: asyncio.Queue[PodChange | Exception | None] = asyncio.Queue()
        self.watch = PodsWatch(self._open, self._look)

    async def _open(self, version: str) -> AsyncGenerator[PodChange, None]:
        self.opened.append(version)
        while (news := await self._news.get()) is not None:
            if isinstance(news, Exception):
                raise news
            yield news

    async def _look(self, name: str) -> PodChange | None:
        self.asked.append(name)
        return self.now.get(name)

    async def brings(self, *news: PodChange | Exception | None) -> None:
        for each in news:
            self._news.put_nowait(each)
        for _turn in range(10):
            await asyncio.sleep(0)


def change(name: str, version: int, kind: str = "MODIFIED") -> PodChange:
    return PodChange(kind, {"metadata": {"name": name, "resourceVersion": str(version)}})


class Follower:
    """What somebody hears of a pod, until the end or a trouble."""

    def __init__(self) -> None:
        self.heard: list[PodChange] = []
        self.trouble: Any = None


@asynccontextmanager
async def following(at: Scene, name: str, version: str) -> AsyncIterator[Follower]:
    """Follows a pod for a while."""
    follower = Follower()

    async def follow() -> None:
        try:
            async with aclosing(at.watch.follow(name, version)) as changes:
                async for each in changes:
                    follower.heard.append(each)
        except Exception as trouble:
            follower.trouble = trouble

    task = asyncio.create_task(follow())
    await at.brings()
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_hears_of_its_own_pod_in_one_watch() -> None:
    at = Scene()
    async with following(at, "a", "5") as a, following(at, "b", "6") as b:
        await at.brings(change("b", 7), change("a", 8))
        assert (a.heard, b.heard) == ([change("a", 8)], [change("b", 7)])
    assert (at.opened, at.asked) == (["5"], [])


async def test_what_comes_before_a_pod_is_followed_is_kept() -> None:
    at = Scene()
    async with following(at, "a", "5"):
        await at.brings(change("b", 6, "ADDED"), change("b", 7))
        await at.brings(change("gone", 8, "ADDED"), change("gone", 9, "DELETED"))
        async with following(at, "b", "6") as b, following(at, "gone", "8") as gone:
            assert b.heard == [change("b", 7)]
            assert gone.heard == [change("gone", 9, "DELETED")]


async def test_a_pod_that_is_older_than_the_watch_is_asked_for() -> None:
    at = Scene()
    at.now["b"] = change("b", 4)
    async with (
        following(at, "a", "5"),
        following(at, "b", "3") as b,
        following(at, "missing", "3") as missing,
    ):
        await at.brings(change("b", 6))
        assert b.heard == [change("b", 4), change("b", 6)]
        assert isinstance(missing.trouble, WatchExpired)
    assert at.asked == ["b", "missing"]


@pytest.mark.parametrize(
    "trouble",
    [
        WatchExpired("too old"),
        Unreachable(Failure("ClusterUnreachable", "cut")),
        Failure("Forbidden", "no"),
        RuntimeError("a fault of ours"),
    ],
)
async def test_trouble_is_told_to_all_and_the_next_who_comes_opens_the_watch_again(
    trouble: Exception,
) -> None:
    at = Scene()
    async with following(at, "a", "5") as a, following(at, "b", "6") as b:
        await at.brings(trouble)
        for each in (a, b):
            assert type(each.trouble) is type(trouble) and str(each.trouble) == str(trouble)
        if isinstance(trouble, (Failure, Unreachable)):
            assert a.trouble is not b.trouble, "one job adds its own to it, which the other one must not have"
        assert at.opened == ["5"]
        async with following(at, "a", "9"):
            assert at.opened == ["5", "9"]


async def test_a_watch_that_ends_in_order_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods_watch, "PAUSE", 0.0)
    at = Scene()
    async with following(at, "a", "5") as a:
        await at.brings(change("a", 7), None, change("a", 8))
        await at.brings()
        assert a.heard == [change("a", 7), change("a", 8)]
    assert at.opened == ["5", "7"]


async def test_nothing_is_kept_of_pods_that_nobody_follows_any_more() -> None:
    at = Scene()
    async with following(at, "a", "5"):
        for number in range(10):
            name = f"job-{number}"
            async with following(at, name, "6"):
                await at.brings(change(name, 7))
            await at.brings(change(name, 8), change(name, 9, "DELETED"))
        assert (at.watch._early, at.watch._left) == ({}, set())
    assert at.watch._task is None
