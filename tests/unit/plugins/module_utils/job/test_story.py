# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a start has its phases in order and adds up, whatever comes late, twice, or from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job import story as of_starts
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import (
    MAX_DETAIL,
    MAX_QUEUED,
    Phase,
    Story,
    after,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.obeyed import (
    HOSTILE,
    obeyed,
)


class Clock:
    """Seconds since the epoch, as the test wants them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def story(clock: Clock) -> Story:
    return Story(clock=clock)


def told(story: Story) -> list[tuple[Any, ...]]:
    """The phases, how long they lasted, and their details."""
    return [(entry["phase"], entry["seconds"], entry["detail"]) for entry in story.to_stored()]


def test_a_start_from_its_launch_to_its_first_task(story: Story, clock: Clock) -> None:
    phases: tuple[tuple[Phase, str], ...] = (
        ("creating", ""),
        ("quota", "small is full"),
        ("scheduling", ""),
        ("scheduling", "on node node1"),
        ("starting", ""),
        ("connecting", ""),
        ("sending", "12 KiB"),
        ("playbook", ""),
    )
    lasted = []
    for phase, detail in phases:
        clock.now += 2
        lasted.append(story.enter(phase, detail))
    clock.now += 0.5
    assert story.end("Greet")
    assert lasted == [2, 2, 2, 0, 4, 2, 2, 2]
    assert told(story) == [
        ("queued", 2, ""),
        ("creating", 2, ""),
        ("quota", 2, "small is full"),
        ("scheduling", 4, "on node node1"),
        ("starting", 2, ""),
        ("connecting", 2, ""),
        ("sending", 2, "12 KiB"),
        ("playbook", 0.5, "Greet"),
    ]
    assert [entry["at"] for entry in story.to_stored()] == [1000, 1002, 1004, 1006, 1010, 1012, 1014, 1016]
    assert story.seconds == 16.5
    assert str(story).startswith("queued 2.0 s, creating 2.0 s, ")


def test_what_comes_late_changes_no_more_than_a_detail(story: Story, clock: Clock) -> None:
    story.enter("starting")
    story.enter("sending")
    clock.now += 1
    assert story.enter("scheduling", "on node node1") == 0
    assert story.enter("starting", "the image was there") == 0
    assert story.enter("sending") == 0
    assert told(story) == [("queued", 0, ""), ("starting", 0, "the image was there"), ("sending", None, "")]
    story.end()
    assert not story.end("again")
    assert story.enter("playbook", "x") == story.enter("queued", "x") == 0
    assert told(story)[-1] == ("sending", 1, "")


def test_an_image_that_is_pulled_was_pulled_since_the_container_s_start_began(
    story: Story, clock: Clock
) -> None:
    story.enter("starting")
    clock.now += 1.5
    story.enter("pulling", "Pulling image")
    clock.now += 3
    story.enter("sending")
    story.enter("pulling", "Pulled image in 4s")
    assert told(story) == [("queued", 0, ""), ("pulling", 4.5, "Pulled image in 4s"), ("sending", None, "")]


def test_each_thing_that_is_waited_for_is_one_entry_up_to_a_limit(story: Story, clock: Clock) -> None:
    for words in ("group is full", "group is full", "job 3", ""):
        story.enter("queued", words)
        clock.now += 1
    assert told(story) == [("queued", 2, "group is full"), ("queued", 1, "job 3"), ("queued", None, "")]
    for number in range(100):
        story.enter("queued", f"job {number}")
    story.enter("creating")
    entries = told(story)
    assert len(entries) == MAX_QUEUED + 1
    assert entries[-2:] == [("queued", 0, "job 99"), ("creating", None, "")]


def test_another_controller_goes_on_with_the_story(story: Story, clock: Clock) -> None:
    story.enter("creating")
    clock.now += 60
    taken = Story(story.to_stored(), clock)
    assert taken.unsaved() == {}
    assert taken.enter("creating") == 0
    assert taken.enter("scheduling") == 60
    over = Story(story.to_stored(), clock)
    clock.now = 0  # a clock that goes back
    over.end()
    assert told(over)[-1] == ("creating", 0, "")
    assert not Story(over.to_stored(), clock).end()


def test_another_attempt_has_a_story_of_its_own(story: Story, clock: Clock) -> None:
    story.enter("creating")
    clock.now += 5
    lost = story.begin_again("attempt 1 was lost (Evicted)")
    assert [(entry["phase"], entry["seconds"]) for entry in lost] == [("queued", 0), ("creating", 5)]
    assert told(story) == [("queued", None, "attempt 1 was lost (Evicted)")]
    assert story.enter("creating") == 0
    assert story.unsaved()["start"] == story.to_stored()


def test_what_is_stored_is_not_stored_again(story: Story) -> None:
    assert story.unsaved() == {"start": story.to_stored()}
    assert story.unsaved() == {}
    assert not story.due
    story.enter("sending", "1 KiB")
    assert list(story.unsaved()) == ["start"]
    story.enter("sending", "1 KiB")
    assert story.unsaved() == {}


def test_words_of_others_are_bounded_and_harmless(story: Story) -> None:
    story.enter("starting", f"{HOSTILE}\n{'x' * 10_000}")
    (_queued, starting) = story.to_stored()
    assert len(starting["detail"]) <= MAX_DETAIL
    assert not obeyed(starting["detail"])
    assert "\n" not in starting["detail"]


def test_only_what_lasts_is_told_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_starts, "LASTING", 1.0)
    assert (after(0.9), after(1.26)) == ("", " after 1.3 s")
