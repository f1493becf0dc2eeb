# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of a test's own, and what goes into it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)

LAUNCH = {"playbook": "site.yml", "credentials": [{"password": "in the launch request"}]}
CONNECTION = {"host": "https://api.test", "api_key": "in the connection"}


def new_job(name: str = "site.yml") -> NewJob:
    return NewJob(
        uuid=uuid.uuid4().hex,
        type="job",
        name=name,
        wait=False,
        controller_node="controller.test",
        container_group=None,
        namespace="jobs",
        launch=LAUNCH,
        connection=CONNECTION,
    )


def printed(counter: int) -> str:
    """What the playbook prints with an event: colours, characters of many bytes, sometimes nothing."""
    return "" if counter % 7 == 0 else f"\x1b[0;32mok: [höst{counter}] => 🐄\x1b[0m"


def event_batch(first: int, last: int, offset: int | None = None) -> EventBatch:
    lines = [
        json.dumps({"counter": counter, "event": "runner_on_ok", "stdout": printed(counter)})
        for counter in range(first, last + 1)
    ]
    return EventBatch(
        first_counter=first,
        last_counter=last,
        lines="".join(f"{line}\n" for line in lines).encode(),
        stored_offset=last * 100 if offset is None else offset,
    )


@pytest.fixture
def options(tmp_path: Path) -> StoreOptions:
    return store_options({"data_dir": str(tmp_path / "store")}, {}, tmp_path)


@pytest.fixture
def store(options: StoreOptions) -> Iterator[JobStore]:
    opened = JobStore.open(options)
    yield opened
    opened.close()
