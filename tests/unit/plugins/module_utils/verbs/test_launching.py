# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch is told from its number to its result, and the result comes whatever the store does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    LeaseLost,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import feed as feed_module
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import launching
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import NODE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.obeyed import (
    HOSTILE,
    obeyed,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.one_job import (
    EVENTS,
    PRINT_MUCH,
    User,
    cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import (
    DEADLINE,
    launcher,
    read_messages,
    shown,
    texts,
)

GOOD = """
event(2, 'playbook_on_stats', 'RECAP', ok={'a': 1})
say(status='successful')
say(eof=True)
"""


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


async def launched(request: Request, told: LauncherFeed) -> None:
    """Runs the verb of a launcher that stays."""
    await launching.container_group_job(request, told, Launcher(asyncio.StreamReader(), None))


async def test_job_is_told_from_its_number_to_its_result(user: User, authority: Authority) -> None:
    async with cluster(user.folder, authority, GOOD) as at, launcher() as (told, pipe):
        reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, type="result"))
        environment = {"image": "example.test/ee:1", "pull": "missing"}
        await launched(user.request(at.connection, execution_environment=environment, name="it"), told)
        messages = await reading
    job = user.job()
    assert job is not None
    assert [message for message in messages if message["type"] == "job"] == [
        {"type": "job", "id": job.id, "name": "it", "child": False}
    ]
    assert [step for step in texts(messages, "step") if step not in ("payload received", "playbook started")][
        1:
    ] == [
        "image example.test/ee:1",
        f"pod {job.pod_name} created in namespace jobs",
        f"scheduled on node {NODE}",
        "running",
    ]
    assert shown(messages) == ["PLAY", "RECAP"]
    assert messages[-1]["result"]["job"]["status"] == "successful"


HOSTILE_END = f"""
words = {HOSTILE!r}
sys.stderr.write(words)
event(2, 'runner_on_failed', words, host='a' + words, task=words, play=words, res={{'msg': words}})
event(3, 'playbook_on_stats', words, failures={{'a' + words: 1}})
say(status='failed', job_explanation=words, result_traceback=words)
say(eof=True)
sys.exit(2)
"""


async def test_nothing_of_a_pod_s_that_a_terminal_would_obey_is_told(
    user: User, authority: Authority
) -> None:
    async with cluster(user.folder, authority, HOSTILE_END) as at, launcher() as (told, pipe):
        reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, type="result"))
        await launched(user.request(at.connection, name=f"it{HOSTILE}"), told)
        messages = await reading
    assert messages[-1]["result"]["job"]["failure"]["details"]["failed_hosts"] == ["a"]
    assert not obeyed(messages)


def out_of_room(store: JobStore, job_id: int) -> None:
    raise Failure("InvalidConfiguration", "The database can't be used: disk full.")


def taken_over(store: JobStore, job_id: int) -> None:
    store.claim(job_id, "there")


@pytest.mark.parametrize("happens", [out_of_room, taken_over])
async def test_launcher_is_told_the_end_also_where_the_last_output_is_never_stored(
    user: User,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[JobStore, int], None],
) -> None:
    monkeypatch.setattr(feed_module, "BUFFER_LIMIT", 20_000)
    add_events, over = JobStore.add_events, threading.Event()

    def add(store: JobStore, job_id: int, lease: int, batch: EventBatch) -> None:
        if batch.last_counter == EVENTS:
            over.set()
            happens(store, job_id)
        add_events(store, job_id, lease, batch)

    monkeypatch.setattr(JobStore, "add_events", add)
    script = PRINT_MUCH + "time.sleep(600)\n"
    async with cluster(user.folder, authority, script) as at, launcher(room=4096) as (told, pipe):
        verb = asyncio.create_task(launched(user.request(at.connection), told))
        await asyncio.to_thread(over.wait, DEADLINE)  # the launcher reads nothing until then
        reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, text="end"))
        await asyncio.wait((verb,))
        assert isinstance(verb.exception(), (LeaseLost, type(None)))
        told.step("end")
        messages = await reading
    printed = shown(messages)
    assert 1 < len(printed) < EVENTS
    assert [text.split()[0] for text in printed[1:]] == [str(number) for number in range(2, len(printed) + 1)]
    (warning,) = [text for text in texts(messages, "warning") if "output" in text]
    assert warning == "some of the playbook's output is not shown here: It could not be stored."
    if happens is out_of_room:
        (result,) = [message["result"] for message in messages if message["type"] == "result"]
        assert "disk full" in result["msg"]
