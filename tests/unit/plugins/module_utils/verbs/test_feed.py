# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher gets everything in order, also where it reads late; a launcher that is gone stops nothing."""

from __future__ import annotations

import asyncio

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch, Event
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import feed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import (
    Gap,
    JobFeed,
    StoredAfter,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import (
    launcher,
    read_messages,
    shown,
    texts,
)

COUNT = 1000
LOCKED = Failure("InvalidConfiguration", "The database can't be used: locked.")
LEFT_OUT = "some of the playbook's output is not shown here: "


def event(counter: int, text: str = "x" * 1000) -> Event:
    return Event(counter, "runner_on_ok", f"{counter} {text}", counter % 2 == 0)


EVENTS = [event(counter) for counter in range(1, COUNT + 1)]


async def tell_all(told: JobFeed) -> None:
    """Tells all events to a launcher that does not read meanwhile, and a step after them."""
    for each in EVENTS:
        told.events(Batch(events=[each]))
        await asyncio.sleep(0)  # the pipe is full soon
    told.step("end")


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the output does not fit into what may wait for the launcher."""
    monkeypatch.setattr(feed, "BUFFER_LIMIT", 50_000)


async def test_messages_come_in_order() -> None:
    async with launcher() as (told, pipe):
        told.step("looked")
        job = told.job(7, "it\x1b[31m")
        job.step("pod \x1b[31mcreated")
        job.events(Batch(events=[event(1, "a\x1b[0m"), Event(2, "playbook_on_start", "")]))
        job.warning("look")
        other = told.job(8, "other", child=True)
        other.events(Batch(events=[Event(1, "verbose", "b")]))
        told.warning("careful")
        job.step("end", verbosity=2)
        messages = await asyncio.to_thread(read_messages, pipe, text="end")
        assert messages == [
            {"type": "step", "job": None, "text": "looked", "verbosity": 0},
            {"type": "job", "id": 7, "name": "it", "child": False},
            {"type": "step", "job": 7, "text": "pod created", "verbosity": 0},
            {"type": "output", "job": 7, "events": [["runner_on_ok", False, "1 a"]], "last": 2},
            {"type": "warning", "job": 7, "text": "look"},
            {"type": "job", "id": 8, "name": "other", "child": True},
            {"type": "output", "job": 8, "events": [["verbose", False, "b"]], "last": 1},
            {"type": "warning", "job": None, "text": "careful"},
            {"type": "step", "job": 7, "text": "end", "verbosity": 2},
        ]


async def test_what_was_flushed_arrives_also_where_the_process_ends_then() -> None:
    async with launcher(room=4096) as (told, pipe):
        sent = [f"{number} {'x' * 1000}" for number in range(20)]
        reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, text=sent[-1]))
        for text in sent:
            told.step(text)
        await told.flush()
        told.leave()
        assert [message["text"] for message in await reading] == sent


@pytest.mark.usefixtures("little_memory")
async def test_slow_launcher_gets_the_rest_from_the_store_before_what_came_later() -> None:
    asked: list[int] = []

    async def stored_after(counter: int) -> list[Event]:
        asked.append(counter)
        return EVENTS[counter : counter + 100]

    async with launcher() as (told, pipe):
        job = told.job(1, "it", stored_after)
        await tell_all(job)
        assert told._size <= 60_000
        messages = await asyncio.to_thread(read_messages, pipe, text="end")
        assert shown(messages) == [each.stdout for each in EVENTS]
        assert asked
        assert texts(messages, "warning") == []
        await told.flush()


@pytest.mark.usefixtures("little_memory")
async def test_each_of_several_jobs_gets_its_own_rest_from_the_store() -> None:
    kept = {number: [event(counter, f"{number}" * 500) for counter in range(1, 501)] for number in (1, 2)}

    def stored_after(number: int) -> StoredAfter:
        async def after(counter: int) -> list[Event]:
            return kept[number][counter : counter + 100]

        return after

    async with launcher() as (told, pipe):
        jobs = {
            number: told.job(number, f"slice {number}", stored_after(number), child=True) for number in kept
        }
        for counter in range(500):
            for number, job in jobs.items():
                job.events(Batch(events=[kept[number][counter]]))
            await asyncio.sleep(0)
        gaps = [entry for entry in told._queue if isinstance(entry, Gap)]
        assert [gap.job for gap in gaps] == list(jobs.values())
        told.step("end")
        messages = await asyncio.to_thread(read_messages, pipe, text="end")
        for number, events in kept.items():
            mine = [message for message in messages if message.get("job") == number]
            assert shown(mine) == [each.stdout for each in events]


@pytest.mark.usefixtures("little_memory")
async def test_events_on_their_way_to_the_store_are_waited_for() -> None:
    stored: list[Event] = []

    async def stored_after(counter: int) -> list[Event]:
        stored.extend(EVENTS[len(stored) : len(stored) + 300])
        return stored[counter : counter + 100] if counter % 300 else []

    async with launcher() as (told, pipe):
        job = told.job(1, "it", stored_after)
        await tell_all(job)
        stored.extend(EVENTS)
        messages = await asyncio.to_thread(read_messages, pipe, text="end")
        assert shown(messages) == [each.stdout for each in EVENTS]


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("stored", "error", "why"),
    [
        pytest.param(0, LOCKED, LOCKED.message, id="can't be read"),
        pytest.param(500, LOCKED, LOCKED.message, id="can't be read any more"),
        pytest.param(0, KeyError("counter"), "'counter'", id="can't be understood"),
        pytest.param(0, None, "It could not be stored.", id="never stored"),
        pytest.param(500, None, "It could not be stored.", id="partly stored"),
    ],
)
async def test_output_that_the_store_does_not_have_is_left_out_and_told_once(
    stored: int, error: Exception | None, why: str
) -> None:
    async def stored_after(counter: int) -> list[Event]:
        if counter >= stored and error is not None:
            raise error
        return EVENTS[counter : min(stored, counter + 100)]

    async with launcher() as (told, pipe):
        job = told.job(1, "it", stored_after)
        await tell_all(job)
        await tell_all(job)  # there is another gap, after the step
        told.step("the end")
        job.all_stored = True
        messages = await asyncio.to_thread(read_messages, pipe, text="the end")
        assert texts(messages, "warning") == [LEFT_OUT + why]
        assert texts(messages, "step") == ["end", "end", "the end"]
        first = shown(messages[: [message.get("text") for message in messages].index("end")])
        assert max(stored, 40) <= len(first) < COUNT
        assert first == [each.stdout for each in EVENTS[: len(first)]]
        await told.flush()


@pytest.mark.usefixtures("little_memory")
async def test_store_that_can_be_read_again_is() -> None:
    errors = [LOCKED]

    async def stored_after(counter: int) -> list[Event]:
        if errors:
            raise errors.pop()
        return EVENTS[counter : counter + 100]

    async with launcher() as (told, pipe):
        job = told.job(1, "it", stored_after)
        await tell_all(job)
        await tell_all(job)
        told.step("the end")
        messages = await asyncio.to_thread(read_messages, pipe, text="the end")
        assert texts(messages, "warning") == [LEFT_OUT + LOCKED.message]
        second = [message.get("text") for message in messages].index("end")
        assert shown(messages[second:]) == [each.stdout for each in EVENTS]


async def test_launcher_that_is_gone_is_noticed_and_stops_nothing() -> None:
    async with launcher() as (told, pipe):
        pipe.close()
        told.step("anybody there?")
        await told.gone.wait()
        told.step("nobody")
        told.job(1, "it").events(Batch(events=[event(1)]))
        await told.flush()
        told.leave()


@pytest.mark.usefixtures("little_memory")
async def test_launcher_that_never_reads_is_left() -> None:
    async def never(counter: int) -> list[Event]:
        return []

    async with launcher() as (told, pipe):
        job = told.job(1, "it", never)
        await tell_all(job)
        flushing = asyncio.create_task(told.flush())
        await asyncio.sleep(0)
        assert not flushing.done()
        told.leave()
        await flushing
        assert told.gone.is_set()
        assert not told._queue
        told.step("nobody")
        await told.flush()


async def test_error_of_our_own_is_raised_by_flush() -> None:
    async with launcher() as (told, _pipe):
        told.tell({"type": "step", "text": object()})
        with pytest.raises(TypeError):
            await told.flush()


async def test_what_the_launcher_has_seen_already_does_not_come_again() -> None:
    """An earlier job process told more than it could store: the pod sends the rest of it once more."""
    kept = {counter: event(counter, "") for counter in range(1, 10)}

    async def stored_after(counter: int) -> list[Event]:
        return [kept[number] for number in range(counter + 1, 6)]

    async with launcher() as (told, pipe):
        job = told.job(1, "it", stored_after)
        job.catch_up(7, 5)
        job.events(Batch(events=[kept[6], kept[7], kept[8]]))
        behind = told.job(2, "other", stored_after)
        behind.catch_up(3, 5)
        behind.events(Batch(events=[kept[6]]))
        told.step("end")
        messages = await asyncio.to_thread(read_messages, pipe, text="end")
    shown = [
        (message["job"], text, message["last"])
        for message in messages
        if message["type"] == "output"
        for _name, _changed, text in message["events"]
    ]
    assert shown == [(1, "8 ", 8), (2, "4 ", 5), (2, "5 ", 5), (2, "6 ", 6)]


@pytest.mark.usefixtures("little_memory")
async def test_output_that_was_forgotten_before_it_was_shown_is_not_taken_for_what_came_after_it() -> None:
    again = [event(each.counter, "again") for each in EVENTS[:30]]
    stored = EVENTS

    async def stored_after(counter: int) -> list[Event]:
        return stored[counter : counter + 100]

    async with launcher() as (told, pipe):
        job = told.job(1, "it", stored_after)
        await tell_all(job)
        stored = again
        job.forgotten()
        for each in again:
            job.events(Batch(events=[each]))
        job.step("the end")
        messages = await asyncio.to_thread(read_messages, pipe, text="the end")
        lines = shown(messages)
        first = lines[: -len(again)]
        assert first == [each.stdout for each in EVENTS[: len(first)]]
        assert 40 <= len(first) < COUNT
        assert lines[-len(again) :] == [each.stdout for each in again]
        assert texts(messages, "warning") == [LEFT_OUT + "The pod that it came from was lost."]


async def test_launcher_has_seen_nothing_of_another_attempt() -> None:
    async with launcher() as (told, pipe):
        job = told.job(1, "it")
        job.catch_up(7, 7)
        job.forgotten()
        job.events(Batch(events=[event(1, "")]))
        job.step("end")
        messages = await asyncio.to_thread(read_messages, pipe, text="end")
        assert messages[1:-1] == [
            {"type": "output", "job": 1, "events": [], "last": 0},
            {"type": "output", "job": 1, "events": [["runner_on_ok", False, "1 "]], "last": 1},
        ]
