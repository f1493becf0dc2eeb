# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store is looked after from playbooks, on SQLite and on PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.tests.integration.playbooks import BIN, DEADLINE, Controller

CREDENTIAL: dict[str, Any] = {"name": "c", "credential_type": "machine", "inputs": {"password": "hunter2"}}


@pytest.fixture(params=["sqlite", "postgresql"])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Controller]:
    """A user whose store is on one of the databases."""
    if request.param == "sqlite":
        yield Controller(tmp_path)
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield Controller(tmp_path, {"JOBPODS_DATABASE_URL": url})


def opened(user: Controller) -> JobStore:
    return JobStore.open(store_options({}, user.environ, user.folder / "home"))


def password(user: Controller) -> str:
    store = opened(user)
    found = store.objects.get("credential", "c", "credential").values["inputs"]["password"]
    store.close()
    return str(found)


def test_key_is_changed_by_the_collections_playbook(user: Controller) -> None:
    assert user.verb("credential", **CREDENTIAL)["changed"]
    place = user.store / "secret.key"
    former = place.read_bytes()
    command = [str(BIN / "ansible-playbook"), "jobpods.controller.regenerate_secret_key"]
    for check in (["--check"], []):
        done = subprocess.run(
            [*command, *check],
            cwd=user.folder,
            env=user.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "changed=1" in done.stdout
        assert (place.read_bytes() == former) == bool(check)
    assert f"The new key is in {place}" in done.stdout
    assert password(user) == "hunter2"
    assert not user.verb("credential", **CREDENTIAL)["changed"]


def test_key_that_is_lost_is_told(user: Controller) -> None:
    user.verb("credential", **CREDENTIAL)
    (user.store / "secret.key").unlink()
    calls: list[tuple[str, dict[str, Any]]] = [("regenerate_secret_key", {}), ("credential", CREDENTIAL)]
    for module, options in calls:
        result = user.verb(module, **options)
        assert result["failed"]
        assert f"secret_key_file {user.store / 'secret.key'} is missing" in result["msg"]


def test_jobs_are_cleaned_up(user: Controller) -> None:
    store = opened(user)
    for number in range(3):
        job_id = store.create(NewJob(f"{number}" * 32, "job", f"job {number}", False, "controller.test"))
        lease = store.claim(job_id, "me")
        if number:
            store.finish(job_id, lease, status="failed")
    store.close()
    assert not user.verb("cleanup_jobs")["changed"]
    checked = user.verb("cleanup_jobs", "--check", days=0)
    assert (checked["changed"], checked["deleted"]) == (True, {"job": 2})
    done = user.verb("cleanup_jobs", days=0)
    assert (done["changed"], done["deleted"], done["msg"]) == (True, {"job": 2}, "2 jobs were deleted.")
    assert not user.verb("cleanup_jobs", days=0)["changed"]
    assert [job["name"] for job in user.verb("job_info")["jobs"]] == ["job 0"]
    result = user.verb("regenerate_secret_key")
    assert result["failed"]
    assert "job 1 (job 0) on controller.test" in result["msg"]
