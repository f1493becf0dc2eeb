# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that wait for a place look together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import Pending
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.waiting_line import WaitingLine

INTERVAL = 0.01


class Looks:
    """Looks that are counted; every job but 1 has to wait."""

    def __init__(self) -> None:
        self.asked: list[dict[int, int]] = []
        self.failure: Failure | None = None

    async def __call__(self, leases: Mapping[int, int]) -> Mapping[int, Pending]:
        self.asked.append(dict(leases))
        if self.failure is not None:
            raise self.failure
        return {number: Pending(f"job {number} waits") for number in leases if number != 1}


async def test_one_look_is_for_all_that_ask_meanwhile() -> None:
    looks = Looks()
    line = WaitingLine(looks)
    answers = await asyncio.gather(*(line.look(number, 7, INTERVAL) for number in (1, 2, 3)))
    assert answers == [None, Pending("job 2 waits"), Pending("job 3 waits")]
    assert looks.asked == [{1: 7, 2: 7, 3: 7}]
    assert await line.look(2, 8, INTERVAL) == Pending("job 2 waits")
    assert looks.asked[1:] == [{2: 8}]


async def test_trouble_of_the_store_is_told_to_all() -> None:
    looks = Looks()
    looks.failure = Failure("InvalidConfiguration", "disk full")
    line = WaitingLine(looks)
    answers = await asyncio.gather(
        *(line.look(number, 7, INTERVAL) for number in (1, 2)), return_exceptions=True
    )
    assert answers == [looks.failure, looks.failure]


async def test_who_is_cancelled_leaves_the_others_waiting() -> None:
    looks = Looks()
    line = WaitingLine(looks)
    first, second = (asyncio.create_task(line.look(number, 7, INTERVAL)) for number in (2, 3))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == Pending("job 3 waits")
    assert looks.asked == [{3: 7}]


async def test_nobody_looks_for_those_that_are_gone() -> None:
    looks = Looks()
    line = WaitingLine(looks)
    looking = asyncio.create_task(line.look(2, 7, INTERVAL))
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    await line.look(3, 7, INTERVAL)
    assert looks.asked == [{3: 7}]
