# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record format, and what the controller takes from a hostile pod."""

from __future__ import annotations

import json
import random

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor, wire

SPECIAL = bytes([0x1D, 0x1E, 0x0A, 0x01, 0x02]) + b"JP1 "


def some_records(count: int, seed: int, size: int = 200) -> list[wire.Record]:
    """Records whose bodies are full of the bytes that mean something in the format."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    records = []
    for _record in range(count):
        body = bytes(chance.choice(SPECIAL) for _byte in range(chance.randrange(size)))
        kind = chance.choice(["output", "beat", "ended"])
        records.append(wire.Record(kind, chance.randrange(1 << 60), chance.randrange(1 << 60), body))
    return records


def encoded(record: wire.Record) -> bytes:
    return wire.encode(record.kind, record.session, record.position, record.body)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1 << 20], ids=lambda size: f"by-{size}")
def test_records_survive_any_slicing(size: int) -> None:
    records = some_records(60, 1)
    stream = b"".join(map(encoded, records))
    decoder = wire.Decoder()
    got = []
    for start in range(0, len(stream), size):
        got += decoder.feed(stream[start : start + size])
    assert got == records
    assert (decoder.bad, decoder.skipped) == (0, 0)


def test_a_stream_cut_at_each_byte_loses_only_the_cut_record() -> None:
    before, cut, after = some_records(3, 2, size=60)
    head, middle, tail = encoded(before), encoded(cut), encoded(after)
    for position in range(len(middle)):
        decoder = wire.Decoder()
        got = decoder.feed(head + middle[:position]) + decoder.feed(tail)
        assert got == [before, after], f"cut after {position} bytes"
        assert decoder.skipped == position


def test_a_stream_joined_at_each_byte_gives_the_next_record() -> None:
    first, second = some_records(2, 3, size=60)
    stream = encoded(first) + encoded(second)
    for position in range(1, len(encoded(first)) + 1):
        assert wire.Decoder().feed(stream[position:]) == [second]


def test_each_damaged_byte_is_noticed() -> None:
    damaged, good = some_records(2, 4, size=60)
    stream = encoded(damaged)
    for position in range(len(stream)):
        changed = bytearray(stream)
        changed[position] ^= 0x40
        decoder = wire.Decoder()
        assert decoder.feed(bytes(changed) + encoded(good)) == [good], f"byte {position}"


def test_two_streams_mixed_at_any_byte_give_no_wrong_record() -> None:
    chance = random.Random(5)  # noqa: S311 - repeatable on purpose
    for seed in range(100):
        streams = [b"".join(map(encoded, some_records(10, seed * 2 + which))) for which in (0, 1)]
        possible = some_records(10, seed * 2) + some_records(10, seed * 2 + 1)
        mixed = b""
        while any(streams):
            which = chance.randrange(2)
            piece = chance.randrange(400)
            mixed += streams[which][:piece]
            streams[which] = streams[which][piece:]
        assert all(record in possible for record in wire.Decoder().feed(mixed))


def test_garbage_gives_nothing_and_is_counted() -> None:
    chance = random.Random(6)  # noqa: S311 - repeatable on purpose
    decoder = wire.Decoder()
    good = some_records(1, 7)[0]
    total = 0
    for _turn in range(300):
        garbage = chance.randbytes(chance.randrange(3000))
        total += len(garbage)
        assert decoder.feed(garbage) == []
    assert decoder.feed(encoded(good)) == [good]
    assert decoder.skipped == total
    assert decoder.bad > 0


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(b"x" * 65536, id="no-mark"),
        pytest.param(b"\x1e" * 65536, id="marks"),
        pytest.param(b"\x1eJP1 output 1 0 9999999999 00000000\n" + b"x" * 65536, id="too-long-body"),
        pytest.param(b"\x1eJP1 output 1 0 1048577 00000000\n" + b"x" * 65536, id="one-byte-too-long"),
        pytest.param(b"\x1e" + b"J" * 65536, id="endless-header"),
        pytest.param(b"\x1eJP1 output 1 0 1048576 00000000\n" + b"x" * 65536, id="longest-body"),
    ],
)
def test_memory_is_bounded(endless: bytes) -> None:
    decoder = wire.Decoder()
    fed = 0
    for _turn in range(100):
        assert decoder.feed(endless) == []
        fed += len(endless)
        kept = fed - decoder.skipped
        assert kept == len(decoder._kept)
        assert kept <= supervisor.MAX_BODY + supervisor.MAX_HEADER + len(endless)


@pytest.mark.parametrize(
    "header",
    [
        b"JP2 output 1 0 0 %08x",
        b"JP1 OUTPUT 1 0 0 %08x",
        b"JP1 out9 1 0 0 %08x",
        b"JP1 output -1 0 0 %08x",
        b"JP1 output 1 0 0 0%08x",
        b"JP1 output 1  0 0 %08x",
        b"JP1 output 1 0 0 %08x ",
        b"JP1 output 123456789012345678901 0 0 %08x",
        b"JP1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1 0 0 %08x",
    ],
)
def test_wrong_headers_are_refused(header: bytes) -> None:
    import zlib

    covered = header[4:].rpartition(b" %08x")[0] + b"\n"
    decoder = wire.Decoder()
    assert decoder.feed(b"\x1e" + header % zlib.crc32(covered) + b"\n\x1e") == []
    assert decoder.bad == 1


def test_a_wrong_escape_is_refused() -> None:
    import zlib

    head = b"output 1 0 2\n"
    stream = b"\x1eJP1 output 1 0 2 %08x\n\x1d\x05" % zlib.crc32(head + b"\x1d\x05")
    decoder = wire.Decoder()
    assert decoder.feed(stream) == []
    assert decoder.bad == 1


def test_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    body = b"\x1e" * (wire.MAX_BODY // 2)
    (record,) = wire.Decoder().feed(wire.encode("payload", 1, 0, body))
    assert record.body == body
    with pytest.raises(ValueError, match="too long"):
        wire.encode("payload", 1, 0, body + b"x")


def test_payload_records_are_the_payload() -> None:
    payload = b"\x1e\x1d" * wire.PAYLOAD_CHUNK + b"end"
    records = wire.Decoder().feed(b"".join(wire.payload_records(7, payload, 5)))
    assert [record.position for record in records] == [
        5 + n * wire.PAYLOAD_CHUNK for n in range(len(records))
    ]
    assert b"".join(record.body for record in records) == payload[5:]
    assert {(record.kind, record.session) for record in records} == {("payload", 7)}


HELLO = {"protocol": 1, "state": "running", "payload": 5, "spool_start": 0, "spool_end": 9}
ENDED = {
    "cause": "exit",
    "returncode": 0,
    "signal": None,
    "stderr": "",
    "message": "",
    "memory_peak": None,
    "cpu_seconds": 1.5,
    "elapsed": 2,
    "left": 0,
    "memory_kills": 1,
    "cpu_p95": 0.25,
}


def record_of(kind: str, facts: object, position: int = 0) -> wire.Record:
    return wire.Record(kind, 1, position, json.dumps(facts).encode())


def test_messages_carry_their_fields() -> None:
    assert wire.message(record_of("hello", HELLO)) == wire.Hello(1, "running", 5, 0, 9)
    assert wire.message(record_of("ended", ENDED, 44)) == wire.Ended(
        44, "exit", 0, None, "", "", None, 1.5, 2.0, 0, 1, 0.25
    )
    assert wire.message(record_of("usage", {"memory_peak": 4096})) == wire.Usage(4096)
    assert wire.message(wire.Record("output", 1, 3, b"{")) == wire.Output(3, b"{")
    assert wire.message(record_of("received", {"whole": True}, 8)) == wire.Received(8, True)
    assert wire.message(record_of("later", {})) is None


def test_words_of_a_forged_end_are_cut() -> None:
    said = wire.message(
        record_of("ended", {**ENDED, "stderr": "a" * 500_000 + "z", "message": "b" * 500_000})
    )
    assert isinstance(said, wire.Ended)
    assert (len(said.stderr), said.stderr[-1], len(said.message)) == (8192, "z", 8192)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (record_of("hello", {**HELLO, "state": "asleep"}), "state"),
        (record_of("hello", {**HELLO, "payload": -1}), "payload"),
        (record_of("hello", {**HELLO, "spool_end": 1 << 80}), "spool_end"),
        (record_of("hello", {**HELLO, "spool_end": True}), "spool_end"),
        (record_of("hello", {}), "protocol"),
        (record_of("hello", [1]), "body"),
        (wire.Record("hello", 1, 0, b"\xff"), "body"),
        (wire.Record("beat", 1, 0, b"[" * 100_000), "body"),
        (record_of("received", {"whole": 1}), "whole"),
        (record_of("ended", {**ENDED, "cause": ["exit"]}), "cause"),
        (record_of("ended", {**ENDED, "stderr": 5}), "stderr"),
        (record_of("ended", {**ENDED, "elapsed": float("nan")}), "elapsed"),
        (record_of("ended", {**ENDED, "elapsed": float("inf")}), "elapsed"),
        (record_of("ended", {**ENDED, "cpu_p95": -1}), "cpu_p95"),
        (record_of("usage", {"memory_peak": 1 << 63}), "memory_peak"),
        (record_of("usage", {}), "memory_peak"),
        (wire.Record("output", 1, 1 << 64, b""), "position"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_forged_fields_are_violations(record: wire.Record, field: str) -> None:
    with pytest.raises(Failure) as failed:
        wire.message(record)
    assert failed.value.reason == "ProtocolViolation"
    assert failed.value.details["field"] == field
