# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a job's project is updated first, and what the last update has brought."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import projects
from ansible_collections.jobpods.controller.plugins.module_utils.controller.projects import (
    DEFAULTS,
    ProjectState,
    UpdatePlan,
    origin_of,
    plan_update,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import insert, update

GIT = {"scm_type": "git", "scm_url": "https://git.test/x.git", "scm_branch": "main"}


def options(**given: Any) -> dict[str, Any]:
    return {**DEFAULTS, **GIT, **given}


def state(age: float | None, revision: str = "abc", **given: Any) -> ProjectState:
    return ProjectState(revision, origin_of(options(**given)), age)


ON_LAUNCH = {"scm_update_on_launch": True}
CACHED = {**ON_LAUNCH, "scm_update_cache_timeout": 60}


@pytest.mark.parametrize(
    ("given", "known", "needed"),
    [
        pytest.param({}, state(None, ""), True, id="never-updated"),
        pytest.param({}, state(0.0, ""), True, id="no-revision"),
        pytest.param({}, state(10**9), False, id="not-on-launch"),
        pytest.param(ON_LAUNCH, state(0.0), True, id="on-launch"),
        pytest.param(CACHED, state(59.9), False, id="new-enough"),
        pytest.param(CACHED, state(60.0), True, id="too-old"),
        pytest.param({"scm_branch": "other"}, state(0.0), True, id="other-branch-since"),
        pytest.param({"scm_url": "https://git.test/y.git"}, state(0.0), True, id="other-address-since"),
        pytest.param({"scm_refspec": "refs/x"}, state(0.0), True, id="other-refspec-since"),
        pytest.param({"scm_track_submodules": True}, state(0.0), True, id="tracks-since"),
        pytest.param({"timeout": 7, "scm_clean": True}, state(0.0), False, id="other-options-don-t-count"),
    ],
)
def test_whether_a_job_updates_its_project_first(
    given: dict[str, Any], known: ProjectState, needed: bool
) -> None:
    chosen = options(**given)
    expected = UpdatePlan(needed, chosen["scm_branch"], True, "" if needed else "abc")
    assert plan_update(chosen, known) == expected
    assert plan_update(chosen, known, chosen["scm_branch"]) == expected


def test_a_manual_project_is_never_updated_first() -> None:
    chosen = options(scm_type="manual", scm_branch="", **ON_LAUNCH)
    assert plan_update(chosen, state(None, "")) == UpdatePlan(False, "", True, "")


def test_another_branch_is_always_updated_to_and_kept_for_nobody() -> None:
    plan = plan_update(options(allow_override=True), state(0.0), "feature")
    assert plan == UpdatePlan(True, "feature", False, "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({}, "the project does not allow it: set its allow_override", id="not-allowed"),
        pytest.param(
            {"scm_type": "archive", "scm_branch": ""}, "scm_type archive has no branches", id="archive"
        ),
        pytest.param(
            {"scm_type": "manual", "scm_branch": ""}, "scm_type manual has no branches", id="manual"
        ),
    ],
)
def test_another_branch_that_may_not_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure) as caught:
        plan_update(options(**given), state(0.0), "feature")
    assert caught.value.reason == "InvalidConfiguration"
    assert words in caught.value.message


def test_what_an_update_brings_is_kept(store: JobStore) -> None:
    database = store.projects._database
    row = {"name": "p", "settings": options(**CACHED)}
    database.write(lambda connection: connection.execute(insert(projects).values(row)))
    assert store.projects.state(1) == ProjectState("", "", None)
    assert store.projects.plan(1).needed
    store.projects.updated(1, "abc", options(**CACHED))
    known = store.projects.state(1)
    assert (known.revision, known.origin) == ("abc", origin_of(options()))
    assert known.age is not None and 0 <= known.age < 60
    assert store.projects.plan(1) == UpdatePlan(False, "main", True, "abc")
    older = update(projects).values(last_updated=projects.c.last_updated - 61)
    database.write(lambda connection: connection.execute(older))
    assert store.projects.plan(1).needed


def test_a_project_that_was_edited_while_it_was_updated_is_updated_again(store: JobStore) -> None:
    database = store.projects._database
    row = {"name": "p", "settings": options(scm_branch="edited")}
    database.write(lambda connection: connection.execute(insert(projects).values(row)))
    store.projects.updated(1, "abc", options())
    assert store.projects.plan(1) == UpdatePlan(True, "edited", True, "")


def test_a_project_that_is_no_more(store: JobStore) -> None:
    store.projects.updated(9, "abc", options())
    with pytest.raises(Failure, match="The project with the id 9 was deleted"):
        store.projects.plan(9)
