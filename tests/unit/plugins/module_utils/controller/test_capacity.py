# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which group a job gets a place in: the rules as tables, and what holds in every case."""

from __future__ import annotations

import random

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import (
    Group,
    Load,
    Waiting,
    group_candidates,
    impact,
    never_fits,
    not_ready,
    placements,
    plan,
)

ONE, TWO, FREE = 1, 2, 3
"""Ids of groups: two with limits that each case sets, and one without."""


def waiting(*jobs: tuple[int, tuple[int, ...]]) -> list[Waiting]:
    """Jobs with the ids 10, 11, ... in this order, each of its impact and candidates."""
    return [Waiting(10 + index, size, candidates) for index, (size, candidates) in enumerate(jobs)]


def groups(one: tuple[int, int] = (0, 0), two: tuple[int, int] = (0, 0)) -> dict[int, Group]:
    """The groups with their max_concurrent_jobs and max_forks."""
    return {
        ONE: Group(ONE, "one", *one),
        TWO: Group(TWO, "two", *two),
        FREE: Group(FREE, "free"),
    }


CASES = {
    "no limits: the first": (waiting((6, (ONE, TWO))), groups(), {}, {10: ONE}),
    "the order of the list counts": (waiting((6, (TWO, ONE))), groups(), {}, {10: TWO}),
    "many in one without limits": (
        waiting((6, (ONE,)), (6, (ONE,)), (6, (ONE,))),
        groups(),
        {ONE: Load(99, 999)},
        {10: ONE, 11: ONE, 12: ONE},
    ),
    "the last place for a job": (waiting((6, (ONE,))), groups((3, 0)), {ONE: Load(2, 12)}, {10: ONE}),
    "no place for a job": (waiting((6, (ONE,))), groups((3, 0)), {ONE: Load(3, 18)}, {}),
    "more jobs than allowed": (waiting((6, (ONE,))), groups((3, 0)), {ONE: Load(5, 30)}, {}),
    "just enough forks": (waiting((6, (ONE,))), groups((0, 20)), {ONE: Load(2, 14)}, {10: ONE}),
    "one fork too few": (waiting((6, (ONE,))), groups((0, 20)), {ONE: Load(2, 15)}, {}),
    "both limits, jobs in the way": (waiting((6, (ONE,))), groups((2, 20)), {ONE: Load(2, 4)}, {}),
    "both limits, forks in the way": (waiting((6, (ONE,))), groups((9, 20)), {ONE: Load(2, 19)}, {}),
    "overflow": (waiting((6, (ONE, TWO))), groups((1, 0)), {ONE: Load(1, 6)}, {10: TWO}),
    "overflow within one plan": (
        waiting((6, (ONE, TWO)), (6, (ONE, TWO)), (6, (ONE, TWO))),
        groups((1, 0), (1, 0)),
        {},
        {10: ONE, 11: TWO},
    ),
    "forks add up within one plan": (
        waiting((6, (ONE,)), (6, (ONE,)), (6, (ONE,))),
        groups((0, 12)),
        {},
        {10: ONE, 11: ONE},
    ),
    "back to the first when it has room": (
        waiting((6, (ONE, TWO)), (2, (ONE, TWO))),
        groups((0, 6), (0, 2)),
        {},
        {10: ONE, 11: TWO},
    ),
    "too big for the first": (waiting((9, (ONE, TWO))), groups((0, 8)), {}, {10: TWO}),
    "too big for all": (waiting((9, (ONE, TWO))), groups((0, 8), (0, 7)), {}, {}),
    "too big for all holds nobody up": (
        waiting((9, (ONE,)), (2, (ONE,))),
        groups((0, 8)),
        {},
        {11: ONE},
    ),
    "a big job keeps its place in the line": (
        waiting((6, (ONE,)), (2, (ONE,))),
        groups((0, 8)),
        {ONE: Load(1, 4)},
        {},
    ),
    "a big job keeps places in all of its groups": (
        waiting((6, (ONE, TWO)), (2, (TWO,))),
        groups((0, 8), (0, 7)),
        {ONE: Load(1, 4), TWO: Load(1, 4)},
        {},
    ),
    "but none where it could never fit": (
        waiting((8, (ONE, TWO)), (2, (TWO,))),
        groups((0, 8), (0, 7)),
        {ONE: Load(1, 4), TWO: Load(1, 4)},
        {11: TWO},
    ),
    "nor in groups of others": (
        waiting((6, (ONE,)), (2, (TWO,))),
        groups((0, 8), (0, 7)),
        {ONE: Load(1, 4)},
        {11: TWO},
    ),
    "a younger one overflows past a kept place": (
        waiting((6, (ONE,)), (2, (ONE, TWO))),
        groups((0, 8), (0, 7)),
        {ONE: Load(1, 4)},
        {11: TWO},
    ),
    "the oldest that waits counts, not the first that is placed": (
        waiting((2, (TWO,)), (6, (ONE,)), (2, (ONE,)), (2, (TWO,))),
        groups((0, 8), (0, 7)),
        {ONE: Load(1, 4)},
        {10: TWO, 13: TWO},
    ),
    "a group that is no more": (waiting((6, (77, TWO))), groups(), {}, {10: TWO}),
    "no group at all": (waiting((6, ()), (6, (ONE,))), groups(), {}, {11: ONE}),
    "nobody waits": ([], groups(), {ONE: Load(1, 6)}, {}),
}


@pytest.mark.parametrize(("line", "there", "loads", "expected"), CASES.values(), ids=CASES)
def test_placements(
    line: list[Waiting], there: dict[int, Group], loads: dict[int, Load], expected: dict[int, int]
) -> None:
    before = dict(loads)
    assert placements(line, there, loads) == expected
    assert loads == before, "what it was given is left as it is"


def test_explanations() -> None:
    line = waiting((6, (ONE, TWO)), (2, (TWO,)), (2, (FREE,)))
    made = plan(line, groups((2, 0), (0, 10)), {ONE: Load(2, 12), TWO: Load(1, 7)})
    assert made.placed == {12: FREE}
    first, second = (not_ready(made.obstacles[job]) for job in (10, 11))
    assert first == (
        "This job is not ready to start because there is not enough available capacity:"
        " one has 2 of 2 jobs (max_concurrent_jobs); two has 7 of 10 forks in use (max_forks), and this job"
        " takes 6."
    )
    assert second.endswith(": the room in two is kept for job 10, which was launched earlier.")


@pytest.mark.parametrize("seed", range(50))
def test_no_limit_is_exceeded_and_nobody_is_overtaken(seed: int) -> None:
    """Jobs come and go at random; each gets its turn, and all of them have run at the end."""
    dice = random.Random(seed)  # noqa: S311 - not for secrets
    there = {
        number: Group(number, f"g{number}", dice.choice((0, 1, 2, 5)), dice.choice((0, 7, 12, 30)))
        for number in range(1, 5)
    }
    line: list[Waiting] = []
    running: dict[int, tuple[int, int]] = {}
    to_come, ended = 60, 0
    while ended < 60:
        if to_come and dice.random() < 0.6:
            size = dice.randint(1, 7)  # which fits into each of them
            line.append(Waiting(61 - to_come, size, tuple(dice.sample(sorted(there), dice.randint(1, 4)))))
            to_come -= 1
        elif running:
            del running[dice.choice(sorted(running))]
            ended += 1
        loads = loads_of(running)
        placed = placements(line, there, loads)
        check_turns(line, there, loads, placed)
        running.update({job.job_id: (placed[job.job_id], job.impact) for job in line if job.job_id in placed})
        line = [job for job in line if job.job_id not in placed]
        for number, load in loads_of(running).items():
            assert load.jobs <= (there[number].max_concurrent_jobs or 1000)
            assert load.forks <= (there[number].max_forks or 1000)
        assert running or not line, "somebody waits, and nobody runs whose end would change that"
    assert not line
    assert not running


def loads_of(running: dict[int, tuple[int, int]]) -> dict[int, Load]:
    loads: dict[int, Load] = {}
    for number, size in running.values():
        loads[number] = loads.get(number, Load()).plus(size)
    return loads


def check_turns(
    line: list[Waiting], there: dict[int, Group], loads: dict[int, Load], placed: dict[int, int]
) -> None:
    """The oldest is placed where it has room at all, and the others only where no older one waits."""
    if line:
        first = line[0]
        roomy = [number for number in first.candidates if has_room(there[number], loads, first.impact)]
        assert placed.get(first.job_id) == (roomy[0] if roomy else None)
    for index, job in enumerate(line):
        if job.job_id in placed:
            assert placed[job.job_id] in job.candidates
            left = [older for older in line[:index] if older.job_id not in placed]
            assert not [older for older in left if placed[job.job_id] in older.candidates]


def has_room(group: Group, loads: dict[int, Load], size: int) -> bool:
    load = loads.get(group.id, Load())
    enough_jobs = group.max_concurrent_jobs == 0 or load.jobs + 1 <= group.max_concurrent_jobs
    return enough_jobs and (group.max_forks == 0 or load.forks + size <= group.max_forks)


@pytest.mark.parametrize(
    ("hosts", "forks", "expected"),
    [
        pytest.param(3, 0, 4, id="fewer hosts than the default forks"),
        pytest.param(50, 0, 6, id="more hosts than the default forks"),
        pytest.param(50, 20, 21, id="forks"),
        pytest.param(7, 20, 8, id="fewer hosts than forks"),
        pytest.param(0, 20, 1, id="no hosts"),
        pytest.param(None, 20, 21, id="hosts unknown"),
        pytest.param(None, 0, 6, id="hosts unknown and default forks"),
    ],
)
def test_impact(hosts: int | None, forks: int, expected: int) -> None:
    assert impact(hosts, forks) == expected


def test_a_job_that_never_fits() -> None:
    failure = never_fits(21, [Group(1, "prod", 0, 20), Group(2, "spare", 5, 10)])
    assert failure is not None
    assert failure.reason == "InvalidConfiguration"
    assert "this job takes 21 forks" in failure.message
    assert "(prod 20, spare 10)" in failure.message


@pytest.mark.parametrize(
    "there",
    [
        pytest.param([Group(1, "prod", 0, 20), Group(2, "spare", 0, 21)], id="one is big enough"),
        pytest.param([Group(1, "prod", 0, 20), Group(2, "spare", 1)], id="one has no limit"),
        pytest.param([], id="no groups"),
    ],
)
def test_a_job_that_may_fit(there: list[Group]) -> None:
    assert never_fits(21, there) is None


@pytest.mark.parametrize(
    ("template", "inventory", "organization", "prevented", "prompted", "expected"),
    [
        pytest.param([1, 2], [3], [4], "", None, [1, 2, 3, 4], id="one list in this order"),
        pytest.param([], [3], [4], "", None, [3, 4], id="template without groups"),
        pytest.param([], [], [4], "", None, [4], id="organization only"),
        pytest.param([1, 3], [3, 2], [1, 4], "", None, [1, 3, 2, 4], id="each group once"),
        pytest.param([1], [3], [4], "template", None, [1], id="template cuts inventory and organization"),
        pytest.param([1], [3], [4], "inventory", None, [1, 3], id="inventory cuts organization"),
        pytest.param([1], [3], [4], "template inventory", None, [1], id="both cut"),
        pytest.param([], [3], [4], "template", None, [], id="template cuts and has none"),
        pytest.param([1], [], [4], "inventory", None, [1], id="inventory cuts and has none"),
        pytest.param([], [], [], "", None, [], id="none"),
        pytest.param([1], [3], [4], "", [9, 8], [9, 8], id="prompted replaces all"),
        pytest.param([1], [3], [4], "template", [9], [9], id="prompted in spite of a cut"),
        pytest.param([1], [3], [4], "", [9, 9], [9], id="prompted twice"),
        pytest.param([1], [3], [4], "", [], [1, 3, 4], id="prompted with nothing is not prompted"),
    ],
)
def test_group_candidates(
    template: list[int],
    inventory: list[int],
    organization: list[int],
    prevented: str,
    prompted: list[int] | None,
    expected: list[int],
) -> None:
    found = group_candidates(
        template,
        inventory,
        organization,
        prevent_on_template="template" in prevented,
        prevent_on_inventory="inventory" in prevented,
        prompted=prompted,
    )
    assert found == expected
