# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is doubtful of a store is told; output is read from it a little at a time, however large a job is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import engines
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import EventBatch, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.keys import key_beside
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import read_key
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import opened
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.one_job import User


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


@pytest.mark.parametrize(
    ("count", "size", "read"),
    [
        pytest.param(10, 100, 10, id="all"),
        pytest.param(700, 100, opened.OUTPUT_EVENTS, id="many"),
        pytest.param(10, opened.OUTPUT_SIZE // 4, 4, id="large"),
        pytest.param(3, 2 * opened.OUTPUT_SIZE, 1, id="huge"),
    ],
)
async def test_output_is_read_from_the_store_in_pieces(user: User, count: int, size: int, read: int) -> None:
    store, calls = user.open_store(), StoreCalls()
    try:
        job_id = store.create(NewJob("u" * 32, "job", "n", True, "here", None, "jobs", {}, {}))
        lease = store.claim(job_id, "here")
        lines = b"".join(event_line(counter, stdout="x" * size) for counter in range(1, count + 1))
        store.add_events(job_id, lease, EventBatch(1, count, lines, 1))
        opened_store = OpenStore(store, calls, user.store_options)
        found = await opened_store.events_after(job_id, 0)
        assert [event.counter for event in found] == list(range(1, read + 1))
        following = await opened_store.events_after(job_id, read)
        assert [event.counter for event in following[:1]] == list(range(read + 1, count + 1))[:1]
    finally:
        store.close()
        calls.close()


# -- what the user should know about the store --


async def told(user: User) -> list[str]:
    """What is told where the store is opened."""
    feed = KeptFeed()
    async with opened.open_store(request_for("job_info", user.folder), feed):
        pass
    assert len(feed.messages) == len(feed.warnings)
    return feed.warnings


async def test_nothing_is_told_of_a_store_as_it_should_be(user: User) -> None:
    assert await told(user) == await told(user) == []


async def test_network_file_system_is_told(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = engines.file_system(user.folder)
    monkeypatch.setattr(engines, "NETWORK_FILE_SYSTEMS", frozenset((kind,)))
    for _again in range(2):
        (warning,) = await told(user)
        assert f"is on a network file system ({kind})" in warning


async def test_key_that_is_elsewhere_is_told(user: User) -> None:
    await told(user)
    place = user.store_options.secret_key_file
    place.rename(key_beside(place, read_key(place, create=False).fingerprint))
    (warning,) = await told(user)
    assert warning.startswith("The store's key is in ")


def event_line(counter: int, **fields: Any) -> bytes:
    return json.dumps({"counter": counter, "event": "runner_on_ok", **fields}).encode() + b"\n"
