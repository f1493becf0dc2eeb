# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job is an orphan when its process is known to be gone, or has been silent for long, and not before."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import (
    this_machine,
    this_process,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import orphans as module
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import (
    Orphans,
    orphans,
    start_adopter,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.adopting import (
    GONE,
    change,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import KeptFeed
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import Stock, until

ENDED = f"{this_machine()}1 1"
"""A process of this machine that has ended: there is one of this id, but it started at another time."""


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    made = Stock(tmp_path)
    yield made
    made.store.close()


def job(stock: Stock, owner: str, *, kind: str = "job", wait: bool = False, **columns: Any) -> int:
    """A running job of an owner that has just been heard of."""
    store = stock.store
    number = len(stock.all_jobs()) + 1
    job_id = store.create(NewJob(f"{number:032}", kind, "site.yml", wait, "here", columns=columns))
    store.update(job_id, store.claim(job_id, owner), status="running")
    return job_id


def silence(stock: Stock, job_id: int) -> None:
    change(stock.folder, job_id, heartbeat=1.0)


def found(stock: Stock) -> Orphans:
    return orphans(stock.store)


def ids(stock: Stock) -> list[int]:
    return [record.id for record in found(stock).jobs]


@pytest.mark.parametrize(
    ("owner", "wait", "at_once"),
    [
        pytest.param(this_process(), False, False, id="lives"),
        pytest.param(ENDED, False, True, id="ended"),
        pytest.param(ENDED, True, False, id="ended-and-its-launcher-may-go-on"),
        pytest.param(GONE, False, False, id="elsewhere"),
        pytest.param("something else", False, False, id="unknown"),
    ],
)
def test_silence_counts_after_a_while_and_an_end_at_once(
    stock: Stock, owner: str, wait: bool, at_once: bool
) -> None:
    job_id = job(stock, owner, wait=wait)
    assert ids(stock) == ([job_id] if at_once else [])
    silence(stock, job_id)
    assert ids(stock) == [job_id]


def test_ended_job_is_none(stock: Stock) -> None:
    job_id = job(stock, ENDED)
    stock.store.finish(job_id, 1, status="failed", pod_deleted=True)
    silence(stock, job_id)
    assert found(stock) == Orphans([], [])


def test_job_of_a_workflow_comes_with_it_as_long_as_that_has_not_ended(stock: Stock) -> None:
    parent = job(stock, ENDED, kind="workflow_job")
    child = job(stock, ENDED, parent_id=parent)
    assert ids(stock) == [parent]
    stock.store.finish(parent, 1, status="error")
    assert ids(stock) == [child]


def test_updates_come_first(stock: Stock) -> None:
    made = [job(stock, ENDED, kind=kind) for kind in ("job", "project_update", "inventory_update", "job")]
    assert ids(stock) == [made[1], made[2], made[0], made[3]]


def test_pod_that_is_left_counts_after_a_while(stock: Stock) -> None:
    job_id = job(stock, ENDED)
    stock.store.finish(job_id, 1, status="successful", pod_name="pod-1", pod_deleted=False)
    assert found(stock).pods == []
    silence(stock, job_id)
    (record,) = found(stock).pods
    assert (record.id, record.pod_name) == (job_id, "pod-1")
    assert stock.store.claim_pod(job_id, this_process(), module.POD_SILENCE)
    assert found(stock).pods == []


# --- who sees to them -----


@pytest.fixture
def adopter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a script in the adopter's place leaves its request, its session and its environment."""
    said = tmp_path / "said"
    script = (
        "import json, os, sys\n"
        "seen = {'request': json.loads(sys.stdin.readline()), 'environ': dict(os.environ)}\n"
        "seen['detached'] = os.getsid(0) == os.getpid()\n"
        f"open({str(said)!r} + '.new', 'w').write(repr(seen))\n"
        f"os.rename({str(said)!r} + '.new', {str(said)!r})\n"
    )
    (tmp_path / "entry.py").write_text(script)
    monkeypatch.setattr(module, "ENTRY", tmp_path / "entry.py")
    return said


async def test_adopter_gets_the_store_and_nothing_of_who_starts_it(
    stock: Stock, adopter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_AUTH_API_KEY", "s3cret")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test")
    request = stock.request("container_group_job", project="project", playbook="site.yml", check=True)
    start_adopter(request)
    await until(adopter.exists)
    said = ast.literal_eval(adopter.read_text())
    asked = Request.from_message(said["request"])
    assert (asked.verb, asked.check, asked.main_process) == ("adopt_jobs", False, None)
    assert asked.params == {
        "data_dir": str(stock.folder / "store"),
        "database_url": None,
        "secret_key_file": None,
    }
    assert said["detached"]
    assert said["environ"]["HTTPS_PROXY"] == "http://proxy.test"
    assert not {"K8S_AUTH_API_KEY", "KUBECONFIG"} & said["environ"].keys()


@pytest.mark.parametrize(
    ("left", "check", "starts"),
    [(True, False, True), (True, True, False), (False, False, False)],
    ids=["orphans", "check-mode", "none"],
)
async def test_adopter_is_started_where_there_is_something_to_do(
    stock: Stock, monkeypatch: pytest.MonkeyPatch, left: bool, check: bool, starts: bool
) -> None:
    started: list[Request] = []
    monkeypatch.setattr(
        "ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened.start_adopter",
        started.append,
    )
    job(stock, ENDED if left else this_process())
    async with open_store(stock.request("job_info", check=check), KeptFeed()):
        pass
    assert bool(started) is starts


async def test_verb_goes_on_where_no_adopter_can_be_started(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    job_id = job(stock, ENDED)
    result, _messages = await stock.ask("job_info", job_id=job_id)
    assert result["jobs"][0]["status"] == "running"


async def test_real_adopter_ends_what_can_t_go_on(stock: Stock) -> None:
    job_id = job(stock, ENDED, kind="project_update")
    start_adopter(stock.request("job_info", job_id=job_id))
    await until(lambda: stock.store.get(job_id).finished is not None)
    record = stock.store.get(job_id)
    assert record.failure is not None and record.failure["reason"] == "ControllerLost"
