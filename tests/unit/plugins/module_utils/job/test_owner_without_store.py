# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An owner whose store does not answer, while another one's may: it deletes no pod that may be that one's."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import HEARTBEAT_AGE
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import owned_row, talk
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import OWNER_SILENCE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    BEGIN,
    DEADLINE,
    ENDLESS,
    GOOD,
    Scene,
    cluster,
)

pytestmark = pytest.mark.usefixtures("quick", "impatient")

GARBAGE = BEGIN + "time.sleep(0.2)\nprint('garbage', flush=True)\ntime.sleep(600)\n"
"""After it the run may go on, but nobody listens any more."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned_row, "STORE_BACKOFF", (0.02,))
    monkeypatch.setattr(owned_row, "STORE_LIMIT", 0.1)


def away(*_args: object, **_columns: object) -> NoReturn:
    raise Failure("InvalidConfiguration", "The database can't be used: it is away.")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            Failure("InvalidConfiguration", "The database can't be used: disk full."),
            "disk full. This lasted longer than 0 s",
            id="refusal",
        ),
        pytest.param(KeyError("oh no"), "KeyError('oh no')", id="unexpected"),
    ],
)
async def test_end_that_can_t_be_stored_is_told_and_stays_in_the_pod(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    """Another controller may have taken the job over meanwhile, or takes it over now, and hears the end."""

    def broken(*_arguments: object, **_columns: object) -> None:
        raise error

    async with cluster(scene, authority, GOOD) as at:
        with monkeypatch.context() as patch:
            patch.setattr(scene.store, "finish", broken)
            owning = scene.owner(at.connection)
            async with deadline(DEADLINE):
                await owning.own(scene.finished)
        assert scene.finished.is_set()
        assert owning.unfinished is not None
        said = "The job ended (successful), but this could not be stored: "
        assert owning.unfinished.message.startswith(said)
        assert words in owning.unfinished.message
        assert "Its pod stays" in owning.unfinished.hint
        assert (at.exists, at.deleted, at.pod.process.poll()) == (True, [], None)


async def test_run_that_may_go_on_is_deleted_as_long_as_it_is_certain_whose_it_is(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene.store, "finish", away)
    async with cluster(scene, authority, GARBAGE) as at:
        owning = scene.owner(at.connection)
        async with deadline(DEADLINE):
            await owning.own(scene.finished)
        assert not at.exists
    assert owning.unfinished is not None
    assert owning.unfinished.message.startswith("The job was given up here (error), but this could not be")


@pytest.mark.parametrize("script", [GARBAGE, ENDLESS], ids=["garbage", "cancelled-in-vain"])
async def test_run_that_may_be_another_one_s_is_left_alone(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """Only this owner is cut off from the store; its time as an owner was over before the run ended here."""
    async with cluster(scene, authority, script) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            await scene.told.heard.wait()
            for name in ("heartbeat", "add_events", "update", "finish"):
                monkeypatch.setattr(scene.store, name, away)
            monkeypatch.setattr(owned_row, "OWNED_FOR", 0.0)
            if script == ENDLESS:
                at.flowing.clear()  # as where the supervisor hears another session only
                monkeypatch.setattr(talk, "KILL_LIMIT", 0.1)
                owning.cancel("Nobody wants it.")
            await task
        assert (at.exists, at.deleted) == (True, [])
    assert owning.unfinished is not None
    assert scene.record.finished is None


async def test_deletion_stops_where_another_one_may_own_the_job(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server does not take it before the time is over for which this owner is certain to be one."""
    monkeypatch.setattr(owned_row, "OWNED_FOR", 0.5)
    monkeypatch.setattr(owned_row, "STORE_LIMIT", 2.0)
    monkeypatch.setattr(scene.store, "finish", away)
    async with cluster(scene, authority, GARBAGE) as at:
        at.undeletable = 1000
        owning = scene.owner(at.connection)
        async with deadline(DEADLINE):
            await owning.own(scene.finished)
        assert at.exists
        tried = len(at.deleted)
        assert tried
        at.undeletable = 0
        await asyncio.sleep(0.5)
        assert (at.exists, len(at.deleted)) == (True, tried)


async def test_end_that_is_stored_although_the_answer_got_lost(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heart beats in between."""
    monkeypatch.setattr(owned_row, "STORE_LIMIT", DEADLINE)
    monkeypatch.setattr(owned_row, "STORE_BACKOFF", (0.3,))
    finish, answers = scene.store.finish, [False, True]

    def unsure(*arguments: Any, **columns: Any) -> None:
        finish(*arguments, **columns)
        if answers.pop():
            raise Failure("InvalidConfiguration", "The database went away before it could tell.")

    monkeypatch.setattr(scene.store, "finish", unsure)
    async with cluster(scene, authority, GOOD) as at:
        owning = scene.owner(at.connection)
        async with deadline(DEADLINE):
            await owning.own(scene.finished)
        assert owning.unfinished is None
        assert (scene.record.status, scene.record.pod_deleted, at.exists) == ("successful", True, False)


def test_owner_is_certain_for_less_time_than_others_wait() -> None:
    assert owned_row.OWNED_FOR + HEARTBEAT_AGE < OWNER_SILENCE
