# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No stream and no record of a pod confuses the controller: it is taken, skipped, or a violation."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor, wire
from ansible_collections.jobpods.controller.tests.fuzzing import CUTS, damaged, fuzz, pieces
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.integers(0, (1 << 63) - 1)
BODIES = st.binary(max_size=60) | st.text(alphabet="\x1d\x1e\x01\x02\nJP1 0", max_size=60).map(str.encode)
KINDS = ("hello", "received", "started", "output", "beat", "canceling", "ended", "x")
FIELDS = ["protocol", "state", "payload", "spool_start", "spool_end", "whole", "pid", "cause", "returncode"]
FIELDS += ["signal", "stderr", "message", "memory_peak", "cpu_seconds", "elapsed", "left"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.none())
WORDS = st.sampled_from(("running", "ended", "exit", "cancel", ""))


@st.composite
def records(draw: st.DrawFn) -> wire.Record:
    return wire.Record(draw(st.sampled_from(KINDS)), draw(NUMBERS), draw(NUMBERS), draw(BODIES))


def encoded(record: wire.Record) -> bytes:
    return wire.encode(record.kind, record.session, record.position, record.body)


def decoded(stream: bytes, cuts: list[int]) -> tuple[list[wire.Record], wire.Decoder]:
    decoder = wire.Decoder()
    found: list[wire.Record] = []
    for piece in pieces(stream, cuts):
        found += decoder.feed(piece)
        assert len(decoder._kept) <= supervisor.MAX_BODY + supervisor.MAX_HEADER + len(piece)
    return found, decoder


STREAMS = st.lists(
    records().map(encoded) | records().map(encoded).flatmap(damaged) | st.binary(max_size=40) | BODIES,
    max_size=6,
).map(b"".join)


@fuzz(300)
@given(stream=STREAMS, cuts=CUTS)
def test_only_records_are_found_and_the_same_however_it_is_cut(stream: bytes, cuts: list[int]) -> None:
    found, decoder = decoded(stream, cuts)
    again, whole = decoded(stream, [])
    assert found == again
    assert (decoder.skipped, decoder.bad) == (whole.skipped, whole.bad)
    for record in found:
        assert encoded(record) in stream
    used = sum(len(encoded(record)) for record in found)
    assert decoder.skipped + used + len(decoder._kept) == len(stream)


@fuzz(200)
@given(stream=STREAMS, record=records(), cuts=CUTS)
def test_whole_record_is_found_after_anything(stream: bytes, record: wire.Record, cuts: list[int]) -> None:
    found, _decoder = decoded(stream + encoded(record), cuts)
    assert found[-1] == record


@fuzz(500)
@given(
    kind=st.sampled_from(KINDS),
    position=st.integers(0, 10**20 - 1),
    facts=st.dictionaries(st.sampled_from(FIELDS), VALUES | WORDS) | VALUES,
)
def test_record_is_a_message_or_a_violation(kind: str, position: int, facts: Any) -> None:
    record = wire.Record(kind, 1, position, json.dumps(facts).encode())
    try:
        said = wire.message(record)
    except Failure as failure:
        assert failure.reason == "ProtocolViolation"
    else:
        assert said is not None or kind == "x"


@fuzz(200)
@given(body=BODIES, kind=st.sampled_from(KINDS))
def test_body_is_a_message_or_a_violation(body: bytes, kind: str) -> None:
    try:
        wire.message(wire.Record(kind, 1, 0, body))
    except Failure as failure:
        assert failure.reason == "ProtocolViolation"
