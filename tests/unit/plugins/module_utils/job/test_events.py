# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's output is read the same however it is cut, and what no runner writes is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import (
    KEPT_LINES,
    KEPT_WIDTH,
    Event,
    RunnerStream,
    stored_event,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import OutputLimits
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_lines import (
    event,
    line,
)

ARCHIVE = bytes(range(256)) * 5
STREAM = b"".join(
    (
        line(status="starting", command=["ansible-playbook"], env={"A": "b"}),
        line(status="running"),
        event(1, "playbook_on_start"),
        line(event="keepalive", counter=0, uuid=0),
        event(2, "runner_on_ok", "ok: [a]", host="a", res={"changed": True}),
        event(3, "runner_on_failed", "fatal: [b]", host="b", task="t", play="p", res={"msg": "no"}),
        event(4, "runner_on_failed", "fatal: [c]", host="c", task="t", play="p", res={"msg": "rescued"}),
        event(5, "runner_on_failed", "ignored", host="a", ignore_errors=True, res={"msg": "never mind"}),
        event(6, "runner_on_unreachable", "gone", host="d", task="t2", res={"msg": "no route"}),
        event(
            7,
            "playbook_on_stats",
            "PLAY RECAP",
            ok={"a": 2, "c": 1},
            changed={"a": 1},
            failures={"b": 1},
            dark={"d": 1},
            skipped={"e": 1},
            artifact_data={"answer": 42},
        ),
        line(status="failed"),
        line(zipfile=len(ARCHIVE)),
        base64.b64encode(ARCHIVE),
        line(eof=True),
    )
)


@pytest.mark.parametrize("size", [1, 7, 64, 1000, len(STREAM)])
def test_any_cut_reads_the_same(size: int) -> None:
    stream, seen, lines = RunnerStream(), [], b""
    for start in range(0, len(STREAM), size):
        batch = stream.feed(STREAM[start : start + size])
        seen += batch.events
        lines += bytes(batch.lines)
        assert batch.offset <= start + size
    assert [entry.counter for entry in seen] == [1, 2, 3, 4, 5, 6, 7]
    assert seen[1] == Event(2, "runner_on_ok", "ok: [a]", changed=True)
    assert [stored_event(raw) for raw in lines.splitlines()] == seen
    assert stream.offset == STREAM.index(line(status="failed"))
    summary = stream.summary
    assert (summary.status, summary.eof, summary.stats, summary.playbook_started) == (
        "failed",
        True,
        True,
        True,
    )
    assert summary.hosts == {"ok": 1, "changed": 1, "failed": 1, "unreachable": 1, "skipped": 1}
    assert summary.changed
    assert summary.artifacts == {"answer": 42}
    assert [failure.as_detail() for failure in summary.failures] == [
        {"host": "b", "task": "t", "play": "p", "msg": "no", "status": "failed"},
        {"host": "d", "task": "t2", "play": "", "msg": "no route", "status": "unreachable"},
    ]


def knowing(offset: int, *lines: bytes) -> RunnerStream:
    """A reader who goes on at an offset, before which it knows these events."""
    stream = RunnerStream(offset)
    for each in lines:
        stream.know(each)
    return stream


@pytest.mark.parametrize("size", [1, 64, 1000])
def test_another_reader_goes_on_wherever_the_first_was_stopped(size: int) -> None:
    """It knows the events that were stored, and sees the output again from the offset that goes with them."""
    whole = RunnerStream()
    whole.feed(STREAM)
    first, lines = RunnerStream(), b""
    for start in range(0, len(STREAM), size):
        batch = first.feed(STREAM[start : start + size])
        lines += bytes(batch.lines)
        second = knowing(batch.offset, *lines.splitlines())
        more = second.feed(STREAM[batch.offset :])
        assert second.summary == whole.summary
        assert [entry.counter for entry in more.events] == list(range(first.summary.events + 1, 8))


def test_an_event_after_the_end_began_is_not_taken_twice() -> None:
    early, late = event(1, "playbook_on_start"), event(2, "playbook_on_stats")
    ending = line(status="failed")
    first = RunnerStream()
    assert first.feed(early + ending + late).offset == len(early)
    second = knowing(len(early), early, late)
    assert second.feed(ending + late + line(eof=True)).events == []
    assert (second.summary.events, second.summary.eof) == (2, True)


def test_offset_stays_before_an_unfinished_line() -> None:
    stream = RunnerStream()
    whole = event(1, "playbook_on_start")
    assert stream.feed(whole + b'{"uuid": ').offset == len(whole)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        pytest.param(b"hello\n", "not JSON", id="text"),
        pytest.param(b"[" * 100_000 + b"\n", "nested more than 100 deep", id="nested-without-an-end"),
        pytest.param(b"[" * 101 + b"]" * 101 + b"\n", "nested more than 100 deep", id="nested"),
        pytest.param(
            b'[{"a": ' * 51 + b"0" + b"}]" * 51 + b"\n", "nested more than 100 deep", id="nested-by-turns"
        ),
        pytest.param(b"[" * 100 + b"]" * 100 + b"\n", "not a mapping", id="nested-as-deep-as-may-be"),
        pytest.param(
            b'{"a": [' + b"[]," * 600_000 + b"0]}\n", "more than 500000 lists and mappings", id="wide"
        ),
        pytest.param(b'"' + b'\\"' * 1_000_000 + b"[" * 200 + b"\n", "not JSON", id="text-without-an-end"),
        pytest.param(b'{"status": "caf\xe9"}\n', "not JSON", id="latin-1"),
        pytest.param(b'{"status": "\xed\xa0\x80"}\n', "not JSON", id="lone-surrogate"),
        pytest.param('{"status": "x"}\n'.encode("utf-16-be"), "not JSON", id="utf-16"),
        pytest.param(b'\xef\xbb\xbf{"status": "x"}\n', "not JSON", id="byte-order-mark"),
        pytest.param(line(status={"a": 1}), "a status that is no text", id="status-is-a-mapping"),
        pytest.param(event(1, "x" * 129), "a name of 129 characters", id="long-name"),
        pytest.param(event(1 << 80, "x"), "where event 1 was due", id="overflow"),
        pytest.param(event(0, "x"), "event 0 where event 1 was due", id="zero"),
        pytest.param(event(-1, "x"), "event -1 where event 1 was due", id="negative"),
        pytest.param(line(event="x", counter=1.0, uuid="u"), "without counter", id="counter-is-a-fraction"),
        pytest.param(b"[1]\n", "not a mapping", id="list"),
        pytest.param(event(2, "x"), "event 2 where event 1 was due", id="gap"),
        pytest.param(event(1, "x") + event(1, "x"), "event 1 where event 2 was due", id="twice"),
        pytest.param(line(event="x", counter=True, uuid="u"), "without counter", id="counter-is-no-number"),
        pytest.param(
            line(event="x", counter=1, uuid="u", stdout=5), "without counter", id="output-is-no-text"
        ),
        pytest.param(line(zipfile=-1), "artifacts of -1 bytes", id="negative-archive"),
        pytest.param(line(zipfile=1 << 40), "artifacts of", id="huge-archive"),
        pytest.param(line(eof=True) + line(status="x"), "after the end mark", id="after-the-end"),
    ],
)
def test_what_no_runner_writes_is_refused(sent: bytes, words: str) -> None:
    with pytest.raises(Failure, match=words) as caught:
        RunnerStream().feed(sent)
    assert caught.value.reason == "ProtocolViolation"


def test_endless_line_is_refused_before_it_fills_the_memory() -> None:
    stream = RunnerStream(limits=OutputLimits(max_event_size=1000))
    with pytest.raises(Failure, match="an event of more than 1000 bytes") as caught:
        for _piece in range(20):
            stream.feed(b"x" * 100)
    assert caught.value.hint == "Make the playbook print less, or raise max_event_size."


def keepalives(count: int) -> bytes:
    return line(event="keepalive", counter=0, uuid=0) * count


@pytest.mark.parametrize(
    ("limits", "sent", "words"),
    [
        pytest.param({"max_events": 2}, [event(1, "x"), event(2, "x")], "", id="as-many-events-as-may-be"),
        pytest.param(
            {"max_events": 2}, [event(count, "x") for count in (1, 2, 3)], "more than 2 events", id="events"
        ),
        pytest.param({"max_event_size": len(event(1, "x"))}, [event(1, "x")], "", id="as-large-as-may-be"),
        pytest.param(
            {"max_event_size": len(event(1, "x")) - 1}, [event(1, "x")], "an event of more than", id="size"
        ),
        pytest.param({"max_output_size": 500}, [keepalives(100)], "500 bytes of output", id="in-one-piece"),
        pytest.param({"max_output_size": 500}, [keepalives(1)] * 99, "500 bytes of output", id="keepalives"),
        pytest.param(
            {"max_output_size": 5000}, [line(status="running")] * 999, "5000 bytes of output", id="statuses"
        ),
        pytest.param(
            {"max_output_size": 500}, [line(zipfile=999), b"A" * 999], "500 bytes of output", id="archive"
        ),
        pytest.param(
            {"max_output_size": 500}, [line(zipfile=0)] * 99, "500 bytes of output", id="empty-archives"
        ),
    ],
)
def test_limits(limits: dict[str, int], sent: list[bytes], words: str) -> None:
    stream = RunnerStream(limits=OutputLimits(**limits))
    if not words:
        assert sum(len(stream.feed(piece).events) for piece in sent) == len(sent)
        return
    with pytest.raises(Failure, match=words) as caught:
        for piece in sent:
            stream.feed(piece)
    assert (caught.value.reason, next(iter(limits)) in caught.value.hint) == ("ProtocolViolation", True)


def nested(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


def test_what_ansible_may_return_is_no_violation() -> None:
    """Deep, wide, and with brackets in its texts, of which only those outside of them count."""
    texts = ['{"a": [' * 200, "}]" * 200, '\\" ] {', "\\", "\u2028", '"']
    sent = event(1, "runner_on_ok", res={"deep": nested(90), "wide": [{"a": []}] * 10_000, "texts": texts})
    (seen,) = RunnerStream().feed(sent).events
    assert seen.name == "runner_on_ok"


def test_messages_do_not_grow_with_what_they_repeat() -> None:
    for sent in (line(zipfile="x" * 100_000), b"x" * 100_000 + b"\n", event(10**4000, "x")):
        with pytest.raises(Failure) as caught:
            RunnerStream().feed(sent)
        assert len(caught.value.message) < 200


def test_long_names_of_hosts_are_not_kept() -> None:
    stream = RunnerStream()
    stream.feed(event(1, "runner_on_failed", host="h" * 257, task="t", res={"msg": "no"}))
    stream.feed(event(2, "runner_on_failed", host="h" * 256, task="t" * 999, res={"msg": "no" * 9999}))
    (failure,) = stream.summary.failures
    assert (len(failure.host), len(failure.task), len(failure.message)) == (256, 256, KEPT_WIDTH)


def test_rescued_failures_and_those_before_a_missing_recap() -> None:
    stream = RunnerStream()
    stream.feed(event(1, "runner_on_failed", host="a", task="t", res={"msg": "no"}))
    assert [failure.host for failure in stream.summary.failures] == [
        "a"
    ]  # nobody says yet that it was rescued
    stream.feed(event(2, "playbook_on_stats", ok={"a": 1}, rescued={"a": 1}))
    assert stream.summary.failures == []


@pytest.mark.parametrize(
    ("name", "facts", "changed"),
    [
        pytest.param("runner_on_ok", {"res": {"changed": True}}, True, id="task"),
        pytest.param("runner_item_on_ok", {"res": {"changed": True}}, True, id="item"),
        pytest.param("runner_on_ok", {"res": {"changed": False}}, False, id="unchanged"),
        pytest.param("runner_on_ok", {"res": {"changed": "yes"}}, False, id="text"),
        pytest.param("runner_on_ok", {"res": ["changed"]}, False, id="result-is-a-list"),
        pytest.param("runner_on_ok", ["res"], False, id="facts-are-a-list"),
        pytest.param("runner_on_ok", None, False, id="no-facts"),
    ],
)
def test_event_is_the_same_live_and_from_the_store(name: str, facts: object, changed: bool) -> None:
    sent = line(uuid="u", counter=1, event=name, stdout="x", event_data=facts)
    stream = RunnerStream()
    (live,) = stream.feed(sent).events
    assert live == stored_event(sent) == Event(1, name, "x", changed)
    assert stream.summary.changed == (changed and name == "runner_on_ok")


def test_last_lines_are_kept_and_only_the_beginning_of_each() -> None:
    stream = RunnerStream()
    for counter in range(1, 6):
        stdout = "".join(f"{counter}/{number} {'x' * 100_000}\n" for number in range(15))
        stream.feed(event(counter, "verbose", stdout))
    kept = stream.summary.last_lines
    assert [text.split()[0] for text in kept] == [
        f"{counter}/{number}" for counter in range(1, 6) for number in range(15)
    ][-KEPT_LINES:]
    assert {len(text) for text in kept} == {KEPT_WIDTH}


def test_what_is_said_before_any_playbook_is_kept_however_much_comes_after_it() -> None:
    stream = RunnerStream()
    printed = ["usage: x", "\x1b[0;31mansible-playbook: error: no\x1b[0m\nx", *["help"] * 200, "ERROR! two"]
    for counter, text in enumerate(printed, 1):
        stream.feed(event(counter, "verbose", text))
    assert stream.summary.complaint == "\x1b[0;31mansible-playbook: error: no\x1b[0m"


def test_errors_within_a_playbook_are_no_complaint_of_its_start() -> None:
    stream = RunnerStream()
    stream.feed(event(1, "playbook_on_start"))
    assert not stream.summary.play_started
    stream.feed(event(2, "playbook_on_play_start"))
    stream.feed(event(3, "verbose", "ERROR! later"))
    assert (stream.summary.complaint, stream.summary.play_started) == ("", True)


def test_first_task_is_known_by_its_name() -> None:
    stream = RunnerStream()
    names: tuple[Any, ...] = ({"no": "text"}, "x" * 1000, "Second")
    for counter, name in enumerate(names, 1):
        stream.feed(event(counter, "playbook_on_task_start", task=name))
    assert stream.summary.first_task == "x" * 256
