# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a worker writes is read the same however it is cut, or is a violation; and can be used."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.storable import storable_json
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import (
    Event,
    RunnerStream,
    Summary,
    stored_event,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import OutputLimits
from ansible_collections.jobpods.controller.plugins.module_utils.job.verdict import verdict
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Ended
from ansible_collections.jobpods.controller.tests.fuzzing import CUTS, damaged, fuzz, pieces
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_lines import line
from hypothesis import given
from hypothesis import strategies as st

LIMITS = OutputLimits(max_events=20, max_event_size=4000, max_output_size=20_000)
WORDS = ("ERROR! x", "\x1b[31m", "\ud800", "\0", "{{ x }}", "a\nb\r\n")
TEXTS = st.text(max_size=12) | st.sampled_from(WORDS)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "runner_on_ok",
    "runner_on_failed",
    "runner_on_unreachable",
    "playbook_on_start",
    "playbook_on_play_start",
    "playbook_on_stats",
    "verbose",
)
FACTS = ("host", "task", "play", "res", "ignore_errors", "ok", "failures", "dark", "changed", "artifact_data")
COUNTS = st.dictionaries(st.sampled_from(("a", "b")), st.just(1))


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Lines as a worker may write them: their counters are mostly right, and their facts anything."""
    made = []
    counter = 1
    for kind in draw(st.lists(st.sampled_from(("event", "event", "status", "archive", "other")), max_size=8)):
        if kind == "event":
            known = st.sampled_from(("a", "b")) | st.just({"msg": "no", "changed": True}) | COUNTS
            facts = draw(VALUES | st.dictionaries(st.sampled_from(FACTS), known | VALUES, max_size=6))
            name, stdout = draw(st.sampled_from(NAMES)), draw(TEXTS | VALUES)
            made.append(line(uuid="u", counter=counter, event=name, stdout=stdout, event_data=facts))
            counter += 1
        elif kind == "status":
            fields = {"status": draw(st.sampled_from(("running", "successful", "failed")) | VALUES)}
            if draw(st.booleans()):
                fields |= {"job_explanation": draw(VALUES), "result_traceback": draw(VALUES)}
            made.append(line(**fields))
        elif kind == "archive":
            made += [line(zipfile=draw(st.integers(0, 9))), draw(st.binary(max_size=12))]
        else:
            made.append(json.dumps(draw(VALUES)).encode() + b"\n")
    if draw(st.booleans()):
        made.append(line(eof=True))
    return b"".join(made)


def read(stream: bytes, cuts: list[int]) -> tuple[list[Event], list[bytes], Summary, str]:
    reader = RunnerStream(limits=LIMITS)
    events: list[Event] = []
    lines = b""
    try:
        for piece in pieces(stream, cuts):
            batch = reader.feed(piece)
            events += batch.events
            lines += bytes(batch.lines)
            assert batch.offset == reader.offset
    except Failure as failure:
        assert failure.reason == "ProtocolViolation"
        assert len(failure.message) < 300
        return events, lines.splitlines(), reader.summary, failure.message
    return events, lines.splitlines(), reader.summary, ""


def use(summary: Summary) -> None:
    """Does with it what is done at the end of a job."""
    for returncode in (0, 2):
        ended = Ended(0, "exit", returncode, None, "", "", None, None, 1.0, 0)
        found = verdict(ended, summary, 10)
        if found is None:
            proofs = (summary.status, summary.eof, summary.stats, returncode)
            assert proofs == ("successful", True, True, 0)
        else:
            assert len(found.message) < 3000
            json.dumps(storable_json(found.as_result()), allow_nan=False)
    json.dumps(storable_json([summary.artifacts, summary.hosts]), allow_nan=False)


@fuzz(400)
@given(stream=streams(), cuts=CUTS)
def test_lines(stream: bytes, cuts: list[int]) -> None:
    events, lines, summary, trouble = read(stream, cuts)
    whole_events, _lines, whole, whole_trouble = read(stream, [])
    assert trouble == whole_trouble
    assert summary == whole
    if not trouble:
        assert events == whole_events
    assert [stored_event(each) for each in lines] == events
    assert [each.counter for each in events] == list(range(1, len(events) + 1))
    use(summary)


@fuzz(200)
@given(stream=streams().flatmap(damaged), cuts=CUTS)
def test_damaged_lines(stream: bytes, cuts: list[int]) -> None:
    _events, _lines, summary, trouble = read(stream, cuts)
    assert trouble == read(stream, [])[3]
    use(summary)


@fuzz(200)
@given(stream=st.binary(max_size=200) | st.text(alphabet='{}[]",:\\\n0a', max_size=200).map(str.encode))
def test_bytes(stream: bytes) -> None:
    use(read(stream, [])[2])


def nested(value: Any, depth: int) -> Any:
    for _level in range(depth):
        value = [value]
    return value


@fuzz(100)
@given(value=VALUES, depth=st.integers(0, 200), text=st.text(alphabet='[]{}"\\', max_size=300))
def test_depth_is_known_before_it_is_parsed(value: Any, depth: int, text: str) -> None:
    sent = line(status="running", text=text, value=nested(value, depth))
    trouble = read(sent, [])[3]
    assert trouble == "" or "nested more than 100 deep" in trouble
    assert (trouble == "") <= (depth < 100)
    assert (trouble == "") >= (depth < 80)
